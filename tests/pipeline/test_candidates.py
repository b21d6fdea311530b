"""Reading the log for many digests finds the same candidates as reading it for each."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.filters.index import Index
from digestbot.pipeline import candidates
from digestbot.pipeline.candidates import Candidates, read_log
from digestbot.store import Store
from tests.pipeline.conftest import DAY, MONDAY, LoadConfig, Make, paper

TITLES = ("Serverless GPUs", "A Survey of GPUs", "Cold Starts", "Serverless Cold Starts", "Quiet")
DIGESTS = """\
  all: {filter: null}
  one: {filter: {any: [serverless, {title: gpu, weight: 3}], none: [survey]}}
  two: {sources: [b], filter: {any: [cold start], min_score: 2}}
  three: {types: [replace], filter: {author: Ada Xu}}
  four: {filter: {query: 'ti:quiet OR ti:gpu'}}
"""
NAMES = ("all", "one", "two", "three", "four")


def readings(store: Store, configured: LoadConfig, cursors: list[int]) -> dict[str, Candidates]:
    config = configured(DIGESTS)
    wanted = [(config.digests[name], seq) for name, seq in zip(NAMES, cursors, strict=True)]
    together = dict(read_log(store, wanted))
    for digest, seq in wanted:
        assert read_log(store, [(digest, seq)]) == {digest.name: together[digest.name]}
    return together


def fill(store: Store) -> None:
    """Ingest ten papers from each of two sources, those of the second as replacements."""
    first = [paper(n, title=TITLES[n % 5]) for n in range(10)]
    store.papers.ingest("a", first, {}, MONDAY)
    second = [paper(n, title=TITLES[n % 5], type="replace") for n in range(5, 15)]
    store.papers.ingest("b", second, {}, MONDAY)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(cursors=st.lists(st.integers(0, 21), min_size=5, max_size=5), block=st.integers(1, 9))
def test_reading_together_equals_reading_alone(
    sqlite_store: Store, configured: LoadConfig, cursors: list[int], block: int
) -> None:
    def failed(message: str) -> None:
        raise AssertionError(message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates.log, "exception", failed)
        patch.setattr(candidates, "BLOCK", block)
        patch.setattr(candidates, "FEW", 0)
        by_engine = readings(sqlite_store, configured, cursors)
        patch.setattr(candidates, "FEW", 1000)
        assert readings(sqlite_store, configured, cursors) == by_engine


@pytest.fixture
def sqlite_store(store: Store) -> Store:
    fill(store)
    return store


def test_withdrawals_reach_digests_that_had_the_paper(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    """By arXiv's id or the DOI, of any type and source."""
    config = configured("  a: {sources: [a], filter: serverless}\n  b: {sources: [b]}\n")
    make(config, MONDAY)
    store.papers.ingest("a", [paper(1, doi="10.1/x"), paper(2)], {}, MONDAY)
    make(config, MONDAY + DAY)
    withdrawn = paper(2, "Gone", version=2, type="replace", document_type="withdrawal")
    journal = paper(3, "RETRACTED: Gone", id="doi:10.1/x", doi="10.1/x", document_type="retraction")
    store.papers.ingest("a", [withdrawn], {}, MONDAY)
    store.papers.ingest("b", [journal], {}, MONDAY)
    found = read_log(store, [(config.digests[name], 2) for name in "ab"])
    names = {name: [row.paper.id for row, _ in read.candidates] for name, read in found.items()}
    assert names == {"a": ["arxiv:2611.00002", "doi:10.1/x"], "b": ["doi:10.1/x"]}


def test_a_failing_engine_loses_no_paper(
    store: Store,
    configured: LoadConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(self: Index, batch: object) -> object:
        raise IndexError("a bug")

    fill(store)
    expected = readings(store, configured, [0] * 5)
    monkeypatch.setattr(candidates, "FEW", 0)
    monkeypatch.setattr(Index, "match", broken)
    with caplog.at_level(logging.ERROR):
        assert readings(store, configured, [0] * 5) == expected
    assert "evaluating row by row" in caplog.text


def test_a_paper_on_which_a_filter_fails_is_let_through(
    store: Store, configured: LoadConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digestbot.filters import evaluate

    def broken(filter_: object, row: object) -> object:
        if getattr(row, "seq", 0) == 3:
            raise ValueError("a bug")
        return evaluate(filter_, row)  # type: ignore[arg-type]

    fill(store)
    monkeypatch.setattr(candidates, "evaluate", broken)
    one = read_log(store, [(configured(DIGESTS).digests["one"], 0)])["one"]
    assert [row.seq for row, _ in one.candidates] == [1, 3, 4, 6, 9]
