"""
Many filters as a few dozen arrays, which are matched, merged, saved and mapped into memory.

A filter is a *formula*: clauses that must all hold, each of them "any of these" or "none of these".
A clause lists numbers of atoms and of *nodes*, which are formulas inside a formula. Equal atoms of
different filters are stored once. Begin at `Segment`; `assemble` merges several.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from digestbot.filters.arrays import (
    Array,
    combine_hashes,
    contains,
    distinct_rows,
    offsets,
    take_rows,
)
from digestbot.text.canonical import JOINED_MAX

HASHED = 4
"""Number of leading words by which a phrase is looked up; the others are compared afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """
    Filters and their atoms: A atoms, N nodes.

    Formulas are numbered with the nodes first, then the filters. Once assembled, keys, digests,
    vocabulary and each table's first column are sorted, and every node follows the nodes it uses.
    """

    keys: Array
    """Key of each filter."""
    levels: Array
    """Level of each node: one above the highest node in it, or 0."""
    clauses: Array
    """Bounds of each formula's clauses."""
    literals: Array
    """Bounds of each clause's atoms and nodes."""
    negated: Array
    """For each clause: "none of these" if true, "any of these" otherwise."""
    refs: Array
    """Content of the clauses: an atom if below A, otherwise A plus the node."""

    digests: Array
    """Hash of each atom; equal for equal atoms."""

    vocabulary: Array
    """Hashes of the words in terms."""
    families: Array
    """For each word: a hash shared by all its forms, and by their forms."""
    form_hashes: Array
    """Hash of every form of every word, and the word it may stand for."""
    form_words: Array
    join_hashes: Array
    """Hash of every form of a joined word, and the words of a term that it may stand for …"""
    join_words: Array
    """… `JOINED_MAX` for each, the rest of them -1."""

    single_words: Array
    """Terms of one word: word, atom, bits of the fields."""
    single_atoms: Array
    single_masks: Array

    prefixes: Array
    """Bounds of the texts of prefixes such as ``foo*``, in UTF-8."""
    prefix_text: Array
    prefix_numbers: Array
    """Terms that are a single prefix: its number, atom, bits of the fields."""
    prefix_atoms: Array
    prefix_masks: Array

    phrase_sizes: Array
    """Terms of several words: the number of words for the lookup, the hash of their families …"""
    phrase_hashes: Array
    phrase_atoms: Array
    phrase_masks: Array
    phrase_bounds: Array
    """Bounds of the words of each …"""
    phrase_words: Array
    phrase_prefixes: Array
    """… and the prefix after them, or -1."""

    fact_hashes: Array
    """Hash of each fact, and an atom that it makes true."""
    fact_atoms: Array

    checked_atoms: Array
    """Atoms checked with `evaluate.hits`, paper by paper; the kind says for which papers."""
    checked_kinds: Array
    checked_bounds: Array
    checked_text: Array
    """Each atom as encoded by `payload.encode`."""
    guard_bounds: Array
    """Bounds of the atoms that must all hold for it; only papers that pass them are checked."""
    guard_atoms: Array
    family_hashes: Array
    """Family-name keys of the authors to check, and the index of the checked atom."""
    family_checked: Array

    scored_keys: Array
    """Keys of the filters with a min_score."""
    scored_minimums: Array
    scored_bounds: Array
    """Bounds of the atoms that count for the score …"""
    scored_atoms: Array
    scored_titles: Array
    """… each with the atom that holds if it hits in the title (or -1), and its weight."""
    scored_weights: Array

    @property
    def node_count(self) -> int:
        """Number of nodes."""
        return len(self.levels)

    @property
    def size_bytes(self) -> int:
        """Size of all arrays."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))


def assemble(parts: Sequence[Segment], kept: Sequence[Array]) -> Segment:
    """
    Merge the *kept* filters of *parts* into one sorted segment.

    *kept* has a truth value for each filter of each part. Their keys must be distinct. Atoms and
    unused nodes are dropped.
    """
    formulas = _joined_formulas(parts)
    alive = _alive(formulas, np.concatenate(kept))
    scored = _joined_scores(parts, kept, formulas.atom_starts)
    atoms = _Atoms.of(parts, formulas, alive, scored)
    return Segment(
        **_formula_arrays(formulas, alive, atoms.numbers),
        **_score_arrays(scored, atoms.numbers),
        **_word_arrays(parts, atoms),
        **_fact_arrays(parts, atoms),
        **_checked_arrays(parts, atoms),
        digests=atoms.digests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Formulas:
    """All formulas of all parts: nodes first, then filters; node n is written as -1-n."""

    atom_starts: Array
    keys: Array
    levels: Array
    clauses: Array
    literals: Array
    negated: Array
    refs: Array


def _joined_formulas(parts: Sequence[Segment]) -> _Formulas:
    atom_starts = offsets(np.array([len(part.digests) for part in parts]))
    node_starts = offsets(np.array([part.node_count for part in parts]))
    pieces = []
    for take_nodes in (True, False):
        for part, atom_start, node_start in zip(parts, atom_starts, node_starts, strict=False):
            count = part.node_count
            rows = np.arange(count) if take_nodes else np.arange(count, len(part.clauses) - 1)
            clauses, places = take_rows(part.clauses, rows)
            literals, ref_places = take_rows(part.literals, places)
            refs = part.refs[ref_places].astype(np.int64)
            atom_count = len(part.digests)
            refs = np.where(
                refs < atom_count, refs + atom_start, atom_count - 1 - refs - node_start
            )
            pieces.append((np.diff(clauses), np.diff(literals), part.negated[places], refs))
    clause_counts, literal_counts, negated, refs = map(np.concatenate, zip(*pieces, strict=True))
    return _Formulas(
        atom_starts=atom_starts,
        keys=np.concatenate([part.keys for part in parts]),
        levels=np.concatenate([part.levels for part in parts]),
        clauses=offsets(clause_counts),
        literals=offsets(literal_counts),
        negated=negated,
        refs=refs,
    )


def _refs_of(formulas: _Formulas, rows: Array) -> Array:
    _, clauses = take_rows(formulas.clauses, rows)
    _, places = take_rows(formulas.literals, clauses)
    return formulas.refs[places]


def _alive(formulas: _Formulas, kept: Array) -> Array:
    """Return a truth value per formula: kept filter, or node used by one."""
    count = len(formulas.levels)
    alive = np.concatenate([np.zeros(count, dtype=bool), kept])
    todo = np.arange(count, len(alive))
    for level in range(int(formulas.levels.max(initial=-1)), -2, -1):
        refs = _refs_of(formulas, todo[alive[todo]])
        alive[-1 - refs[refs < 0]] = True
        todo = np.nonzero(formulas.levels == level)[0]
    return alive


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    keys: Array
    least: Array
    bounds: Array
    atoms: Array
    titles: Array
    weights: Array


def _joined_scores(parts: Sequence[Segment], kept: Sequence[Array], starts: Array) -> _Scores:
    pieces = []
    for part, its_kept, start in zip(parts, kept, starts, strict=False):
        rows = np.nonzero(contains(np.sort(part.keys[its_kept]), part.scored_keys))[0]
        bounds, places = take_rows(part.scored_bounds, rows)
        titles = part.scored_titles[places].astype(np.int64)
        pieces.append(
            (
                part.scored_keys[rows],
                part.scored_minimums[rows],
                np.diff(bounds),
                part.scored_atoms[places] + start,
                np.where(titles < 0, titles, titles + start),
                part.scored_weights[places],
            )
        )
    keys, least, counts, atoms, titles, weights = map(np.concatenate, zip(*pieces, strict=True))
    order = np.argsort(keys, kind="stable")
    bounds, places = take_rows(offsets(counts), order)
    return _Scores(
        keys=keys[order],
        least=least[order],
        bounds=bounds,
        atoms=atoms[places],
        titles=titles[places],
        weights=weights[places],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Atoms:
    """Old and new numbers of the atoms of all parts."""

    digests: Array
    numbers: Array
    """New number of each old atom; -1 if it is unused."""
    starts: Array
    """First old number of each part."""
    tables: tuple[Array, ...]
    """New numbers per part; also -1 where an earlier part has the same atom."""

    @classmethod
    def of(
        cls, parts: Sequence[Segment], formulas: _Formulas, alive: Array, scored: _Scores
    ) -> "_Atoms":
        digests = np.concatenate([part.digests for part in parts])
        used = np.zeros(len(digests), dtype=bool)
        refs = _refs_of(formulas, np.nonzero(alive)[0])
        for these in (refs, scored.atoms, scored.titles):
            used[these[these >= 0]] = True
        for part, start in zip(parts, formulas.atom_starts, strict=False):
            checked = np.nonzero(used[part.checked_atoms + start])[0]
            used[part.guard_atoms[take_rows(part.guard_bounds, checked)[1]] + start] = True
        places = np.nonzero(used)[0]
        distinct, first, new = np.unique(digests[places], return_index=True, return_inverse=True)
        numbers = np.full(len(digests), -1, dtype=np.int64)
        numbers[places] = new
        firsts = np.full(len(digests), -1, dtype=np.int64)
        firsts[places[first]] = np.arange(len(distinct))
        tables = np.split(firsts, formulas.atom_starts[1:-1])
        return cls(
            digests=distinct, numbers=numbers, starts=formulas.atom_starts, tables=tuple(tables)
        )


def _formula_arrays(formulas: _Formulas, alive: Array, atom_numbers: Array) -> dict[str, Array]:
    count = len(formulas.levels)
    nodes = np.nonzero(alive[:count])[0]
    nodes = nodes[np.argsort(formulas.levels[nodes], kind="stable")]
    filters = np.nonzero(alive[count:])[0]
    filters = filters[np.argsort(formulas.keys[filters], kind="stable")]
    node_numbers = np.zeros(count, dtype=np.int64)
    node_numbers[nodes] = np.arange(len(nodes))
    clauses, clause_places = take_rows(formulas.clauses, np.concatenate([nodes, filters + count]))
    literals, places = take_rows(formulas.literals, clause_places)
    refs = formulas.refs[places]
    is_node = refs < 0
    out = np.empty(len(refs), dtype=np.int32)
    out[~is_node] = atom_numbers[refs[~is_node]]
    out[is_node] = int(atom_numbers.max(initial=-1)) + 1 + node_numbers[-1 - refs[is_node]]
    return {
        "keys": formulas.keys[filters].astype(np.int64),
        "levels": formulas.levels[nodes].astype(np.int16),
        "clauses": clauses.astype(np.int32),
        "literals": literals.astype(np.int32),
        "negated": formulas.negated[clause_places],
        "refs": out,
    }


def _score_arrays(scored: _Scores, atom_numbers: Array) -> dict[str, Array]:
    numbers = np.append(atom_numbers, -1)  # index -1 maps to -1
    return {
        "scored_keys": scored.keys.astype(np.int64),
        "scored_minimums": scored.least,
        "scored_bounds": scored.bounds.astype(np.int32),
        "scored_atoms": numbers[scored.atoms].astype(np.int32),
        "scored_titles": numbers[scored.titles].astype(np.int32),
        "scored_weights": scored.weights,
    }


def _stacked(
    parts: Sequence[Segment],
    atoms: _Atoms,
    column: Callable[[Segment], Array],
) -> tuple[Array, list[Array]]:
    """Return the new atoms of a table's remaining rows, and those rows in each part."""
    numbers = [table[column(part)] for part, table in zip(parts, atoms.tables, strict=True)]
    rows = [np.nonzero(these >= 0)[0] for these in numbers]
    kept = [these[its_rows] for these, its_rows in zip(numbers, rows, strict=True)]
    return np.concatenate(kept).astype(np.int32), rows


