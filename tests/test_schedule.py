"""
Schedules, compared with tables of cases and with a minute-by-minute clock.

The clock (`showings`) is independent of the code: it walks through the UTC minutes of a year and
records the first UTC minute of each wall-clock time, and where skipped times end up.
"""

import functools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.errors import InvalidSchedule
from digestbot.schedule import Schedule, Slot, parse_schedule

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
ZONES = (
    "America/New_York",  # clocks change at 02:00
    "Europe/Berlin",
    "America/Santiago",  # midnight is skipped
    "America/Nuuk",  # 23:00 to 24:00 is skipped: evening and morning overlap
    "Australia/Lord_Howe",  # half an hour
)
YEAR = 2026
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(schedule: Schedule, start: str, times: int) -> list[str]:
    moment, found = utc(start), []
    for _ in range(times):
        moment = schedule.next_after(moment)
        found.append(f"{moment:%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("text", "times", "reason"),
    [
        ("0 9 * * 1", ["06-01", "06-08", "06-15"], "1 is Monday, not Tuesday as in APScheduler"),
        ("0 9 * * 0", ["06-07", "06-14", "06-21"], "0 is Sunday"),
        ("0 9 * * 7", ["06-07", "06-14", "06-21"], "7 is Sunday too"),
        ("0 9 * * sun", ["06-07", "06-14", "06-21"], "names"),
        ("0 9 * * Sunday", ["06-07", "06-14", "06-21"], "names in full, in any case"),
        ("0 9 * * fri-mon", ["06-01", "06-05", "06-06"], "a range across the end of the week"),
        ("0 9 * * 5-1", ["06-01", "06-05", "06-06"], "the same in numbers"),
        ("0 9 * * sat-mon/2", ["06-01", "06-06", "06-08"], "Sunday does not count twice"),
        ("0 9 * * 6-7", ["06-06", "06-07", "06-13"], "the weekend by numbers"),
        ("0 9 * * mon,thu", ["06-01", "06-04", "06-08"], "lists"),
        ("0 9 * * */3", ["06-03", "06-06", "06-07"], "steps begin at Sunday"),
        ("0 9 3 * mon", ["06-01", "06-03", "06-08"], "day and weekday are ORed"),
        ("0 9 */2 * mon", ["06-01", "06-15", "06-29"], "ANDed, as one begins with a star"),
        ("0 9 30-2 * *", ["06-01", "06-02", "06-30"], "a range across the end of the month"),
        ("0 9 31 * *", ["07-31", "08-31", "10-31"], "short months are passed over"),
        ("0 9 1 feb,DEC *", ["12-01", "02-01", "12-01"], "names of months"),
        ("0 9 29 2 *", ["02-29", "02-29", "02-29"], "a day that is there every four years"),
        ("daily 09:00", ["06-01", "06-02", "06-03"], "plain"),
        ("Daily  9:00", ["06-01", "06-02", "06-03"], "capitals, blanks and a short hour"),
        ("weekdays 09:00", ["06-01", "06-02", "06-03"], "plain"),
        ("weekly mon 09:00", ["06-01", "06-08", "06-15"], "plain"),
        ("weekly tue,fri 09:00", ["06-02", "06-05", "06-09"], "several days"),
        ("monthly 1 09:00", ["06-01", "07-01", "08-01"], "plain"),
    ],
)
def test_days_of_a_schedule(text: str, times: list[str], reason: str) -> None:
    found = fires(parse_schedule(text, ZoneInfo("UTC")), "2026-05-31T12:00", len(times))
    assert found == [f"{day} 09:00" for day in times], reason


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("@hourly", ["12-31 23:00", "01-01 00:00"]),
        ("@daily", ["01-01 00:00", "01-02 00:00"]),
        ("@midnight", ["01-01 00:00", "01-02 00:00"]),
        ("@weekly", ["01-03 00:00", "01-10 00:00"]),
        ("@monthly", ["01-01 00:00", "02-01 00:00"]),
        ("@yearly", ["01-01 00:00", "01-01 00:00"]),
        ("*/20 22-1 * * *", ["12-31 22:40", "12-31 23:00"]),
        ("59 23 31 12 *", ["12-31 23:59", "12-31 23:59"]),
        ("5-15/5,40 * * * *", ["12-31 22:40", "12-31 23:05"]),
    ],
)
def test_nicknames_and_minutes(text: str, times: list[str]) -> None:
    assert fires(parse_schedule(text, ZoneInfo("UTC")), "2026-12-31T22:20", 2) == times


