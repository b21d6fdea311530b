"""
When a digest is due: what people write becomes moments in UTC.

Pure: it knows no clock, only the moment it is given. Begin at `parse_schedule`.

The calendar is walked here and not by APScheduler's CronTrigger, which only ticks in the scheduler:
it adds wall-clock distances in UTC, so after the leap to summer time it passes over the first hour
of a month (3.11.3, Berlin, "30 0 1 * *": 1 April is lost), counts Monday as 0 and ANDs the two
fields for days.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from digestbot.errors import InvalidSchedule

DAY = timedelta(days=1)
LOOK_BACK = timedelta(days=400)
"""How old the latest slot may be: longer than a year, so that a yearly digest has one."""
LOOK_AHEAD_DAYS = 3000
"""Longer than from 29 February 2096 to that of 2104, the rarest day there is."""

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
LONGEST = dict(zip(range(1, 13), (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""crontab(5) of Vixie cron; ``@reboot`` is no moment."""
FORMS = (
    'cron such as "0 9 * * mon-fri", daily 09:00, weekdays 09:00, weekly mon 09:00, monthly 1 09:00'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One moment of a schedule."""

    at: datetime
    """In UTC."""
    name: str
    """The local wall time without offset, ``2026-11-01T09:00``; unique within a schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """
    The minutes at which something is due, by the wall clock of one zone.

    A time that the clock skips in spring comes as much later as the clock was put forward (02:30
    becomes 03:30); a time that it shows twice in autumn comes once, the first time. So each local
    day has each of its times exactly once, and none is sent twice or forgotten.
    """

    text: str
    """As written, blanks made single."""
    zone: ZoneInfo
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday, as in crontab(5)."""
    either_day: bool
    """One of day and weekday is enough: crontab(5), where neither field begins with a star."""

    def in_words(self) -> str:
        """The schedule for people: ``Monday to Friday at 09:00 (Europe/Berlin)``."""
        times, days = _times_in_words(self), _days_in_words(self)
        said = f"{days} {times}" if times and days else f'by cron "{self.text}"'
        return f"{said} ({self.zone.key})"

    def next_after(self, moment: datetime) -> datetime:
        """The first time strictly later than the aware *moment*, in UTC."""
        today = moment.astimezone(self.zone).date()
        return min(_first(_days_on(today - DAY), self, lambda at: at > moment))

    def latest_slot(self, now: datetime) -> Slot | None:
        """The last time that is not later than the aware *now*; None if it is over 400 days ago."""
        today = now.astimezone(self.zone).date()
        found = _first(_days_back(today + DAY), self, lambda at: now - LOOK_BACK < at <= now)
        if not found:
            return None
        at = max(found)
        return Slot(at=at, name=f"{at.astimezone(self.zone):%Y-%m-%dT%H:%M}")


def parse_schedule(text: str, zone: ZoneInfo) -> Schedule:
    """
    The schedule that *text* names, in the wall-clock time of *zone*.

    Reads ``daily 09:00``, ``weekdays 09:00``, ``weekly mon 09:00``, ``monthly 1 09:00`` and the
    five fields of Vixie cron (crontab(5)): names, ranges (also across the end: ``fri-mon``), steps,
    lists, 0 and 7 for Sunday, ``@daily`` and its like. A day of the month and a weekday, both
    given, are ORed, unless one of them begins with a star.

    Raises:
        InvalidSchedule: Another form, a value out of its range, or a day that never comes.
    """
    words = text.lower().split()
    if not words:
        raise InvalidSchedule(f"the schedule is empty; write {FORMS}")
    fields = _fields(words, text.strip())
    schedule = _from_fields(" ".join(text.split()), zone, fields)
    if not _ever_comes(schedule):
        raise InvalidSchedule(
            f'the schedule "{schedule.text}" never comes: no such day in that month'
        )
    return schedule


def _first(
    days: Iterator[date], schedule: Schedule, wanted: Callable[[datetime], bool]
) -> list[datetime]:
    """
    The wanted moments of the first of *days* that has any, and those of the day after it.

    One day is not enough: where the clock is put forward at 23:00 (Nuuk), times of one evening fall
    between those of the next morning.
    """
    for day in days:
        found = [at for at in _moments(schedule, day) if wanted(at)]
        if found:
            return found + [at for at in _moments(schedule, next(days)) if wanted(at)]
    return []


def _days_on(first: date) -> Iterator[date]:
    return (first + DAY * n for n in range(LOOK_AHEAD_DAYS))


def _days_back(last: date) -> Iterator[date]:
    return (last - DAY * n for n in range(LOOK_BACK.days + 5))


def _moments(schedule: Schedule, day: date) -> Iterator[datetime]:
    """The moments of one local day in UTC; a time that is shown twice means the first (fold 0)."""
    if not _is_on(schedule, day):
        return
    for hour in schedule.hours:
        for minute in schedule.minutes:
            yield datetime.combine(day, time(hour, minute), schedule.zone).astimezone(UTC)


def _is_on(schedule: Schedule, day: date) -> bool:
    """crontab(5): the month must fit, and the day and the weekday both, or either of them."""
    if day.month not in schedule.months:
        return False
    by_day, by_weekday = day.day in schedule.days, day.isoweekday() % 7 in schedule.weekdays
    return (by_day or by_weekday) if schedule.either_day else (by_day and by_weekday)


def _ever_comes(schedule: Schedule) -> bool:
    return schedule.either_day or any(
        min(schedule.days) <= LONGEST[month] for month in schedule.months
    )


# Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One of cron's five columns."""

    name: str
    least: int
    most: int
    names: Mapping[str, int]
    """What may stand for a number, in full and by its first three letters."""


def _named(names: tuple[str, ...], first: int) -> dict[str, int]:
    numbers = dict(zip(names, range(first, first + len(names)), strict=True))
    return numbers | {name[:3]: number for name, number in numbers.items()}


MINUTE = _Field(name="minute", least=0, most=59, names={})
HOUR = _Field(name="hour", least=0, most=23, names={})
DAY_OF_MONTH = _Field(name="day of the month", least=1, most=31, names={})
MONTH = _Field(name="month", least=1, most=12, names=_named(MONTHS, 1))
WEEKDAY = _Field(name="weekday", least=0, most=7, names=_named(WEEKDAYS, 0))
COLUMNS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, WEEKDAY)


