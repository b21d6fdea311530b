"""
Parse the filter language: from YAML data to a `Filter`, or to all errors with their places.

Begin at `check_filter`. The language is described in ``docs/filters.md``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from digestbot.errors import InvalidFilter, InvalidPaperId, InvalidValue
from digestbot.filters.conditions import (
    LARGEST,
    READERS,
    ConditionError,
    did_you_mean,
    quoted,
    text_of_value,
)
from digestbot.filters.flow_style import flow_style
from digestbot.filters.patterns import MAX_PROGRAM, steps
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

# Values that no other search language would read differently: words, or one category.
_OWN_SYNTAX = re.compile(
    r"(?!.*(?:\b(?i:and|or|not|andnot|adj)\b|\badj\d|\d{3}))[^\W_]+(?:(?: |'|’|-)[^\W_]+)*"
    r"|[a-z][a-z-]*\.[A-Za-z-]+"
)

MAX_DEPTH = 32
MAX_CONDITIONS = 2000
MAX_PATTERNS = 100
"""Regular expressions per filter."""
MAX_ERRORS = 100
"""Errors reported per filter."""
MAX_NEAR_TERMS = 8
"""Terms per ``near``."""
DEFAULT_WITHIN = 10
"""Words in the window of a ``near`` without ``within``."""
MAX_WITHIN = 100
MAX_SHOWN = 60
"""Longest term, in characters, that an error repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Papers that a filter must match or skip, as tested by ``check``."""

    match: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A valid filter; without conditions it matches every paper."""

    root: Node
    min_score: float | None = None
    examples: Examples = field(default_factory=Examples)

    def describe(self) -> str:
        """Return the filter as one readable line."""
        return self.root.describe()

    def atoms(self) -> tuple[Atom, ...]:
        """Return its atoms outside of negations."""
        return tuple(atom for atom, negated in atoms(self.root) if not negated)


EVERYTHING = Filter(root=AllOf(children=()))


def parse_filter(data: object) -> Filter:
    """
    Parse a filter from plain YAML data.

    Raises:
        InvalidFilter: The first error; `check_filter` returns all of them.
    """
    found, problems = check_filter(data)
    if found is None:
        raise problems[0]
    return found


def check_filter(data: object) -> tuple[Filter | None, tuple[InvalidFilter, ...]]:
    """Parse a filter and return it, or None, with all errors in YAML order."""
    reader = _Reader()
    found = reader.read_filter(data)
    if reader.problems:
        return None, tuple(reader.problems)
    return found, ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Modifiers:
    """Options in a mapping that apply to each of its conditions."""

    weight: float
    within: int


