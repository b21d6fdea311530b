"""
Tree of a YAML file with the line and column of each value.

Steps are the keys and indices from the top to a value, such as
``("digests", "systems", "limit")``. Begin at `place`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from digestbot.errors import Problem

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A text, number, truth value or null."""

    line: int
    """Counted from 1, like `column`."""
    column: int
    value: str | int | float | bool | None
    escaped: str | None = None
    """Text between double quotes as written, if an escape stands for a control character."""
    tag: str | None = None
    """Local tag (``!survey``), which `value` includes: the text probably lacks its quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    line: int
    column: int
    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """A mapping with unique text keys."""

    line: int
    column: int
    keys: tuple[Scalar, ...]
    nodes: "tuple[Node, ...]"
    """One for each key."""


Node = Scalar | Items | Entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A mistake in the config, before its line and column are known."""

    steps: Steps
    """Path to the mistake; if it ends early, the mistake is reported at the last existing part."""
    message: str
    at_key: bool = False
    """The key is wrong, not its value."""


def place(root: Node, steps: Steps, *, at_key: bool = False) -> tuple[int, int]:
    """
    Return the line and column of the value at *steps*.

    If it does not exist, they are those of its closest existing ancestor. A list, a mapping or an
    empty value is reported at its key, the line that a reader looks for.
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
    """Return *flaws* with their lines and columns in *file*."""
    return [_placed(file, root, flaw) for flaw in flaws]


def path_text(steps: Steps) -> str:
    """Return *steps* as text: ``digests.systems.filter.all[0]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".") or "the top level"


def within(steps: Steps) -> str:
    """Return ``in digests.systems`` or ``at the top level``."""
    return f"in {path_text(steps)}" if steps else "at the top level"


def at(data: object, steps: Steps) -> object:
    """Return the value at *steps* in plain *data*, if it exists."""
    for step in steps:
        if not has(data, step):
            return None
        data = data[step]  # type: ignore[index]  # checked by `has`
    return data


def has(data: object, step: str | int) -> bool:
    """Return True if *data* is a mapping with that key or a list with that index."""
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data)


def _placed(file: str, root: Node, flaw: Flaw) -> Problem:
    line, column = place(root, flaw.steps, at_key=flaw.at_key)
    return Problem(file=file, line=line, column=column, message=flaw.message)


def _child(node: Node, step: str | int) -> tuple[Node, Scalar | None] | None:
    """Return the child of *node* at *step*, with its key in a mapping."""
    match node:
        case Items(nodes=nodes) if isinstance(step, int) and 0 <= step < len(nodes):
            return nodes[step], None
        case Entries(keys=keys, nodes=nodes):
            return next(
                ((child, key) for key, child in zip(keys, nodes, strict=True) if key.value == step),
                None,
            )
    return None
