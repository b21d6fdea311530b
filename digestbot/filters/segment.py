"""
Many filters as a few dozen arrays: what is matched, merged, saved and mapped into memory.

A filter is a *formula*: clauses that must all hold, each of them "one of these" or "none of these".
What stands in a clause is the number of an atom, or of a *node*: a formula inside a formula. Equal
atoms of different filters are one atom. Begin at `Segment`; `assemble` makes one of several.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from digestbot.filters.arrays import Array, contains, offsets, rolled, taken

HASHED = 4
"""Words at the beginning of a term by which it is found; the rest is compared then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """
    Filters and the atoms that they are made of. With A atoms and N nodes.

    Formulas are numbered with the nodes first, then the filters. Once assembled, keys, digests,
    vocabulary and each table's first column are sorted, and nodes stand after those they hold.
    """

    keys: Array
    """Of each filter."""
    levels: Array
    """Of each node: one more than the highest node in it, or 0."""
    clauses: Array
    """Bounds of each formula's clauses."""
    literals: Array
    """Bounds of each clause's atoms and nodes."""
    negated: Array
    """Of each clause: whether none may hold, instead of at least one."""
    refs: Array
    """An atom below A, a node from there on."""

    digests: Array
    """Of each atom: equal for equal atoms."""

    vocabulary: Array
    """Hashes of the words that terms are made of."""
    families: Array
    """For each word: a hash that all its forms, and the forms of those, have in common."""
    form_hashes: Array
    """Every form of every word: its hash, and the word that it may stand for."""
    form_words: Array

    single_words: Array
    """Terms of one word: the word, the atom, the bits of the fields."""
    single_atoms: Array
    single_masks: Array

    beginnings: Array
    """Bounds of the texts of ``foo*``, in UTF-8."""
    beginning_text: Array
    begun_texts: Array
    """Terms that are only a beginning: its number, the atom, the bits of the fields."""
    begun_atoms: Array
    begun_masks: Array

    row_sizes: Array
    """Terms of several words: by how many words it is found, their families' hash …"""
    row_hashes: Array
    row_atoms: Array
    row_masks: Array
    row_bounds: Array
    """Bounds of the words of each …"""
    row_words: Array
    row_beginnings: Array
    """… and the beginning that follows them, or -1."""

    fact_hashes: Array
    """Facts, each with an atom that it makes true."""
    fact_atoms: Array

    asked_atoms: Array
    """Atoms that `evaluate.hits` is asked about; the kind says for which papers."""
    asked_kinds: Array
    asked_bounds: Array
    asked_text: Array
    """What `payload.encode` made of each."""
    guard_bounds: Array
    """Bounds of the atoms that must all hold for it to hold; it is asked about no other paper."""
    guard_atoms: Array
    family_hashes: Array
    """Family names of the authors asked about, and who is asked about."""
    family_asked: Array

    scored_keys: Array
    """Filters with a min_score."""
    scored_least: Array
    scored_bounds: Array
    """Bounds of the atoms that count …"""
    scored_atoms: Array
    scored_titles: Array
    """… each with the atom that says whether it hits in the title, or -1, and its weight."""
    scored_weights: Array

    @property
    def node_count(self) -> int:
        """How many formulas are nodes."""
        return len(self.levels)

    @property
    def size_bytes(self) -> int:
        """Of all arrays together."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))


def assemble(parts: Sequence[Segment], kept: Sequence[Array]) -> Segment:
    """
    One sorted segment of the filters that are *kept* (a truth value for each) in the parts.

    Keys must be distinct among them. Atoms and nodes that nothing refers to any more are left out.
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
        **_asked_arrays(parts, atoms),
        digests=atoms.digests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Formulas:
    """All formulas of all parts: first all the nodes, then all the filters; a node n as -1-n."""

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
            clauses, places = taken(part.clauses, rows)
            literals, ref_places = taken(part.literals, places)
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
    _, clauses = taken(formulas.clauses, rows)
    _, places = taken(formulas.literals, clauses)
    return formulas.refs[places]


