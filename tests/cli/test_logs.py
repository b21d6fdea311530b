"""Logging to stderr: format, levels and capped libraries."""

import logging
import sys

import pytest

from digestbot.cli.logs import CAPPED, FactFormatter, set_up


def record(message: str, **facts: object) -> logging.LogRecord:
    made = logging.LogRecord("digestbot.x", logging.INFO, "x.py", 1, message, (), None)
    vars(made).update(facts)
    return made


def test_facts_follow_the_message() -> None:
    text = FactFormatter("%(levelname)s %(message)s").format(
        record("source fetched", source="arxiv", new=12)
    )
    assert text == "INFO source fetched source=arxiv new=12"


def test_facts_precede_the_traceback() -> None:
    made = record("source failed", source="arxiv")
    try:
        raise ValueError("odd")
    except ValueError:
        made.exc_info = sys.exc_info()
    first, *_, last = FactFormatter("%(message)s").format(made).splitlines()
    assert first == "source failed source=arxiv"
    assert last == "ValueError: odd"


@pytest.mark.parametrize(
    ("verbosity", "level"),
    [(-1, "ERROR"), (0, "WARNING"), (1, "INFO"), (2, "DEBUG"), (3, "DEBUG")],
)
def test_verbosity_sets_the_level(verbosity: int, level: str) -> None:
    set_up(verbosity)
    assert logging.getLevelName(logging.getLogger("digestbot").level) == level


def test_libraries_stay_at_warning() -> None:
    set_up(2)
    assert all(logging.getLogger(name).level == logging.WARNING for name in CAPPED)
    set_up(-1)
    assert all(logging.getLogger(name).level == logging.ERROR for name in CAPPED)


def test_set_up_replaces_earlier_handlers(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(1)
    set_up(1)
    logging.getLogger("digestbot").info("once", extra={"n": 1})
    assert capsys.readouterr().err.count("once n=1\n") == 1
