"""Batches: the day of an announcement, and the channels that served it."""

from datetime import date, timedelta

from digestbot.model import AnnounceType, BatchOutcome, Channel, ChannelCheck
from digestbot.store import BatchPaper, Store
from tests.store.samples import DAY, NOW, fetched, log

TODAY = NOW.date()
API, OAI, RSS = Channel.API, Channel.OAI, Channel.RSS


def serve(store: Store, channel: Channel | None, *numbers: int, **fields: object) -> None:
    papers = [fetched(number, **fields) for number in numbers]
    store.papers.ingest("arxiv", papers, {}, NOW, channel=channel)


def batch(store: Store) -> dict[str, BatchPaper]:
    return {paper.paper_id[-1]: paper for paper in store.batches.papers(NOW - DAY)}


def check(outcome: BatchOutcome, *, day: date = TODAY, minutes: int = 0) -> ChannelCheck:
    at = NOW + timedelta(minutes=minutes)
    return ChannelCheck(channel=RSS, announced_on=day, outcome=outcome, at=at, detail=None)


def record(store: Store, *checks: ChannelCheck, source: str = "arxiv") -> None:
    store.papers.ingest(source, [], {}, NOW, checks=checks)


def test_channels_add_up(store: Store) -> None:
    serve(store, API, 1, 2)
    serve(store, RSS, 2, 3)
    serve(store, OAI, 3)
    serve(store, OAI, 3)
    channels = {name: set(paper.channels) for name, paper in batch(store).items()}
    assert channels == {"1": {API}, "2": {API, RSS}, "3": {RSS, OAI}}


def test_source_with_one_channel_confirms_nothing(store: Store) -> None:
    serve(store, None, 1)
    serve(store, None, 1, announced_on=TODAY)
    assert (batch(store)["1"].channels, batch(store)["1"].announced_on) == (frozenset(), None)


def test_first_channel_that_knows_the_day_sets_it_and_the_type(store: Store) -> None:
    serve(store, API, 1)
    serve(store, RSS, 1, announced_on=TODAY, type=AnnounceType.CROSS)
    serve(store, OAI, 1, announced_on=TODAY + DAY, type=AnnounceType.NEW)
    row = batch(store)["1"]
    assert (row.announced_on, row.type) == (TODAY, AnnounceType.CROSS)
    assert log(store)[0].announced_on == TODAY


def test_channel_confirms_its_own_version_and_source_only(store: Store) -> None:
    serve(store, RSS, 1, announced_on=TODAY)
    store.papers.ingest("other", [fetched(1)], {}, NOW, channel=OAI)
    store.papers.ingest("arxiv", [fetched(1, version=2)], {}, NOW, channel=OAI)
    rows = list(store.batches.papers(NOW - DAY, sources=["arxiv"]))
    assert [(row.version, set(row.channels)) for row in rows] == [(1, {RSS}), (2, {OAI})]


def test_papers_are_listed_by_day_and_without_backlog(store: Store) -> None:
    serve(store, RSS, 1, announced_on=TODAY - 3 * DAY)
    serve(store, RSS, 2, announced_on=TODAY - DAY, categories=("cs.DC", "cs.OS"))
    serve(store, OAI, 3, backlog=True)
    assert set(batch(store)) == {"2"}
    assert batch(store)["2"].categories == ("cs.DC", "cs.OS")


def test_later_check_replaces_one_that_was_not_complete(store: Store) -> None:
    record(store, check(BatchOutcome.STALE))
    record(store, check(BatchOutcome.COMPLETE, minutes=5))
    record(store, check(BatchOutcome.DOWN, minutes=9), check(BatchOutcome.EMPTY, day=TODAY - DAY))
    assert [each for _, each in store.batches.checks(TODAY - DAY)] == [
        check(BatchOutcome.EMPTY, day=TODAY - DAY),
        check(BatchOutcome.COMPLETE, minutes=5),
    ]


def test_checks_are_listed_by_source_and_day(store: Store) -> None:
    record(store, check(BatchOutcome.COMPLETE))
    record(store, check(BatchOutcome.COMPLETE), source="other")
    assert [name for name, _ in store.batches.checks(TODAY)] == ["arxiv", "other"]
    assert [name for name, _ in store.batches.checks(TODAY, sources=["other"])] == ["other"]
    assert store.batches.checks(TODAY + DAY) == ()


def test_first_day_is_that_of_the_first_answer_with_papers(store: Store) -> None:
    """The days before a source's backfill are empty."""
    record(store, check(BatchOutcome.EMPTY, day=TODAY - 9 * DAY))
    record(store, check(BatchOutcome.DOWN, day=TODAY - DAY), check(BatchOutcome.COMPLETE))
    assert store.batches.first_days(["arxiv", "other"]) == {"arxiv": TODAY - DAY}


def test_backlog_becomes_news_once_it_is_announced(store: Store) -> None:
    """OAI-PMH serves the cross-list of an old paper like an edit; the daily feed announces it."""
    serve(store, OAI, 1, 2, backlog=True)
    serve(store, API, 1, 2)
    assert log(store) == []
    last = store.papers.head()
    cross = {"announced_on": TODAY, "type": AnnounceType.CROSS}
    serve(store, RSS, 1, **cross)
    serve(store, RSS, 1, **cross)
    serve(store, OAI, 1, backlog=True)
    (row,) = log(store)
    assert (row.paper.id[-1], row.type, row.announced_on) == ("1", AnnounceType.CROSS, TODAY)
    assert row.seq > last
    assert batch(store)["1"].channels == {API, OAI, RSS}


def test_cross_list_taken_for_a_replacement_is_announced(store: Store) -> None:
    """OAI-PMH cannot tell a replacement from a cross-list on the same day; the feed can."""
    serve(store, OAI, 1, 2, version=2, type=AnnounceType.REPLACE, announced_on=TODAY)
    serve(store, RSS, 1, version=2, type=AnnounceType.CROSS, announced_on=TODAY)
    serve(store, RSS, 2, version=2, type=AnnounceType.REPLACE, announced_on=TODAY)
    rows = log(store)
    assert [(row.paper.id[-1], row.type) for row in rows] == [
        ("2", AnnounceType.REPLACE),
        ("1", AnnounceType.CROSS),
    ]
    assert rows[-1].seq == 3
    assert set(batch(store)["1"].channels) == {OAI, RSS}
    serve(store, OAI, 1, version=2, type=AnnounceType.REPLACE, announced_on=TODAY)
    assert [row.seq for row in log(store)] == [2, 3]