def _alive(formulas: _Formulas, kept: Array) -> Array:
    """Which formulas are kept filters, or nodes below one."""
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
        bounds, places = taken(part.scored_bounds, rows)
        titles = part.scored_titles[places].astype(np.int64)
        pieces.append(
            (
                part.scored_keys[rows],
                part.scored_least[rows],
                np.diff(bounds),
                part.scored_atoms[places] + start,
                np.where(titles < 0, titles, titles + start),
                part.scored_weights[places],
            )
        )
    keys, least, counts, atoms, titles, weights = map(np.concatenate, zip(*pieces, strict=True))
    order = np.argsort(keys, kind="stable")
    bounds, places = taken(offsets(counts), order)
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
    """What becomes of the atoms of all parts."""

    digests: Array
    numbers: Array
    """The new number of each old one; -1 if nothing refers to it."""
    starts: Array
    """The first of the old numbers of each part."""
    tables: tuple[Array, ...]
    """For each part: the same, but -1 too where an earlier part has the same atom."""

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
            asked = np.nonzero(used[part.asked_atoms + start])[0]
            used[part.guard_atoms[taken(part.guard_bounds, asked)[1]] + start] = True
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
    clauses, clause_places = taken(formulas.clauses, np.concatenate([nodes, filters + count]))
    literals, places = taken(formulas.literals, clause_places)
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
    numbers = np.append(atom_numbers, -1)  # the last one is what -1 points at
    return {
        "scored_keys": scored.keys.astype(np.int64),
        "scored_least": scored.least,
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
    """The new atoms of one table's rows that stay, and which rows those are in each part."""
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
    return {
        **words.arrays(),
        **_single_arrays(parts, atoms, words),
        **_begun_arrays(parts, atoms, words),
        **_row_arrays(parts, atoms, words),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The words and beginnings of all parts, and their new numbers."""

    vocabulary: Array
    families: Array
    form_hashes: Array
    form_words: Array
    numbers: tuple[Array, ...]
    """For each part: the new number of each old word."""
    beginnings: tuple[bytes, ...]
    begun: tuple[Array, ...]
    """For each part: the new number of each old beginning."""

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
        hashes, words = (np.concatenate(column) for column in zip(*forms, strict=True))
        pairs = np.unique(np.stack([hashes, words.astype(np.uint64)], axis=1), axis=0)
        texts = [beginning_texts(part) for part in parts]
        beginnings = tuple(sorted(_used_beginnings(parts, atoms, texts)))
        place = {text: i for i, text in enumerate(beginnings)}
        return cls(
            vocabulary=vocabulary,
            families=families[first],
            form_hashes=pairs[:, 0].copy(),
            form_words=pairs[:, 1].astype(np.int32),
            numbers=numbers,
            beginnings=beginnings,
            begun=tuple(
                np.array([place.get(text, -1) for text in these], dtype=np.int64) for these in texts
            ),
        )

    def arrays(self) -> dict[str, Array]:
        return {
            "vocabulary": self.vocabulary,
            "families": self.families,
            "form_hashes": self.form_hashes,
            "form_words": self.form_words,
            **text_arrays("beginnings", "beginning_text", self.beginnings),
        }


def _used_words(part: Segment, table: Array) -> Array:
    """Which words stay, with one more at the end."""
    used = np.zeros(len(part.vocabulary) + 1, dtype=bool)
    used[part.single_words[table[part.single_atoms] >= 0]] = True
    _, places = taken(part.row_bounds, np.nonzero(table[part.row_atoms] >= 0)[0])
    used[part.row_words[places]] = True
    return used


def _used_beginnings(
    parts: Sequence[Segment], atoms: _Atoms, texts: Sequence[Sequence[bytes]]
) -> set[bytes]:
    used = set()
    for part, table, its_texts in zip(parts, atoms.tables, texts, strict=True):
        alone = part.begun_texts[table[part.begun_atoms] >= 0]
        last = part.row_beginnings[table[part.row_atoms] >= 0]
        numbers = np.unique(np.concatenate([alone, last[last >= 0]]))
        used |= {its_texts[number] for number in numbers.tolist()}
    return used


def text_arrays(bounds: str, text: str, texts: Sequence[bytes]) -> dict[str, Array]:
    """The two arrays of these names for a list of texts."""
    return {
        bounds: offsets(np.array([len(one) for one in texts], dtype=np.int64)),
        text: np.frombuffer(b"".join(texts), dtype=np.uint8),
    }


def beginning_texts(segment: Segment) -> list[bytes]:
    """The texts of ``foo*`` in UTF-8, by their number."""
    text = segment.beginning_text.tobytes()
    ends = segment.beginnings.tolist()
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


def _begun_arrays(parts: Sequence[Segment], atoms: _Atoms, words: _Words) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.begun_atoms)
    old = [part.begun_texts[its] for part, its in zip(parts, rows, strict=True)]
    text = np.concatenate([new[its] for new, its in zip(words.begun, old, strict=True)])
    order = np.argsort(text, kind="stable")
    return {
        "begun_texts": text[order].astype(np.int32),
        "begun_atoms": numbers[order],
        "begun_masks": _columns(parts, rows, "begun_masks")[order],
    }


def _row_arrays(parts: Sequence[Segment], atoms: _Atoms, words: _Words) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.row_atoms)
    lengths, flat, begun = [], [], []
    for part, its, new, texts in zip(parts, rows, words.numbers, words.begun, strict=True):
        bounds, places = taken(part.row_bounds, its)
        lengths.append(np.diff(bounds))
        flat.append(new[part.row_words[places]])
        old = part.row_beginnings[its]
        begun.append(np.append(texts, -1)[old])
    bounds, word = offsets(np.concatenate(lengths)), np.concatenate(flat)
    size = np.minimum(np.diff(bounds), HASHED)
    hash_ = _row_hash(words.families, bounds, word, size)
    order = np.lexsort((hash_, size))
    new_bounds, places = taken(bounds, order)
    return {
        "row_sizes": offsets(np.bincount(size, minlength=HASHED + 1)),
        "row_hashes": hash_[order],
        "row_atoms": numbers[order],
        "row_masks": _columns(parts, rows, "row_masks")[order],
        "row_bounds": new_bounds.astype(np.int32),
        "row_words": word[places].astype(np.int32),
        "row_beginnings": np.concatenate(begun)[order].astype(np.int32),
    }


def _row_hash(families: Array, bounds: Array, words: Array, sizes: Array) -> Array:
    out = np.zeros(len(sizes), dtype=np.uint64)
    for size in range(1, HASHED + 1):
        rows = np.nonzero(sizes == size)[0]
        out[rows] = rolled(families[words[bounds[rows] + k]] for k in range(size))
    return out


def _fact_arrays(parts: Sequence[Segment], atoms: _Atoms) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.fact_atoms)
    hashes = _columns(parts, rows, "fact_hashes")
    order = np.argsort(hashes, kind="stable")
    return {"fact_hashes": hashes[order], "fact_atoms": numbers[order]}


def _asked_arrays(parts: Sequence[Segment], atoms: _Atoms) -> dict[str, Array]:
    numbers, rows = _stacked(parts, atoms, lambda part: part.asked_atoms)
    lengths, texts, families, asked = [], [], [], []
    guard_counts, guards = [], []
    start = 0
    for part, its, atom_start in zip(parts, rows, atoms.starts, strict=False):
        guard_bounds, guard_places = taken(part.guard_bounds, its)
        guard_counts.append(np.diff(guard_bounds))
        guards.append(atoms.numbers[part.guard_atoms[guard_places] + atom_start])
        bounds, places = taken(part.asked_bounds, its)
        lengths.append(np.diff(bounds))
        texts.append(part.asked_text[places])
        new = np.full(len(part.asked_atoms), -1, dtype=np.int64)
        new[its] = np.arange(start, start + len(its))
        start += len(its)
        who = new[part.family_asked]
        families.append(part.family_hashes[who >= 0])
        asked.append(who[who >= 0])
    family = np.concatenate(families)
    order = np.argsort(family, kind="stable")
    return {
        "asked_atoms": numbers,
        "asked_kinds": _columns(parts, rows, "asked_kinds"),
        "asked_bounds": offsets(np.concatenate(lengths)),
        "asked_text": np.concatenate(texts),
        "guard_bounds": offsets(np.concatenate(guard_counts)),
        "guard_atoms": np.concatenate(guards).astype(np.int32),
        "family_hashes": family[order],
        "family_asked": np.concatenate(asked)[order].astype(np.int32),
    }
