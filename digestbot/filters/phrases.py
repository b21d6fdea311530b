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
    equal_pairs,
    extend_hashes,
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
    # Sort only the words that begin like a prefix: all 190,000 of a month take 0.4 s.
    size = min(map(len, texts))
    heads = {text[:size] for text in texts}
    begins = [number for number, word in enumerate(vocabulary) if word[:size] in heads]
    order = sorted(begins, key=vocabulary.__getitem__)
    words = [vocabulary[number] for number in order]
    starts = [bisect_left(words, text) for text in texts]
    ends = [bisect_left(words, text[:-1] + chr(ord(text[-1]) + 1)) for text in texts]
    lengths = np.array(ends) - np.array(starts)
    word = np.array(order, dtype=np.int64)[ranges(np.array(starts), lengths)]
    means = np.repeat(np.arange(len(texts)), lengths)
    by_word = np.lexsort((means, word))
    return word[by_word], means[by_word]


def phrase_hits(segment: Segment, stream: Stream, term_words: TermWords) -> Pairs:
    """Return the pairs (atom, index of announcement) of the phrases that occur, with duplicates."""
    nodes = _Nodes.of(segment, stream, term_words)
    rows, starts = _candidates(segment, stream, nodes)
    rows, starts = _compared(segment, nodes, term_words, rows, starts)
    return segment.phrase_atoms[rows], stream.papers[nodes.places(starts)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """
    The words of a stream, then the other nodes, which begin at the place of one of these words.

    A word of a term is numbered after the words of the batch.
    """

    words: Array
    """The words of the stream."""
    others: "_Others"
    families: Array
    """Family of each word; 0 if it occurs in no term."""
    branches: Array
    """The other nodes that do not continue a word, by place …"""
    branch_places: Array
    """… and these places."""
    is_branched: Array
    """For each place: does a branch begin there?"""

    @classmethod
    def of(cls, segment: Segment, stream: Stream, term_words: TermWords) -> "_Nodes":
        size = len(stream.words)
        joined = _joined(stream, term_words)
        apart, is_first = _apart(segment, term_words, stream.words, joined)
        others = _Others(*(np.concatenate(pair) for pair in zip(joined, apart, strict=True)))
        begins = np.flatnonzero(np.append(np.ones(len(joined.words), dtype=bool), is_first))
        order = begins[np.argsort(others.places[begins], kind="stable")]
        is_branched = np.zeros(size + 1, dtype=bool)
        is_branched[others.places[order]] = True
        return cls(
            words=stream.words,
            others=others,
            families=np.concatenate([term_words.families, segment.families]),
            branches=size + order,
            branch_places=others.places[order],
            is_branched=is_branched,
        )

    # The columns of the stream's own nodes are computed for the few nodes that matter: tables for
    # the 4 million words of a month would take 0.3 GB, and most of the time.

    def words_of(self, nodes: Array) -> Array:
        """Return the word of each node."""
        own = self.words[np.minimum(nodes, len(self.words) - 1)]
        return self._with_others(nodes, own, self.others.words)

    def places(self, nodes: Array) -> Array:
        """Return the place in the stream where each node begins."""
        return self._with_others(nodes, nodes.copy(), self.others.places)

    def after(self, nodes: Array) -> Array:
        """Return the place that follows each node; -1 if the next node continues the word."""
        return self._with_others(nodes, nodes + 1, self.others.after)

    def _with_others(self, nodes: Array, found: Array, column: Array) -> Array:
        rows = np.flatnonzero(nodes >= len(self.words))
        found[rows] = column[nodes[rows] - len(self.words)]
        return found

    def next(self, nodes: Array) -> Pairs:
        """Return the pairs (index in *nodes*, node that may follow it)."""
        after = self.after(nodes)
        inside = np.flatnonzero(after < 0)
        outside = np.flatnonzero((after >= 0) & (after < len(self.words)))
        after = after[outside]
        forks = np.flatnonzero(self.is_branched[after])
        which, at = equal_pairs(self.branch_places, after[forks])
        return (
            np.concatenate([inside, outside, outside[forks[which]]]),
            np.concatenate([nodes[inside] + 1, after, self.branches[at]]),
        )


class _Others(NamedTuple):
    """Nodes that are not words of the stream."""

    words: Array
    places: Array
    """Place in the stream where the node begins."""
    after: Array
    """Place in the stream that follows; -1 if the next node continues the word."""


def _joined(stream: Stream, term_words: TermWords) -> _Others:
    """Return the joined words of compounds that matter to a term."""
    matters = term_words.families != 0
    matters[term_words.by_prefix[0]] = True
    matters[term_words.by_join[0]] = True
    rows = np.flatnonzero(matters[stream.joined_words])
    starts = stream.joined_starts[rows]
    return _Others(stream.joined_words[rows], starts, starts + stream.joined_sizes[rows])


def _apart(
    segment: Segment, term_words: TermWords, stream: Array, joined: _Others
) -> tuple[_Others, Array]:
    """Return nodes for the words that terms write apart; True for the first of each."""
    count = len(term_words.families)
    can_part = np.zeros(count, dtype=bool)
    can_part[term_words.by_join[0]] = True
    plain, rows = np.flatnonzero(can_part[stream]), np.flatnonzero(can_part[joined.words])
    words = np.concatenate([stream[plain], joined.words[rows]])
    places = np.concatenate([plain, joined.places[rows]])
    after = np.concatenate([plain + 1, joined.after[rows]])
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
    is_known = nodes.families != 0
    plain = _Paths.of(nodes, np.flatnonzero(is_known[nodes.words]))
    forked = _Paths.of(nodes, nodes.branches[is_known[nodes.words_of(nodes.branches)]])
    for size in range(1, longest + 1):
        first, end = segment.phrase_sizes[size], segment.phrase_sizes[size + 1]
        known = segment.phrase_hashes[first:end]
        for paths in (plain, forked):
            likely = np.flatnonzero(probably_among(known, paths.hashes))
            which, place = equal_hash_pairs(known, paths.hashes[likely])
            found.append((place + first, paths.starts[likely[which]]))
        if size < longest:
            forked = forked.longer(nodes, plain, size)
            plain = plain.longer_in_stream(nodes)
    rows, starts = (np.concatenate(column) for column in zip(*found, strict=True))
    ok = (segment.phrase_masks[rows] & stream.fields[nodes.places(starts)]) != 0
    return rows[ok], starts[ok]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paths:
    """Paths of equally many nodes, all with words of terms."""

    starts: Array
    """Their first nodes; sorted if all are words of the stream."""
    ends: Array
    """Their last nodes."""
    hashes: Array

    @classmethod
    def of(cls, nodes: _Nodes, first: Array) -> "_Paths":
        families = nodes.families[nodes.words_of(first)]
        return cls(starts=first, ends=first, hashes=extend_hashes(np.uint64(0), families))

    def longer_in_stream(self, nodes: _Nodes) -> "_Paths":
        """Return these paths in the stream with the word that follows."""
        inside = self.ends + 1 < len(nodes.words)
        return _extended(nodes, self.starts[inside], self.ends[inside] + 1, self.hashes[inside])

    def longer(self, nodes: _Nodes, plain: "_Paths", size: int) -> "_Paths":
        """Return the paths with one more node, and the *plain* ones that a branch follows."""
        which, ends = nodes.next(self.ends)
        row, branch = equal_pairs(plain.starts, nodes.branch_places - size)[::-1]
        return _extended(
            nodes,
            np.concatenate([self.starts[which], plain.starts[row]]),
            np.concatenate([ends, nodes.branches[branch]]),
            np.concatenate([self.hashes[which], plain.hashes[row]]),
        )


def _extended(nodes: _Nodes, starts: Array, ends: Array, hashes: Array) -> _Paths:
    """Return the paths that now end at *ends*; *hashes* are those without these nodes."""
    families = nodes.families[nodes.words_of(ends)]
    known = np.flatnonzero(families)
    return _Paths(
        starts=starts[known],
        ends=ends[known],
        hashes=extend_hashes(hashes[known], families[known]),
    )


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
        words = nodes.words_of(current)
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
    whole = nodes.after(current) >= 0
    pair, current = pair[whole], current[whole]
    prefixes = segment.phrase_prefixes[rows[pair]]
    has_prefix = prefixes >= 0
    if not has_prefix.any():
        return pair
    texts = len(segment.prefixes)
    meanings = term_words.by_prefix[0] * texts + term_words.by_prefix[1]
    which, following = nodes.next(current[has_prefix])
    right = contains(meanings, nodes.words_of(following) * texts + prefixes[has_prefix][which])
    return np.concatenate([pair[~has_prefix], pair[has_prefix][which[right]]])
