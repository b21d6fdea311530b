"""What is news in OAI-PMH: by submission, by the order of ids, and never by the datestamp alone."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.arxiv_calendar import calendar_with
from digestbot.ids import arxiv_order
from digestbot.model import AnnounceType, FetchedPaper
from digestbot.sources.arxiv_oai import OaiRecord
from digestbot.sources.arxiv_oai_news import (
    REMEMBERED_DAYS,
    AnnouncedIds,
    NewsRule,
    Order,
    announce_type,
)

DAY = timedelta(days=1)
CALENDAR = calendar_with()
FLOOR = date(2026, 11, 16)
"""A Monday."""
RULE = NewsRule(wanted=frozenset({"cs.DC"}), floor=FLOOR, calendar=CALENDAR)
NONE = AnnouncedIds()


def at(day: int, hour: int = 10, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def record(
    number: int, datestamp: date, first: datetime | None, *later: datetime, month: str = "2611"
) -> OaiRecord:
    """Return a record with a version for each submission."""
    paper = FetchedPaper(
        id=f"arxiv:{month}.{number:05}",
        version=1 + len(later),
        title="T",
        abstract="A",
        url="https://arxiv.org/abs/x",
        categories=("cs.DC",),
        primary_category="cs.DC",
        published=first,
        updated=[first, *later][-1],
    )
    return OaiRecord(paper=paper, version=paper.version, datestamp=datestamp, first_submitted=first)


def nov(day: int) -> date:
    return date(2026, 11, day)


# News


@pytest.mark.parametrize(
    ("found", "first_id", "is_news", "why"),
    [
        (record(9, nov(18), at(17)), None, True, "submitted since the floor"),
        (record(9, nov(16), at(13)), (2026, 11, 500), True, "Friday's, announced on the floor"),
        (record(9, nov(18), at(13, 22)), (2026, 11, 500), True, "after Friday's deadline"),
        (record(9, nov(18), at(12)), (2026, 11, 500), False, "Thursday's, announced before"),
        (record(600, nov(18), at(2)), (2026, 11, 500), True, "held, with an id since the floor"),
        (record(400, nov(18), at(2)), (2026, 11, 500), False, "edited, with an id before"),
        (record(400, nov(18), at(2)), None, True, "may be held, and no id is known yet"),
        (record(9, nov(18), at(2, month=9), month="2609"), None, False, "an id of September"),
        (record(9, nov(18), None), None, True, "no readable date"),
        (record(9, nov(18), at(2, month=3), at(17), month="2603"), (2026, 11, 500), True, "v2"),
        (record(9, nov(18), at(2, month=3), at(4), month="2603"), (2026, 11, 5), False, "old v2"),
        (record(600, nov(18), at(2), at(4)), (2026, 11, 500), False, "old v2 with a later id"),
    ],
)
def test_news(found: OaiRecord, first_id: Order | None, is_news: bool, why: str) -> None:
    assert RULE.is_news(found, first_id) is is_news, why
    paper = RULE.apply(found, first_id=first_id, ids=NONE)
    assert paper.backlog is not is_news


def test_first_id_follows_those_from_before_the_floor() -> None:
    before = [record(100, nov(13), at(11)), record(90, nov(13), at(2, month=3), at(12))]
    since = [record(50, nov(17), at(11)), record(510, nov(16), at(13))]
    assert RULE.first_id([*before, *since], None) == (2026, 11, 101)
    assert RULE.first_id(before, (2026, 11, 501)) == (2026, 11, 501)
    assert RULE.first_id(since, None) is None


def test_order_holds_across_years_and_schemes() -> None:
    """As text, 9107 would follow 0704, and 2612 would follow 2701 of the next century's."""
    rule = replace(RULE, floor=date(2027, 1, 4))
    old = record(700, date(2027, 1, 5), at(2, month=9), month="2612")
    assert not rule.is_news(old, (2027, 1, 3))
    assert rule.is_news(record(4, date(2027, 1, 5), at(2, month=9), month="2701"), (2027, 1, 3))


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(0, 9),
)
def test_exactly_what_was_announced_since_the_floor_is_news(
    papers: list[tuple[int, int]], floor_after: int
) -> None:
    """Papers get their ids in the order of announcement, held for any number of days."""
    submitted = [(at(1, 12, month=9) + DAY * start, held) for start, held in papers]
    announced = sorted(
        (CALENDAR.expected_day(moment + DAY * held), moment) for moment, held in submitted
    )
    rule = replace(RULE, floor=announced[0][0] + DAY * floor_after)
    records = [
        record(number, day, moment, month=f"{day:%y%m}")
        for number, (day, moment) in enumerate(announced, start=1)
    ]
    ids = AnnouncedIds()
    for day, order in rule.sure(records):
        ids.add(day, order)
    first_id = rule.first_id(records, None)
    for each in records:
        paper = rule.apply(each, first_id=first_id, ids=ids)
        is_news = each.datestamp >= rule.floor
        assert paper.backlog is not is_news
        assert paper.announced_on == (each.datestamp if is_news else None)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30), st.integers(0, 9)), max_size=60),
)
def test_edits_hide_no_news(papers: list[tuple[int, int, int]]) -> None:
    """An edit moves the datestamp; the paper stays news, and its day stays possible."""
    submitted = [(at(17) + DAY * start, held, edited) for start, held, edited in papers]
    announced = sorted(
        (CALENDAR.expected_day(moment + DAY * held), moment, edited)
        for moment, held, edited in submitted
    )
    records = [
        record(number, day + DAY * edited, moment, month=f"{day:%y%m}")
        for number, (day, moment, edited) in enumerate(announced, start=1)
    ]
    ids = AnnouncedIds()
    for day, order in RULE.sure(records):
        ids.add(day, order)
    for each, (day, _, _) in zip(records, announced, strict=True):
        paper = RULE.apply(each, first_id=None, ids=ids)
        assert not paper.backlog
        assert paper.announced_on is not None
        assert day <= each.datestamp
        assert CALENDAR.has_announcement(paper.announced_on)
        assert paper.announced_on <= each.datestamp


