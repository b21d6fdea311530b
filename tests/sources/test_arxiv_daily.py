"""arXiv's daily feed as a channel: new, stale, empty and cut batches."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from digestbot.arxiv_calendar import calendar_with
from digestbot.model import AnnounceType, BatchOutcome, FetchedPaper
from digestbot.sources.arxiv_daily import MAX_ITEMS, Daily, DailyMemory, feed_spec, judge

CALENDAR = calendar_with()
WED, THU, FRI, MON = (date(2026, 11, day) for day in (18, 19, 20, 23))
NEW, CROSS = AnnounceType.NEW, AnnounceType.CROSS


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


def papers(*numbers: int, kind: AnnounceType = NEW) -> list[FetchedPaper]:
    return [
        FetchedPaper(
            id=f"arxiv:2611.{number:05}", title="T", abstract="", url="https://x.org", type=kind
        )
        for number in numbers
    ]


def read(
    found: Sequence[FetchedPaper], known: DailyMemory | Daily | None = None, *, day: date = WED
) -> Daily:
    memory = known.memory if isinstance(known, Daily) else known or DailyMemory()
    # Through its written form, as between two passes.
    return judge(found, DailyMemory.read(memory.written()), noon(day), CALENDAR)


def days(daily: Daily) -> list[date | None]:
    return [paper.announced_on for paper in daily.papers]


def test_first_batch_is_dated_and_complete() -> None:
    daily = read(papers(1, 2))
    assert days(daily) == [WED, WED]
    assert (daily.check.outcome, daily.check.announced_on) == (BatchOutcome.COMPLETE, WED)


def test_next_batch_is_new() -> None:
    daily = read(papers(3, 4), read(papers(1, 2)), day=THU)
    assert (days(daily), daily.check.outcome) == ([THU, THU], BatchOutcome.COMPLETE)


@pytest.mark.parametrize("served", [(1, 2), (2,), (1,)])
def test_yesterdays_papers_under_todays_date_are_stale(served: tuple[int, ...]) -> None:
    daily = read(papers(*served), read(papers(1, 2)), day=THU)
    assert (daily.check.outcome, daily.check.announced_on) == (BatchOutcome.STALE, THU)
    assert daily.check.detail == "the daily feed still has the papers of Wed 18 Nov"
    assert days(daily) == [None] * len(served)
    assert daily.memory == read(papers(1, 2)).memory


def test_batch_after_a_stale_feed_is_new() -> None:
    stale = read(papers(1, 2), read(papers(1, 2)), day=THU)
    assert days(read(papers(3), stale, day=THU)) == [THU]


def test_batch_read_again_on_its_day_keeps_its_date() -> None:
    first = read(papers(2, 4))
    again = read(papers(1, 2, 3, 4), first)
    assert days(again) == [WED] * 4
    assert again.check.outcome is BatchOutcome.COMPLETE
    assert days(read(papers(1, 2, 3, 4), again)) == [WED] * 4


def test_papers_left_over_from_the_day_before_are_not_dated() -> None:
    daily = read(papers(1, 2, 3), read(papers(1, 2)), day=THU)
    assert days(daily) == [None, None, THU]


def test_cross_lists_have_old_ids_and_are_dated_all_the_same() -> None:
    before = read(papers(5, 6))
    daily = read(papers(7) + papers(2, kind=CROSS), before, day=THU)
    assert days(daily) == [THU, THU]
    only_crosses = read(papers(1, kind=CROSS), before, day=THU)
    assert (days(only_crosses), only_crosses.check.outcome) == ([THU], BatchOutcome.COMPLETE)
    # The greatest id is kept over a day without new papers.
    assert read(papers(6), only_crosses, day=FRI).check.outcome is BatchOutcome.STALE


def test_empty_feed_on_a_day_with_an_announcement() -> None:
    daily = read([], read(papers(1)), day=THU)
    assert (daily.check.outcome, daily.check.announced_on) == (BatchOutcome.EMPTY, THU)


def test_day_that_was_missed_is_not_called_empty() -> None:
    saturday = date(2026, 11, 21)
    missed = read([], read(papers(1), day=THU), day=saturday)
    assert (missed.check.outcome, missed.check.announced_on) == (BatchOutcome.DOWN, FRI)
    assert missed.check.detail == "the daily feed was not read on that day"
    known = read([], read(papers(1), day=FRI), day=saturday)
    assert (known.check.outcome, known.check.announced_on) == (BatchOutcome.EMPTY, FRI)


def test_feed_of_the_day_lasts_until_midnight_in_new_york() -> None:
    evening = datetime(2026, 11, 20, 2, tzinfo=UTC)  # Thursday 21:00, after the announcement
    daily = judge(papers(1), DailyMemory(), evening, CALENDAR)
    assert days(daily) == [THU]


def test_full_feed_is_cut_off() -> None:
    daily = read(papers(*range(1, MAX_ITEMS + 1)))
    assert daily.check.outcome is BatchOutcome.PARTIAL
    assert daily.check.detail == "the daily feed is cut off after 2,000 papers"


def test_versions_count() -> None:
    old = papers(1, kind=AnnounceType.REPLACE)
    newer = [replace(old[0], version=3)]
    assert read(old, read(old), day=THU).check.outcome is BatchOutcome.STALE
    assert read(newer, read(old), day=THU).check.outcome is BatchOutcome.COMPLETE


@pytest.mark.parametrize(
    ("categories", "spec"),
    [
        (["cs.DC", "cs.OS"], "cs.DC+cs.OS"),
        (["cs.*"], "cs"),
        (["astro-ph", "hep-th"], "astro-ph+hep-th"),
        (["cs.NA"], "cs.NA+math.NA"),
        (["math.NA"], "math.NA"),
        (["nucl-*"], "nucl-ex+nucl-th"),
    ],
)
def test_feed_of_categories(categories: list[str], spec: str) -> None:
    assert feed_spec(categories) == spec