class _Reader:
    """Parser of one filter that collects errors instead of stopping at the first."""

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
            root=self._mapping(rest, (), 1, extra_keys=("min_score", "examples")),
            min_score=self._min_score(data.get("min_score")),
            examples=self._examples(data.get("examples")),
        )

    def fail(self, message: str, path: Path) -> Node:
        """Record an error and return a placeholder node."""
        if len(self.problems) < MAX_ERRORS:
            self.problems.append(InvalidFilter(message, path))
        elif len(self.problems) == MAX_ERRORS:
            more = f"more than {MAX_ERRORS} errors; the rest of the filter was not checked"
            self.problems.append(InvalidFilter(more, path))
            self._is_full = True
        return AnyOf(children=(), path=path)

    def _count_conditions(self, more: int, path: Path) -> bool:
        """Count *more* conditions. Return False, after one error, if there are too many."""
        self._conditions += more
        if not self._is_full and self._conditions > MAX_CONDITIONS:
            message = f"more than {MAX_CONDITIONS} conditions in one filter; split the digest"
            self.fail(message, path)
            self._is_full = True
        return not self._is_full

    def _condition(self, data: object, path: Path, depth: int) -> Node:
        if depth > MAX_DEPTH:
            return self.fail(f"nested deeper than {MAX_DEPTH} levels", path)
        if not self._count_conditions(1, path):
            return AnyOf(children=(), path=path)
        if isinstance(data, Mapping):
            return self._mapping(data, path, depth)
        if isinstance(data, list):
            return self._group(AnyOf, "a list", data, path, depth)
        return self._atom("", data, 1.0, path)

    def _mapping(
        self, data: Mapping[Any, Any], path: Path, depth: int, extra_keys: tuple[str, ...] = ()
    ) -> Node:
        """Parse a mapping, all keys of which must hold together."""
        modifiers = _Modifiers(weight=self._weight(data, path), within=self._within(data, path))
        children = [
            self._entry(key, value, modifiers, (*path, key), depth, extra_keys)
            for key, value in data.items()
            if key not in MODIFIERS
        ]
        if len(children) == 1:
            return children[0]
        if not children and (path or data):
            return self.fail('no condition here; write one such as "title: survey"', path)
        return AllOf(children=tuple(children), path=path)

    def _weight(self, data: Mapping[Any, Any], path: Path) -> float:
        if "weight" not in data:
            return 1.0
        if GROUPS.keys() & data.keys():
            self.fail(
                "weight applies to single conditions; move it from the group to its conditions, "
                "such as {text: diffusion, weight: 2}",
                (*path, "weight"),
            )
        return self._number(data["weight"], "weight", (*path, "weight"))

    def _within(self, data: Mapping[Any, Any], path: Path) -> int:
        if "within" not in data:
            return DEFAULT_WITHIN
        found = data["within"]
        if "near" not in data:
            self.fail("within is valid only next to near", (*path, "within"))
        elif not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= MAX_WITHIN:
            self.fail(f"within must be a number of words from 1 to {MAX_WITHIN}", (*path, "within"))
        else:
            return found
        return MAX_WITHIN

    def _entry(
        self,
        key: object,
        value: object,
        modifiers: _Modifiers,
        path: Path,
        depth: int,
        extra_keys: tuple[str, ...],
    ) -> Node:
        if self._is_full:
            return AnyOf(children=(), path=path)
        if key in GROUPS:
            return self._group(GROUPS[str(key)], str(key), value, path, depth)
        if key == "near":
            return self._near(value, modifiers, path)
        if key in ATOMS or key == "query":
            return self._values(str(key), value, modifiers.weight, path)
        hint = _weight_hint(key, value) or _hint(key, value, (*KEYS, *extra_keys))
        return self.fail(f"unknown key {quoted(key)}{hint}", path)

    def _group(
        self, kind: type[AllOf | AnyOf | NoneOf], key: str, value: object, path: Path, depth: int
    ) -> Node:
        items = value if isinstance(value, list) else [value]
        if value is None or (not items and kind is AnyOf):
            return self.fail(f"{key} is empty; list conditions under it, or remove it", path)
        is_list = isinstance(value, list)
        children = tuple(
            self._condition(item, (*path, i) if is_list else path, depth + 1)
            for i, item in enumerate(items)
        )
        return kind(children=children, path=path)

    def _near(self, value: object, modifiers: _Modifiers, path: Path) -> Node:
        if not isinstance(value, list) or not 2 <= len(value) <= MAX_NEAR_TERMS:
            return self.fail(
                f"near must be a list of 2 to {MAX_NEAR_TERMS} terms{_listed(value)}", path
            )
        read = [self._atom("", item, 1.0, (*path, i)) for i, item in enumerate(value)]
        terms = tuple(term for term in read if isinstance(term, Words))
        if len(terms) < len(read):
            return AnyOf(children=(), path=path)
        if (repeated := _repeated(terms)) is not None:
            return self.fail(
                f"{quoted(repeated.term)} repeats an earlier term; remove it", repeated.path
            )
        longest = max(terms, key=lambda term: len(term.words))
        if len(longest.words) > modifiers.within:
            needed = f"{quoted(longest.term)} has {len(longest.words)} words"
            return self.fail(f"within: {modifiers.within} is too small: {needed}", longest.path)
        listed = ", ".join(term.term for term in terms)
        return Near(
            term=f"{listed} (within {modifiers.within} words)",
            label="near",
            weight=modifiers.weight,
            path=path,
            fields=TEXT_FIELDS,
            terms=terms,
            within=modifiers.within,
        )

    def _values(self, key: str, value: object, weight: float, path: Path) -> Node:
        """Parse one value, or a list of which any may match."""
        if not isinstance(value, list):
            return self._atom(key, value, weight, path)
        if not value:
            return self.fail(f"{key} is empty; list values under it, or remove it", path)
        if not self._count_conditions(len(value), path):
            return AnyOf(children=(), path=path)
        children = tuple(self._atom(key, item, weight, (*path, i)) for i, item in enumerate(value))
        return AnyOf(children=children, path=path)

    def _atom(self, key: str, value: object, weight: float, path: Path) -> Node:
        if self._is_full:
            return AnyOf(children=(), path=path)
        try:
            text = text_of_value(key, value)
            if message := _foreign_syntax(text, key, path):
                return self.fail(message, path)
            if key == "query":
                return self._query(text, weight, path)
            if key == "regex":
                self._count_pattern()
            atom = ATOMS[key](text, key, weight, path)
            if isinstance(atom, Regex):
                self._count_steps(atom)
            return atom
        except (ConditionError, InvalidValue) as error:
            return self.fail(str(error), path)

    def _count_pattern(self) -> None:
        self._patterns += 1
        if self._patterns > MAX_PATTERNS:
            raise ConditionError(
                f'more than {MAX_PATTERNS} regular expressions in one filter; combine them with "|"'
            )

    def _count_steps(self, atom: Regex) -> None:
        self._steps += steps(atom.term)
        if self._steps > MAX_PROGRAM:
            raise ConditionError(
                "all regular expressions of this filter together are too large; "
                "use smaller repetitions"
            )

    def _query(self, text: str, weight: float, path: Path) -> Node:
        from digestbot.filters.query import parse_query

        node = parse_query(text, weight, path)
        return (
            node
            if self._count_conditions(len(atoms(node)), path)
            else AnyOf(children=(), path=path)
        )

    def _number(self, value: object, key: str, path: Path) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if -LARGEST <= value <= LARGEST:
                return float(value)
            self.fail(f"{key} must be between -{LARGEST:.0e} and {LARGEST:.0e}", path)
            return 1.0
        self.fail(f"{key} must be a number, such as {key}: 2", path)
        return 1.0

    def _min_score(self, value: object) -> float | None:
        return None if value is None else self._number(value, "min_score", ("min_score",))

    def _examples(self, value: object) -> Examples:
        if value is None:
            return Examples()
        if not isinstance(value, Mapping):
            self.fail(
                "examples must be a mapping with the keys match and skip, each a list of paper ids",
                ("examples",),
            )
            return Examples()
        for key in (key for key in value if key not in ("match", "skip")):
            hint = _hint(key, None, ("match", "skip"))
            self.fail(f"unknown key {quoted(key)}{hint}", ("examples", key))
        return Examples(match=self._ids(value, "match"), skip=self._ids(value, "skip"))

    def _ids(self, value: Mapping[Any, Any], key: str) -> tuple[str, ...]:
        given = value.get(key) or []
        items = given if isinstance(given, list) else [given]
        found = []
        for i, item in enumerate(items):
            try:
                found.append(parse_paper_id(text_of_value("id", item)).id)
            except (ConditionError, InvalidPaperId) as error:
                self.fail(str(error), ("examples", key, i))
        return tuple(found)


