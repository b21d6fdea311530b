"""
Match all filters of a segment against all papers of a batch at once.

First find which atoms hit which papers. Each atom that hits gets a row of bits, one per paper, and
formulas are evaluated as ORs and ANDs of rows, some thousand filters at a time, without any loop
over single filters. Begin at `match`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from digestbot.filters.arrays import (
    Array,
    equal_number_pairs,
    equal_pairs,
    hashes,
    offsets,
    ranges,
)
from digestbot.filters.authors import (
    name_matches,
    printed_keys,
    printed_letters,
    wanted_letters,
)
from digestbot.filters.batch import FIELDS, Batch, Stream
from digestbot.filters.builder import CHECK_AUTHOR, CHECK_EXACT, IN_TITLE
from digestbot.filters.evaluate import TITLE_FACTOR, hits
from digestbot.filters.payload import decode
from digestbot.filters.phrases import TermWords, phrase_hits
from digestbot.filters.segment import Segment
from digestbot.filters.tree import Atom, AuthorIs, Exact
from digestbot.text.symbols import without_scripts

BLOCK = 1024
"""Papers per row of bits."""
CHUNK = 8192
"""Formulas evaluated together; limited so that intermediate results fit in the CPU cache."""
FEW_AUTHORS = 1000
"""Maximum of wanted authors for which papers are searched by letters of the family name."""

_FIELD_CODES = 2 * max(FIELDS.values())

Pairs = tuple[Array, Array]


def match(segment: Segment, gone: Array, batch: Batch) -> Pairs:
    """
    Return the matching pairs of filter and announcement, by index, sorted.

    *gone* has a truth value for each filter of the segment: those marked true are skipped.
    """
    atoms, papers = atom_hits(segment, batch)
    found = [
        _match_block(segment, gone, (atoms, papers), start, min(BLOCK, len(batch) - start))
        for start in range(0, len(batch), BLOCK)
    ]
    if len(found) == 1:
        return found[0]
    rows, places = _concatenated(found)
    order = np.argsort(rows, kind="stable")
    return rows[order], places[order]


def _match_block(segment: Segment, gone: Array, atom_pairs: Pairs, start: int, count: int) -> Pairs:
    atoms, papers = atom_pairs
    mine = (papers >= start) & (papers < start + count)
    bits = _Bits.of(segment, atoms[mine], papers[mine] - start, count)
    for first, end in _levels(segment):
        bits = bits.with_nodes(segment, first, end)
    nodes, total = segment.node_count, segment.node_count + len(segment.keys)
    found = []
    for first in range(nodes, total, CHUNK):
        end = min(total, first + CHUNK)
        which, rows = bits.formulas(segment, first, end, gone[first - nodes : end - nodes])
        these, places = _set_bits(rows)
        found.append((which[these] + (first - nodes), places))
    rows, places = _with_min_score(segment, bits, *_concatenated(found))
    return rows, places + start


def _concatenated(pairs: Sequence[Pairs]) -> Pairs:
    if not pairs:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    left, right = zip(*pairs, strict=True)
    return np.concatenate(left), np.concatenate(right)


def _levels(segment: Segment) -> Iterator[tuple[int, int]]:
    """Yield the ranges of nodes, level by level from the lowest."""
    bounds = offsets(np.bincount(segment.levels, minlength=1))
    for first, end in pairwise(bounds.tolist()):
        for start in range(first, end, CHUNK):
            yield start, min(end, start + CHUNK)


# formulas


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bits:
    """The papers for which each atom and node holds; most hold for none and have no row."""

    slots: Array
    """Row of each atom and node, or -1."""
    rows: Array
    """Words of 64 bits each; the first paper is the lowest bit of the first word."""
    every_paper: Array
    """Row with the bits of all papers set."""

    @classmethod
    def of(cls, segment: Segment, atoms: Array, papers: Array, count: int) -> "_Bits":
        width = (count + 63) // 64
        has_row = np.zeros(len(segment.digests) + segment.node_count, dtype=bool)
        has_row[atoms] = True
        live = np.nonzero(has_row)[0]
        slots = np.full(len(has_row), -1, dtype=np.int32)
        slots[live] = np.arange(len(live))
        flat = np.zeros(len(live) * width, dtype=np.uint64)
        bit = np.left_shift(np.uint64(1), (papers & 63).astype(np.uint64))
        np.bitwise_or.at(flat, slots[atoms] * np.int64(width) + (papers >> 6), bit)
        return cls(slots=slots, rows=flat.reshape(-1, width), every_paper=_ones(count))

    def with_nodes(self, segment: Segment, first: int, end: int) -> "_Bits":
        """Add the nodes of a range, which use only atoms and earlier nodes."""
        which, found = self.formulas(segment, first, end, np.zeros(end - first, dtype=bool))
        slots = self.slots.copy()
        places = which + (first + len(segment.digests))
        slots[places] = np.arange(len(self.rows), len(self.rows) + len(which))
        rows = np.concatenate([self.rows, found])
        return _Bits(slots=slots, rows=rows, every_paper=self.every_paper)

    def formulas(self, segment: Segment, first: int, end: int, gone: Array) -> tuple[Array, Array]:
        """
        Return those formulas from *first* to *end* that may hold for any paper, and their rows.

        Most filters have a clause without a single hit today; they are excluded by one number per
        literal, before any row is read. For 100,000 filters and 1,000 papers that is most of the
        gain over evaluating all rows.
        """
        clauses = segment.clauses[first : end + 1].astype(np.int64)
        literals = segment.literals[clauses[0] : clauses[-1] + 1].astype(np.int64)
        negated = segment.negated[clauses[0] : clauses[-1]]
        slots = self.slots[segment.refs[literals[0] : literals[-1]]]
        clauses -= clauses[0]
        literals -= literals[0]
        live = slots >= 0
        live_counts = np.diff(offsets(live)[literals])
        is_dead = (live_counts == 0) & ~negated
        holds = (np.diff(offsets(is_dead)[clauses]) == 0) & ~gone
        owners = np.repeat(np.arange(end - first), np.diff(clauses))
        # A clause "none of these" without hits holds for every paper.
        needed = holds[owners] & (live_counts > 0)
        wanted = np.repeat(needed, np.diff(literals)) & live
        sides = self._clause_rows(slots[wanted], live_counts[needed], negated[needed])
        which = np.nonzero(holds)[0]
        counts = np.bincount(owners[needed], minlength=end - first)[which]
        sides_of = np.arange(len(sides))
        return which, _folded(np.bitwise_and, sides, sides_of, counts, self.every_paper)

    def _clause_rows(self, slots: Array, counts: Array, negated: Array) -> Array:
        """Return the OR of the rows of each clause, inverted if it is negated."""
        out = _folded(np.bitwise_or, self.rows, slots, counts, self.every_paper)
        out[negated] = ~out[negated] & self.every_paper
        return np.asarray(out)


_FEW = 8
"""Rows folded one after the other; `reduceat` takes twice as long for so few, less for many."""


def _folded(fold: np.ufunc, table: Array, items: Array, counts: Array, empty: Array) -> Array:
    """Fold runs of the rows *items* of *table*; a run without rows is *empty*."""
    first = offsets(counts)[:-1]
    if not len(items):
        return np.repeat(empty[None, :], len(counts), axis=0)
    out = table[items[np.minimum(first, len(items) - 1)]]
    out[counts == 0] = empty
    for k in range(1, min(_FEW, int(counts.max()))):
        more = np.flatnonzero(counts > k)
        out[more] = fold(out[more], table[items[first[more] + k]])
    many = np.flatnonzero(counts > _FEW)
    if len(many):
        rows = table[items[ranges(first[many], counts[many])]]
        out[many] = fold.reduceat(rows, offsets(counts[many])[:-1], axis=0)
    return out


def _ones(count: int) -> Array:
    row = np.full((count + 63) // 64, ~np.uint64(0), dtype=np.uint64)
    if count % 64:
        row[-1] = np.uint64((1 << (count % 64)) - 1)
    return row


def _set_bits(rows: Array) -> Pairs:
    """Return the positions (row, bit) of all set bits, in order."""
    # np.nonzero is several times faster on flat boolean arrays than on others.
    flat = rows.ravel()
    some = np.flatnonzero(flat != 0)
    octets = flat[some].astype("<u8").view(np.uint8)
    bits = np.flatnonzero(np.unpackbits(octets, bitorder="little").view(bool))
    row, word = np.divmod(some[bits >> 6], rows.shape[1])
    return row, word * 64 + (bits & 63)


def _with_min_score(segment: Segment, bits: _Bits, rows: Array, papers: Array) -> Pairs:
    """Drop the pairs whose score is below the filter's min_score."""
    if not len(segment.scored_keys):
        return rows, papers
    scored_rows = np.searchsorted(segment.keys, segment.scored_keys)
    place = np.searchsorted(scored_rows, rows)
    place[place == len(scored_rows)] = 0
    scored = np.nonzero(scored_rows[place] == rows)[0]
    enough = np.ones(len(rows), dtype=bool)
    for start in range(0, len(scored), CHUNK):
        these = scored[start : start + CHUNK]
        which = place[these]
        enough[these] = (
            _scores(segment, bits, which, papers[these]) >= segment.scored_minimums[which]
        )
    return rows[enough], papers[enough]