def test_a_skipped_time_is_due_an_hour_later() -> None:
    schedule = parse_schedule("30 2 * * *", NEW_YORK)
    expected = ["03-07 07:30", "03-08 07:30", "03-09 06:30"]
    assert fires(schedule, "2026-03-07T00:00", 3) == expected
    slot = schedule.latest_slot(utc("2026-03-08T08:00"))
    assert slot == Slot(at=utc("2026-03-08T07:30"), name="2026-03-08T03:30-04:00")


def test_a_repeated_time_is_due_once() -> None:
    schedule = parse_schedule("30 1 * * *", NEW_YORK)
    expected = ["10-31 05:30", "11-01 05:30", "11-02 06:30"]
    assert fires(schedule, "2026-10-31T00:00", 3) == expected
    slot = Slot(at=utc("2026-11-01T05:30"), name="2026-11-01T01:30-04:00")
    assert schedule.latest_slot(utc("2026-11-01T05:45")) == slot
    assert schedule.latest_slot(utc("2026-11-01T06:45")) == slot


def test_the_first_hour_after_the_clock_change_is_kept() -> None:
    """APScheduler 3.11.3 answers 1 May."""
    schedule = parse_schedule("30 0 1 * *", BERLIN)
    assert schedule.next_after(utc("2026-03-10T12:00")) == utc("2026-03-31T22:30")


def test_a_slot_at_this_moment_is_the_latest() -> None:
    schedule = parse_schedule("daily 09:00", BERLIN)
    slot = Slot(at=utc("2026-07-01T07:00"), name="2026-07-01T09:00+02:00")
    assert schedule.latest_slot(utc("2026-07-01T07:00")) == slot
    assert schedule.latest_slot(utc("2026-07-02T06:59")) == slot


def test_a_slot_older_than_400_days_is_ignored() -> None:
    schedule = parse_schedule("0 9 29 2 *", ZoneInfo("UTC"))
    slot = Slot(at=utc("2024-02-29T09:00"), name="2024-02-29T09:00+00:00")
    assert schedule.latest_slot(utc("2025-04-04T09:00") - MINUTE) == slot
    assert schedule.latest_slot(utc("2025-04-04T09:00")) is None


def test_29_february_is_found_across_common_years() -> None:
    schedule = parse_schedule("0 9 29 2 *", ZoneInfo("UTC"))
    assert schedule.next_after(utc("2096-02-29T09:00")) == utc("2104-02-29T09:00")


def test_the_moment_may_be_in_any_zone() -> None:
    schedule = parse_schedule("daily 09:00", BERLIN)
    moment = datetime(2026, 7, 1, 3, 0, tzinfo=NEW_YORK)
    assert schedule.next_after(moment) == utc("2026-07-02T07:00")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("daily 09:00", "every day at 09:00"),
        ("weekdays 9:00", "Monday to Friday at 09:00"),
        ("weekly mon 09:00", "every Monday at 09:00"),
        ("0 9,17 * * sun,mon", "every Monday and Sunday at 09:00 and 17:00"),
        ("monthly 1 09:00", "on day 1 of every month at 09:00"),
        ("0 9 1,11,21 * *", "on day 1, 11 and 21 of every month at 09:00"),
        ("@hourly", "every day at minute 0 of every hour"),
        ("*/5 * * * *", 'by cron "*/5 * * * *"'),
        ("0 9 1 * mon", 'by cron "0 9 1 * mon"'),
        ("0 9 1-31 * mon", 'by cron "0 9 1-31 * mon"'),
        ("0 9 1 jan *", 'by cron "0 9 1 jan *"'),
    ],
)
def test_in_words(text: str, words: str) -> None:
    assert parse_schedule(text, BERLIN).in_words() == f"{words} (Europe/Berlin)"


