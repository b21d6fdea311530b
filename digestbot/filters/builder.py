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
from digestbot.filters.authors import PARTICLES, Name
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
from digestbot.text import forms

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
    """Filters to be assembled into a segment; the latest under each key counts."""

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
        case AuthorIs() if atom.name.family:
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


def _term_arrays(compiled_atoms: Sequence[_Compiled]) -> dict[str, Array]:
    terms = [(i, one) for i, one in enumerate(compiled_atoms) if isinstance(one, _Term)]
    words = list(dict.fromkeys(word for _, term in terms for word in term.words))
    prefixes = list(dict.fromkeys(term.prefix for _, term in terms if term.prefix is not None))
    word_numbers = {word: number for number, word in enumerate(words)}
    prefix_numbers: dict[str | None, int] = {text: number for number, text in enumerate(prefixes)}
    prefix_numbers[None] = -1
    singles = [(i, one) for i, one in terms if len(one.words) == 1 and one.prefix is None]
    only_prefix = [(i, one) for i, one in terms if not one.words]
    rows = [(i, one) for i, one in terms if len(one.words) + (one.prefix is not None) > 1]
    return {
        **_vocabulary_arrays(words),
        **text_arrays(
            "prefixes",
            "prefix_text",
            [text.encode("utf-8", "surrogatepass") for text in prefixes],
        ),
        "single_words": _ints(word_numbers[one.words[0]] for _, one in singles),
        "single_atoms": _ints(i for i, _ in singles),
        "single_masks": _masks(singles),
        "prefix_numbers": _ints(prefix_numbers[one.prefix] for _, one in only_prefix),
        "prefix_atoms": _ints(i for i, _ in only_prefix),
        "prefix_masks": _masks(only_prefix),
        "phrase_sizes": np.zeros(HASHED + 2, dtype=np.int64),
        "phrase_hashes": np.zeros(len(rows), dtype=np.uint64),
        "phrase_atoms": _ints(i for i, _ in rows),
        "phrase_masks": _masks(rows),
        "phrase_bounds": offsets(_ints(len(one.words) for _, one in rows)),
        "phrase_words": _ints(word_numbers[word] for _, one in rows for word in one.words),
        "phrase_prefixes": _ints(prefix_numbers[one.prefix] for _, one in rows),
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
    found = {word}
    new = [word]
    while new:
        more = forms(new.pop()) - found
        found |= more
        new += more
    return min(found)


def _ints(numbers: Iterable[int]) -> Array:
    return np.fromiter(numbers, dtype=np.int64)


def _masks(terms: Sequence[tuple[int, _Term]]) -> Array:
    return np.fromiter((term.mask for _, term in terms), dtype=np.uint8)


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
        for text in family_keys(one.atom.name)
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


def family_keys(name: Name) -> set[str]:
    """
    Return lookup keys: the joined family name and the first given letter.

    There is one key with the particles of the family name and one without.

    Every name that `authors.name_matches` accepts shares one of these with its `name_keys`:
    families are compared joined, with or without particles, and compatible given names begin with
    the same letter.
    """
    initial = name.given[0][0] if name.given else ""
    bare = name.family[_leading_particles(name.family[:-1]) :]
    return {f"{''.join(family)} {initial}" for family in (name.family, bare)}


def name_keys(name: Name) -> set[str]:
    """Return the keys of every reading of the name: family last or first, of any length."""
    words = (*name.given, *name.family)
    found = set()
    for start in range(len(words)):
        family = "".join(words[start:])
        found |= {f"{family} ", f"{family} {words[0][0]}"}
    for start in range(_leading_particles(words) + 1):
        for end in range(start + 1, len(words)):
            found.add(f"{''.join(words[start:end])} {words[end][0]}")
    return found


def _leading_particles(words: Sequence[str]) -> int:
    return next((i for i, word in enumerate(words) if word not in PARTICLES), len(words))


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