def _fields(words: list[str], text: str) -> list[str]:
    """Any of the forms as cron's five columns."""
    first, *rest = words
    if first in _PLAIN:
        return _PLAIN[first](rest, text)
    if first in NICKNAMES and not rest:
        return NICKNAMES[first].split()
    if len(words) == len(COLUMNS) and not first.startswith("@"):
        return words
    raise InvalidSchedule(_no_form(words, text))


def _no_form(words: list[str], text: str) -> str:
    """Why *text* is no schedule, with the likeliest meaning."""
    first, *rest = words
    if re.fullmatch(r"\d?\d:\d\d", first) and not rest:
        return f'"{text}" does not say on which days; did you mean "daily {first}"?'
    if re.match(r"[\d*]", first):
        return (
            f'"{text}" has {len(words)} fields where cron has 5: minute, hour, day of the month,'
            " month, weekday"
        )
    if first in NICKNAMES:
        return f'"{text}" is no schedule: "{first}" stands alone; for a time of day write {FORMS}'
    near = get_close_matches(first, [*NICKNAMES, *_PLAIN], n=1)
    hint = f'did you mean "{" ".join([near[0], *rest])}"?' if near else f"write {FORMS}"
    return f'"{text}" is no schedule; {hint}'


def _daily(rest: list[str], text: str) -> list[str]:
    return [*_clock(rest, "daily 09:00", text), "*", "*", "*"]


def _weekdays(rest: list[str], text: str) -> list[str]:
    return [*_clock(rest, "weekdays 09:00", text), "*", "*", "1-5"]


def _weekly(rest: list[str], text: str) -> list[str]:
    if not rest:
        raise InvalidSchedule(f'"{text}" lacks its day and time; write it as "weekly mon 09:00"')
    _values(rest[0], WEEKDAY)
    return [*_clock(rest[1:], f"weekly {rest[0]} 09:00", text), "*", "*", rest[0]]


def _monthly(rest: list[str], text: str) -> list[str]:
    if not rest or not re.fullmatch(r"0?[1-9]|1\d|2[0-8]", rest[0]):
        raise InvalidSchedule(
            f'"{text}" must name a day from 1 to 28, which every month has: "monthly 1 09:00"'
        )
    return [*_clock(rest[1:], f"monthly {rest[0]} 09:00", text), rest[0], "*", "*"]


