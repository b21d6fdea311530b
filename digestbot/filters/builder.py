"""
Build a `Segment` from filters, one at a time, at constant cost for each.

Trees become formulas of clauses; equal atoms and equal nodes are stored once. Begin at
`Builder.put`.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from digestbot.filters.arrays import Array, hashes, hashes_of_bytes, offsets
from digestbot.filters.authors import wanted_keys
from digestbot.filters.batch import FIELDS, fact
from digestbot.filters.parser import Filter
from digestbot.filters.payload import encode
from digestbot.filters.segment import HASHED, Segment, assemble, text_arrays
from digestbot.filters.tree import (
    AllOf,
    AnyOf,
    Atom,
    AuthorIs,
    CategoryIs,
    DocumentIs,
    DoiIs,
    Exact,
    IdIs,
    Near,
    Node,
    NoneOf,
    Regex,
    SourceIs,
    TypeIs,
    Words,
)
from digestbot.text import bare, forms, term_readings
from digestbot.text.canonical import JOINED_MAX
from digestbot.text.spelling import spellings

CHECK_ANY, CHECK_AUTHOR, CHECK_EXACT = 0, 1, 2
"""Papers to check for an atom: all; those with the family name; those with the characters."""
IN_TITLE = 4
"""Flag added to the kind: the atom holds only if it hits in the title."""


@dataclass(frozen=True, slots=True)
class _Term:
    mask: int
    words: tuple[str, ...]
    prefix: str | None


@dataclass(frozen=True, slots=True)
class _Facts:
    any_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Checked:
    kind: int
    atom: Atom


_Compiled = _Term | _Facts | _Checked
_Clauses = tuple[tuple[bool, tuple[int, ...]], ...]


class Builder:
    """Filters to be assembled into a segment; the last one added under each key wins."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._filters = _FormulaList()
        self._nodes = _FormulaList()
        self._node_numbers: dict[_Clauses, int] = {}
        self._levels = array("h")
        self._atoms: dict[_Compiled, int] = {}
        self._guards: dict[int, tuple[int, ...]] = {}
        self._scores: dict[int, tuple[float, tuple[tuple[int, int, float], ...]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: int) -> bool:
        return key in self._rows

    @property
    def length(self) -> int:
        """Number of calls of `put` so far, replaced and removed filters included."""
        return len(self._filters)

    def keys(self) -> Iterable[int]:
        """Return the keys of all filters."""
        return self._rows.keys()

    def put(self, key: int, filter_: Filter) -> None:
        """Add the filter under *key*, replacing any other."""
        self.remove(key)
        self._filters.append(self._formula((filter_.root,)))
        self._rows[key] = len(self._filters) - 1
        if filter_.min_score is not None:
            counted = tuple(self._score_term(atom) for atom in _positive(filter_.root))
            self._scores[key] = filter_.min_score, counted

    def remove(self, key: int) -> None:
        """Remove the filter *key*, if there is one."""
        self._rows.pop(key, None)
        self._scores.pop(key, None)

    def segment(self) -> Segment:
        """Assemble the current filters into a segment."""
        raw = self._raw()
        kept = np.zeros(len(raw.keys), dtype=bool)
        kept[list(self._rows.values())] = True
        return assemble([raw], [kept])

    # from trees to formulas

    def _formula(self, nodes: Sequence[Node]) -> _Clauses:
        """Return the clauses for "all *nodes* hold"."""
        clauses: list[tuple[bool, tuple[int, ...]]] = []
        excluded: list[int] = []
        for node in nodes:
            self._add_clauses(node, clauses, excluded)
        if excluded:
            clauses.append((True, tuple(dict.fromkeys(excluded))))
        return tuple(clauses)

    def _add_clauses(
        self, node: Node, clauses: list[tuple[bool, tuple[int, ...]]], excluded: list[int]
    ) -> None:
        if isinstance(node, AllOf):
            for child in node.children:
                self._add_clauses(child, clauses, excluded)
        elif isinstance(node, NoneOf):
            excluded += self._literals(node.children)
        else:
            clauses.append((False, tuple(dict.fromkeys(self._literals((node,))))))

    def _literals(self, nodes: Iterable[Node]) -> Iterator[int]:
        """Yield atoms and (as ``-1 - n``) nodes whose disjunction equals that of *nodes*."""
        for node in nodes:
            if isinstance(node, AnyOf) or (isinstance(node, AllOf) and len(node.children) == 1):
                yield from self._literals(node.children)
            elif isinstance(node, (AllOf, NoneOf)):
                yield -1 - self._node(self._formula((node,)))
            else:
                yield self._atom(node)

    def _node(self, clauses: _Clauses) -> int:
        if clauses not in self._node_numbers:
            below = (self._levels[-1 - ref] for _, refs in clauses for ref in refs if ref < 0)
            self._levels.append(1 + max(below, default=-1))
            self._nodes.append(clauses)
            self._node_numbers[clauses] = len(self._nodes) - 1
        return self._node_numbers[clauses]

    def _atom(self, atom: Atom) -> int:
        return self._number(_compile(atom))

    def _number(self, compiled: _Compiled) -> int:
        if compiled not in self._atoms:
            guards = tuple({self._atom(term) for term in _guards(compiled)})
            self._atoms[compiled] = len(self._atoms)
            if isinstance(compiled, _Checked):
                self._guards[self._atoms[compiled]] = guards
        return self._atoms[compiled]

    def _score_term(self, atom: Atom) -> tuple[int, int, float]:
        title = _compile_title(atom)
        return self._atom(atom), -1 if title is None else self._number(title), atom.weight

    # from formulas to arrays

    def _raw(self) -> Segment:
        """Return everything as arrays in insertion order, removed filters included."""
        keys = np.zeros(len(self._filters), dtype=np.int64)
        keys[list(self._rows.values())] = list(self._rows.keys())
        compiled_atoms = tuple(self._atoms)
        return Segment(
            keys=keys,
            levels=np.array(self._levels, dtype=np.int16),
            **_formula_arrays(self._nodes, self._filters, len(compiled_atoms)),
            digests=hashes_of_bytes(_digest_source(compiled) for compiled in compiled_atoms),
            **_term_arrays(compiled_atoms),
            **_fact_arrays(compiled_atoms),
            **_checked_arrays(compiled_atoms, self._guards),
            **_score_arrays(self._scores),
        )


class _FormulaList:
    """Formulas as growing lists of numbers, four bytes each."""

    def __init__(self) -> None:
        self.clause_counts = array("i")
        self.literal_counts = array("i")
        self.negated = array("b")
        self.refs = array("i")

    def __len__(self) -> int:
        return len(self.clause_counts)

    def append(self, clauses: _Clauses) -> None:
        self.clause_counts.append(len(clauses))
        for is_negated, refs in clauses:
            self.literal_counts.append(len(refs))
            self.negated.append(is_negated)
            self.refs.extend(refs)


def _formula_arrays(nodes: _FormulaList, filters: _FormulaList, atoms: int) -> dict[str, Array]:
    refs = np.concatenate([np.array(part.refs, dtype=np.int64) for part in (nodes, filters)])
    return {
        "clauses": offsets(_both(nodes.clause_counts, filters.clause_counts)),
        "literals": offsets(_both(nodes.literal_counts, filters.literal_counts)),
        "negated": _both(nodes.negated, filters.negated).astype(bool),
        "refs": np.where(refs < 0, atoms - 1 - refs, refs),
    }


def _both(left: "array[int]", right: "array[int]") -> Array:
    return np.concatenate([np.array(left, dtype=np.int32), np.array(right, dtype=np.int32)])


def _positive(node: Node) -> Iterator[Atom]:
    """Yield the atoms that count for the score, in the order `evaluate` adds them."""
    if isinstance(node, (AllOf, AnyOf)):
        for child in node.children:
            yield from _positive(child)
    elif not isinstance(node, NoneOf):
        yield node


def _compile(atom: Atom) -> _Compiled:
    """Reduce an atom to what it matches, ignoring its weight and spelling."""
    match atom:
        case Words() if atom.words and all(field in FIELDS for field in atom.fields):
            return _term(atom, sum(FIELDS[field] for field in set(atom.fields)))
        case CategoryIs():
            kind = "primary" if atom.is_primary else "category"
            return _Facts(frozenset(fact(kind, code) for code in atom.codes))
        case TypeIs():
            return _one_fact("type", atom.type)
        case DocumentIs():
            return _one_fact("document", atom.type)
        case SourceIs():
            return _one_fact("source", atom.term)
        case IdIs():
            return _one_fact("id", atom.paper_id)
        case DoiIs():
            return _one_fact("doi", atom.doi)
        case AuthorIs():
            return _Checked(CHECK_AUTHOR, _bare(atom))
        case Exact() if atom.term and all(field in FIELDS for field in atom.fields):
            return _Checked(CHECK_EXACT, _bare(atom))
    return _Checked(CHECK_ANY, _bare(atom))


def _compile_title(atom: Atom) -> _Compiled | None:
    """Compile *atom* for the title only. None if it cannot hit there."""
    match atom:
        case CategoryIs() | TypeIs() | DocumentIs() | SourceIs() | IdIs() | DoiIs() | AuthorIs():
            return None
        case Words() | Exact() | Regex():
            return _compile(replace(atom, fields=("title",))) if "title" in atom.fields else None
    return _Checked(CHECK_ANY | IN_TITLE, _bare(atom))


def _term(atom: Words, mask: int) -> _Term:
    if atom.is_prefix:
        return _Term(mask, atom.words[:-1], atom.words[-1])
    return _Term(mask, atom.words, None)


def _one_fact(kind: str, value: str) -> _Facts:
    return _Facts(frozenset((fact(kind, value),)))


def _guards(compiled: _Compiled) -> tuple[Atom, ...]:
    """Return quickly matched atoms that must all hold if *compiled* holds."""
    match compiled:
        case _Checked(atom=Near(terms=terms, fields=fields)):
            guards = tuple(replace(term, fields=fields) for term in terms)
            # A guard that needs checking itself would be known too late.
            return tuple(guard for guard in guards if isinstance(_compile(guard), _Term))
    return ()


def _bare(atom: Atom) -> Atom:
    return replace(atom, weight=1.0, label="", path=())


def _digest_source(compiled: _Compiled) -> bytes:
    match compiled:
        case _Term():
            # Unambiguous: words contain neither spaces nor stars.
            parts = [f"term{compiled.mask}", *compiled.words]
            parts += [] if compiled.prefix is None else [f"{compiled.prefix}*"]
            text = " ".join(parts)
        case _Facts():
            # Prefixed with lengths, because a fact may contain any character.
            text = "facts" + "".join(f" {len(one)} {one}" for one in sorted(compiled.any_of))
        case _Checked():
            return b"checked%d " % compiled.kind + encode(compiled.atom)
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class _Row:
    """One way to look up a term: words in a row, and a prefix after them."""

    atom: int
    mask: int
    words: tuple[str, ...]
    prefix: str | None


def _rows(number: int, term: _Term) -> Iterator[_Row]:
    """Yield the rows of a term: one, or several if it ends in a prefix with other readings."""
    if term.prefix is None:
        yield _Row(number, term.mask, term.words, None)
        return
    words = (*term.words, term.prefix)
    ends = [(len(words) - 1, term.prefix)]
    ends += [(start, joined) for start, end, joined in term_readings(words) if end == len(words)]
    for start, prefix in ends:
        for spelled in sorted(spellings(prefix)):
            yield _Row(number, term.mask, term.words[:start], spelled)


def _term_arrays(compiled_atoms: Sequence[_Compiled]) -> dict[str, Array]:
    all_rows = [
        row
        for number, one in enumerate(compiled_atoms)
        if isinstance(one, _Term)
        for row in _rows(number, one)
    ]
    words = list(dict.fromkeys(word for row in all_rows for word in row.words))
    prefixes = list(dict.fromkeys(row.prefix for row in all_rows if row.prefix is not None))
    word_numbers = {word: number for number, word in enumerate(words)}
    prefix_numbers: dict[str | None, int] = {text: number for number, text in enumerate(prefixes)}
    prefix_numbers[None] = -1
    singles = [row for row in all_rows if len(row.words) == 1 and row.prefix is None]
    only_prefix = [row for row in all_rows if not row.words]
    phrases = [
        row for row in all_rows if len(row.words) + (row.prefix is not None) > 1 and row.words
    ]
    return {
        **_vocabulary_arrays(words),
        **_join_arrays(phrases, word_numbers),
        **text_arrays(
            "prefixes",
            "prefix_text",
            [text.encode("utf-8", "surrogatepass") for text in prefixes],
        ),
        "single_words": _ints(word_numbers[row.words[0]] for row in singles),
        "single_atoms": _ints(row.atom for row in singles),
        "single_masks": _masks(singles),
        "prefix_numbers": _ints(prefix_numbers[row.prefix] for row in only_prefix),
        "prefix_atoms": _ints(row.atom for row in only_prefix),
        "prefix_masks": _masks(only_prefix),
        "phrase_sizes": np.zeros(HASHED + 2, dtype=np.int64),
        "phrase_hashes": np.zeros(len(phrases), dtype=np.uint64),
        "phrase_atoms": _ints(row.atom for row in phrases),
        "phrase_masks": _masks(phrases),
        "phrase_bounds": offsets(_ints(len(row.words) for row in phrases)),
        "phrase_words": _ints(word_numbers[word] for row in phrases for word in row.words),
        "phrase_prefixes": _ints(prefix_numbers[row.prefix] for row in phrases),
    }


def _join_arrays(phrases: Sequence[_Row], numbers: dict[str, int]) -> dict[str, Array]:
    """Return the words that may be one word in a text, for each form of that word."""
    joined = {
        row.words[start:end]: word
        for row in phrases
        for start, end, word in term_readings(row.words)
    }
    pairs = [(form, words) for words, word in joined.items() for form in forms(word)]
    return {
        "join_hashes": hashes(form for form, _ in pairs),
        "join_words": _ints(
            number
            for _, words in pairs
            for number in (*(numbers[word] for word in words), *[-1] * (JOINED_MAX - len(words)))
        ),
    }


def _vocabulary_arrays(words: Sequence[str]) -> dict[str, Array]:
    pairs = [(form, number) for number, word in enumerate(words) for form in forms(word)]
    return {
        "vocabulary": hashes(words),
        "families": hashes(_family(word) for word in words),
        "form_hashes": hashes(form for form, _ in pairs),
        "form_words": _ints(number for _, number in pairs),
    }


@lru_cache(maxsize=10_000)
def _family(word: str) -> str:
    """
    Return one representative of all words connected with *word* by `forms`.

    "Is a form of" is symmetric but not transitive: "basis" and "base" share only the plural
    "bases". A family has fewer than a dozen words, because a plural has at most one more plural and
    singulars get shorter.
    """
    found = {bare(word)}
    new = [bare(word)]
    while new:
        more = {bare(form) for form in forms(new.pop())} - found
        found |= more
        new += more
    return min(found)


def _ints(numbers: Iterable[int]) -> Array:
    return np.fromiter(numbers, dtype=np.int64)


def _masks(rows: Sequence[_Row]) -> Array:
    return np.fromiter((row.mask for row in rows), dtype=np.uint8)


def _fact_arrays(compiled_atoms: Sequence[_Compiled]) -> dict[str, Array]:
    pairs = [
        (text, i)
        for i, one in enumerate(compiled_atoms)
        if isinstance(one, _Facts)
        for text in one.any_of
    ]
    return {
        "fact_hashes": hashes(text for text, _ in pairs),
        "fact_atoms": _ints(i for _, i in pairs),
    }


def _checked_arrays(
    compiled_atoms: Sequence[_Compiled], all_guards: dict[int, tuple[int, ...]]
) -> dict[str, Array]:
    checked = [(i, one) for i, one in enumerate(compiled_atoms) if isinstance(one, _Checked)]
    families = [
        (text, place)
        for place, (_, one) in enumerate(checked)
        if one.kind == CHECK_AUTHOR and isinstance(one.atom, AuthorIs)
        for text in wanted_keys(one.atom.name)
    ]
    return {
        "checked_atoms": _ints(i for i, _ in checked),
        "checked_kinds": np.fromiter((one.kind for _, one in checked), dtype=np.uint8),
        **text_arrays("checked_bounds", "checked_text", [encode(one.atom) for _, one in checked]),
        "guard_bounds": offsets(_ints(len(all_guards[i]) for i, _ in checked)),
        "guard_atoms": _ints(guard for i, _ in checked for guard in all_guards[i]),
        "family_hashes": hashes(text for text, _ in families),
        "family_checked": _ints(place for _, place in families),
    }


def _score_arrays(
    scores: dict[int, tuple[float, tuple[tuple[int, int, float], ...]]],
) -> dict[str, Array]:
    counted = [one for _, terms in scores.values() for one in terms]
    return {
        "scored_keys": _ints(scores.keys()),
        "scored_minimums": np.fromiter(
            (minimum for minimum, _ in scores.values()), dtype=np.float64
        ),
        "scored_bounds": offsets(_ints(len(terms) for _, terms in scores.values())),
        "scored_atoms": _ints(atom for atom, _, _ in counted),
        "scored_titles": _ints(title for _, title, _ in counted),
        "scored_weights": np.fromiter((weight for _, _, weight in counted), dtype=np.float64),
    }
