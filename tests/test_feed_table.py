"""Recorded feeds of publishers keep the fields that were compared with the raw files by eye."""

from pathlib import Path

import pytest

from tests.feed_table import HEAD, TABLE, rows


def test_the_table_says_what_was_checked() -> None:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    notes = [line for line in lines if line.startswith("## ")]
    found = lines[len(notes) + 1 :]
    assert any("Checked on" in note for note in notes)
    assert lines[len(notes)] == HEAD
    assert {line.count("\t") for line in found} == {HEAD.count("\t")}
    assert len({line.split("\t")[0] for line in found}) >= 60


@pytest.mark.corpus
def test_recorded_feeds_have_the_checked_fields(corpus: Path) -> None:
    """After an intended change, run ``python -m tests.feed_table`` and review the diff."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    assert list(rows(corpus)) == [line for line in lines if not line.startswith("#")]
