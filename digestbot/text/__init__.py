"""
Text, with one meaning for matching and for display.

`plain` makes of LaTeX what a person can read, `emphases` tells what of it is set apart; `words` and
`fold` make of that what is compared; `forms` knows the English plurals. Knows nothing of papers or
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