def _scores(segment: Segment, bits: _Bits, which: Array, papers: Array) -> Array:
    """The score of each pair; added up in the order of `evaluate`, so that it is the same float."""
    bounds = segment.scored_bounds.astype(np.int64)
    lengths = np.diff(bounds)[which]
    places = ranges(bounds[:-1][which], lengths)
    pair = np.repeat(np.arange(len(which)), lengths)
    paper = papers[pair]
    in_title = _holds(bits, segment.scored_titles[places], paper)
    weight = segment.scored_weights[places] * np.where(in_title, TITLE_FACTOR, 1.0)
    counts = np.where(_holds(bits, segment.scored_atoms[places], paper), weight, 0.0)
    return np.bincount(pair, weights=counts, minlength=len(which))


def _holds(bits: _Bits, atoms: Array, papers: Array) -> Array:
    """Return a truth value per pair of atom and paper. Atom -1 never holds."""
    slots = np.where(atoms >= 0, bits.slots[atoms], -1)
    out = np.zeros(len(slots), dtype=bool)
    some = np.nonzero(slots >= 0)[0]
    word = bits.rows[slots[some], papers[some] >> 6]
    out[some] = (word >> (papers[some] & 63).astype(np.uint64)) & np.uint64(1)
    return out


# atoms


def atom_hits(segment: Segment, batch: Batch) -> Pairs:
    """Return the pairs (atom, index of announcement) that hold, with duplicates."""
    found = _concatenated([*_word_hits(segment, batch), _fact_hits(segment, batch)])
    return _concatenated([found, _checked_hits(segment, batch, found)])


