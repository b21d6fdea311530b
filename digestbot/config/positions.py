"""
Where things stand in a YAML file: a tree that remembers its lines and columns.

Steps are the keys and indices that lead from the top to a value, such as
``("digests", "systems", "limit")``. Begin at `place`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from digestbot.errors import Problem

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value without parts."""

    line: int
    """From 1, as `column`."""
    column: int
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    line: int
    column: int
    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """A mapping; its keys are texts, and no two of them are the same."""

    line: int
    column: int
    keys: tuple[Scalar, ...]
    nodes: "tuple[Node, ...]"
    """One for each key."""


Node = Scalar | Items | Entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing wrong, not yet placed."""

    steps: Steps
    """As far as they lead; what lies beyond is wrong at the last place that is there."""
    message: str
    at_key: bool = False
    """Wrong is the key, not the value that follows it."""


def place(root: Node, steps: Steps, *, at_key: bool = False) -> tuple[int, int]:
    """
    The line and column of what *steps* lead to, or of the last of them that is there.

    A scalar's place is its own; a list, a mapping or nothing at all stands where its key is, if it
    has one, as that is the line a person looks for.
    """
    node, key = root, None
    for step in steps:
        found = _child(node, step)
        if found is None:
            break
        node, key = found
    has_own = isinstance(node, Scalar) and node.value is not None
    if key is not None and (at_key or not has_own):
        return key.line, key.column
    return node.line, node.column


def problems(file: str, root: Node, flaws: Iterable[Flaw]) -> list[Problem]:
    """*flaws* with their places in *file*."""
    return [_placed(file, root, flaw) for flaw in flaws]


def said(steps: Steps) -> str:
    """*steps* for people: ``digests.systems.filter.all[0]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".") or "the top level"


def within(steps: Steps) -> str:
    """``in digests.systems``, or that it is the top level."""
    return f"in {said(steps)}" if steps else "at the top level"


def at(data: object, steps: Steps) -> object:
    """The part of plain *data* that *steps* lead to; None if they lead nowhere."""
    for step in steps:
        if not has(data, step):
            return None
        data = data[step]  # type: ignore[index]  # `has` says so
    return data


def has(data: object, step: str | int) -> bool:
    """Whether plain *data* is a mapping with that key or a list with that index."""
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data)


def _placed(file: str, root: Node, flaw: Flaw) -> Problem:
    line, column = place(root, flaw.steps, at_key=flaw.at_key)
    return Problem(file=file, line=line, column=column, message=flaw.message)


def _child(node: Node, step: str | int) -> tuple[Node, Scalar | None] | None:
    """The part of *node* that *step* names, and its key if it has one."""
    match node:
        case Items(nodes=nodes) if isinstance(step, int) and 0 <= step < len(nodes):
            return nodes[step], None
        case Entries(keys=keys, nodes=nodes):
            return next(
                ((child, key) for key, child in zip(keys, nodes, strict=True) if key.value == step),
                None,
            )
    return None