FORMS = (
    'write cron such as "0 9 * * mon-fri", daily 09:00, weekdays 09:00, weekly mon 09:00,'
    " monthly 1 09:00, or {after: announcement}"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"the schedule is empty; {FORMS}"),
        ("  ", f"the schedule is empty; {FORMS}"),
        ("sometimes", f'"sometimes" is not a schedule; {FORMS}'),
        ("dialy 09:00", '"dialy 09:00" is not a schedule; did you mean "daily 09:00"?'),
        ("@dayly", '"@dayly" is not a schedule; did you mean "@daily"?'),
        ("@reboot", f'"@reboot" is not a schedule; {FORMS}'),
        ("@daily 09:00", '"@daily 09:00" is not a schedule: "@daily" takes no time; '),
        ("09:00", '"09:00" does not name the days; did you mean "daily 09:00"?'),
        ("0 0 9 * * 1", '"0 0 9 * * 1" has 6 fields where cron has 5: '),
        ("0 9 * *", '"0 9 * *" has 4 fields where cron has 5: minute, hour, day of the month, '),
        ("60 9 * * *", '"60" is not a valid minute; use 0 to 59'),
        ("0 24 * * *", '"24" is not a valid hour; use 0 to 23'),
        ("0 9 0 * *", '"0" is not a valid day of the month; use 1 to 31'),
        ("0 9 * 13 *", '"13" is not a valid month; use 1 to 12 or a name such as jan'),
        ("0 9 * * 8", '"8" is not a valid weekday; use 0 to 7 or a name such as sun'),
        ("0 9 * * mno", '"mno" is not a valid weekday; did you mean "mon"?'),
        ("0 9 * * mon-", '"" is not a valid weekday; use 0 to 7 or a name such as sun'),
        ("0 9 * * mon,", '"" is not a valid weekday; use 0 to 7 or a name such as sun'),
        ("0 9 * * -1", '"" is not a valid weekday; use 0 to 7 or a name such as sun'),
        ("0 9 * * ٣", '"٣" is not a valid weekday; use 0 to 7 or a name such as sun'),
        ("0 9 L * *", '"l" is not a valid day of the month; use 1 to 31'),
        ("*/0 9 * * *", 'the step "/0" of the minute must be 1 or more'),
        ("*/x 9 * * *", 'the step "/x" of the minute must be 1 or more'),
        (
            "5/10 9 * * *",
            '"5/10" of the minute has a step without a range; write "5-59/10" or "*/10"',
        ),
        ("0 9 30 2 *", 'the schedule "0 9 30 2 *" never occurs: that month has no such day'),
        ("daily", '"daily" must end with one time from 00:00 to 23:59, as in "daily 09:00"'),
        ("daily 24:00", '"daily 24:00" must end with one time from 00:00 to 23:59, as in '),
        ("daily 9am", '"daily 9am" must end with one time from 00:00 to 23:59, as in '),
        ("daily 09:00 17:00", '"daily 09:00 17:00" must end with one time from 00:00 to 23:59, '),
        ("weekly", '"weekly" needs a day and a time, as in "weekly mon 09:00"'),
        ("weekly 09:00", '"09:00" is not a valid weekday; use 0 to 7 or a name such as sun'),
        ("weekly mon", '"weekly mon" must end with one time from 00:00 to 23:59, as in '),
        (
            "monthly 09:00",
            '"monthly 09:00" must name a day from 1 to 28, which every month has, as in ',
        ),
        ("monthly 31 09:00", '"monthly 31 09:00" must name a day from 1 to 28, which every month '),
        ("monthly 1 9", '"monthly 1 9" must end with one time from 00:00 to 23:59, as in '),
    ],
)
def test_invalid_schedules_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse_schedule(text, BERLIN)
    assert str(caught.value).startswith(message)


@functools.lru_cache(maxsize=1)  # 80 MB each
def showings(zone_name: str) -> dict[date, dict[int, list[tuple[int, datetime]]]]:
    """Return for each local day and hour the minutes, with the first UTC minute of each."""
    zone = ZoneInfo(zone_name)
    found: dict[date, dict[int, list[tuple[int, datetime]]]] = {}

    def write_down(wall: datetime, at: datetime) -> None:
        hours = found.setdefault(wall.date(), {})
        hours.setdefault(wall.hour, []).append((wall.minute, at))

    moment = datetime(YEAR, 1, 1, tzinfo=UTC)
    expected = moment.astimezone(zone).replace(tzinfo=None)
    while moment < datetime(YEAR + 1, 1, 1, tzinfo=UTC):
        wall = moment.astimezone(zone).replace(tzinfo=None)
        late = moment
        while wall > expected:  # skipped
            write_down(expected, late)
            expected, late = expected + MINUTE, late + MINUTE
        if wall == expected:
            write_down(wall, moment)
            expected += MINUTE
        moment += MINUTE
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    text: str
    numbers: frozenset[int]


