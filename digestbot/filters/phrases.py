"""
Match terms of several words against the words of a batch.

The words of a text are nodes of a graph, each followed by the nodes that may come next. Other
nodes are the joined words of a compound (*pre-training* as ``pretraining``) and pairs for a word
that a term writes apart (*pretraining* as ``pre``, ``training``). A phrase is a path through them.
Begin at `phrase_hits`.
"""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np

from digestbot.filters.arrays import (
    Array,
    contains,
    equal_hash_pairs,
    equal_number_pairs,
    extend_hashes,
    offsets,
    probably_among,
    ranges,
)
from digestbot.filters.batch import Batch, Stream
from digestbot.filters.segment import Segment, prefix_texts
from digestbot.text.canonical import JOINED_MAX

Pairs = tuple[Array, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermWords:
    """Words of a batch mapped to the words and prefixes in the terms of a segment."""

    by_word: Pairs
    """Sorted pairs (word of the batch, word of a term) where one is a form of the other."""
    by_prefix: Pairs
    """Sorted pairs (word of the batch, prefix it begins with)."""
    families: Array
    """Family of each word of the batch; 0 if it occurs in no term."""
    by_join: Pairs
    """Sorted pairs (word of the batch, row of the segment's joins it is a form of)."""

    @classmethod
    def of(cls, segment: Segment, batch: Batch) -> "TermWords":
        word, place = equal_hash_pairs(segment.form_hashes, batch.word_hashes())
        means = segment.form_words[place]
        families = np.zeros(len(batch.word_hashes()), dtype=np.uint64)
        families[word] = segment.families[means]
        return cls(
            by_word=(word, means),
            by_prefix=_prefix_pairs(segment, batch),
            families=families,
            by_join=equal_hash_pairs(segment.join_hashes, batch.word_hashes()),
        )


def _prefix_pairs(segment: Segment, batch: Batch) -> Pairs:
    texts = [text.decode("utf-8", "surrogatepass") for text in prefix_texts(segment)]
    if not texts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    vocabulary = batch.vocabulary()
    order = sorted(range(len(vocabulary)), key=vocabulary.__getitem__)
    words = [vocabulary[number] for number in order]
    starts = [bisect_left(words, text) for text in texts]
    ends = [bisect_left(words, text[:-1] + chr(ord(text[-1]) + 1)) for text in texts]
    lengths = np.array(ends) - np.array(starts)
    word = np.array(order)[ranges(np.array(starts), lengths)]
    means = np.repeat(np.arange(len(texts)), lengths)
    by_word = np.lexsort((means, word))
    return word[by_word], means[by_word]


def phrase_hits(segment: Segment, stream: Stream, term_words: TermWords) -> Pairs:
    """Return the pairs (atom, index of announcement) of the phrases that occur, with duplicates."""
    nodes = _Nodes.of(segment, stream, term_words)
    rows, starts = _candidates(segment, stream, nodes)
    rows, starts = _compared(segment, nodes, term_words, rows, starts)
    return segment.phrase_atoms[rows], stream.papers[nodes.places[starts]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """
    The words of a stream, then the other nodes, which begin at the place of one of these words.

    A word of a term is numbered after the words of the batch.
    """

    words: Array
    families: Array
    """Family of each node's word; 0 if it occurs in no term."""
    places: Array
    """Place in the stream where the node begins."""
    after: Array
    """Place in the stream that follows; -1 if the next node continues the word."""
    branch_bounds: Array
    """For each place: bounds of the other nodes that begin there …"""
    branches: Array
    """… and these nodes."""

    @classmethod
    def of(cls, segment: Segment, stream: Stream, term_words: TermWords) -> "_Nodes":
        size = len(stream.words)
        plain = _Others(stream.words, np.arange(size), np.arange(1, size + 1))
        joined = _joined(stream, term_words)
        apart, is_first = _apart(segment, term_words, (plain, joined))
        words, places, after = (
            np.concatenate(columns) for columns in zip(plain, joined, apart, strict=True)
        )
        begins = np.concatenate([np.ones(len(joined.words), dtype=bool), is_first])
        branches = size + np.flatnonzero(begins)
        return cls(
            words=words,
            families=np.concatenate([term_words.families, segment.families])[words],
            places=places,
            after=after,
            branch_bounds=offsets(np.bincount(places[branches], minlength=size + 1)),
            branches=branches[np.argsort(places[branches], kind="stable")],
        )

    @property
    def size(self) -> int:
        """Number of words in the stream."""
        return len(self.branch_bounds) - 2

    def next(self, nodes: Array) -> Pairs:
        """Return the pairs (index in *nodes*, node that may follow it)."""
        after = self.after[nodes]
        inside = np.flatnonzero(after < 0)
        outside = np.flatnonzero((after >= 0) & (after < self.size))
        after = after[outside]
        first = self.branch_bounds[after]
        counts = self.branch_bounds[after + 1] - first
        return (
            np.concatenate([inside, outside, np.repeat(outside, counts)]),
            np.concatenate([nodes[inside] + 1, after, self.branches[ranges(first, counts)]]),
        )


class _Others(NamedTuple):
    """Columns of `_Nodes`."""

    words: Array
    places: Array
    after: Array


def _joined(stream: Stream, term_words: TermWords) -> _Others:
    """Return the joined words of compounds that matter to a term."""
    matters = term_words.families != 0
    matters[term_words.by_prefix[0]] = True
    matters[term_words.by_join[0]] = True
    rows = np.flatnonzero(matters[stream.joined_words])
    starts = stream.joined_starts[rows]
    return _Others(stream.joined_words[rows], starts, starts + stream.joined_sizes[rows])


def _apart(
    segment: Segment, term_words: TermWords, wholes: tuple[_Others, ...]
) -> tuple[_Others, Array]:
    """Return nodes for the words that terms write apart; True for the first of each."""
    count = len(term_words.families)
    can_part = np.zeros(count, dtype=bool)
    can_part[term_words.by_join[0]] = True
    rows = [np.flatnonzero(can_part[one.words]) for one in wholes]
    words, places, after = (
        np.concatenate([column[its] for column, its in zip(columns, rows, strict=True)])
        for columns in zip(*wholes, strict=True)
    )
    which, at = equal_number_pairs(term_words.by_join[0], words, count)
    parts = segment.join_words.reshape(-1, JOINED_MAX)[term_words.by_join[1][at]]
    is_word = parts >= 0
    ends = np.full(parts.shape, -1, dtype=np.int64)
    lengths = is_word.sum(axis=1)
    ends[np.arange(len(parts)), lengths - 1] = after[which]
    is_first = np.zeros(parts.shape, dtype=bool)
    is_first[:, 0] = True
    found = _Others(parts[is_word] + count, np.repeat(places[which], lengths), ends[is_word])
    return found, is_first[is_word]


def _candidates(segment: Segment, stream: Stream, nodes: _Nodes) -> Pairs:
    """Return the pairs (phrase, first node) whose hashed words are of the right families."""
    found = []
    longest = int(np.flatnonzero(np.diff(segment.phrase_sizes))[-1])
    plain, forked = _PlainPaths.of(nodes), _Paths.of(nodes, nodes.branches)
    for size in range(1, longest + 1):
        first, end = segment.phrase_sizes[size], segment.phrase_sizes[size + 1]
        known = segment.phrase_hashes[first:end]
        for starts, hashes in (plain.likely(known), forked.likely(known)):
            which, place = equal_hash_pairs(known, hashes)
            found.append((place + first, starts[which]))
        if size < longest:
            forked = forked.longer(nodes, plain)
            plain = plain.longer(nodes)
    rows, starts = (np.concatenate(column) for column in zip(*found, strict=True))
    ok = (segment.phrase_masks[rows] & stream.fields[nodes.places[starts]]) != 0
    return rows[ok], starts[ok]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlainPaths:
    """Paths of *size* words of the stream, one from each of its first places."""

    size: int
    hashes: Array
    known: Array
    """For each path: is every word of it one of a term?"""

    @classmethod
    def of(cls, nodes: _Nodes) -> "_PlainPaths":
        families = nodes.families[: nodes.size]
        hashes = extend_hashes(np.uint64(0), families)
        return cls(size=1, hashes=hashes, known=families != 0)

    def longer(self, nodes: _Nodes) -> "_PlainPaths":
        families = nodes.families[self.size : nodes.size]
        count = len(families)
        return _PlainPaths(
            size=self.size + 1,
            hashes=extend_hashes(self.hashes[:count], families),
            known=self.known[:count] & (families != 0),
        )

    def likely(self, known: Array) -> tuple[Array, Array]:
        """Return the first places and hashes of all paths in *known*, and of few others."""
        starts = np.flatnonzero(probably_among(known, self.hashes) & self.known)
        return starts, self.hashes[starts]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paths:
    """Paths through at least one other node."""

    starts: Array
    ends: Array
    """Their last nodes."""
    hashes: Array

    @classmethod
    def of(cls, nodes: _Nodes, first: Array) -> "_Paths":
        known = first[nodes.families[first] != 0]
        hashes = extend_hashes(np.uint64(0), nodes.families[known])
        return cls(starts=known, ends=known, hashes=hashes)

    def likely(self, known: Array) -> tuple[Array, Array]:
        """Return the first nodes and hashes, as of `_PlainPaths`."""
        rows = np.flatnonzero(probably_among(known, self.hashes))
        return self.starts[rows], self.hashes[rows]

    def longer(self, nodes: _Nodes, plain: _PlainPaths) -> "_Paths":
        """Return the paths with one more node, and the *plain* ones that a branch follows."""
        which, ends = nodes.next(self.ends)
        branches = nodes.branches
        before = nodes.places[branches] - plain.size
        ok = (before >= 0) & plain.known[before]
        starts = np.concatenate([self.starts[which], before[ok]])
        hashes = np.concatenate([self.hashes[which], plain.hashes[before[ok]]])
        ends = np.concatenate([ends, branches[ok]])
        known = nodes.families[ends] != 0
        starts, ends, hashes = starts[known], ends[known], hashes[known]
        return _Paths(starts=starts, ends=ends, hashes=extend_hashes(hashes, nodes.families[ends]))


def _compared(
    segment: Segment, nodes: _Nodes, term_words: TermWords, rows: Array, starts: Array
) -> Pairs:
    """Keep the pairs (phrase, first node) where every word really matches the term's."""
    lengths = np.diff(segment.phrase_bounds)
    vocabulary = len(segment.vocabulary) + 1
    meanings = term_words.by_word[0] * vocabulary + term_words.by_word[1]
    meanings.sort()
    some_meaning = np.full(len(term_words.families), -1, dtype=np.int64)
    some_meaning[term_words.by_word[0]] = term_words.by_word[1]
    some_meaning = np.concatenate([some_meaning, np.arange(vocabulary)])
    found = []
    pair, current = np.arange(len(rows)), starts
    for k in count():
        if not len(pair):
            break
        wanted = segment.phrase_words[segment.phrase_bounds[rows[pair]] + k]
        words = nodes.words[current]
        right = some_meaning[words] == wanted
        rest = np.flatnonzero(~right)
        right[rest] = contains(meanings, words[rest] * vocabulary + wanted[rest])
        pair, current = pair[right], current[right]
        is_last = lengths[rows[pair]] == k + 1
        found.append(_ended(segment, nodes, term_words, rows, (pair[is_last], current[is_last])))
        which, current = nodes.next(current[~is_last])
        pair = pair[~is_last][which]
    ok = np.concatenate([*found, pair])
    return rows[ok], starts[ok]


def _ended(
    segment: Segment, nodes: _Nodes, term_words: TermWords, rows: Array, last: Pairs
) -> Array:
    """Return those pairs whose path may end at its node, with the prefix after it if any."""
    pair, current = last
    whole = nodes.after[current] >= 0
    pair, current = pair[whole], current[whole]
    prefixes = segment.phrase_prefixes[rows[pair]]
    has_prefix = prefixes >= 0
    if not has_prefix.any():
        return pair
    texts = len(segment.prefixes)
    meanings = term_words.by_prefix[0] * texts + term_words.by_prefix[1]
    which, following = nodes.next(current[has_prefix])
    right = contains(meanings, nodes.words[following] * texts + prefixes[has_prefix][which])
    return np.concatenate([pair[~has_prefix], pair[has_prefix][which[right]]])
