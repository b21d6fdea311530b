"""
Doubts about a filter that is valid: terms that never hit, drown the rest, or change nothing.

What can be seen from the filter alone is always told; what needs evidence is told only if the log
has enough papers to speak of. Each doubt says what to do. Reads values, changes nothing. Begin at
`doubts`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations
from typing import TYPE_CHECKING

from digestbot.backtest import Bits, judge
from digestbot.filters import Filter, hits, parse_filter
from digestbot.filters.tree import (
    AllOf,
    AnyOf,
    Atom,
    AuthorIs,
    CategoryIs,
    DateIn,
    DoiIs,
    Exact,
    IdIs,
    Node,
    NoneOf,
    Path,
    Regex,
    SourceIs,
    TypeIs,
    Words,
    atoms,
)
from digestbot.text import forms

if TYPE_CHECKING:
    from digestbot.filters.index import Batch

ENOUGH = 500
"""Papers from which on silence, or noise, says something about a filter."""
LOUD = 0.25
"""Share of all papers that one term alone brings from which on it is told of."""
SIMILAR = 0.85
"""How much of two words is the same if one may be a slip of the other."""
MAX_SLIP = 40
"""Characters of a word for which a similar one is looked for."""
ONE_OF_EACH = (CategoryIs, TypeIs, SourceIs, IdIs)
"""Conditions about what a paper has, or may have, one of."""
KEY_MAX = 8
"""Characters of a word's beginning by which those are sought that may cover it."""
MAY_WAIT = (AuthorIs, IdIs, DoiIs, DateIn)
"""Conditions about what may come years from now: their silence is no fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One thing about a filter that its owner may not mean."""

    path: Path
    """Its place inside the filter's YAML; empty for the whole filter."""
    message: str


def doubts(filter_: Filter, pool: "Batch | None") -> tuple[Doubt, ...]:
    """What *filter_* may not mean, in the order of its YAML; *pool* is what it is tried on."""
    found = [
        *_shadowed(filter_.root, counts=filter_.min_score is not None),
        *_contradicted(filter_.root),
        *_exclusive(filter_.root),
    ]
    if pool is not None and len(pool) >= ENOUGH:
        found += _by_evidence(filter_, pool)
    return tuple(sorted(dict.fromkeys(found), key=lambda doubt: tuple(map(str, doubt.path))))


def _shadowed(node: Node, *, counts: bool) -> Iterator[Doubt]:
    """
    Conditions of one group that change nothing beside another one of it.

    Where every hit *counts*, towards a least score, only those that exclude.
    """
    if not isinstance(node, (AllOf, AnyOf, NoneOf)):
        return
    if isinstance(node, NoneOf) or not counts:
        yield from _shadowed_in(node)
    for child in node.children:
        yield from _shadowed(child, counts=counts and not isinstance(node, NoneOf))


def _shadowed_in(group: AllOf | AnyOf | NoneOf) -> Iterator[Doubt]:
    is_all = isinstance(group, AllOf)
    of_one, of_other = (_as_wide, _as_narrow) if is_all else (_as_narrow, _as_wide)
    others = _Keyed(group.children, of_other)
    for place, one in enumerate(group.children):
        for other_place in others.that_share(of_one(one)):
            other = group.children[other_place]
            pair = (one, other) if is_all else (other, one)
            if one is not other and _covers(*pair, is_before=other_place < place):
                yield _shadow(group, one, other)
                break


class _Keyed:
    """
    Conditions by keys, so that a filter of thousands is not looked at pair by pair.

    Of two conditions of which one is within the other, `_as_wide` of this and `_as_narrow` of that
    have a key in common.
    """

    def __init__(self, nodes: Sequence[Node], keys: Callable[[Node], Iterable[Hashable]]) -> None:
        self._places: defaultdict[Hashable, list[int]] = defaultdict(list)
        for place, node in enumerate(nodes):
            for key in keys(node):
                self._places[key].append(place)

    def that_share(self, keys: Iterable[Hashable]) -> list[int]:
        """The places of those that have one of *keys*, in order."""
        return sorted({place for key in keys for place in self._places.get(key, ())})


