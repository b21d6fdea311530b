"""`coverage`: the state of arXiv's batches as a table, as JSON and as a picture."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import click
import pytest

from digestbot.arxiv_calendar import calendar_with, feed_at
from digestbot.cli.coverage import _table
from digestbot.config import load_config
from digestbot.model import BatchOutcome, BatchState, Channel, ChannelCheck
from digestbot.pipeline import make_editions
from digestbot.render import load_templates
from digestbot.store import open_store
from digestbot.syncing import sync_config
from tests.cli.conftest import Bot
from tests.factories import NOW, make_batch
from tests.store.samples import fetched

RSS, OAI = Channel.RSS, Channel.OAI
COMPLETE, DOWN = BatchOutcome.COMPLETE, BatchOutcome.DOWN
MONDAY = NOW.date()
FRIDAY = MONDAY - timedelta(days=3)
CONFIG = """\
timezone: UTC
sources:
  arxiv: {kind: arxiv, categories: [cs.DC, cs.OS], url: null}
  journal: {kind: feed, url: "https://example.org/feed.xml"}
digests:
  systems: {filter: {any: [serverless]}, deliver: [{folder: out}]}
"""
MINUTES = timedelta(minutes=10)


def configure(config: str = CONFIG) -> None:
    Path("config.yaml").write_text(config)


def serve(
    channel: Channel, day: date, numbers: Sequence[int], outcome: BatchOutcome = COMPLETE
) -> None:
    """Store what *channel* served of *day* ten minutes after the feed's time."""
    at = feed_at(day) + MINUTES
    check = ChannelCheck(channel=channel, announced_on=day, outcome=outcome, at=at)
    papers = [fetched(n, announced_on=day, categories=("cs.DC",)) for n in numbers]
    with open_store("sqlite:///digestbot.db") as store:
        store.papers.ingest("arxiv", papers, {}, at, channel=channel, checks=[check])


def both(day: date, *numbers: int) -> None:
    serve(RSS, day, numbers)
    serve(OAI, day, numbers)


def test_table_has_days_and_categories(bot: Bot) -> None:
    configure()
    both(FRIDAY, 1, 2, 3)
    serve(OAI, MONDAY, [4, 5])
    serve(RSS, MONDAY, [], DOWN)
    called = bot("coverage")
    assert (called.code, called.err) == (0, "")
    assert called.out == (
        "arxiv\n"
        "DAY         cs.DC      cs.OS\n"
        "Fri 20 Nov  ● 3/0      ● 0/0\n"
        "Sat 21 Nov  weekend\n"
        "Sun 22 Nov  weekend\n"
        "Mon 23 Nov  ○ 2/0      ○ 0/0\n\n"
        "● verified by two channels  ○ announced, unverified  "
        "41/7 announced/matched by any digest\n"
    )


def test_incomplete_batch_needs_attention(bot: Bot) -> None:
    configure()
    serve(RSS, MONDAY, [1, 2])
    serve(OAI, MONDAY, [1, 2, 3])
    called = bot("coverage")
    assert called.code == 1
    assert "Mon 23 Nov  ◐ 3/0      ● 0/0\n" in called.out
    assert called.out.endswith(
        "Needs attention:\n  cs.DC: 3 papers of Mon 23 Nov so far; the daily feed lacks 1 of 3\n"
    )


def test_json_has_every_batch(bot: Bot) -> None:
    configure()
    both(MONDAY, 1)
    serve(OAI, MONDAY, [2])
    called = bot("coverage", "--json")
    assert called.code == 1
    one, two = json.loads(called.out)
    at = "2026-11-23T05:10:00Z"
    assert one == {
        "source": "arxiv",
        "category": "cs.DC",
        "day": "2026-11-23",
        "state": "partial",
        "papers": 2,
        "matched": 0,
        "verified_at": None,
        "verified_by": ["oai"],
        "unverified": ["rss", "api"],
        "missing": {"rss": 1},
        "misplaced": 0,
        "asked_again_at": None,
        "channels": [
            {"channel": "rss", "outcome": "complete", "at": at, "lacks": 1, "detail": None},
            {"channel": "oai", "outcome": "complete", "at": at, "lacks": 0, "detail": None},
        ],
    }
    assert (two["category"], two["state"], two["papers"]) == ("cs.OS", "announced", 0)
    assert (two["verified_at"], two["verified_by"]) == (at, ["rss", "oai"])


