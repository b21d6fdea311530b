"""Helpers to compare the filter engine with the evaluator."""

from collections.abc import Iterable, Mapping
from typing import Any

from digestbot.filters import Filter, evaluate
from digestbot.filters.index import Hits, Index
from digestbot.model import Announcement
from tests.factories import make_announcement, make_paper

Pair = tuple[int, int]


def pairs(found: Hits) -> list[Pair]:
    return list(zip(found.keys.tolist(), found.places.tolist(), strict=True))


def expected(all_filters: Mapping[int, Filter], batch: Iterable[Announcement]) -> list[Pair]:
    """Return the matching pairs according to the evaluator."""
    announced = tuple(batch)
    return [
        (key, place)
        for key, filter_ in sorted(all_filters.items())
        for place, announcement in enumerate(announced)
        if evaluate(filter_, announcement).matched
    ]


def index_of(all_filters: Mapping[int, Filter]) -> Index:
    index = Index()
    for key, filter_ in all_filters.items():
        index.put(key, filter_)
    return index


def titled(title: str, **fields: Any) -> Announcement:
    """Make an announcement with this title and otherwise empty fields."""
    empty = {"abstract": "", "comment": None, "authors": (), "categories": ()}
    return make_announcement(paper=make_paper(**(empty | {"title": title} | fields)))