def _columns(parts: Sequence[Segment], rows: Sequence[Array], name: str) -> Array:
    return np.concatenate(
        [getattr(part, name)[its_rows] for part, its_rows in zip(parts, rows, strict=True)]
    )


def _word_arrays(parts: Sequence[Segment], atoms: _Atoms) -> dict[str, Array]:
    words = _Words.of(parts, atoms)
    phrases = _phrase_arrays(parts, atoms, words)
    return {
        **words.arrays(),
        **_single_arrays(parts, atoms, words),
        **_prefix_arrays(parts, atoms, words),
        **phrases,
        **_join_arrays(parts, words, phrases),
    }


def _join_arrays(
    parts: Sequence[Segment], words: "_Words", phrases: dict[str, Array]
) -> dict[str, Array]:
    """Keep the joined words whose words still stand side by side in a phrase."""
    hashes = np.concatenate([part.join_hashes for part in parts])
    rows = np.concatenate(
        [
            np.append(its, -1)[part.join_words.reshape(-1, JOINED_MAX)]
            for part, its in zip(parts, words.numbers, strict=True)
        ]
    )
    base = len(words.vocabulary) + 1
    flat = phrases["phrase_words"].astype(np.int64)
    is_inner = np.ones(max(len(flat) - 1, 0), dtype=bool)
    is_inner[phrases["phrase_bounds"][1:-1] - 1] = False
    pairs = np.unique((flat[:-1] * base + flat[1:])[is_inner])
    kept = np.ones(len(rows), dtype=bool)
    for left, right in pairwise(rows.T):
        kept &= (right < 0) | contains(pairs, left * base + right)
    joins, *joined = distinct_rows([hashes[kept], *rows[kept].T])
    return {
        "join_hashes": joins,
        "join_words": np.column_stack(joined).astype(np.int32).ravel(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """Words and prefixes of all parts, with their new numbers."""

    vocabulary: Array
    families: Array
    form_hashes: Array
    form_words: Array
    numbers: tuple[Array, ...]
    """New number of each old word, per part."""
    prefixes: tuple[bytes, ...]
    prefix_numbers: tuple[Array, ...]
    """New number of each old prefix, per part."""

    @classmethod
    def of(cls, parts: Sequence[Segment], atoms: _Atoms) -> "_Words":
        used = [_used_words(part, table) for part, table in zip(parts, atoms.tables, strict=True)]
        all_words = np.concatenate(
            [part.vocabulary[mask[:-1]] for part, mask in zip(parts, used, strict=True)]
        )
        families = np.concatenate(
            [part.families[mask[:-1]] for part, mask in zip(parts, used, strict=True)]
        )
        vocabulary, first = np.unique(all_words, return_index=True)
        numbers = tuple(np.searchsorted(vocabulary, part.vocabulary) for part in parts)
        forms = [
            (part.form_hashes[mask[part.form_words]], its[part.form_words[mask[part.form_words]]])
            for part, mask, its in zip(parts, used, numbers, strict=True)
        ]
        columns = [np.concatenate(column) for column in zip(*forms, strict=True)]
        hashes, means = distinct_rows(columns)
        texts = [prefix_texts(part) for part in parts]
        prefixes = tuple(sorted(_used_prefixes(parts, atoms, texts)))
        place = {text: i for i, text in enumerate(prefixes)}
        return cls(
            vocabulary=vocabulary,
            families=families[first],
            form_hashes=hashes,
            form_words=means.astype(np.int32),
            numbers=numbers,
            prefixes=prefixes,
            prefix_numbers=tuple(
                np.array([place.get(text, -1) for text in these], dtype=np.int64) for these in texts
            ),
        )

    def arrays(self) -> dict[str, Array]:
        return {
            "vocabulary": self.vocabulary,
            "families": self.families,
            "form_hashes": self.form_hashes,
            "form_words": self.form_words,
            **text_arrays("prefixes", "prefix_text", self.prefixes),
        }


def _used_words(part: Segment, table: Array) -> Array:
    """Return a truth value per word: is it still used? One extra element at the end."""
    used = np.zeros(len(part.vocabulary) + 1, dtype=bool)
    used[part.single_words[table[part.single_atoms] >= 0]] = True
    _, places = take_rows(part.phrase_bounds, np.nonzero(table[part.phrase_atoms] >= 0)[0])
    used[part.phrase_words[places]] = True
    return used


def _used_prefixes(
    parts: Sequence[Segment], atoms: _Atoms, texts: Sequence[Sequence[bytes]]
) -> set[bytes]:
    used = set()
    for part, table, its_texts in zip(parts, atoms.tables, texts, strict=True):
        alone = part.prefix_numbers[table[part.prefix_atoms] >= 0]
        last = part.phrase_prefixes[table[part.phrase_atoms] >= 0]
        numbers = np.unique(np.concatenate([alone, last[last >= 0]]))
        used |= {its_texts[number] for number in numbers.tolist()}
    return used


def text_arrays(bounds: str, text: str, texts: Sequence[bytes]) -> dict[str, Array]:
    """Return the arrays named *bounds* and *text* that store *texts*."""
    return {
        bounds: offsets(np.array([len(one) for one in texts], dtype=np.int64)),
        text: np.frombuffer(b"".join(texts), dtype=np.uint8),
    }


def prefix_texts(segment: Segment) -> list[bytes]:
    """Return the texts of all prefixes in UTF-8, in order of their numbers."""
    text = segment.prefix_text.tobytes()
    ends = segment.prefixes.tolist()
    return [text[start:end] for start, end in pairwise(ends)]


def _single_arrays(parts: Sequence[Segment], atoms: _Atoms, words: _Words) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.single_atoms)
    old = [part.single_words[its] for part, its in zip(parts, rows, strict=True)]
    word = np.concatenate([new[its] for new, its in zip(words.numbers, old, strict=True)])
    order = np.argsort(word, kind="stable")
    return {
        "single_words": word[order].astype(np.int32),
        "single_atoms": numbers[order],
        "single_masks": _columns(parts, rows, "single_masks")[order],
    }


def _prefix_arrays(parts: Sequence[Segment], atoms: _Atoms, words: _Words) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.prefix_atoms)
    old = [part.prefix_numbers[its] for part, its in zip(parts, rows, strict=True)]
    text = np.concatenate([new[its] for new, its in zip(words.prefix_numbers, old, strict=True)])
    order = np.argsort(text, kind="stable")
    return {
        "prefix_numbers": text[order].astype(np.int32),
        "prefix_atoms": numbers[order],
        "prefix_masks": _columns(parts, rows, "prefix_masks")[order],
    }