def column(least: int, most: int, names: Sequence[str] = ()) -> st.SearchStrategy[Column]:
    """One field of cron and the numbers it stands for."""
    top = most + (most == 6)  # 7 is Sunday too

    def spelled(number: int, by_name: bool) -> str:
        return names[(number - least) % len(names)] if names and by_name else str(number)

    @st.composite
    def part(draw: st.DrawFn) -> Column:
        begin, end = draw(st.integers(least, top)), draw(st.integers(least, most))
        step, by_name = draw(st.integers(1, 9)), draw(st.booleans())
        shape = draw(st.sampled_from(("one", "range", "stepped", "star")))
        if shape == "one":
            return Column(text=spelled(begin, by_name), numbers=frozenset({begin}))
        if shape == "star":
            return Column(text=f"*/{step}", numbers=frozenset(range(least, most + 1, step)))
        size = most - least + 1
        begin = begin - size if begin > most else begin
        span = [least + (begin - least + n) % size for n in range((end - begin) % size + 1)]
        if shape == "stepped":
            span = span[::step]
        suffix = f"/{step}" if shape == "stepped" else ""
        text = f"{spelled(begin, by_name)}-{spelled(end, not by_name)}{suffix}"
        return Column(text=text, numbers=frozenset(span))

    def join(parts: list[Column]) -> Column:
        numbers = frozenset[int]().union(*(p.numbers for p in parts))
        return Column(text=",".join(p.text for p in parts), numbers=numbers)

    star = st.just(Column(text="*", numbers=frozenset(range(least, most + 1))))
    return star | st.lists(part(), min_size=1, max_size=3).map(join)


