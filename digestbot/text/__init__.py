"""
Text functions shared by matching and display.

`plain` turns LaTeX into readable text and `emphases` locates its italics and bold; `words` and
`fold` prepare text for comparison; `forms` returns English plurals. Independent of papers and
filters.
"""

from digestbot.text.plain_text import Emphasis, emphases, plain
from digestbot.text.plurals import forms
from digestbot.text.tokens import Word, fold, folded_words, pack_words, unpack_words, words

__all__ = [
    "Emphasis",
    "Word",
    "emphases",
    "fold",
    "folded_words",
    "forms",
    "pack_words",
    "plain",
    "unpack_words",
    "words",
]