def _as_wide(node: Node) -> Iterable[Hashable]:
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return ()
    if isinstance(node, CategoryIs):
        return node.codes
    if not isinstance(node, Words):
        return (_bare(node),)
    if node.is_prefix and len(node.words) == 1:
        return (f"{node.words[0][:KEY_MAX]}*",)
    return forms(node.words[0])


def _as_narrow(node: Node) -> Iterable[Hashable]:
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return ()
    if isinstance(node, CategoryIs):
        return tuple(node.codes)[:1]
    if not isinstance(node, Words):
        return (_bare(node),)
    begun = (f"{word[:end]}*" for word in node.words for end in range(1, KEY_MAX + 1))
    return {*node.words, *begun}


def _shadow(group: Node, one: Node, other: Node) -> Doubt:
    where = "wherever" if isinstance(group, AllOf) else "only where"
    what = f'"{one.in_words()}" hits {where} "{other.in_words()}" does'
    return Doubt(path=one.path, message=f"{what}; one of them is enough")


def _covers(wide: Node, narrow: Node, *, is_before: bool) -> bool:
    """Whether *wide* hits wherever *narrow* does; of two that say the same, the first covers."""
    if isinstance(wide, (AllOf, AnyOf, NoneOf)) or isinstance(narrow, (AllOf, AnyOf, NoneOf)):
        return False
    if wide.weight != narrow.weight:
        return False
    if _is_within(narrow, wide):
        return is_before or not _is_within(wide, narrow)
    return False


def _is_within(narrow: Atom, wide: Atom) -> bool:
    if isinstance(narrow, Words) and isinstance(wide, Words):
        return set(narrow.fields) <= set(wide.fields) and _has_row(narrow, wide)
    if isinstance(narrow, CategoryIs) and isinstance(wide, CategoryIs):
        return narrow.is_primary == wide.is_primary and narrow.codes <= wide.codes
    return _bare(narrow) == _bare(wide)


def _has_row(narrow: Words, wide: Words) -> bool:
    """Whether the words of *wide*, in whatever form, are a part of those of *narrow*."""
    size = len(wide.words)
    return any(
        all(_word_within(narrow, i + k, wide, k) for k in range(size))
        for i in range(len(narrow.words) - size + 1)
    )


def _word_within(narrow: Words, i: int, wide: Words, k: int) -> bool:
    """Whether all that the one's word finds, the other's finds too."""
    is_begun = narrow.is_prefix and i == len(narrow.words) - 1
    found = {narrow.words[i]} if is_begun else forms(narrow.words[i])
    if wide.is_prefix and k == len(wide.words) - 1:
        return all(word.startswith(wide.words[k]) for word in found)
    return not is_begun and found <= forms(wide.words[k])


def _contradicted(root: Node) -> Iterator[Doubt]:
    """Conditions that are asked for and excluded by the same filter."""
    if not isinstance(root, AllOf):
        return
    excluded = [
        child
        for group in root.children
        if isinstance(group, NoneOf)
        for child in group.children
        if not isinstance(child, (AllOf, AnyOf, NoneOf))
    ]
    wides = _Keyed(excluded, _as_wide)
    for atom, negated in atoms(root):
        if not negated and any(
            _is_within(atom, excluded[place]) for place in wides.that_share(_as_narrow(atom))
        ):
            message = f'"{atom.in_words()}" is asked for and excluded: it brings nothing'
            yield Doubt(path=atom.path, message=f"{message}; remove one of the two")