def _phrase_arrays(parts: Sequence[Segment], atoms: _Atoms, words: _Words) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.phrase_atoms)
    lengths, flat, prefix_numbers = [], [], []
    for part, its, new, texts in zip(parts, rows, words.numbers, words.prefix_numbers, strict=True):
        bounds, places = take_rows(part.phrase_bounds, its)
        lengths.append(np.diff(bounds))
        flat.append(new[part.phrase_words[places]])
        old = part.phrase_prefixes[its]
        prefix_numbers.append(np.append(texts, -1)[old])
    bounds, word = offsets(np.concatenate(lengths)), np.concatenate(flat)
    size = np.minimum(np.diff(bounds), HASHED)
    hash_ = _phrase_hash(words.families, bounds, word, size)
    order = np.lexsort((hash_, size))
    new_bounds, places = take_rows(bounds, order)
    return {
        "phrase_sizes": offsets(np.bincount(size, minlength=HASHED + 1)),
        "phrase_hashes": hash_[order],
        "phrase_atoms": numbers[order],
        "phrase_masks": _columns(parts, rows, "phrase_masks")[order],
        "phrase_bounds": new_bounds.astype(np.int32),
        "phrase_words": word[places].astype(np.int32),
        "phrase_prefixes": np.concatenate(prefix_numbers)[order].astype(np.int32),
    }


