"""States of batches, against an evaluator that works with sets of papers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.arxiv_calendar import Calendar, Occasion, calendar_with, feed_at, oai_at
from digestbot.batches import batches_of, derive, due_at, in_window, latest, state_of
from digestbot.model import (
    AnnounceType,
    Batch,
    BatchOutcome,
    BatchState,
    Channel,
    ChannelAnswer,
    ChannelCheck,
)
from digestbot.store import BatchPaper, Store
from tests.store.samples import fetched

RSS, OAI, API = Channel.RSS, Channel.OAI, Channel.API
COMPLETE, EMPTY, STALE, PARTIAL, DOWN = BatchOutcome
CALENDAR = calendar_with()
FRIDAY = date(2026, 11, 20)
SATURDAY = date(2026, 11, 21)
MONDAY = date(2026, 11, 23)
HOLIDAY = date(2026, 11, 27)
"""The announcement of Thanksgiving's submissions, which arXiv defers to Monday."""
MINUTE = timedelta(minutes=1)
NOON = timedelta(hours=12)
NOON_OF_FRIDAY = feed_at(FRIDAY) + NOON


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a source, as far as batches need them."""

    categories: tuple[str, ...] = ("cs.DC",)
    channels: tuple[Channel, ...] = (RSS, OAI, API)
    calendar: Calendar = CALENDAR
    overlap: timedelta = timedelta(days=14)


def paper(
    number: int, *channels: Channel, day: date | None = FRIDAY, **fields: object
) -> BatchPaper:
    at = feed_at(day or FRIDAY) - timedelta(days=1)
    values: dict[str, object] = {
        "source": "arxiv",
        "paper_id": f"arxiv:2611.{number:05}",
        "version": 1,
        "type": AnnounceType.NEW,
        "announced_on": day,
        "published": at,
        "updated": at,
        "seen_at": feed_at(day or FRIDAY),
        "categories": ("cs.DC",),
        "channels": frozenset(channels),
    }
    return BatchPaper(**values | fields)  # type: ignore[arg-type]


def check(channel: Channel, outcome: BatchOutcome, day: date = FRIDAY) -> ChannelCheck:
    return ChannelCheck(
        channel=channel, announced_on=day, outcome=outcome, at=feed_at(day) + 5 * MINUTE
    )


def one(
    outcomes: Mapping[Channel, BatchOutcome],
    *papers: BatchPaper,
    day: date = FRIDAY,
    now: datetime | None = None,
    options: Options | None = None,
) -> Batch:
    """Return the batch of *day*, as seen at noon of the day by default."""
    batches = derive(
        "arxiv",
        options or Options(),
        [check(channel, outcome, day) for channel, outcome in outcomes.items()],
        papers,
        first=day,
        now=now or feed_at(day) + NOON,
    )
    return next(batch for batch in batches if batch.day == day)


worlds = st.fixed_dictionaries(
    {channel: st.sampled_from([None, *BatchOutcome]) for channel in Channel}
)
served = st.lists(st.frozensets(st.sampled_from(Channel), min_size=1), max_size=4)


def expected(
    outcomes: Mapping[Channel, BatchOutcome | None],
    shares: Mapping[Channel, frozenset[int]],
    known: frozenset[int],
    is_over: bool,
) -> BatchState:
    """Evaluate the rules of a day with an announcement on sets of papers."""
    good = {c for c, o in outcomes.items() if o in (COMPLETE, EMPTY) and shares[c] == known}
    with_papers = {c for c in good if outcomes[c] is COMPLETE}
    doubting = {c for c, o in outcomes.items() if o in (COMPLETE, EMPTY, PARTIAL)} - good
    answers = {o for o in outcomes.values() if o not in (None, DOWN)}
    if len(good) >= 2 or (len(good) == 1 and not doubting):
        return BatchState.ANNOUNCED if with_papers or is_over else BatchState.NOT_YET
    if good:
        return BatchState.PARTIAL
    if set(outcomes.values()) == {None} and not is_over:
        return BatchState.NOT_YET
    if answers == {STALE}:
        return BatchState.STALE
    return BatchState.PARTIAL if known or answers else BatchState.DOWN


@given(worlds, served, st.booleans())
def test_state_is_that_of_the_evaluator(
    outcomes: dict[Channel, BatchOutcome | None],
    papers: list[frozenset[Channel]],
    is_over: bool,
) -> None:
    known = frozenset(range(len(papers)))
    shares = {c: frozenset(n for n in known if c in papers[n]) for c in Channel}
    batch = one(
        {channel: outcome for channel, outcome in outcomes.items() if outcome},
        *(paper(n + 1, *channels) for n, channels in enumerate(papers)),
        now=feed_at(FRIDAY) + (timedelta(days=5) if is_over else NOON),
    )
    assert batch.state is expected(outcomes, shares, known, is_over)
    assert batch.papers == len(known)
    assert {a.channel: a.lacks for a in batch.answers} == {
        c: len(known - shares[c]) for c in Channel
    }


@given(worlds, served)
def test_verified_means_that_two_channels_served_every_paper(
    outcomes: dict[Channel, BatchOutcome | None], papers: list[frozenset[Channel]]
) -> None:
    batch = one(
        {channel: outcome for channel, outcome in outcomes.items() if outcome},
        *(paper(n + 1, *channels) for n, channels in enumerate(papers)),
    )
    if batch.is_verified:
        assert len(batch.verified_by) >= 2
        assert all(frozenset(batch.verified_by) <= channels for channels in papers)
        assert batch.verified_at == feed_at(FRIDAY) + 5 * MINUTE
    else:
        assert batch.verified_at is None
    assert {*batch.verified_by, *batch.unverified} == set(Channel)


@pytest.mark.parametrize("gone", Channel)
def test_source_with_one_channel_is_never_verified(gone: Channel) -> None:
    batch = one({gone: COMPLETE}, paper(1, gone), options=Options(channels=(gone,)))
    assert (batch.state, batch.is_verified) == (BatchState.ANNOUNCED, False)
    assert set(batch.unverified) == set(Channel) - {gone}


def test_incomplete_feed_is_partial_until_it_has_all_papers() -> None:
    late = paper(2, OAI)
    batch = one({RSS: COMPLETE, OAI: COMPLETE}, paper(1, RSS, OAI), late)
    assert (batch.state, batch.missing) == (BatchState.PARTIAL, {RSS: 1})
    late = replace(late, channels=frozenset({RSS, OAI}))
    assert one({RSS: COMPLETE, OAI: COMPLETE}, paper(1, RSS, OAI), late).is_verified


def test_third_channel_that_lacks_papers_does_not_matter() -> None:
    batch = one({RSS: COMPLETE, OAI: COMPLETE, API: PARTIAL}, paper(1, RSS, OAI))
    assert (batch.verified_by, batch.missing) == ((RSS, OAI), {API: 1})


def test_api_is_not_expected_to_have_an_old_cross_list() -> None:
    old = paper(1, RSS, paper_id="arxiv:2504.00010", type=AnnounceType.CROSS)
    assert set(one({RSS: COMPLETE, API: COMPLETE}, old).verified_by) == {RSS, API}
    assert one({RSS: COMPLETE, OAI: COMPLETE}, old).state is BatchState.PARTIAL
    far = Options(channels=(RSS, API), overlap=timedelta(days=999))
    assert one({RSS: COMPLETE, API: COMPLETE}, old, options=far).state is BatchState.PARTIAL


def test_replacements_do_not_count() -> None:
    replaced = paper(2, OAI, type=AnnounceType.REPLACE, version=7)
    assert one({RSS: COMPLETE, OAI: COMPLETE}, paper(1, RSS, OAI), replaced).is_verified


def test_later_version_confirms_except_in_the_feed() -> None:
    later = paper(1, OAI, version=2, type=AnnounceType.REPLACE)
    both = {RSS: COMPLETE, OAI: COMPLETE}
    assert one(both, paper(1, RSS), later).is_verified
    later = paper(1, RSS, version=2, type=AnnounceType.REPLACE)
    assert one(both, paper(1, OAI), later).missing == {RSS: 1}


def test_channel_counts_from_its_own_time_on() -> None:
    outcomes, found = {OAI: COMPLETE, RSS: DOWN}, paper(1, OAI)
    assert due_at(FRIDAY, [RSS, OAI]) == oai_at(FRIDAY) < feed_at(FRIDAY)
    early = one(outcomes, found, now=oai_at(FRIDAY) - MINUTE)
    assert (early.state, early.papers) == (BatchState.NOT_YET, 1)
    batch = one(outcomes, found, now=oai_at(FRIDAY))
    assert (batch.state, batch.verified_by) == (BatchState.ANNOUNCED, (OAI,))
    assert [a.outcome for a in batch.answers] == [None, COMPLETE, None]


def test_empty_channels_are_believed_once_the_day_is_over() -> None:
    """Before a late announcement all of them are empty."""
    empty = {RSS: EMPTY, OAI: EMPTY}
    assert one(empty).state is BatchState.NOT_YET
    batch = one(empty, now=feed_at(MONDAY))
    assert (batch.state, batch.papers, batch.is_verified) == (BatchState.ANNOUNCED, 0, True)


def test_day_of_which_nothing_was_read_is_down_once_it_is_over() -> None:
    assert one({}).state is BatchState.NOT_YET
    assert one({}, now=feed_at(MONDAY)).state is BatchState.DOWN


@pytest.mark.parametrize(
    ("day", "state"), [(SATURDAY, BatchState.WEEKEND), (HOLIDAY, BatchState.HOLIDAY)]
)
def test_day_off_with_papers_counts_as_announced(day: date, state: BatchState) -> None:
    assert one({RSS: EMPTY}, day=day).state is state
    both = {RSS: COMPLETE, OAI: COMPLETE}
    assert one(both, paper(1, RSS, OAI, day=day), day=day).is_verified


def test_operators_holiday_has_no_announcement() -> None:
    calendar = calendar_with([date(2026, 11, 19)])
    options = Options(calendar=calendar)
    assert one({RSS: EMPTY}, options=options).state is BatchState.HOLIDAY


def test_categories_have_batches_of_their_own() -> None:
    """A paper counts in each category that it is in, an archive and aliases included."""
    options = Options(categories=("cs.OS", "cs", "math.NA"))
    papers = [
        paper(1, RSS, OAI, categories=("cs.DC",)),
        paper(2, RSS, categories=("cs.NA", "cs.OS")),
    ]
    batches = derive(
        "arxiv",
        options,
        [check(RSS, COMPLETE), check(OAI, COMPLETE)],
        papers,
        first=FRIDAY,
        now=feed_at(FRIDAY) + MINUTE,
    )
    assert [(b.category, b.papers, b.missing) for b in batches] == [
        ("cs.OS", 1, {OAI: 1}),
        ("cs", 2, {OAI: 1}),
        ("math.NA", 1, {OAI: 1}),
    ]


def test_query_has_one_batch_a_day() -> None:
    options = Options(categories=(), channels=(API,))
    batch = one({API: COMPLETE}, paper(1, API, day=None, categories=("q-bio",)), options=options)
    assert (batch.category, batch.papers) == ("", 1)


def batches_by_day(*papers: BatchPaper) -> dict[date, Batch]:
    found = derive("arxiv", Options(), [], papers, first=FRIDAY, now=feed_at(MONDAY) + NOON)
    return {batch.day: batch for batch in found}


def a_day(day: date, start: int) -> list[BatchPaper]:
    return [paper(start + n, RSS, day=day) for n in range(10)]


def test_paper_of_the_api_alone_is_expected_by_its_submission() -> None:
    submitted = datetime(2026, 11, 20, 12, tzinfo=UTC)  # Friday morning: Sunday evening
    found = batches_by_day(paper(1, API, day=None, updated=submitted))
    assert [batch.papers for batch in found.values()] == [0, 0, 0, 1]


def test_held_paper_is_placed_by_its_identifier() -> None:
    submitted = datetime(2026, 11, 2, 12, tzinfo=UTC)
    held = paper(25, API, day=None, updated=submitted, published=submitted)
    found = batches_by_day(*a_day(FRIDAY, 10), *a_day(MONDAY, 20), held)
    assert (found[FRIDAY].papers, found[MONDAY].papers) == (10, 11)
    assert not any(batch.misplaced for batch in found.values())


def test_identifiers_of_another_day_are_noted() -> None:
    early = paper(12, OAI, day=MONDAY)
    late = paper(25, OAI, day=FRIDAY)
    found = batches_by_day(*a_day(FRIDAY, 10), *a_day(MONDAY, 20), early, late)
    assert [found[day].misplaced for day in (FRIDAY, SATURDAY, MONDAY)] == [1, 0, 1]


@given(st.lists(st.integers(1, 400), min_size=1, unique=True), st.integers(0, 3))
def test_every_paper_belongs_to_one_day(numbers: list[int], weeks: int) -> None:
    """Identifiers may move a paper to a later day; they never make it vanish."""
    submitted = feed_at(FRIDAY) - NOON
    papers = [
        paper(n, API, day=None, updated=submitted) if n % 3 else paper(n, RSS, day=FRIDAY)
        for n in numbers
    ]
    first = FRIDAY - timedelta(weeks=weeks)
    found = derive("arxiv", Options(), [], papers, first=first, now=feed_at(MONDAY))
    assert sum(batch.papers for batch in found) == len(papers)


occasions = st.sampled_from(Occasion)
answers = st.lists(
    st.builds(
        ChannelAnswer,
        channel=st.sampled_from(Channel),
        outcome=st.sampled_from([None, *BatchOutcome]),
        lacks=st.integers(0, 2),
    ),
    max_size=3,
    unique_by=lambda answer: answer.channel,
)


@given(occasions, answers, st.integers(0, 3), st.booleans())
def test_announced_needs_a_confirmation(
    occasion: Occasion, given_: list[ChannelAnswer], papers: int, is_over: bool
) -> None:
    state = state_of(occasion, given_, papers, is_over=is_over)
    if state is BatchState.ANNOUNCED:
        assert any(answer.confirms for answer in given_)
    if is_over:
        assert state is not BatchState.NOT_YET


def test_latest_batches_skip_weekends_and_holidays() -> None:
    found = derive("arxiv", Options(), [], [], first=FRIDAY, now=feed_at(SATURDAY) + NOON)
    assert [batch.day for batch in found] == [FRIDAY, SATURDAY]
    assert [batch.day for batch in latest(found)] == [FRIDAY]


def test_batches_of_a_store(store: Store) -> None:
    """They begin when the source was first read, whatever the range."""
    now = feed_at(MONDAY) + NOON
    for channel in (RSS, OAI):
        store.papers.ingest(
            "arxiv",
            [fetched(1, announced_on=MONDAY, categories=("cs.DC",))],
            {},
            now,
            channel=channel,
            checks=[check(channel, COMPLETE, MONDAY)],
        )
    sources = {"arxiv": Options(), "never-read": Options()}
    (batch,) = batches_of(store, sources, FRIDAY, now)
    assert (batch.source, batch.day, batch.papers) == ("arxiv", MONDAY, 1)
    assert batch.is_verified
    assert batches_of(store, {}, FRIDAY, now) == ()


def end_pass(store: Store, now: datetime, status: str, next_try_at: datetime | None) -> None:
    pass_id = store.sources.begin_pass("arxiv", now)
    store.sources.end_pass(
        pass_id,
        status=status,
        pages=1,
        entries=0,
        new=0,
        error=None,
        note=None,
        next_try_at=next_try_at,
        now=now,
    )


@pytest.mark.parametrize("channels", [(API,), (RSS, API)])
def test_rare_query_has_days_without_papers(store: Store, channels: tuple[Channel, ...]) -> None:
    """A source with the API alone was read, although it has nothing to tell of such a day."""
    store.papers.ingest("arxiv", [], {}, NOON_OF_FRIDAY, checks=[check(API, COMPLETE, FRIDAY)])
    sources = {"arxiv": Options(categories=(), channels=channels)}
    after = feed_at(date(2026, 11, 24)) + MINUTE
    end_pass(store, after, "ok", None)
    states = {b.day: b.state for b in batches_of(store, sources, MONDAY, after)}
    is_rare = channels == (API,)
    assert states[MONDAY] is (BatchState.ANNOUNCED if is_rare else BatchState.DOWN)
    assert states[date(2026, 11, 24)] is BatchState.NOT_YET


def test_open_batch_says_when_it_is_asked_again(store: Store) -> None:
    now = feed_at(MONDAY) + NOON
    store.papers.ingest("arxiv", [], {}, now, checks=[check(RSS, STALE, MONDAY)])
    end_pass(store, now, "partial", now + MINUTE)
    (batch,) = batches_of(store, {"arxiv": Options()}, MONDAY, now)
    assert (batch.state, batch.asked_again_at) == (BatchState.STALE, now + MINUTE)
    (batch,) = batches_of(store, {"arxiv": Options()}, MONDAY, now + MINUTE)
    assert batch.asked_again_at is None


def test_window_has_the_batches_that_became_due_in_it() -> None:
    begin, end = feed_at(FRIDAY) + MINUTE, feed_at(MONDAY) + MINUTE
    found = derive("arxiv", Options(), [], [], first=FRIDAY - timedelta(days=7), now=end)
    assert [batch.day for batch in in_window(found, begin, end)] == [MONDAY]
    assert [batch.day for batch in in_window(found, None, end)] == [MONDAY]
    early = oai_at(FRIDAY) - MINUTE
    assert [batch.day for batch in in_window(found, early, end)] == [FRIDAY, MONDAY]


def test_batch_announced_but_not_due_is_in_both_windows() -> None:
    """The first edition says that it is not out yet, the second one has it."""
    evening = oai_at(MONDAY) - MINUTE
    first = derive("arxiv", Options(), [], [], first=MONDAY, now=evening)
    assert [b.state for b in in_window(first, feed_at(FRIDAY), evening)] == [BatchState.NOT_YET]
    assert in_window(first, evening, feed_at(MONDAY)) == first
