"""The languages of digests are English and those with a catalogue."""

from pathlib import Path

import pytest

from digestbot import languages


def test_each_language_has_a_catalogue() -> None:
    english, *others = languages.languages()
    assert english == "en"
    assert {"de", "zh"} <= set(others)
    assert all(languages.catalogue_of(name).is_file() for name in others)


def test_folders_without_a_catalogue_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(languages, "LOCALES", tmp_path)
    (tmp_path / "fr").mkdir()
    assert languages.languages() == ("en",)