def _phrase_hash(families: Array, bounds: Array, words: Array, sizes: Array) -> Array:
    out = np.zeros(len(sizes), dtype=np.uint64)
    for size in range(1, HASHED + 1):
        rows = np.nonzero(sizes == size)[0]
        out[rows] = combine_hashes(families[words[bounds[rows] + k]] for k in range(size))
    return out


def _fact_arrays(parts: Sequence[Segment], atoms: _Atoms) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.fact_atoms)
    hashes = _columns(parts, rows, "fact_hashes")
    order = np.argsort(hashes, kind="stable")
    return {"fact_hashes": hashes[order], "fact_atoms": numbers[order]}


def _checked_arrays(parts: Sequence[Segment], atoms: _Atoms) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.checked_atoms)
    lengths, texts, families, checked = [], [], [], []
    guard_counts, guards = [], []
    start = 0
    for part, its, atom_start in zip(parts, rows, atoms.starts, strict=False):
        guard_bounds, guard_places = take_rows(part.guard_bounds, its)
        guard_counts.append(np.diff(guard_bounds))
        guards.append(atoms.numbers[part.guard_atoms[guard_places] + atom_start])
        bounds, places = take_rows(part.checked_bounds, its)
        lengths.append(np.diff(bounds))
        texts.append(part.checked_text[places])
        new = np.full(len(part.checked_atoms), -1, dtype=np.int64)
        new[its] = np.arange(start, start + len(its))
        start += len(its)
        who = new[part.family_checked]
        families.append(part.family_hashes[who >= 0])
        checked.append(who[who >= 0])
    family = np.concatenate(families)
    order = np.argsort(family, kind="stable")
    return {
        "checked_atoms": numbers,
        "checked_kinds": _columns(parts, rows, "checked_kinds"),
        "checked_bounds": offsets(np.concatenate(lengths)),
        "checked_text": np.concatenate(texts),
        "guard_bounds": offsets(np.concatenate(guard_counts)),
        "guard_atoms": np.concatenate(guards).astype(np.int32),
        "family_hashes": family[order],
        "family_checked": np.concatenate(checked)[order].astype(np.int32),
    }
