"""Explain condition by condition why a filter includes or excludes a paper."""

from collections.abc import Iterator
from dataclasses import dataclass

from digestbot.filters.evaluate import evaluate, hits, holds
from digestbot.filters.parser import Filter
from digestbot.filters.tree import AllOf, AnyOf, Node, NoneOf
from digestbot.model import Announcement, Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One condition of a filter, evaluated on one paper."""

    condition: str
    """``any``, ``all``, ``none``, or the atom as written, such as ``title: survey``."""
    passed: bool
    """True if the condition holds."""
    hits: tuple[Match, ...] = ()
    children: "tuple[Explanation, ...]" = ()
    note: str = ""
    """A remark for the reader."""


def explain(filter_: Filter, announcement: Announcement) -> Explanation:
    """Evaluate every condition of the filter on *announcement*."""
    root = _explain(filter_.root, announcement)
    if filter_.min_score is None:
        return root
    score = evaluate(filter_, announcement).score
    enough = Explanation(
        condition=f"min_score: {filter_.min_score:g}",
        passed=score >= filter_.min_score,
        note=f"score: {score:g}",
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
    return Explanation(condition=node.describe(), passed=bool(found), hits=found)


FIELDS = {
    "title": "title",
    "abstract": "abstract",
    "comment": "comment",
    "journal": "journal reference",
    "author": "authors",
    "category": "categories",
}
"""Names of the fields that a condition searches; the others are compared as a whole."""
HEADS = {
    "all": "all of these",
    "any": "at least one of these",
    "none": "none of these",
}


def format_explanation(explanation: Explanation) -> str:
    """Format the tree as indented lines: ✓ for what lets the paper in, ✗ for what does not."""
    if not explanation.children and explanation.condition in HEADS:
        return "✓ no conditions: every paper matches"
    return "\n".join(_lines(explanation, 0, wanted=True))


def _lines(node: Explanation, depth: int, *, wanted: bool) -> Iterator[str]:
    """Yield the lines of *node*. Signs invert below "none", where a hit excludes the paper."""
    sign = "✓" if node.passed is wanted else "✗"
    text = _exclusion(node) if node.condition == "none" and wanted else _text(node)
    yield f"{'  ' * depth}{sign} {text}{_reason(node, wanted=wanted)}"
    inner = wanted != (node.condition == "none")
    for child in node.children:
        yield from _lines(child, depth + 1, wanted=inner)


def _text(node: Explanation) -> str:
    return HEADS.get(node.condition, node.condition)


def _exclusion(node: Explanation) -> str:
    """Say which conditions of a "none" exclude the paper."""
    if node.passed:
        return "not excluded"
    return f"excluded by none: {', '.join(_summary(c) for c in node.children if c.passed)}"


def _summary(node: Explanation) -> str:
    """Return the condition on one line; a group names only the children that decide."""
    if node.condition not in HEADS:
        return node.condition
    if node.condition == "none":
        return f"not ({' or '.join(map(_summary, node.children))})"
    decisive = [child for child in node.children if child.passed]
    text = (" or " if node.condition == "any" else " and ").join(map(_summary, decisive))
    return f"({text})" if len(decisive) > 1 else text


def _reason(node: Explanation, *, wanted: bool) -> str:
    if node.note:
        return f" ({node.note})"
    if node.condition in HEADS:
        return ""
    hits = ", ".join(map(_hit, node.hits))
    if not hits:
        return ": no hit"
    return f": {hits}" + ("" if wanted else ", which excludes the paper")


def _hit(hit: Match) -> str:
    place = FIELDS.get(hit.field)
    return f"“{hit.text}” in the {place}" if place else f"it is “{hit.text}”"