crons = st.tuples(
    column(0, 59),
    column(0, 23),
    column(1, 31),
    column(
        1, 12, ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    ),
    column(0, 6, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
)


def scan(cron: tuple[Column, Column, Column, Column, Column], zone_name: str) -> list[datetime]:
    """Return all slots of the year, found by checking each minute."""
    minutes, hours, days, months, weekdays = cron
    sundays = weekdays.numbers | ({0} if 7 in weekdays.numbers else set())
    both = days.text[0] == "*" or weekdays.text[0] == "*"
    found = set()
    for day, shown in showings(zone_name).items():
        fits = (day.day in days.numbers, (day.weekday() + 1) % 7 in sundays)
        if day.month in months.numbers and (all(fits) if both else any(fits)):
            found |= {
                at
                for hour in hours.numbers & shown.keys()
                for minute, at in shown[hour]
                if minute in minutes.numbers
            }
    return sorted(found)


SHIFTS = tuple(
    utc(text)
    for text in (
        "2026-03-08T07:00",  # New York
        "2026-11-01T06:00",
        "2026-03-29T01:00",  # Berlin, Nuuk
        "2026-10-25T01:00",
        "2026-09-06T04:00",  # Santiago
        "2026-04-05T03:00",
        "2026-10-03T15:30",  # Lord Howe
        "2026-04-04T15:00",
    )
)
moments = st.datetimes(
    datetime(YEAR, 1, 3),  # noqa: DTZ001 - hypothesis wants naive limits
    datetime(YEAR, 12, 28),  # noqa: DTZ001
    timezones=st.just(UTC),
) | st.builds(
    lambda shift, minutes: shift + minutes * MINUTE,
    st.sampled_from(SHIFTS),
    st.integers(-1800, 1800),
)


@pytest.mark.parametrize("zone", ZONES)
@settings(deadline=None, max_examples=20)  # each example covers a year in every zone
@given(cron=crons, asked=st.lists(moments, min_size=6, max_size=12))
def test_slots_agree_with_a_minute_by_minute_clock(
    zone: str, cron: tuple[Column, Column, Column, Column, Column], asked: list[datetime]
) -> None:
    text = " ".join(part.text for part in cron)
    try:
        schedule = parse_schedule(text, ZoneInfo(zone))
    except InvalidSchedule as error:
        assert "never occurs" in str(error)  # noqa: PT017 - only impossible days are refused
        assert not scan(cron, zone)
        return
    expected = scan(cron, zone)
    for moment in asked:
        place = bisect_right(expected, moment)
        after = schedule.next_after(moment)
        assert after > moment
        if place < len(expected):
            assert after == expected[place]
        if place:
            latest = schedule.latest_slot(moment)
            assert latest is not None
            assert latest.at == expected[place - 1]
            assert latest.name == latest.at.astimezone(ZoneInfo(zone)).isoformat("T", "minutes")


# Schedules that wait for an announcement


def after(zone: ZoneInfo = BERLIN, /, **keys: object) -> Schedule:
    return parse_schedule({"after": "announcement", **keys}, zone)


HALF_HOUR = timedelta(minutes=30)
WINDOWS = (
    ("07:00", "10:00"),
    ("00:00", "00:30"),
    ("02:00", "02:30"),
    ("02:30", "03:00"),  # the skipped hour of New York, to its end
    ("01:30", "01:30"),
    ("23:30", "23:30"),
    ("00:00", "23:30"),
)
PLACES = (
    ("Europe/Berlin", 2026),
    ("America/New_York", 2026),
    ("Asia/Tokyo", 2026),
    ("Asia/Kolkata", 2026),
    ("Australia/Lord_Howe", 2026),  # half an hour
    ("America/Nuuk", 2026),  # 23:00 to 24:00 is skipped
    ("America/Santiago", 2026),  # midnight is skipped
    ("Pacific/Apia", 2011),  # 30 December 2011 is skipped
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A clock on the wall for two years: when it shows each time, and what it skips."""

    days: tuple[date, ...]
    first: dict[datetime, datetime]
    """Wall-clock time to the first moment that shows it."""
    skipped: dict[datetime, tuple[datetime, datetime]]
    """Skipped time to the moments as far after, and before, the change as it is into the gap."""


@functools.cache
def clock(zone_name: str, year: int) -> Shown:
    """Read the clock every half hour; every change in `PLACES` is a multiple of that."""
    zone = ZoneInfo(zone_name)
    first: dict[datetime, datetime] = {}
    skipped: dict[datetime, tuple[datetime, datetime]] = {}
    begin = datetime(year, 1, 2, tzinfo=UTC)
    moments = [begin + n * HALF_HOUR for n in range(48 * 728)]
    walls = [moment.astimezone(zone).replace(tzinfo=None) for moment in moments]
    for wall, moment in zip(walls, moments, strict=True):
        first.setdefault(wall, moment)
    for (before, shown), moment in zip(pairwise(walls), moments[1:], strict=True):
        lost = before + HALF_HOUR
        while lost < shown:
            skipped[lost] = (moment + (lost - before - HALF_HOUR), moment - (shown - lost))
            lost += HALF_HOUR
    whole_days = sorted({wall.date() for wall in walls})[1:-1]
    return Shown(tuple(whole_days), first, skipped)


def window(shown: Shown, day: date, earliest: str, latest: str) -> tuple[datetime, datetime]:
    """Return when the window of *day* opens and closes, by the clock on the wall."""
    begin, end = (datetime.combine(day, time.fromisoformat(text)) for text in (earliest, latest))
    opens = shown.first[begin] if begin in shown.first else shown.skipped[begin][0]
    closes = shown.first[end] if end in shown.first else shown.skipped[end][1]
    return opens, max(opens, closes)


def slots_of(schedule: Schedule, begin: datetime, end: datetime) -> Iterator[Slot]:
    at = schedule.next_after(begin)
    while at < end:
        slot = schedule.latest_slot(at)
        assert slot is not None
        yield slot
        later = schedule.next_after(at)
        assert later > at
        assert schedule.latest_slot(later - timedelta(microseconds=1)) == slot
        at = later


@pytest.mark.parametrize(("zone", "year"), PLACES)
@pytest.mark.parametrize(("earliest", "latest"), WINDOWS)
def test_each_local_day_has_one_window(zone: str, year: int, earliest: str, latest: str) -> None:
    shown = clock(zone, year)
    expected = [
        Slot(at=opens, name=f"{day}", closes_at=closes)
        for day in shown.days
        for opens, closes in [window(shown, day, earliest, latest)]
    ]
    schedule = after(ZoneInfo(zone), earliest=earliest, latest=latest)
    before = expected[0].at - timedelta(seconds=1)
    assert list(slots_of(schedule, before, expected[-1].at + timedelta(seconds=1))) == expected


@pytest.mark.parametrize("earliest", ["06:00", "07:30", "09:59"])
def test_moving_the_earliest_time_keeps_the_name_of_the_slot(earliest: str) -> None:
    slot = after(earliest=earliest, latest="10:00").latest_slot(utc("2026-11-27T12:00"))
    assert slot is not None
    assert slot.name == "2026-11-27"


def test_days_of_a_window() -> None:
    schedule = after(ZoneInfo("UTC"), days="Mon,thu-fri")
    expected = ["11-26 07:00", "11-27 07:00", "11-30 07:00", "12-03 07:00"]
    assert fires(schedule, "2026-11-25T12:00", 4) == expected


@pytest.mark.parametrize(
    ("keys", "text", "words"),
    [
        ({}, "07:00-10:00", "every day after arXiv's announcement, from 07:00 to 10:00"),
        ({"earliest": "9:00"}, "09:00-12:00", "every day after arXiv's announcement, from 09:00 "),
        ({"latest": "08:15"}, "05:15-08:15", "every day after"),
        ({"latest": "02:00"}, "00:00-02:00", "every day after"),
        ({"earliest": "22:10"}, "22:10-23:59", "every day after"),
        ({"earliest": "07:00", "latest": "07:00"}, "07:00-07:00", "every day after"),
        ({"days": "mon-fri"}, "07:00-10:00, mon,tue,wed,thu,fri", "Monday to Friday after"),
        ({"days": "sat-sun"}, "07:00-10:00, sun,sat", "every Saturday and Sunday after"),
        ({"days": None, "earliest": None}, "07:00-10:00", "every day after"),
    ],
)
def test_a_window_in_words(keys: dict[str, object], text: str, words: str) -> None:
    schedule = after(**keys)
    assert schedule.text == f"after announcement, {text}"
    assert schedule.in_words().startswith(words)
    assert schedule.in_words().endswith(" (Europe/Berlin)")


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        ({}, (), '"after" is missing; write after: announcement'),
        ({"earliest": "07:00"}, (), '"after" is missing; write after: announcement'),
        ({"after": "noon"}, ("after",), '"noon" is not supported; write after: announcement'),
        (
            {"after": "announcement", "earlyest": "07:00"},
            ("earlyest",),
            'unknown key "earlyest"; did you mean "earliest"?',
        ),
        (
            {"after": "announcement", "7": 1},
            ("7",),
            'unknown key "7"; known keys: after, earliest, latest, days',
        ),
        (
            {"after": "announcement", "earliest": "10:01", "latest": "10:00"},
            ("latest",),
            '"10:00" is before earliest, 10:01, on the same day; write a later time',
        ),
        (
            {"after": "announcement", "days": "mno"},
            ("days",),
            '"mno" is not a valid weekday; did you mean "mon"?',
        ),
        (
            {"after": "announcement", "days": "Weekdays"},
            ("days",),
            '"weekdays" is not supported; write "mon-fri"',
        ),
        ({"after": "announcement", "days": ["mon"]}, ("days",), 'must be text such as "mon-fri"'),
    ],
)
def test_mistakes_in_a_window(
    written: dict[str, object], path: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse_schedule(written, BERLIN)
    assert (caught.value.path, str(caught.value)) == (path, message)


@pytest.mark.parametrize(
    ("value", "instead"),
    [
        (7, "07:00"),
        (420, "07:00"),  # 7:00 in YAML 1.1
        (1439, "23:59"),
        (1440, "07:00"),
        (-1, "07:00"),
        (True, "07:00"),
        (7.5, "07:00"),
        ("7am", "07:00"),
        ("24:00", "07:00"),
        ("07:60", "07:00"),
        ("٠٧:٠٠", "07:00"),
    ],
)
def test_what_is_no_time_of_day_says_what_to_write(value: object, instead: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        after(latest=value)
    assert str(caught.value) == f'"{value}" is not a time of day; write "{instead}"'


@given(st.text(max_size=40))
def test_no_text_raises_anything_but_invalid_schedule(text: str) -> None:
    try:
        schedule = parse_schedule(text, BERLIN)
    except InvalidSchedule:
        return
    assert schedule.in_words()