@given(st.integers(0, 80), st.integers(0, 23), st.integers(0, 30))
def test_the_day_is_possible(start: int, hour: int, delay: int) -> None:
    """It has an announcement, not before the submission allows, nor after a later datestamp."""
    submitted = at(1, hour, month=9) + DAY * start
    expected = CALENDAR.expected_day(submitted)
    found = record(9, expected + DAY * delay, submitted)
    day = RULE.announced_on(found, NONE)
    assert day is not None
    assert CALENDAR.has_announcement(day)
    assert expected <= day <= found.datestamp


# Days


@pytest.mark.parametrize(
    ("found", "day", "why"),
    [
        (record(9, nov(18), at(17)), nov(18), "on time"),
        (record(9, nov(21), at(19)), nov(20), "edited on Saturday"),
        (record(9, nov(22), at(20)), nov(23), "dated Sunday, announced that evening"),
        (record(9, nov(22), at(19)), nov(20), "edited on Sunday"),
        (record(9, nov(20), at(2)), nov(20), "held for weeks"),
        (record(9, nov(27), at(25)), nov(26), "edited on a day without an announcement"),
        (record(9, nov(18), at(2), at(17)), nov(18), "a replacement"),
        (record(9, nov(30), at(2), at(17)), None, "an edit long after the replacement"),
        (record(9, nov(18), None), None, "no readable date"),
    ],
)
def test_days_of_announcements(found: OaiRecord, day: date | None, why: str) -> None:
    assert RULE.announced_on(found, AnnouncedIds()) == day, why


def test_ids_date_papers_that_were_held_or_edited() -> None:
    ids = AnnouncedIds({nov(17): ((2026, 11, 500), (2026, 11, 520))})
    ids.add(nov(19), (2026, 11, 600))
    ids.add(nov(19), (2026, 11, 580))
    held = at(2)
    for number, day in ((510, 17), (499, 17), (550, 19), (590, 19), (700, 20)):
        assert RULE.announced_on(record(number, nov(20), held), ids) == nov(day), number


def test_only_recent_days_are_kept() -> None:
    ids = AnnouncedIds()
    for n in range(100):
        ids.add(FLOOR + DAY * n, (2026, 11, n))
    assert len(ids.days) == REMEMBERED_DAYS
    assert max(ids.days) == FLOOR + DAY * 99


def test_sure_days_are_those_of_papers_on_time() -> None:
    on_time, edited = record(500, nov(17), at(16)), record(501, nov(18), at(16))
    later = record(502, nov(17), at(16), at(16))
    assert list(RULE.sure([on_time, edited, later])) == [(nov(17), (2026, 11, 500))]


# Types


@pytest.mark.parametrize(
    ("primary", "version", "type_"),
    [
        ("cs.DC", 1, AnnounceType.NEW),
        ("cs.LG", 1, AnnounceType.CROSS),
        ("cs.DC", 2, AnnounceType.REPLACE),
        ("cs.LG", 3, AnnounceType.REPLACE_CROSS),
        (None, 1, AnnounceType.CROSS),
    ],
)
def test_types_are_relative_to_the_categories(
    primary: str | None, version: int, type_: AnnounceType
) -> None:
    paper = replace(record(9, nov(17), at(16)).paper, primary_category=primary, version=version)
    assert announce_type(paper, frozenset({"cs.DC", "cs.OS"})) is type_


def test_order_of_ids_is_the_order_of_months() -> None:
    moments = [datetime.combine(date(2026, month, 1), time(), UTC) for month in range(1, 13)]
    orders = [arxiv_order(f"arxiv:{moment:%y%m}.00001") for moment in moments]
    assert orders == sorted(orders)