def _word_hits(segment: Segment, batch: Batch) -> Iterator[Pairs]:
    masks = (segment.single_masks, segment.prefix_masks, segment.phrase_masks)
    mask = int(np.bitwise_or.reduce(np.concatenate(masks), initial=0))
    if not mask:
        return
    stream = batch.stream(mask)
    term_words = TermWords.of(segment, batch)
    distinct = _distinct(stream, term_words)
    singles = (segment.single_words, segment.single_atoms, segment.single_masks)
    prefixes = (segment.prefix_numbers, segment.prefix_atoms, segment.prefix_masks)
    count = len(term_words.families)
    yield _single_hits(distinct, count, term_words.by_word, singles)
    yield _single_hits(distinct, count, term_words.by_prefix, prefixes)
    if len(segment.phrase_atoms):
        yield phrase_hits(segment, stream, term_words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distinct:
    """Words that occur in terms, once per field and paper."""

    words: Array
    papers: Array
    fields: Array


def _distinct(stream: Stream, term_words: TermWords) -> _Distinct:
    words = len(term_words.families)
    stands_for = np.zeros(words, dtype=bool)
    stands_for[term_words.by_word[0]] = True
    stands_for[term_words.by_prefix[0]] = True
    wanted = np.flatnonzero(stands_for[stream.words])
    joined = np.flatnonzero(stands_for[stream.joined_words])
    places = np.concatenate([wanted, stream.joined_starts[joined]])
    word = np.concatenate([stream.words[wanted], stream.joined_words[joined]])
    codes = (stream.papers[places] * _FIELD_CODES + stream.fields[places]) * words + word
    if len(codes) and codes.max() < 1 << 31:
        codes = codes.astype(np.int32)  # sorted twice as fast
    codes.sort()  # np.unique takes three times as long
    found = codes[np.diff(codes, prepend=-1) != 0]
    rest, word = np.divmod(found, words)
    return _Distinct(
        words=word, papers=rest // _FIELD_CODES, fields=(rest % _FIELD_CODES).astype(np.uint8)
    )


def _single_hits(
    distinct: _Distinct, count: int, term_words: Pairs, terms: tuple[Array, Array, Array]
) -> Pairs:
    """Match *terms* of one word or prefix, given as (word, atom, fields); the batch has *count*."""
    keys, atoms, masks = terms
    words, means = term_words
    which, place = equal_pairs(keys, means)
    words = words[which]
    token, at = equal_number_pairs(words, distinct.words, count)
    place = place[at]
    ok = (masks[place] & distinct.fields[token]) != 0
    return atoms[place[ok]], distinct.papers[token[ok]]


def _fact_hits(segment: Segment, batch: Batch) -> Pairs:
    number, place = equal_pairs(segment.fact_hashes, batch.fact_hashes)
    by_fact = np.argsort(batch.facts.numbers, kind="stable")
    hit, at = equal_number_pairs(batch.facts.numbers[by_fact], number, len(batch.facts.texts))
    return segment.fact_atoms[place[hit]], batch.facts.papers[by_fact[at]]


# atoms that are checked paper by paper


def _checked_hits(segment: Segment, batch: Batch, found: Pairs) -> Pairs:
    pairs = [
        *_unguarded_hits(segment, batch),
        *_guarded_hits(segment, batch, found),
        *_author_hits(segment, batch),
    ]
    atoms, papers = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(atoms, dtype=np.int64), np.array(papers, dtype=np.int64)


def _unguarded_hits(segment: Segment, batch: Batch) -> Iterator[tuple[int, int]]:
    lined_texts = _LinedTexts(batch)
    is_guarded = np.diff(segment.guard_bounds) > 0
    for place in np.flatnonzero((segment.checked_kinds != CHECK_AUTHOR) & ~is_guarded).tolist():
        atom = _atom(segment, place)
        papers: Iterable[int] = range(len(batch))
        if segment.checked_kinds[place] == CHECK_EXACT and isinstance(atom, Exact):
            papers = lined_texts.with_characters(without_scripts(atom.term), atom.fields)
        yield from _check_papers(segment, batch, place, papers)


def _check_papers(
    segment: Segment, batch: Batch, place: int, papers: Iterable[int]
) -> Iterator[tuple[int, int]]:
    """Yield the papers for which the evaluator finds a hit."""
    atom, number = _atom(segment, place), int(segment.checked_atoms[place])
    in_title = bool(segment.checked_kinds[place] & IN_TITLE)
    for paper in papers:
        found = hits(atom, batch.announcements[paper])
        if any(match.field == "title" for match in found) if in_title else found:
            yield number, paper


def _guarded_hits(segment: Segment, batch: Batch, found: Pairs) -> Iterator[tuple[int, int]]:
    """Check guarded atoms, only for papers where all guards hold."""
    if not len(segment.guard_atoms):
        return
    atoms, papers = found
    is_guard = np.zeros(len(segment.digests), dtype=bool)
    is_guard[segment.guard_atoms] = True
    mine = is_guard[atoms]
    distinct = np.unique(atoms[mine] * np.int64(len(batch)) + papers[mine])
    atoms, papers = np.divmod(distinct, len(batch))
    counts = np.diff(segment.guard_bounds)
    order = np.argsort(segment.guard_atoms, kind="stable")
    pair, guard = equal_pairs(segment.guard_atoms[order], atoms)
    places = np.repeat(np.arange(len(counts)), counts)[order[guard]]
    codes, held = np.unique(places * np.int64(len(batch)) + papers[pair], return_counts=True)
    places, papers = np.divmod(codes, len(batch))
    whole = held == counts[places]
    checked, starts = np.unique(places[whole], return_index=True)
    for place, its_papers in zip(
        checked.tolist(), np.split(papers[whole], starts[1:]), strict=False
    ):
        yield from _check_papers(segment, batch, place, its_papers.tolist())


def _atom(segment: Segment, place: int) -> Atom:
    start, end = segment.checked_bounds[place], segment.checked_bounds[place + 1]
    return decode(segment.checked_text[start:end].tobytes())


class _LinedTexts:
    """All texts of a field without scripts, as exact terms are compared with them."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._fields: dict[str, tuple[str, ...]] = {}

    def with_characters(self, characters: str, fields: Sequence[str]) -> set[int]:
        """Return the papers that contain *characters*, possibly with some others."""
        return {
            paper
            for field in fields
            for paper, text in enumerate(self._of(field))
            if characters in text
        }

    def _of(self, field: str) -> tuple[str, ...]:
        if field not in self._fields:
            self._fields[field] = tuple(map(without_scripts, self._batch.texts(field)))
        return self._fields[field]


def _author_hits(segment: Segment, batch: Batch) -> Iterator[tuple[int, int]]:
    if not len(segment.family_hashes):
        return
    names = batch.authors
    known: dict[int, str] = {}
    by_name = np.argsort(names.numbers, kind="stable")
    few = _few_names(segment, names.texts)
    for number, place in _author_candidates(segment, names.texts, few):
        if place not in known:
            known[place] = _name(_atom(segment, place))
        if name_matches(known[place], names.texts[number]):
            first, end = np.searchsorted(names.numbers[by_name], [number, number + 1])
            for paper in names.papers[by_name[first:end]]:
                yield int(segment.checked_atoms[place]), int(paper)


def _name(atom: Atom) -> str:
    if not isinstance(atom, AuthorIs):
        raise TypeError(f"expected an AuthorIs, found a {type(atom).__name__}")
    return atom.name


def _few_names(segment: Segment, names: Sequence[str]) -> Iterable[int]:
    """
    Return the indexes of the names worth parsing.

    If few authors are wanted, these are the names that contain the letters of a wanted family name.
    For the 80,000 names of a month this takes 0.2 s instead of 2.5 s.
    """
    checked = np.unique(segment.family_checked).tolist()
    if len(checked) > FEW_AUTHORS:
        return range(len(names))
    runs = [printed_letters(name) for name in names]
    ends = offsets(np.array([len(run) + 1 for run in runs], dtype=np.int64))[1:].tolist()
    text = "".join(f"{run}\n" for run in runs)
    found = {number for number, run in enumerate(runs) if not run}
    for place in checked:
        for letters in wanted_letters(_name(_atom(segment, place))):
            found |= _places_in(text, ends, letters)
    return sorted(found)


def _places_in(text: str, ends: Sequence[int], wanted: str) -> set[int]:
    """Return the indexes of the texts that contain *wanted*; *ends* are their ends in *text*."""
    found = set()
    place = text.find(wanted)
    while place >= 0:
        number = bisect_left(ends, place + 1)
        found.add(number)
        place = text.find(wanted, ends[number])
    return found


def _author_candidates(
    segment: Segment, names: Sequence[str], few: Iterable[int]
) -> Iterator[tuple[int, int]]:
    """Yield pairs (name, checked atom) with a common family-name key."""
    keys: list[str] = []
    owners: list[int] = []
    for number in few:
        found = printed_keys(names[number])
        keys += found
        owners += [number] * len(found)
    which, place = equal_pairs(segment.family_hashes, hashes(keys))
    pairs = np.stack([np.array(owners, dtype=np.int64)[which], segment.family_checked[place]])
    for number, checked in np.unique(pairs, axis=1).T.tolist():
        yield number, checked
