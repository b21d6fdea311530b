"""
Text, with one meaning for matching and for display.

`plain` makes of LaTeX what a person can read; `words` and `fold` make of that what is compared;
`forms` knows the English plurals. Knows nothing of papers or filters.
"""

from digestbot.text.cleaning import plain
from digestbot.text.plurals import forms
from digestbot.text.splitting import Word, fold, words

__all__ = ["Word", "fold", "forms", "plain", "words"]
