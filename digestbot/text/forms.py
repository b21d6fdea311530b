"""Forms of a word that a term finds: plural or singular, British or American spelling."""

from functools import lru_cache

from digestbot.text.plurals import plural_forms
from digestbot.text.spelling import spellings


@lru_cache(maxsize=100_000)
def forms(word: str) -> frozenset[str]:
    """
    Return *word* with its plurals and singulars, in both spellings.

    Symmetric: if *a* is a form of *b*, then *b* is a form of *a*.
    """
    plurals, spelled = plural_forms(word), spellings(word)
    if len(plurals) == len(spelled) == 1:
        return plurals
    return (
        plurals
        | spelled
        | frozenset(
            [other for one in plurals for other in spellings(one)]
            + [other for one in spelled for other in plural_forms(one)]
        )
    )