def test_papers_that_a_digest_matched_are_counted(bot: Bot) -> None:
    configure()
    both(MONDAY, 1, 2, 3)
    config = load_config(Path("config.yaml"), {})
    with open_store("sqlite:///digestbot.db") as store:
        sync_config(store, config, NOW)
        make_editions(store, config, load_templates(None), now=NOW, force=True)
        other = fetched(4, title="Cars", abstract="", announced_on=MONDAY, categories=("cs.DC",))
        store.papers.ingest("arxiv", [other], {}, NOW, channel=RSS)
    assert "Mon 23 Nov  ◐ 4/3" in bot("coverage").out


def test_range_and_source_can_be_chosen(bot: Bot) -> None:
    configure()
    both(FRIDAY, 1)
    both(MONDAY, 2)
    assert "Fri 20 Nov" not in bot("coverage", "--since", "24h").out
    assert "Mon 23 Nov" in bot("coverage", "--since", "24h", "--source", "arxiv").out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--since", "soon"), '--since "soon" is not a time span; use 30d or 2w'),
        (
            ("--source", "journal"),
            '--source "journal" is not an arXiv source of the config; it has arxiv',
        ),
    ],
)
def test_wrong_options_are_named(bot: Bot, args: tuple[str, ...], message: str) -> None:
    configure()
    called = bot("coverage", *args)
    assert called.code == 2
    assert message in called.err


def test_picture_goes_to_a_file_or_to_stdout(bot: Bot) -> None:
    configure()
    both(MONDAY, 1)
    called = bot("coverage", "--svg", "days.svg")
    assert (called.code, called.out, called.err) == (0, "", "coverage written to days.svg\n")
    assert Path("days.svg").read_text() == bot("coverage", "--svg", "-").out
    assert bot("coverage", "--svg", "-").out.startswith("<svg ")


def test_config_without_arxiv_says_so(bot: Bot) -> None:
    configure(
        CONFIG.replace("  arxiv:", "  other:").replace(
            "kind: arxiv, categories: [cs.DC, cs.OS], url: null",
            'kind: feed, url: "https://example.org/a.xml"',
        )
    )
    called = bot("coverage")
    assert called.code == 0
    assert "the config has no arXiv source" in called.out
    drawn = bot("coverage", "--svg", "-")
    assert (drawn.code, drawn.out) == (2, "")
    assert "the config has no arXiv source" in drawn.err
    assert json.loads(bot("coverage", "--json").out) == []


def test_source_that_was_never_read_says_so(bot: Bot) -> None:
    configure()
    called = bot("coverage")
    assert (called.code, called.out) == (
        0,
        "no announcements yet; 'digestbot fetch' reads the sources\n",
    )


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_table_fits_the_terminal(width: int) -> None:
    names = [f"cs.{letter}{letter}" for letter in "ABCDEFGHIJKLMNOP"]
    batches = [make_batch(category=name, papers=1234) for name in names]
    lines = [click.unstyle(line) for line in _table("arxiv", batches, width).splitlines()]
    assert max(map(len, lines)) <= max(width, 23)
    heads = [name for line in lines if line.startswith("DAY") for name in line.split()[1:]]
    assert heads == names


def test_holidays_are_named() -> None:
    day = next(
        each
        for n in range(400)
        if calendar_with().occasion(each := MONDAY + timedelta(days=n)) == "holiday"
    )
    batch = make_batch(day=day, state=BatchState.HOLIDAY, papers=0, answers=())
    assert _table("arxiv", [batch], 80).endswith("holiday")


def test_status_states_the_latest_batch(bot: Bot) -> None:
    configure()
    both(FRIDAY, 9)
    both(MONDAY, 1, 2)
    line = "cs.DC (2): all papers of Mon 23 Nov, verified at 05:10 UTC against two channels"
    called = bot("status")
    assert f"arxiv: {line}" in called.out.replace("cs.DC: all 2 papers", "cs.DC (2): all papers")
    facts = json.loads(bot("status", "--json").out)
    assert len(facts["sources"][0]["coverage"]) == 2
    assert facts["sources"][1]["coverage"] == []
    assert not any("arxiv" in problem for problem in facts["problems"])


def test_status_reports_a_partial_batch(bot: Bot) -> None:
    configure()
    both(MONDAY, 1)
    serve(OAI, MONDAY, [2])
    called = bot("status")
    assert called.code == 1
    problem = "source arxiv: cs.DC: 2 papers of Mon 23 Nov so far; the daily feed lacks 1 of 2"
    assert f"  {problem}\n" in called.out


def test_batch_is_not_yet_complete_before_its_time(bot: Bot) -> None:
    configure()
    both(FRIDAY, 1)
    evening = datetime.combine(MONDAY, datetime.min.time(), NOW.tzinfo) + timedelta(hours=1)
    called = bot("status", at=evening)
    assert "no papers of Mon 23 Nov yet" in called.out
    assert "Mon 23 Nov" not in called.out.partition("Needs attention")[2]
