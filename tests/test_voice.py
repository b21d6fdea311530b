"""The English of code, templates and docs stays plain (docs/contributing.md, "Voice")."""

from pathlib import Path

import pytest

from tests.voice import (
    PHRASES,
    ROOT,
    docstrings,
    first_sentence,
    is_negated,
    is_relative,
    main,
    measure,
    phrases_in,
    prose_files,
)


def test_docstrings_say_what_is() -> None:
    figures = measure(docstrings(ROOT / "digestbot"))
    assert figures.count > 500
    assert figures.relative < 0.03
    assert figures.negated < 0.08
    assert figures.median_words <= 10


@pytest.mark.parametrize("path", prose_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_has_no_translated_phrases(path: Path) -> None:
    assert list(phrases_in(path.read_text(encoding="utf-8"))) == []


def test_phrases_are_found_across_lines() -> None:
    text = "# one\n# that is\n# no digest, of which nobody\n# was told of"
    assert list(phrases_in(text)) == [(4, "told of"), (3, "nobody"), (2, "is no d")]


@pytest.mark.parametrize(
    ("sentence", "relative", "negated"),
    [
        ("Return the digests that are due.", False, False),
        ("What is due.", True, False),
        ("Whether it is due.", True, False),
        ("A digest that nobody reads.", False, True),
        ("It doesn't match.", False, True),
        ("Return False for ``not``.", False, False),
    ],
)
def test_first_sentences_are_judged(sentence: str, relative: bool, negated: bool) -> None:
    assert (is_relative(sentence), is_negated(sentence)) == (relative, negated)


def test_first_sentence_ends_at_its_period() -> None:
    assert first_sentence("\n    Send it\n    now. Then wait.\n\n    More.") == "Send it now"


def test_the_phrase_list_is_long_enough() -> None:
    assert len(set(PHRASES)) == len(PHRASES) >= 40


def test_the_script_prints_the_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["voice"])
    main()
    assert "median words in the first sentence" in capsys.readouterr().out