def _clock(rest: list[str], example: str, text: str) -> tuple[str, str]:
    """Cron's minute and hour for ``09:00``, the one word that must be left."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", rest[0]) if len(rest) == 1 else None
    if not found:
        raise InvalidSchedule(
            f'"{text}" must end in one time from 00:00 to 23:59; write it as "{example}"'
        )
    return found[2], found[1]


_PLAIN: Mapping[str, Callable[[list[str], str], list[str]]] = {
    "daily": _daily,
    "weekdays": _weekdays,
    "weekly": _weekly,
    "monthly": _monthly,
}


def _from_fields(text: str, zone: ZoneInfo, fields: list[str]) -> Schedule:
    minutes, hours, days, months, weekdays = (
        _values(field, column) for field, column in zip(fields, COLUMNS, strict=True)
    )
    return Schedule(
        text=text,
        zone=zone,
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(number % 7 for number in weekdays),
        either_day=not any(field.startswith("*") for field in (fields[2], fields[4])),
    )


def _values(text: str, column: _Field) -> set[int]:
    """The numbers that one column names: a list of numbers, ranges, stars and their steps."""
    return {number for part in text.split(",") for number in _part(part, column)}


def _part(text: str, column: _Field) -> list[int]:
    span, slash, step = text.partition("/")
    if slash and not re.fullmatch(r"0*[1-9]\d{0,3}", step):
        raise InvalidSchedule(f'the step "/{step}" of the {column.name} must be a number from 1')
    if slash and span != "*" and "-" not in span:
        raise InvalidSchedule(
            f'"{text}" of the {column.name} steps through nothing; write'
            f' "{span}-{column.most}/{step}" or "*/{step}"'
        )
    return _span(span, column)[:: int(step or 1)]


def _span(text: str, column: _Field) -> list[int]:
    """Every number of ``*``, ``5`` or ``1-5``; a range may run across the end (``fri-mon``)."""
    if text == "*":
        return list(range(column.least, column.most + 1 - (column is WEEKDAY)))
    first, dash, last = text.partition("-")
    begin = _number(first, column)
    end = _number(last, column) if dash else begin
    if begin <= end:
        return list(range(begin, end + 1))
    # Sunday is both ends of the week: sat-mon must not hold it twice, or its steps would slip.
    top = 6 if column is WEEKDAY else column.most
    return [*range(begin, top + 1), *range(column.least, end + 1)]


def _number(text: str, column: _Field) -> int:
    if text in column.names:
        return column.names[text]
    if re.fullmatch(r"[0-9]{1,4}", text) and column.least <= int(text) <= column.most:
        return int(text)
    near = get_close_matches(text, column.names, n=1)
    example = f" or a name such as {next(iter(column.names))[:3]}" if column.names else ""
    limits = f", {column.least} to {column.most}{example}"
    hint = f'; did you mean "{near[0]}"?' if near else limits
    raise InvalidSchedule(f'"{text}" is no {column.name}{hint}')


# For people


def _times_in_words(schedule: Schedule) -> str | None:
    """``at 09:00 and 17:30``; None where there are more times than a person reads."""
    times = [f"{hour:02}:{minute:02}" for hour in schedule.hours for minute in schedule.minutes]
    if len(times) <= 4:
        return f"at {_and(times)}"
    if len(schedule.hours) == 24 and len(schedule.minutes) == 1:
        return f"at minute {schedule.minutes[0]} of every hour"
    return None


def _days_in_words(schedule: Schedule) -> str | None:
    """Which days; None where months or both kinds of days are chosen."""
    every_day, every_weekday = len(schedule.days) == 31, len(schedule.weekdays) == 7
    if len(schedule.months) < 12 or schedule.either_day or not (every_day or every_weekday):
        return None
    if every_day and every_weekday:
        return "every day"
    if every_day:
        return _weekdays_in_words(schedule.weekdays)
    return f"on day {_and([str(day) for day in sorted(schedule.days)])} of every month"


def _weekdays_in_words(weekdays: frozenset[int]) -> str:
    if weekdays == frozenset(range(1, 6)):
        return "Monday to Friday"
    from_monday = sorted(weekdays, key=lambda number: (number - 1) % 7)
    return f"every {_and([WEEKDAYS[number].capitalize() for number in from_monday])}"


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
