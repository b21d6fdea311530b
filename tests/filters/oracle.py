"""
What a term finds, said in the plainest way: try every reading of the term at every place.

Shares only the splitting into words and their forms with the evaluator and the engine.
"""

from collections.abc import Iterator

from digestbot.text import compound_readings, compounds, forms, term_readings
from digestbot.text.spelling import spellings


def finds(words: tuple[str, ...], text: str, *, is_prefix: bool = False) -> bool:
    """Return True if *text* has the term *words*, the last of them a prefix if *is_prefix*."""
    chains = [compound.split("-") for compound in compounds(text)]
    return any(
        _follows(reading, chains, chain, word, is_prefix=is_prefix)
        for reading in _readings(words)
        for chain in range(len(chains))
        for word in range(len(chains[chain]))
    )


def _readings(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the term with some of its words joined."""
    if not words:
        yield ()
        return
    heads = [
        (1, words[0]),
        *((end, word) for start, end, word in term_readings(words) if start == 0),
    ]
    for end, head in heads:
        for rest in _readings(words[end:]):
            yield (head, *rest)


def _follows(
    wanted: tuple[str, ...], chains: list[list[str]], chain: int, word: int, *, is_prefix: bool
) -> bool:
    """Return True if *wanted* begins with this word of this compound."""
    if not wanted:
        return True
    if chain == len(chains):
        return False
    here = chains[chain]
    readings = [(word + 1, here[word])]
    readings += [(end, joined) for start, end, joined in compound_readings(here) if start == word]
    for end, found in readings:
        if not _stands_for(wanted[0], found, is_prefix=is_prefix and len(wanted) == 1):
            continue
        following = (chain + 1, 0) if end == len(here) else (chain, end)
        if _follows(wanted[1:], chains, *following, is_prefix=is_prefix):
            return True
    return False


def _stands_for(wanted: str, found: str, *, is_prefix: bool) -> bool:
    if is_prefix:
        return any(found.startswith(beginning) for beginning in spellings(wanted))
    return found in forms(wanted)
