"""Segments: merging, deduplication and order."""

import numpy as np

from digestbot.filters import parse_filter
from digestbot.filters.builder import Builder
from digestbot.filters.segment import Segment, assemble, prefix_texts


def segment(**filters: object) -> Segment:
    builder = Builder()
    for key, data in filters.items():
        builder.put(int(key.removeprefix("k")), parse_filter(data))
    return builder.segment()


def all_of(part: Segment) -> np.ndarray:
    return np.ones(len(part.keys), dtype=bool)


def test_merged_parts_share_equal_atoms() -> None:
    first, second = segment(k2="gpu"), segment(k1=["gpu", "energy"])
    merged = assemble([first, second], [all_of(first), all_of(second)])
    assert merged.keys.tolist() == [1, 2]
    assert len(merged.digests) == 2


def test_filters_that_are_not_kept_take_their_atoms_along() -> None:
    part = segment(k1=["gpu", "energ*"], k2="gpu")
    merged = assemble([part], [np.array([False, True])])
    assert merged.keys.tolist() == [2]
    assert len(merged.digests) == 1
    assert prefix_texts(merged) == []
    assert merged.size_bytes < part.size_bytes


def test_tables_are_sorted() -> None:
    part = segment(k1=["b", "a", "zz yy", "c d e f g"], k2={"category": ["cs.DC", "cs.OS"]})
    for column in (part.digests, part.vocabulary, part.form_hashes, part.fact_hashes):
        assert column.tolist() == sorted(column.tolist())


def test_prefixes_are_stored_once_and_sorted() -> None:
    part = segment(k1=["energ*", "serv*"], k2=["cold serv*", "energ*"])
    assert prefix_texts(part) == [b"coldserv", b"energ", b"serv"]


def test_nodes_follow_the_nodes_they_use() -> None:
    part = segment(k1={"any": ["a", {"all": ["b", {"any": ["c", {"all": ["d", "e"]}]}]}]})
    assert part.node_count == 2
    assert part.levels.tolist() == [0, 1]