def _exclusive(node: Node) -> Iterator[Doubt]:
    """Two values under "all" of what a paper has only one of."""
    if not isinstance(node, (AllOf, AnyOf, NoneOf)):
        return
    if isinstance(node, AllOf):
        single = [child for child in node.children if isinstance(child, ONE_OF_EACH)]
        for one, other in combinations(single, 2):
            if _exclude_each_other(one, other):
                what = f'"{other.in_words()}" and "{one.in_words()}" never hold together'
                yield Doubt(
                    path=other.path, message=f"{what}; a list under one key, or any, means either"
                )
    for child in node.children:
        yield from _exclusive(child)


def _exclude_each_other(one: Node, other: Node) -> bool:
    match one, other:
        case CategoryIs(is_primary=True), CategoryIs(is_primary=True):
            return one.codes.isdisjoint(other.codes)
        case TypeIs(), TypeIs():
            return one.type is not other.type
        case SourceIs(), SourceIs():
            return one.term != other.term
        case IdIs(), IdIs():
            return one.paper_id != other.paper_id
    return False


def _bare(atom: Atom) -> Atom:
    """What the atom says, however it was written; of some the text as written is all there is."""
    term = atom.term if isinstance(atom, (Exact, Regex, SourceIs)) else ""
    return replace(atom, weight=1.0, label="", term=term, path=())


def _by_evidence(filter_: Filter, pool: "Batch") -> Iterator[Doubt]:
    judged = judge(filter_, pool)
    count = len(pool)
    if judged.found and judged.matched == (1 << count) - 1:
        message = f"matches every one of {count} papers; say what they must have, or leave it out"
        yield Doubt(path=(), message=message)
    if judged.found and not judged.matched:
        hint = "'digestbot explain' tells what keeps one out that you miss"
        yield Doubt(path=(), message=f"matches none of {count} papers; {hint}")
    for atom, alone in judged.alone.items():
        if not judged.found[atom] and not isinstance(atom, MAY_WAIT):
            message = f'"{atom.in_words()}" hit none of {count} papers; {_instead(atom, pool)}'
            yield Doubt(path=atom.path, message=message)
        yield from _loud(atom, alone, count)


def _instead(atom: Atom, pool: "Batch") -> str:
    """What to write instead of a condition that hits nothing."""
    if isinstance(atom, Exact):
        form = _other_form(atom, pool)
        return f'in another form it does: "{form}"' if form else "look for it without exact"
    if not isinstance(atom, Words):
        return "see whether the digest's sources and types have it"
    known = frozenset(pool.vocabulary())
    strange = [word for word in atom.words if forms(word).isdisjoint(known)]
    for word in strange:
        if near := _similar(word, known):
            return f'did you mean "{near}"?'
    if strange or len(atom.words) == 1:
        return "see how it is spelled"
    return "its words are there, but not in a row: near finds them so"


def _similar(word: str, known: Collection[str]) -> str | None:
    """A known word, of the same first letter, of which *word* may be a slip."""
    if len(word) > MAX_SLIP:
        return None
    lengths = range(len(word) - 2, len(word) + 3)
    alike = [other for other in known if other[:1] == word[0] and len(other) in lengths]
    return next(iter(get_close_matches(word, sorted(alike), n=1, cutoff=SIMILAR)), None)


def _other_form(atom: Exact, pool: "Batch") -> str | None:
    """How the text of an ``exact`` is written where its case is another."""
    from digestbot.filters.index import Index

    try:
        loose = parse_filter(atom.term)
    except ValueError:
        return None
    index = Index()
    index.put(0, loose)
    matches = (hits(other, row) for row in index.match(pool).of(0) for other in loose.atoms())
    return next((found[0].text for found in matches if found), None)


def _loud(atom: Atom, alone: Bits, total: int) -> Iterator[Doubt]:
    if not isinstance(atom, Words):  # a category is meant to be wide
        return
    if (share := alone.bit_count() / total) > LOUD:
        message = f'"{atom.in_words()}" alone brings {share:.0%} of all papers'
        hint = "look for it in the title only, or together with something else"
        yield Doubt(path=atom.path, message=f"{message}; {hint}")
