"""Forms of a word that a term finds: plural or singular, British or American spelling."""

from functools import lru_cache

from digestbot.text.notation import NOTE, accepted, may_have_script
from digestbot.text.plurals import plural_forms
from digestbot.text.spelling import spellings


@lru_cache(maxsize=100_000)
def forms(word: str) -> frozenset[str]:
    """
    Return the words that *word* finds: its plurals and singulars, in both spellings.

    Symmetric for plain words: if *a* is a form of *b*, then *b* is a form of *a*. Symbols and names
    with a plus find what `accepted` says, and have no plural; ``A100`` has one.
    """
    folded, is_noted, noted = word.partition(NOTE)
    if is_noted:
        is_counted = noted[:1] == "=" and folded[-2:].isdigit()
        return accepted(word) | plural_forms(folded) if is_counted else accepted(word)
    found = _spelled_forms(word)
    return found | {f"{word}{NOTE}"} if may_have_script(word) else found


def _spelled_forms(word: str) -> frozenset[str]:
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
