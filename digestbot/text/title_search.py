"""Find the papers whose title has given words."""

from collections.abc import Iterable, Sequence

from digestbot.text.tokens import folded_words

_Rank = tuple[int, bool, bool]


def best_titles(wanted: str, titles: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """
    Return the keys of the titles that match *wanted* best, in the order of *titles*.

    Most words count first, then a title that is exactly these words, then one that has them in a
    row. Empty if no title has two thirds of the words.

    Args:
        wanted: Words of a title, or the whole title.
        titles: Pairs of a key and a title; a key may repeat.
    """
    words = folded_words(wanted)
    best: _Rank = (max(1, -(-2 * len(set(words)) // 3)), False, False)
    found: dict[str, None] = {}
    for key, title in titles:
        rank = _rank(words, folded_words(title))
        if rank > best:
            best, found = rank, {}
        if rank == best:
            found[key] = None
    return tuple(found)


def _rank(wanted: Sequence[str], title: Sequence[str]) -> _Rank:
    known = set(title)
    hits = sum(word in known for word in set(wanted))
    in_a_row = f" {' '.join(wanted)} " in f" {' '.join(title)} "
    return hits, list(wanted) == list(title), in_a_row
