"""
Doubts about a filter that is valid: terms that never hit, drown the rest, or change nothing.

What can be seen from the filter alone is always told; what needs evidence is told only if the log
has enough papers to speak of. Reads values, changes nothing. Begin at `doubts`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from digestbot.backtest import Bits, judge
from digestbot.filters import Filter, hits
from digestbot.filters.tree import AllOf, AnyOf, Atom, Exact, Node, NoneOf, Path, Words, atoms
from digestbot.model import Announcement

ENOUGH = 500
"""Papers from which on silence, or noise, says something about a filter."""
LOUD = 0.25
"""Share of all papers that one term alone brings from which on it is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One thing about a filter that its owner may not mean."""

    path: Path
    """Its place inside the filter's YAML; empty for the whole filter."""
    message: str


def doubts(filter_: Filter, papers: Sequence[Announcement]) -> tuple[Doubt, ...]:
    """What *filter_* may not mean, in the order of its YAML."""
    found = [*_shadowed(filter_.root), *_contradicted(filter_.root)]
    if len(papers) >= ENOUGH:
        found += _by_evidence(filter_, papers)
    return tuple(sorted(dict.fromkeys(found), key=lambda doubt: tuple(map(str, doubt.path))))


def _shadowed(node: Node) -> Iterator[Doubt]:
    """Terms of one "any" that hit only where another one of it hits anyway."""
    if not isinstance(node, (AllOf, AnyOf, NoneOf)):
        return
    if isinstance(node, (AnyOf, NoneOf)):
        words = [child for child in node.children if isinstance(child, Words)]
        for place, narrow in enumerate(words):
            wide = next((w for i, w in enumerate(words) if _covers(w, narrow, i < place)), None)
            if wide is not None:
                what = f'"{narrow.in_words()}" hits only where "{wide.in_words()}" does'
                yield Doubt(path=narrow.path, message=f"{what}; one of them is enough")
    for child in node.children:
        yield from _shadowed(child)


def _covers(wide: Words, narrow: Words, is_before: bool) -> bool:
    """Whether *wide* hits wherever *narrow* does; of two that are the same, the first covers."""
    if wide is narrow or wide.weight != narrow.weight or wide.is_prefix:
        return False
    if not set(narrow.fields) <= set(wide.fields):
        return False
    if (wide.words, wide.fields, False) == (narrow.words, narrow.fields, narrow.is_prefix):
        return is_before
    whole = narrow.words[:-1] if narrow.is_prefix else narrow.words
    size = len(wide.words)
    return any(whole[i : i + size] == wide.words for i in range(len(whole) - size + 1))


def _contradicted(root: Node) -> Iterator[Doubt]:
    """Terms that are asked for and excluded by the same filter."""
    if not isinstance(root, AllOf):
        return
    excluded = {
        _bare(child)
        for group in root.children
        if isinstance(group, NoneOf)
        for child in group.children
        if isinstance(child, Words)
    }
    for atom, negated in atoms(root):
        if not negated and isinstance(atom, Words) and _bare(atom) in excluded:
            message = f'"{atom.in_words()}" is asked for and excluded: it brings nothing'
            yield Doubt(path=atom.path, message=message)


def _bare(atom: Words) -> Words:
    return replace(atom, weight=1.0, term="", label="")


def _by_evidence(filter_: Filter, papers: Sequence[Announcement]) -> Iterator[Doubt]:
    from digestbot.filters.index import Batch

    judged = judge(filter_, Batch.of(papers))
    everything = (1 << len(papers)) - 1
    if judged.found and judged.matched == everything:
        yield Doubt(path=(), message=f"matches every one of {len(papers)} papers")
    if judged.found and not judged.matched:
        yield Doubt(path=(), message=f"matches none of {len(papers)} papers")
    for atom, alone in judged.alone.items():
        yield from _silent(atom, judged.found[atom], papers)
        yield from _loud(atom, alone, len(papers))


def _silent(atom: Atom, bits: Bits, papers: Sequence[Announcement]) -> Iterator[Doubt]:
    if bits:
        return
    what = f'"{atom.in_words()}" hit none of {len(papers)} papers'
    if isinstance(atom, Exact) and (form := _other_form(atom, papers)):
        what += f'; in another form it does: "{form}"'
    yield Doubt(path=atom.path, message=what)


def _other_form(atom: Exact, papers: Sequence[Announcement]) -> str | None:
    """How the text of an ``exact`` is written where its case is another."""
    from digestbot.filters import parse_filter

    try:
        loose = parse_filter(atom.term)
    except ValueError:
        return None
    for paper in papers:
        for other, _ in atoms(loose.root):
            if match := hits(other, paper):
                return match[0].text
    return None


def _loud(atom: Atom, alone: Bits, total: int) -> Iterator[Doubt]:
    if not isinstance(atom, Words):  # a category is meant to be wide
        return
    if (share := alone.bit_count() / total) > LOUD:
        message = f'"{atom.in_words()}" alone brings {share:.0%} of all papers'
        yield Doubt(path=atom.path, message=message)
