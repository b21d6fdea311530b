"""Backtests, compared with the evaluator."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.backtest import backtest, match_conditions, members
from digestbot.filters import Filter, evaluate, parse_filter
from digestbot.filters.index import Batch
from digestbot.filters.tree import AllOf, AnyOf, Atom, Node, NoneOf
from digestbot.model import Announcement, FetchedPaper
from digestbot.store import Store
from tests.factories import make_announcement, make_paper
from tests.pipeline.conftest import DAY, MONDAY, LoadConfig, configured, paper

__all__ = ["configured"]

TITLES = ("Serverless GPUs", "A Survey of GPUs", "Cold Starts", "Serverless Cold Starts", "Quiet")
PAPERS: tuple[Announcement, ...] = tuple(
    make_announcement(seq=n, paper=make_paper(id=f"arxiv:2611.0000{n}", title=title, abstract=""))
    for n, title in enumerate(TITLES)
)
ATOMS = st.sampled_from(["serverless", "gpu", "cold start", "survey", "nothing"])
TREES = st.recursive(
    ATOMS,
    lambda inner: st.dictionaries(
        st.sampled_from(["any", "all", "none"]), st.lists(inner, min_size=1, max_size=3), min_size=1
    ),
    max_leaves=8,
)


@given(tree=TREES, min_score=st.none() | st.floats(0, 6), many=st.sampled_from((0, 50)))
def test_matches_equal_the_evaluator(tree: object, min_score: float | None, many: int) -> None:
    filter_ = parse_filter({"all": [tree], "min_score": min_score})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("digestbot.backtest.MANY", many)
        result = match_conditions(filter_, Batch.of(PAPERS))
    matched = matching(filter_)
    assert set(members(result.matched)) == matched
    for atom, bits in result.hits.items():
        assert set(members(bits)) == matching(Filter(root=atom))
    for atom, bits in result.alone.items():
        rest = replace(filter_, root=without(filter_.root, atom))
        assert set(members(bits)) == matched - matching(rest)


def matching(filter_: Filter) -> set[int]:
    return {i for i, row in enumerate(PAPERS) if evaluate(filter_, row).matched}


def without(node: Node, atom: Atom) -> Node:
    """Replace *atom* by a word that occurs nowhere."""
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return replace(node, children=tuple(without(child, atom) for child in node.children))
    return parse_filter("xyzzy").root if node == atom else node


def test_alone_respects_min_score(store: Store, configured: LoadConfig) -> None:
    config = configured("  d: {filter: {any: [{title: gpu}, {title: cloud}], min_score: 4}}\n")
    ingest(store, paper(1, "GPUs in the Cloud"), paper(2, "GPUs"))
    found = backtest(store, config, config.digests["d"], since=MONDAY - DAY, now=MONDAY)
    assert [(t.term, t.alone) for t in found.terms] == [("title: gpu", 1), ("title: cloud", 1)]


def ingest(store: Store, *papers: FetchedPaper, source: str = "a", day: int = 0) -> None:
    store.papers.ingest(source, papers, {}, MONDAY + day * DAY)


FILTER = "  d: {filter: {any: [serverless, gpu, quantum], none: [survey]}}\n"


def test_matches_are_counted_by_day_and_term(store: Store, configured: LoadConfig) -> None:
    config = configured(FILTER)
    ingest(store, paper(1, "Serverless GPUs"), paper(2, "GPUs"), paper(3, "Other"))
    ingest(store, paper(4, "A Survey of GPUs"), paper(5, "Serverless"), day=2)
    ingest(store, paper(5, "Serverless"), source="b", day=3)
    found = backtest(
        store, config, config.digests["d"], since=MONDAY - 9 * DAY, now=MONDAY + 3 * DAY
    )
    assert (found.considered, found.matched) == (5, 3)
    assert [papers for _, papers in found.days] == [2, 0, 1, 0]
    assert found.days[0][0] == date(2026, 11, 23)
    assert [(t.term, t.hits, t.alone) for t in found.terms] == [
        ("gpu", 3, 1),
        ("serverless", 2, 1),
        ("quantum", 0, 0),
    ]
    assert found.never == ("quantum",)


def test_first_fetch_counts_for_the_papers_own_days(store: Store, configured: LoadConfig) -> None:
    """Papers of later fetches count for the day they were fetched, however old they are."""
    config = configured(FILTER)
    old = {"published": MONDAY - 5 * DAY, "updated": MONDAY - 5 * DAY, "backlog": True}
    before = {"published": MONDAY - 9 * DAY, "updated": MONDAY - 9 * DAY, "backlog": True}
    revised = {"version": 2, "published": MONDAY - 9 * DAY, "updated": MONDAY - 2 * DAY}
    ingest(store, paper(1, "GPUs", **old), paper(2, "GPUs", **before))
    ingest(store, paper(3, "GPUs", **revised), paper(4, "GPUs", published=None, updated=None))
    ingest(store, paper(5, "GPUs", published=MONDAY + 9 * DAY))
    ingest(store, paper(6, "GPUs", **old), day=1)
    found = backtest(store, config, config.digests["d"], since=MONDAY - 7 * DAY, now=MONDAY + DAY)
    assert (found.considered, found.matched) == (5, 5)
    assert found.days[0][0] == date(2026, 11, 18)
    assert [papers for _, papers in found.days] == [1, 0, 0, 1, 0, 2, 1]


def test_source_known_for_long_counts_by_the_day_of_fetching(
    store: Store, configured: LoadConfig
) -> None:
    config = configured(FILTER)
    ingest(store, paper(1, "Other"))
    ingest(store, paper(2, "GPUs"), day=9)
    now = MONDAY + 9 * DAY
    found = backtest(store, config, config.digests["d"], since=now - 7 * DAY, now=now)
    assert found.days == ((date(2026, 12, 2), 1),)


def test_day_without_a_time_is_the_same_everywhere(store: Store, configured: LoadConfig) -> None:
    config = replace(configured(FILTER), timezone=ZoneInfo("America/New_York"))
    midnight = MONDAY.replace(hour=0) - 2 * DAY
    ingest(store, paper(1, "GPUs", published=midnight, published_is_date=True))
    found = backtest(store, config, config.digests["d"], since=MONDAY - 7 * DAY, now=MONDAY)
    assert found.days[0] == (midnight.date(), 1)


def test_an_edit_gains_and_loses_papers(store: Store, configured: LoadConfig) -> None:
    config = configured(FILTER)
    ingest(store, paper(1, "Serverless"), paper(2, "GPUs"), paper(3, "Cold Starts"))
    old = parse_filter({"any": ["gpu", "cold start"]})
    found = backtest(
        store, config, config.digests["d"], since=MONDAY - DAY, now=MONDAY, against=old
    )
    assert [row.paper.title for row in found.gained] == ["Serverless"]
    assert [row.paper.title for row in found.lost] == ["Cold Starts"]


def test_an_empty_log_has_one_day_without_papers(store: Store, configured: LoadConfig) -> None:
    config = configured(FILTER)
    found = backtest(store, config, config.digests["d"], since=MONDAY - DAY, now=MONDAY)
    assert (found.days, found.a_day) == (((date(2026, 11, 23), 0),), 0.0)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_plot_is_an_image(tmp_path: Path, suffix: str) -> None:
    from digestbot.backtest import Backtest
    from digestbot.cli.backtest import _plot

    found = Backtest(days=((date(2026, 11, 23), 2),), considered=3, matched=2, terms=())
    _plot(found, "Systems", tmp_path / f"x.{suffix}")
    head = (tmp_path / f"x.{suffix}").read_bytes()[:5]
    assert head == (b"\x89PNG\r" if suffix == "png" else b"<?xml")
