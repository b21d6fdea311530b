"""Why a filter lets a paper in or not, condition by condition, in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from digestbot.filters.evaluate import evaluate, hits, holds
from digestbot.filters.parser import Filter
from digestbot.filters.tree import AllOf, AnyOf, Node, NoneOf
from digestbot.model import Announcement, Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One condition of a filter, and what it says of one paper."""

    condition: str
    """``any``, ``all``, ``none``, or the atom as written, such as ``title: survey``."""
    passed: bool
    """Whether it lets the paper in, as far as it goes."""
    hits: tuple[Match, ...] = ()
    children: "tuple[Explanation, ...]" = ()
    note: str = ""
    """A remark in words."""


def explain(filter_: Filter, announcement: Announcement) -> Explanation:
    """The filter's whole tree over *announcement*, nothing cut short."""
    root = _explain(filter_.root, announcement)
    if filter_.min_score is None:
        return root
    score = evaluate(filter_, announcement).score
    enough = Explanation(
        condition=f"min_score: {filter_.min_score:g}",
        passed=score >= filter_.min_score,
        note=f"its score is {score:g}",
    )
    children = (root, enough)
    return Explanation(condition="all", passed=all(c.passed for c in children), children=children)


def _explain(node: Node, announcement: Announcement) -> Explanation:
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return Explanation(
            condition={AllOf: "all", AnyOf: "any", NoneOf: "none"}[type(node)],
            passed=holds(node, announcement),
            children=tuple(_explain(child, announcement) for child in node.children),
        )
    found = hits(node, announcement)
    return Explanation(condition=node.in_words(), passed=bool(found), hits=found)


HEADS = {
    "all": "every one of these",
    "any": "at least one of these",
    "none": "none of these",
}


def in_words(explanation: Explanation) -> str:
    """The tree as indented lines: ✓ holds, ✗ does not."""
    if not explanation.children and explanation.condition in HEADS:
        return "✓ no condition: everything matches"
    return "\n".join(_lines(explanation, 0, wanted=True))


def _lines(node: Explanation, depth: int, *, wanted: bool) -> Iterator[str]:
    """Below a "none" a hit is what keeps the paper out, so the sign is turned there."""
    sign = "✓" if node.passed is wanted else "✗"
    words = HEADS.get(node.condition, node.condition)
    yield f"{'  ' * depth}{sign} {words}{_because(node, wanted=wanted)}"
    inner = wanted != (node.condition == "none")
    for child in node.children:
        yield from _lines(child, depth + 1, wanted=inner)


def _because(node: Explanation, *, wanted: bool) -> str:
    if node.note:
        return f" ({node.note})"
    if node.condition in HEADS:
        return ""
    places = ", ".join(f"“{hit.text}” in the {hit.field}" for hit in node.hits)
    if not places:
        return ": no hit"
    return f": {places}" + ("" if wanted else ", which keeps it out")
