"""Recorded answers of web APIs keep the fields that were compared with the raw files by eye."""

from pathlib import Path

import pytest

from tests.api_table import HEAD, READERS, TABLE, rows


def test_the_table_says_what_was_checked() -> None:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    notes = [line for line in lines if line.startswith("## ")]
    found = lines[len(notes) + 1 :]
    assert any("Checked on" in note for note in notes)
    assert lines[len(notes)] == HEAD
    assert {line.count("\t") for line in found} == {HEAD.count("\t")}
    assert len(found) >= 20 * len(READERS) / 2


@pytest.mark.corpus
def test_recorded_answers_have_the_checked_fields(corpus: Path) -> None:
    """After an intended change, run ``python -m tests.api_table`` and review the diff."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    assert list(rows(corpus)) == [line for line in lines if not line.startswith("#")]
