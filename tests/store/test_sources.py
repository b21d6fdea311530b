"""How sources stand, and pacing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.model import Author
from digestbot.store import FieldCounts, PassStatus, Store
from digestbot.store.sources import KEEP_PASSES
from digestbot.store.values import RECENT_PAPERS
from tests.store.samples import DAY, MINUTE, NOW, fetched


def end(store: Store, number: int, status: str, *, now: datetime = NOW, **overrides: Any) -> None:
    fields: dict[str, Any] = {
        "status": status,
        "pages": 2,
        "entries": 30,
        "new": 0,
        "error": None,
        "note": None,
        "next_try_at": None,
        "now": now,
    }
    store.sources.end_pass(number, **fields | overrides)


def test_unknown_source_was_never_fetched(store: Store) -> None:
    state = store.sources.state("arxiv")
    assert (state.name, state.status, state.memory) == ("arxiv", PassStatus.NEVER, {})
    assert (state.failures, state.last_try_at, state.last_ok_at) == (0, None, None)
    assert store.sources.states() == ()


def test_begun_pass_changes_only_the_last_try(store: Store) -> None:
    store.papers.ingest("arxiv", [fetched()], {"mark": "1"}, NOW)
    store.sources.begin_pass("arxiv", NOW)
    state = store.sources.state("arxiv")
    assert (state.status, state.last_try_at) == (PassStatus.NEVER, NOW)
    assert state.memory == {"mark": "1"}
    assert store.sources.passes("arxiv")[0].status is PassStatus.RUNNING


@pytest.mark.parametrize("status", ["ok", "empty"])
def test_success_resets_the_failures(store: Store, status: str) -> None:
    end(store, store.sources.begin_pass("arxiv", NOW), "late", error="503", next_try_at=NOW + DAY)
    end(store, store.sources.begin_pass("arxiv", NOW), status, now=NOW + MINUTE, new=3)
    state = store.sources.state("arxiv")
    assert state.status == status
    assert (state.failures, state.last_error, state.next_try_at) == (0, None, None)
    assert (state.last_ok_at, state.last_new_at) == (NOW + MINUTE, NOW + MINUTE)


@pytest.mark.parametrize("status", ["partial", "late", "refused", "broken"])
def test_failure_is_counted_and_keeps_last_success(store: Store, status: str) -> None:
    end(store, store.sources.begin_pass("arxiv", NOW), "ok")
    for _ in range(2):
        number = store.sources.begin_pass("arxiv", NOW + DAY)
        words = {"error": "it answered 503", "note": "half is missing"}
        end(store, number, status, now=NOW + DAY, next_try_at=NOW + 2 * DAY, **words)
    state = store.sources.state("arxiv")
    assert (state.status, state.failures, state.last_ok_at) == (status, 2, NOW)
    assert (state.last_error, state.note) == ("it answered 503", "half is missing")
    assert state.next_try_at == NOW + 2 * DAY


def test_passes_are_listed_newest_first(store: Store) -> None:
    first = store.sources.begin_pass("arxiv", NOW)
    end(store, first, "ok", now=NOW + MINUTE, new=7)
    store.sources.begin_pass("feed", NOW)
    store.sources.begin_pass("arxiv", NOW + DAY)
    running, ended = store.sources.passes("arxiv")
    assert (running.started_at, running.ended_at) == (NOW + DAY, None)
    assert (ended.id, ended.status, ended.ended_at) == (first, PassStatus.OK, NOW + MINUTE)
    assert (ended.pages, ended.entries, ended.new) == (2, 30, 7)
    assert len(store.sources.passes("arxiv", limit=1)) == 1
    assert [state.name for state in store.sources.states()] == ["arxiv", "feed"]


def test_old_passes_are_deleted(store: Store) -> None:
    store.sources.begin_pass("arxiv", NOW)
    store.sources.begin_pass("arxiv", NOW + KEEP_PASSES)
    assert len(store.sources.passes("arxiv")) == 2
    store.sources.begin_pass("arxiv", NOW + KEEP_PASSES + MINUTE)
    assert len(store.sources.passes("arxiv")) == 2


def test_unknown_status_or_pass_is_an_error(store: Store) -> None:
    with pytest.raises(ValueError, match="unknown pass 99"):
        end(store, 99, "ok")
    with pytest.raises(ValueError, match="fine"):
        end(store, store.sources.begin_pass("arxiv", NOW), "fine")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_first_request_leases_the_group(store: Store) -> None:
    assert store.sources.pace("arxiv.org", 3, 60, at(0)) == 0
    assert store.sources.pace("arxiv.org", 3, 60, at(10)) == 50
    assert store.sources.pace("elsewhere", 3, 60, at(10)) == 0
    assert store.sources.pace("arxiv.org", 3, 60, at(60)) == 0


def test_release_allows_the_next_after_the_interval(store: Store) -> None:
    store.sources.pace("arxiv.org", 3, 60, at(0))
    store.sources.release_pace("arxiv.org", 3, at(5))
    assert store.sources.pace("arxiv.org", 3, 60, at(6)) == 2
    assert store.sources.pace("arxiv.org", 3, 60, at(8)) == 0


def test_waiting_takes_no_lease(store: Store) -> None:
    store.sources.pace("arxiv.org", 3, 10, at(0))
    assert [store.sources.pace("arxiv.org", 3, 10, at(s)) for s in (1, 2, 3)] == [9, 8, 7]


@pytest.mark.parametrize("back_s", [3600, 86400 * 365])
def test_clock_set_back_blocks_nobody_for_long(store: Store, back_s: int) -> None:
    store.sources.pace("arxiv.org", 3, 60, at(0))
    assert store.sources.pace("arxiv.org", 3, 60, at(-back_s)) == 60
    assert store.sources.pace("arxiv.org", 3, 60, at(-back_s + 40)) == 20
    assert store.sources.pace("arxiv.org", 3, 60, at(-back_s + 60)) == 0


def test_long_lease_is_not_taken_for_a_wrong_clock(store: Store) -> None:
    store.sources.pace("arxiv.org", 3, 600, at(0))
    assert store.sources.pace("arxiv.org", 3, 10, at(1)) == 599


def test_lease_is_at_least_the_interval(store: Store) -> None:
    store.sources.pace("arxiv.org", 3, 0, at(0))
    assert store.sources.pace("arxiv.org", 3, 0, at(1)) == 2


def test_release_without_lease_waits_one_interval(store: Store) -> None:
    store.sources.release_pace("arxiv.org", 3, at(0))
    assert store.sources.pace("arxiv.org", 3, 60, at(1)) == 2


# Fields of recent papers.


def test_fields_of_new_papers_are_counted_as_served(store: Store) -> None:
    authors = (Author(name="Ada Xu"),)
    first = [fetched(1, authors=authors), fetched(2, abstract="", published=NOW)]
    store.papers.ingest("j", first, {}, NOW)
    store.papers.ingest("other", [fetched(2, authors=authors, doi="10.1000/2")], {}, NOW)
    store.papers.ingest("j", [*first, fetched(3, doi="10.1000/3")], {}, NOW)
    fields = store.sources.state("j").fields
    assert fields == FieldCounts(papers=3, abstracts=2, authors=1, dois=1, dates=1)
    assert store.sources.state("other").fields.shares()["dois"] == 1.0
    assert store.sources.state("never").fields == FieldCounts()


def test_old_papers_lose_their_weight() -> None:
    counts = FieldCounts()
    for _ in range(50):
        counts = counts.with_more(FieldCounts(papers=20, authors=20))
    assert RECENT_PAPERS <= counts.papers <= 2 * RECENT_PAPERS
    for _ in range(100):
        counts = counts.with_more(FieldCounts(papers=20))
    share = counts.shares()["authors"]
    assert share is not None
    assert share < 0.02


@given(
    st.lists(
        st.integers(0, 900).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=20
    )
)
def test_shares_lie_between_0_and_1(pages: list[tuple[int, int]]) -> None:
    counts = FieldCounts()
    for papers, with_doi in pages:
        counts = counts.with_more(FieldCounts(papers=papers, dois=with_doi))
    assert 0 <= (counts.shares()["dois"] or 0) <= 1
