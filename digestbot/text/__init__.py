"""
Text functions shared by matching and display.

`plain` turns LaTeX into readable text and `emphases` locates its italics and bold; `words` and
`fold` prepare text for comparison; `canonical_words` and `forms` say which words a term finds.
Independent of papers and filters.
"""

from digestbot.text.canonical import (
    CanonicalWord,
    canonical_words,
    compound_readings,
    compounds,
    pack_words,
    term_readings,
    unpack_words,
)
from digestbot.text.forms import forms
from digestbot.text.notation import NOTE, bare
from digestbot.text.plain_text import Emphasis, emphases, plain
from digestbot.text.tokens import Word, fold, folded_words, words

__all__ = [
    "NOTE",
    "CanonicalWord",
    "Emphasis",
    "Word",
    "bare",
    "canonical_words",
    "compound_readings",
    "compounds",
    "emphases",
    "fold",
    "folded_words",
    "forms",
    "pack_words",
    "plain",
    "term_readings",
    "unpack_words",
    "words",
]