GROUPS: Mapping[str, type[AllOf | AnyOf | NoneOf]] = {
    "any": AnyOf,
    "all": AllOf,
    "none": NoneOf,
    "not": NoneOf,
}
ATOMS = READERS
SYNONYMS: Mapping[str, str] = {
    **dict.fromkeys(("and", "must", "require", "required", "requires"), "all"),
    **dict.fromkeys(("or", "include", "includes", "keywords", "keyword", "terms", "should"), "any"),
    **dict.fromkeys(("exclude", "excludes", "excluded", "without", "must_not", "andnot"), "none"),
    "ti": "title",
    "abs": "abstract",
    "ab": "abstract",
    "summary": "abstract",
    "au": "author",
    "cat": "category",
    "subject": "category",
    "jr": "journal",
    "co": "comment",
}
"""Keys of other tools, with ours."""
MODIFIERS = ("weight", "within")
"""Keys that modify the conditions of their mapping."""
KEYS = (*GROUPS, *filter(None, ATOMS), "near", "query", *MODIFIERS)
"""All keys of a mapping, except those of the whole filter."""


def _repeated(terms: tuple[Words, ...]) -> Words | None:
    """Return the first term that repeats an earlier one, possibly in the plural."""
    for i, term in enumerate(terms):
        if any(_is_repeat(term, other) for other in terms[:i]):
            return term
    return None


def _is_repeat(one: Words, other: Words) -> bool:
    if one.is_prefix or other.is_prefix or len(one.words) != len(other.words):
        return one.words == other.words and one.is_prefix == other.is_prefix
    return all(a in forms(b) for a, b in zip(one.words, other.words, strict=True))


def _weight_hint(key: object, value: object) -> str:
    """Return what to write instead of ``{diffusion: 3}``."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not isinstance(key, str) or get_close_matches(key, KEYS, n=1):
        return ""
    return f"; to weight a term, write {flow_style({'text': key[:MAX_SHOWN], 'weight': value})}"


def _listed(value: object) -> str:
    """Suggest the list that is meant by a text with commas."""
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    from digestbot.filters.foreign import list_items

    items = list_items(only) if isinstance(only, str) else []
    is_list = 2 <= len(items) <= MAX_NEAR_TERMS
    return f"; write {flow_style({'near': items})}" if is_list else ""


def _hint(key: object, value: object, known: tuple[str, ...]) -> str:
    if not isinstance(key, str):
        return did_you_mean("", known)
    if key.lower() in SYNONYMS:
        return f"; write {SYNONYMS[key.lower()]}:"
    # "like" comes from other search languages; it is not a typo of one of our keys.
    hint = did_you_mean(key if key != "like" else "", known)
    if isinstance(value, (str, int, float)) and re.search(r"[\sA-Z]", key) and "mean" not in hint:
        text = f"{key}: {value}"
        return f"; text with a colon needs quotes; write {flow_style(text)}"
    return hint


def _foreign_syntax(text: str, key: str, path: Path) -> str | None:
    """Call `foreign.foreign_syntax` unless *text* is plain, as nearly all values are."""
    if _OWN_SYNTAX.fullmatch(text):
        return None
    from digestbot.filters.foreign import foreign_syntax

    return foreign_syntax(text, key, path)
