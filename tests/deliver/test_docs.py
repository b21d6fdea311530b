"""docs/delivery.md agrees with the code."""

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from digestbot.deliver import retry, smtp_replies
from digestbot.deliver.dkim import SIGNED
from digestbot.deliver.smtp_answers import answers
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.model import DeliveryState
from digestbot.store import recovery, transitions
from tests.deliver.test_smtp_replies import ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text(encoding="utf-8")
MATRIX = Path(__file__).with_name("smtp_matrix.csv").read_text(encoding="utf-8")


def test_drawing_has_the_states_of_the_code() -> None:
    drawing = (transitions.__doc__ or "").split("::\n\n")[1].split("\n\n")[0]
    assert dedent(drawing) in PAGE
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## States")[2], re.MULTILINE)
    assert tuple(rows[: len(DeliveryState)]) == tuple(DeliveryState)
    assert f"{recovery.MAX_LOST} workers crashed" in PAGE


def test_docs_show_the_tested_matrix() -> None:
    assert MATRIX.strip() in PAGE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_docs_list_suppressing_and_stopping_codes(row: tuple[str, ...]) -> None:
    _, _, kind, code, detail, _ = row
    table = PAGE.partition("## How server replies are handled")[2].partition("\n## ")[0]
    dead = next(line for line in table.splitlines() if "**suppressed**" in line)
    enhanced = code.partition(" ")[2]
    if kind == "PermanentFailure" and enhanced:
        assert (f"{enhanced}`" in dead) == (detail == "yes")


def test_docs_state_the_actual_delays() -> None:
    rows = re.findall(r"^\| (\d)[^|]* \| (\d+) to (\d+) (minutes|hours) \|", PAGE, re.MULTILINE)
    assert len(rows) == 5
    for attempt, low, high, unit in rows:
        shortest, longest = (retry._delay(int(attempt), jitter) for jitter in (0.0, 1.0))
        assert (shortest, longest) == (
            timedelta(**{unit: int(low)}),
            timedelta(**{unit: int(high)}),
        )
    assert f"more than {retry.STALE_AFTER.total_seconds() / 3600:.0f} hours" in PAGE
    assert f"lasts {retry.AFTER_MISCONFIGURED.total_seconds() / 60:.0f} minutes" in PAGE
    assert (retry.MIN_ATTEMPTS, smtp_replies.IN_A_ROW) == (3, 3)
    seconds = [each.total_seconds() for each in retry.PAUSES]
    assert seconds == [20, 60, *(60 * minutes for minutes in (5, 15, 30, 60))]
    assert (
        "lasts 20 seconds; if the next attempt fails, 1, 5, 15, 30 and then 60 minutes"
        in " ".join(PAGE.split())
    )
    assert [each.total_seconds() for each in retry.SOON] == [5, 15, 30]
    assert "after 5, 15 and 30 seconds" in PAGE
    assert f"table of {len(answers()) // 10 * 10} replies" in PAGE


def test_docs_state_the_actual_defaults() -> None:
    section = PAGE.partition("## Throughput settings")[2]
    found = dict(re.findall(r"^\| `(\w+)` \| (\d+)", section, re.MULTILINE))
    defaults = {each.name: str(each.default) for each in fields(SmtpSettings)}
    assert len(found) == 5
    assert {name: defaults[name] for name in found} == found


def test_docs_list_the_signed_headers() -> None:
    section = PAGE.partition("The signature is relaxed/relaxed")[2]
    covered = " ".join(section.partition("Content-Type.")[0].split())
    short = [name for name in SIGNED if not name.startswith(("List-Unsubscribe", "Content-Type"))]
    assert [name for name in short if name not in covered] == []
