"""
Match terms of several words against the words of a batch.

The words of a text are nodes of a graph, each followed by the nodes that may come next. Beside the
words themselves there are nodes for the joined words of a compound (*pre-training* as
``pretraining``), and pairs of nodes for a word that a term writes apart (*pretraining* as ``pre``,
``training``). A phrase is a path through them. Begin at `phrase_hits`.
"""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np

from digestbot.filters.arrays import (
    Array,
    contains,
    equal_number_pairs,
    equal_pairs,
    extend_hashes,
    offsets,
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
        word, place = equal_pairs(segment.form_hashes, batch.word_hashes())
        means = segment.form_words[place]
        families = np.zeros(len(batch.word_hashes()), dtype=np.uint64)
        families[word] = segment.families[means]
        return cls(
            by_word=(word, means),
            by_prefix=_prefix_pairs(segment, batch),
            families=families,
            by_join=equal_pairs(segment.join_hashes, batch.word_hashes()),
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
    first: Array
    """Nodes where a path may begin."""
    branch_bounds: Array
    """For each place: bounds of the other nodes that begin there …"""
    branches: Array
    """… and these nodes."""

    goes_on: Array
    """For each node: is the word after it one of a term?"""
    forks: Array
    """For each node: do other nodes begin after it, or does the next one continue its word?"""

    @classmethod
    def of(cls, segment: Segment, stream: Stream, term_words: TermWords) -> "_Nodes":
        size = len(stream.words)
        plain = _Others(stream.words, np.arange(size), np.arange(1, size + 1))
        joined = _joined(stream, term_words)
        apart, is_first = _apart(segment, term_words, (plain, joined))
        words, places, after = (
            np.concatenate(columns) for columns in zip(plain, joined, apart, strict=True)
        )
        families = np.concatenate([term_words.families, segment.families])[words]
        is_known = families != 0
        begins = np.concatenate([np.ones(size + len(joined.words), dtype=bool), is_first])
        branches = size + np.flatnonzero(begins[size:])
        branch_counts = np.bincount(places[branches], minlength=size + 1)
        return cls(
            words=words,
            families=families,
            places=places,
            after=after,
            first=np.flatnonzero(begins & is_known),
            branch_bounds=offsets(branch_counts),
            branches=branches[np.argsort(places[branches], kind="stable")],
            # No word of a term is in the last place, which closes a text.
            goes_on=is_known[np.minimum(after, size - 1)] & (after >= 0),
            forks=(branch_counts[after] > 0) | (after < 0),
        )

    def next(self, nodes: Array) -> Pairs:
        """Return the pairs (index in *nodes*, node that may follow it), for words of terms."""
        plain = np.flatnonzero(self.goes_on[nodes])
        forks, branches = self.branches_after(nodes)
        return (
            np.concatenate([plain, forks]),
            np.concatenate([self.after[nodes[plain]], branches]),
        )

    def branches_after(self, nodes: Array) -> Pairs:
        """Return the pairs (index in *nodes*, other node that may follow it)."""
        forking = np.flatnonzero(self.forks[nodes])
        after = self.after[nodes[forking]]
        inside = after < 0
        outside = forking[~inside]
        first = self.branch_bounds[after[~inside]]
        counts = self.branch_bounds[after[~inside] + 1] - first
        return (
            np.concatenate([forking[inside], np.repeat(outside, counts)]),
            np.concatenate([nodes[forking[inside]] + 1, self.branches[ranges(first, counts)]]),
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
    starts = current = nodes.first
    total = extend_hashes(np.zeros(len(current), dtype=np.uint64), nodes.families[current])
    sizes = np.flatnonzero(np.diff(segment.phrase_sizes))
    for size in range(1, int(sizes[-1]) + 1):
        first, end = segment.phrase_sizes[size], segment.phrase_sizes[size + 1]
        if first < end:
            known = segment.phrase_hashes[first:end]
            likely = _probably_among(known, total)
            which, place = equal_pairs(known, total[likely])
            found.append((place + first, starts[likely][which]))
        if size < sizes[-1]:
            which, current = nodes.next(current)
            starts = starts[which]
            total = extend_hashes(total[which], nodes.families[current])
    rows, starts = (np.concatenate(column) for column in zip(*found, strict=True))
    ok = (segment.phrase_masks[rows] & stream.fields[nodes.places[starts]]) != 0
    return rows[ok], starts[ok]


def _probably_among(known: Array, wanted: Array) -> Array:
    """Preselect *wanted* by a bit table: the indexes of all in *known*, and of few others."""
    size = 1 << max(10, len(known).bit_length() + 3)
    low = np.uint64(size - 1)
    table: Array = np.zeros(size, dtype=bool)
    table[known & low] = True
    return np.flatnonzero(table[wanted & low])


def _compared(
    segment: Segment, nodes: _Nodes, term_words: TermWords, rows: Array, starts: Array
) -> Pairs:
    """Keep the pairs (phrase, first node) where every word really matches the term's."""
    lengths = np.diff(segment.phrase_bounds)
    vocabulary = len(segment.vocabulary) + 1
    meanings = term_words.by_word[0] * vocabulary + term_words.by_word[1]
    meanings.sort()
    found = []
    pair, current = np.arange(len(rows)), starts
    for k in count():
        if not len(pair):
            break
        wanted = segment.phrase_words[segment.phrase_bounds[rows[pair]] + k]
        words = nodes.words[current]
        right = contains(meanings, words * vocabulary + wanted)
        right |= words == wanted + len(term_words.families)
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
    """Return those pairs whose path may end at its node, and goes on with the prefix if any."""
    pair, current = last
    whole = nodes.after[current] >= 0
    pair, current = pair[whole], current[whole]
    prefixes = segment.phrase_prefixes[rows[pair]]
    has_prefix = prefixes >= 0
    if not has_prefix.any():
        return pair
    texts = len(segment.prefixes)
    meanings = term_words.by_prefix[0] * texts + term_words.by_prefix[1]
    pair_before, current, prefixes = pair[has_prefix], current[has_prefix], prefixes[has_prefix]
    # The last word of the stream is the 0 that closes a text, which begins with no prefix.
    places = np.minimum(nodes.after[current], len(nodes.branch_bounds) - 3)
    which, branches = nodes.branches_after(current)
    which = np.concatenate([np.arange(len(current)), which])
    following = nodes.words[np.concatenate([places, branches])]
    right = contains(meanings, following * texts + prefixes[which])
    return np.concatenate([pair[~has_prefix], pair_before[which[right]]])
