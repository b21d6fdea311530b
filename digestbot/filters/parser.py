"""
The filter language: YAML data in, a `Filter` out, or every mistake with its place.

Begin at `check_filter`. The language itself is described in ``docs/filters.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from digestbot.errors import InvalidFilter, InvalidPaperId, InvalidValue
from digestbot.filters.conditions import (
    LARGEST,
    READERS,
    Mistake,
    did_you_mean,
    quoted,
    text_of_value,
)
from digestbot.filters.patterns import MAX_PROGRAM, steps
from digestbot.filters.query import parse_query
from digestbot.filters.tree import (
    TEXT_FIELDS,
    AllOf,
    AnyOf,
    Atom,
    Near,
    Node,
    NoneOf,
    Path,
    Regex,
    Words,
    atoms,
)
from digestbot.ids import parse_paper_id
from digestbot.text import forms

MAX_DEPTH = 32
MAX_CONDITIONS = 2000
MAX_PATTERNS = 100
"""Regular expressions of one filter."""
MAX_MISTAKES = 100
"""Told of one filter; more help nobody."""
MOST_NEAR = 8
"""Terms of one ``near``."""
WITHIN = 10
"""Words, unless ``within`` says otherwise."""
MAX_WITHIN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Papers that a filter must match and must leave out; ``check`` tries them."""

    match: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A checked filter; with no condition it lets everything in."""

    root: Node
    min_score: float | None = None
    examples: Examples = field(default_factory=Examples)

    def in_words(self) -> str:
        """The whole filter on one line, for a person."""
        return self.root.in_words()

    def atoms(self) -> tuple[Atom, ...]:
        """Its conditions that look at a paper, those below a not left out."""
        return tuple(atom for atom, negated in atoms(self.root) if not negated)


EVERYTHING = Filter(root=AllOf(children=()))


def parse_filter(data: object) -> Filter:
    """
    The filter that *data* (plain YAML data) means.

    Raises:
        InvalidFilter: The first mistake; `check_filter` gives them all.
    """
    found, problems = check_filter(data)
    if found is None:
        raise problems[0]
    return found


def check_filter(data: object) -> tuple[Filter | None, tuple[InvalidFilter, ...]]:
    """The filter, or None and all its mistakes in the order of the YAML."""
    reader = _Reader()
    found = reader.read_filter(data)
    if reader.problems:
        return None, tuple(reader.problems)
    return found, ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """What stands beside the conditions of one mapping and belongs to each of them."""

    weight: float
    within: int


class _Reader:
    """Reads one filter; collects mistakes instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[InvalidFilter] = []
        self._conditions = 0
        self._patterns = 0
        self._steps = 0
        self._is_full = False

    def read_filter(self, data: object) -> Filter:
        if data is None or data == []:
            return EVERYTHING
        if not isinstance(data, Mapping):
            return Filter(root=self._condition(data, (), 1))
        rest = {key: value for key, value in data.items() if key not in ("min_score", "examples")}
        return Filter(
            root=self._mapping(rest, (), 1, known_too=("min_score", "examples")),
            min_score=self._min_score(data.get("min_score")),
            examples=self._examples(data.get("examples")),
        )

    def fail(self, message: str, path: Path) -> Node:
        """Keep the mistake; give a node that stands in for what could not be read."""
        if len(self.problems) < MAX_MISTAKES:
            self.problems.append(InvalidFilter(message, path))
        elif len(self.problems) == MAX_MISTAKES:
            more = f"more than {MAX_MISTAKES} mistakes; the rest of the filter is not read"
            self.problems.append(InvalidFilter(more, path))
            self._is_full = True
        return AnyOf(children=(), path=path)

    def _has_room(self, more: int, path: Path) -> bool:
        """Count *more* conditions; tell, once, that they are too many, and read no further then."""
        self._conditions += more
        if not self._is_full and self._conditions > MAX_CONDITIONS:
            self.fail(f"more than {MAX_CONDITIONS} conditions in one filter", path)
            self._is_full = True
        return not self._is_full

    def _condition(self, data: object, path: Path, depth: int) -> Node:
        if depth > MAX_DEPTH:
            return self.fail(f"nested deeper than {MAX_DEPTH} levels", path)
        if not self._has_room(1, path):
            return AnyOf(children=(), path=path)
        if isinstance(data, Mapping):
            return self._mapping(data, path, depth)
        if isinstance(data, list):
            return self._group(AnyOf, "a list", data, path, depth)
        return self._atom("", data, 1.0, path)

    def _mapping(
        self, data: Mapping[Any, Any], path: Path, depth: int, known_too: tuple[str, ...] = ()
    ) -> Node:
        """All the keys of one mapping must hold together."""
        beside = _Beside(weight=self._weight(data, path), within=self._within(data, path))
        children = [
            self._entry(key, value, beside, (*path, key), depth, known_too)
            for key, value in data.items()
            if key not in BESIDE
        ]
        if len(children) == 1:
            return children[0]
        if not children and (path or data):
            return self.fail("there is no condition here: name a field and its words", path)
        return AllOf(children=tuple(children), path=path)

    def _weight(self, data: Mapping[Any, Any], path: Path) -> float:
        if "weight" not in data:
            return 1.0
        if GROUPS.keys() & data.keys():
            self.fail("weight stands beside a condition, not beside a group", (*path, "weight"))
        return self._number(data["weight"], "weight", (*path, "weight"))

    def _within(self, data: Mapping[Any, Any], path: Path) -> int:
        if "within" not in data:
            return WITHIN
        found = data["within"]
        if "near" not in data:
            self.fail("within stands beside near", (*path, "within"))
        elif not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= MAX_WITHIN:
            self.fail(f"within must be a number of words from 1 to {MAX_WITHIN}", (*path, "within"))
        else:
            return found
        return MAX_WITHIN

    def _entry(
        self,
        key: object,
        value: object,
        beside: _Beside,
        path: Path,
        depth: int,
        known_too: tuple[str, ...],
    ) -> Node:
        if self._is_full:
            return AnyOf(children=(), path=path)
        if key in GROUPS:
            return self._group(GROUPS[str(key)], str(key), value, path, depth)
        if key == "near":
            return self._near(value, beside, path)
        if key in ATOMS or key == "query":
            return self._values(str(key), value, beside.weight, path)
        known = (*KEYS, *known_too)
        return self.fail(f"unknown key {quoted(key)}{_hint(key, known)}", path)

    def _group(
        self, kind: type[AllOf | AnyOf | NoneOf], key: str, value: object, path: Path, depth: int
    ) -> Node:
        items = value if isinstance(value, list) else [value]
        if value is None or (not items and kind is AnyOf):
            return self.fail(f"{key} is empty: list its conditions, or remove it", path)
        is_list = isinstance(value, list)
        children = tuple(
            self._condition(item, (*path, i) if is_list else path, depth + 1)
            for i, item in enumerate(items)
        )
        return kind(children=children, path=path)

    def _near(self, value: object, beside: _Beside, path: Path) -> Node:
        if not isinstance(value, list) or not 2 <= len(value) <= MOST_NEAR:
            return self.fail(f"near needs a list of 2 to {MOST_NEAR} terms", path)
        read = [self._atom("", item, 1.0, (*path, i)) for i, item in enumerate(value)]
        terms = tuple(term for term in read if isinstance(term, Words))
        if len(terms) < len(read):
            return AnyOf(children=(), path=path)
        if (twin := _twin(terms)) is not None:
            return self.fail(f"{quoted(twin.term)} stands there twice", twin.path)
        longest = max(terms, key=lambda term: len(term.words))
        if len(longest.words) > beside.within:
            short = f"within {beside.within} words there is no room for {quoted(longest.term)}"
            return self.fail(short, longest.path)
        listed = ", ".join(term.term for term in terms)
        return Near(
            term=f"{listed} (within {beside.within} words)",
            label="near",
            weight=beside.weight,
            path=path,
            fields=TEXT_FIELDS,
            terms=terms,
            within=beside.within,
        )

    def _values(self, key: str, value: object, weight: float, path: Path) -> Node:
        """One value, or a list of them that means any."""
        if not isinstance(value, list):
            return self._atom(key, value, weight, path)
        if not value:
            return self.fail(f"{key} is empty: list its values, or remove it", path)
        if not self._has_room(len(value), path):
            return AnyOf(children=(), path=path)
        children = tuple(self._atom(key, item, weight, (*path, i)) for i, item in enumerate(value))
        return AnyOf(children=children, path=path)

    def _atom(self, key: str, value: object, weight: float, path: Path) -> Node:
        if self._is_full:
            return AnyOf(children=(), path=path)
        try:
            text = text_of_value(key, value)
            if key == "query":
                return self._query(text, weight, path)
            if key == "regex":
                self._count_pattern()
            atom = ATOMS[key](text, key, weight, path)
            if isinstance(atom, Regex):
                self._count_steps(atom)
            return atom
        except (Mistake, InvalidValue) as mistake:
            return self.fail(str(mistake), path)

    def _count_pattern(self) -> None:
        self._patterns += 1
        if self._patterns > MAX_PATTERNS:
            raise Mistake(f'more than {MAX_PATTERNS} expressions in one filter; join them with "|"')

    def _count_steps(self, atom: Regex) -> None:
        self._steps += steps(atom.term)
        if self._steps > MAX_PROGRAM:
            raise Mistake("the expressions of this filter are too large together; repeat less")

    def _query(self, text: str, weight: float, path: Path) -> Node:
        node = parse_query(text, weight, path)
        return node if self._has_room(len(atoms(node)), path) else AnyOf(children=(), path=path)

    def _number(self, value: object, key: str, path: Path) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if -LARGEST <= value <= LARGEST:
                return float(value)
            self.fail(f"{key} must be between -{LARGEST:.0e} and {LARGEST:.0e}", path)
            return 1.0
        self.fail(f"{key} must be a number", path)
        return 1.0

    def _min_score(self, value: object) -> float | None:
        return None if value is None else self._number(value, "min_score", ("min_score",))

    def _examples(self, value: object) -> Examples:
        if value is None:
            return Examples()
        if not isinstance(value, Mapping):
            self.fail("examples has the keys match and skip, each a list of ids", ("examples",))
            return Examples()
        for key in (key for key in value if key not in ("match", "skip")):
            hint = _hint(key, ("match", "skip"))
            self.fail(f"unknown key {quoted(key)}{hint}", ("examples", key))
        return Examples(match=self._ids(value, "match"), skip=self._ids(value, "skip"))

    def _ids(self, value: Mapping[Any, Any], key: str) -> tuple[str, ...]:
        given = value.get(key) or []
        items = given if isinstance(given, list) else [given]
        found = []
        for i, item in enumerate(items):
            try:
                found.append(parse_paper_id(text_of_value("id", item)).id)
            except (Mistake, InvalidPaperId) as mistake:
                self.fail(str(mistake), ("examples", key, i))
        return tuple(found)


GROUPS: Mapping[str, type[AllOf | AnyOf | NoneOf]] = {
    "any": AnyOf,
    "all": AllOf,
    "none": NoneOf,
    "not": NoneOf,
}
ATOMS = READERS
BESIDE = ("weight", "within")
"""Keys that are no conditions and stand beside one."""
KEYS = (*GROUPS, *filter(None, ATOMS), "near", "query", *BESIDE)
"""All that a mapping may have, but for those of the whole filter."""


def _twin(terms: tuple[Words, ...]) -> Words | None:
    """The first term that is an earlier one again, perhaps in the plural."""
    for i, term in enumerate(terms):
        if any(_is_twin(term, other) for other in terms[:i]):
            return term
    return None


def _is_twin(one: Words, other: Words) -> bool:
    if one.is_prefix or other.is_prefix or len(one.words) != len(other.words):
        return one.words == other.words and one.is_prefix == other.is_prefix
    return all(a in forms(b) for a, b in zip(one.words, other.words, strict=True))


def _hint(key: object, known: tuple[str, ...]) -> str:
    # This word of other search languages is no slip of ours.
    return did_you_mean(key if isinstance(key, str) and key != "like" else "", known)
