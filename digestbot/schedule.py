"""
Parse schedules and compute when they are due, in UTC.

Pure functions of the given moment: a `CronSchedule` is due at times of the day, an
`AnnouncementSchedule` once a day within a window. Begin at `parse_schedule`.

APScheduler's CronTrigger is not used for this: it adds wall-clock distances in UTC and so skips the
first hour of a month after the change to summer time (3.11.3, Berlin, "30 0 1 * *": 1 April is
lost), counts Monday as 0 and requires both day fields to match.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Protocol
from zoneinfo import ZoneInfo

from digestbot.errors import InvalidSchedule

DAY = timedelta(days=1)
LOOK_BACK = timedelta(days=400)
"""Maximum age of the latest slot: more than a year, for yearly digests."""
LOOK_AHEAD_DAYS = 3000
"""More than the longest gap between leap days, 29 February 2096 to 2104."""

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
"""Nicknames of Vixie cron (crontab(5)), except ``@reboot``, which names no time."""
FORMS = (
    'cron such as "0 9 * * mon-fri", daily 09:00, weekdays 09:00, weekly mon 09:00,'
    " monthly 1 09:00, or {after: announcement}"
)
ANNOUNCEMENT = "announcement"
"""Value of ``after:``, for arXiv's daily announcement."""
EARLIEST = time(7)
WINDOW_HOURS = 3
"""Hours from ``earliest`` to ``latest`` if only one of them is given."""
EVERY_WEEKDAY = frozenset(range(7))
CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
"""Time of day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One time at which a schedule is due."""

    at: datetime
    """In UTC."""
    name: str
    """Local time with its offset, ``2026-11-01T09:00+01:00``, so that it stays unique when the
    digest moves to another time zone; of an `AnnouncementSchedule` the local date."""
    closes_at: datetime | None = None
    """Latest time of the edition, in UTC; None for one of cron."""


class Schedule(Protocol):
    """When a digest is due; equal schedules have equal hashes."""

    def __hash__(self) -> int: ...

    @property
    def text(self) -> str:
        """The schedule in one line, as written or equivalent; it differs if any time differs."""
        ...

    @property
    def zone(self) -> ZoneInfo: ...

    def in_words(self) -> str:
        """Return the schedule in words."""
        ...

    def next_after(self, moment: datetime) -> datetime:
        """Return when the first slot after the aware *moment* begins, in UTC."""
        ...

    def latest_slot(self, now: datetime) -> Slot | None:
        """Return the last slot begun by the aware *now*, of the past 400 days."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CronSchedule:
    """
    Minutes at which a digest is due, by the wall clock of one time zone.

    A time skipped in spring is due later by the length of the gap (02:30 becomes 03:30); a time
    repeated in autumn is due once, the first time. So each local day has each of its times exactly
    once.
    """

    text: str
    """As written, with single spaces."""
    zone: ZoneInfo
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday, as in crontab(5)."""
    either_day: bool
    """True if matching the day or the weekday is enough (crontab(5): neither begins with ``*``)."""

    def in_words(self) -> str:
        """Return the schedule in words: ``Monday to Friday at 09:00 (Europe/Berlin)``."""
        times, days = _times_in_words(self), _days_in_words(self)
        description = f"{days} {times}" if times and days else f'by cron "{self.text}"'
        return f"{description} ({self.zone.key})"

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after the aware *moment*, in UTC."""
        today = moment.astimezone(self.zone).date()
        return min(_first(_days_on(today - DAY), self, lambda at: at > moment))

    def latest_slot(self, now: datetime) -> Slot | None:
        """Return the last slot up to the aware *now*, of the past 400 days."""
        today = now.astimezone(self.zone).date()
        found = _first(_days_back(today + DAY), self, lambda at: now - LOOK_BACK < at <= now)
        if not found:
            return None
        at = max(found)
        return Slot(at=at, name=at.astimezone(self.zone).isoformat(timespec="minutes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementSchedule:
    """
    One slot on each local day: from *earliest*, once arXiv's announcement is complete.

    At *latest* the edition no longer waits. Where the clock skips *earliest*, the slot begins later
    by the length of the gap; where it skips *latest*, the slot closes that much earlier, so that
    it stays on its day. Of a repeated time, the first counts.
    """

    zone: ZoneInfo
    earliest: time
    latest: time
    weekdays: frozenset[int]
    """0 is Sunday, as in crontab(5)."""

    @property
    def text(self) -> str:
        """The schedule in one line: ``after announcement, 07:00-10:00``."""
        days = "" if self.weekdays == EVERY_WEEKDAY else f", {_short_weekdays(self.weekdays)}"
        return f"after {ANNOUNCEMENT}, {self.earliest:%H:%M}-{self.latest:%H:%M}{days}"

    def in_words(self) -> str:
        """Return the schedule in words, with the time zone."""
        days = "every day"
        if self.weekdays != EVERY_WEEKDAY:
            days = _weekdays_in_words(self.weekdays)
        return (
            f"{days} after arXiv's announcement, from {self.earliest:%H:%M} to"
            f" {self.latest:%H:%M} ({self.zone.key})"
        )

    def next_after(self, moment: datetime) -> datetime:
        """Return when the first slot after the aware *moment* opens, in UTC."""
        first = moment.astimezone(self.zone).date() - DAY
        slots = (self._slot(day) for day in _days_on(first) if self._is_on(day))
        return next(slot.at for slot in slots if slot.at > moment)

    def latest_slot(self, now: datetime) -> Slot | None:
        """Return the last slot opened by the aware *now*."""
        last = now.astimezone(self.zone).date() + DAY
        slots = (self._slot(day) for day in _days_back(last) if self._is_on(day))
        return next((slot for slot in slots if slot.at <= now), None)

    def _is_on(self, day: date) -> bool:
        return day.isoweekday() % 7 in self.weekdays

    def _slot(self, day: date) -> Slot:
        opens, closes = (
            [
                datetime.combine(day, at.replace(fold=fold), self.zone).astimezone(UTC)
                for fold in (0, 1)
            ]
            for at in (self.earliest, self.latest)
        )
        # Of a repeated time fold 0 comes first, of a skipped one fold 1 (PEP 495).
        return Slot(at=opens[0], name=f"{day}", closes_at=max(opens[0], min(closes)))


def parse_schedule(written: str | Mapping[str, object], zone: ZoneInfo) -> Schedule:
    """
    Parse *written*, as it stands in the config, in the wall-clock time of *zone*.

    Raises:
        InvalidSchedule: Unknown form or key, value out of range, or a date that never occurs.
    """
    if isinstance(written, str):
        return _from_text(written, zone)
    return _after_announcement(written, zone)


def _from_text(text: str, zone: ZoneInfo) -> CronSchedule:
    """
    Parse *text* as a schedule in the wall-clock time of *zone*.

    Accepts ``daily 09:00``, ``weekdays 09:00``, ``weekly mon 09:00``, ``monthly 1 09:00`` and the
    five fields of Vixie cron (crontab(5)): names, ranges (which may wrap around: ``fri-mon``),
    steps, lists, 0 and 7 for Sunday, and nicknames such as ``@daily``. If both a day of the month
    and a weekday are given, either is enough, unless one of them begins with ``*``.

    Raises:
        InvalidSchedule: Unknown form, value out of range, or a date that never occurs.
    """
    words = text.lower().split()
    if not words:
        raise InvalidSchedule(f"the schedule is empty; write {FORMS}")
    fields = _fields(words, text.strip())
    schedule = _from_fields(" ".join(text.split()), zone, fields)
    if not _can_occur(schedule):
        raise InvalidSchedule(
            f'the schedule "{schedule.text}" never occurs: that month has no such day'
        )
    return schedule


def _first(
    days: Iterator[date], schedule: CronSchedule, wanted: Callable[[datetime], bool]
) -> list[datetime]:
    """
    Return the wanted times of the first of *days* that has any, and of the day after it.

    One day is not enough: where clocks change at 23:00 (Nuuk), times of one evening fall between
    those of the next morning.
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


def _moments(schedule: CronSchedule, day: date) -> Iterator[datetime]:
    """Yield the times of one local day in UTC; of a repeated time the first (fold 0)."""
    if not _is_on(schedule, day):
        return
    for hour in schedule.hours:
        for minute in schedule.minutes:
            yield datetime.combine(day, time(hour, minute), schedule.zone).astimezone(UTC)


def _is_on(schedule: CronSchedule, day: date) -> bool:
    """Return True if *day* matches the month, and day and weekday as in crontab(5)."""
    if day.month not in schedule.months:
        return False
    by_day, by_weekday = day.day in schedule.days, day.isoweekday() % 7 in schedule.weekdays
    return (by_day or by_weekday) if schedule.either_day else (by_day and by_weekday)


def _can_occur(schedule: CronSchedule) -> bool:
    return schedule.either_day or any(
        min(schedule.days) <= LONGEST[month] for month in schedule.months
    )


# Parsing a window


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """Keys of a schedule that waits for an announcement, as written."""

    after: object = None
    earliest: object = None
    latest: object = None
    days: object = None


def _after_announcement(written: Mapping[str, object], zone: ZoneInfo) -> AnnouncementSchedule:
    keys = _Keys(**_known(written))
    if keys.after is None:
        raise InvalidSchedule(f'"after" is missing; write after: {ANNOUNCEMENT}')
    if keys.after != ANNOUNCEMENT:
        message = f'"{_clipped(keys.after)}" is not supported; write after: {ANNOUNCEMENT}'
        raise InvalidSchedule(message, "after")
    earliest, latest = _window(
        _clock_time("earliest", keys.earliest), _clock_time("latest", keys.latest)
    )
    if earliest > latest:
        message = f'"{latest:%H:%M}" is before earliest, {earliest:%H:%M}, on the same day'
        raise InvalidSchedule(f"{message}; write a later time", "latest")
    return AnnouncementSchedule(
        zone=zone, earliest=earliest, latest=latest, weekdays=_weekdays_of(keys.days)
    )


def _known(written: Mapping[str, object]) -> dict[str, object]:
    known = [key.name for key in fields(_Keys)]
    for key in written:
        if key not in known:
            near = get_close_matches(key.lower(), known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(known)}"
            raise InvalidSchedule(f'unknown key "{_clipped(key)}"; {hint}', key)
    return dict(written)


def _clock_time(key: str, value: object) -> time | None:
    if value is None:
        return None
    if isinstance(value, str) and (found := CLOCK.fullmatch(value.strip())):
        return time(int(found[1]), int(found[2]))
    example = _likely_time(value) if type(value) is int else time(7)
    raise InvalidSchedule(f'"{_clipped(value)}" is not a time of day; write "{example:%H:%M}"', key)


def _likely_time(number: int) -> time:
    """Return the time meant by 7, or by 420, which YAML 1.1 makes of an unquoted 7:00."""
    minutes = number * 60 if number < 24 else number
    return time(*divmod(minutes, 60)) if 0 <= minutes < 24 * 60 else time(7)


def _window(earliest: time | None, latest: time | None) -> tuple[time, time]:
    """Return both times, the missing one at a distance of `WINDOW_HOURS` within the day."""
    if earliest is None and latest is not None:
        early = (
            latest.replace(hour=latest.hour - WINDOW_HOURS)
            if latest.hour >= WINDOW_HOURS
            else time()
        )
        return early, latest
    earliest = earliest or EARLIEST
    if latest is None:
        last = earliest.hour + WINDOW_HOURS
        latest = earliest.replace(hour=last) if last < 24 else time(23, 59)
    return earliest, latest


def _weekdays_of(days: object) -> frozenset[int]:
    if days is None:
        return EVERY_WEEKDAY
    if not isinstance(days, str):
        raise InvalidSchedule('must be text such as "mon-fri"', "days")
    if days.lower() == "weekdays":
        raise InvalidSchedule('"weekdays" is not supported; write "mon-fri"', "days")
    try:
        return frozenset(number % 7 for number in _values(days.lower(), WEEKDAY))
    except InvalidSchedule as error:
        raise InvalidSchedule(str(error), "days") from error


def _clipped(value: object) -> str:
    return " ".join(str(value).split())[:60]


# Parsing cron


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One of cron's five fields."""

    name: str
    least: int
    most: int
    names: Mapping[str, int]
    """Names of numbers, in full and as the first three letters."""


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
    """Return *words*, in any accepted form, as the five fields of cron."""
    first, *rest = words
    if first in _PLAIN:
        return _PLAIN[first](rest, text)
    if first in NICKNAMES and not rest:
        return NICKNAMES[first].split()
    if len(words) == len(COLUMNS) and not first.startswith("@"):
        return words
    raise InvalidSchedule(_explain(words, text))


def _explain(words: list[str], text: str) -> str:
    """Say why *text* is invalid, and suggest the likeliest schedule."""
    first, *rest = words
    if re.fullmatch(r"\d?\d:\d\d", first) and not rest:
        return f'"{text}" does not name the days; did you mean "daily {first}"?'
    if re.match(r"[\d*]", first):
        return (
            f'"{text}" has {len(words)} fields where cron has 5: minute, hour, day of the month,'
            " month, weekday"
        )
    if first in NICKNAMES:
        return f'"{text}" is not a schedule: "{first}" takes no time; write {FORMS}'
    near = get_close_matches(first, [*NICKNAMES, *_PLAIN], n=1)
    hint = f'did you mean "{" ".join([near[0], *rest])}"?' if near else f"write {FORMS}"
    return f'"{text}" is not a schedule; {hint}'


def _daily(rest: list[str], text: str) -> list[str]:
    return [*_clock(rest, "daily 09:00", text), "*", "*", "*"]


def _weekdays(rest: list[str], text: str) -> list[str]:
    return [*_clock(rest, "weekdays 09:00", text), "*", "*", "1-5"]


def _weekly(rest: list[str], text: str) -> list[str]:
    if not rest:
        raise InvalidSchedule(f'"{text}" needs a day and a time, as in "weekly mon 09:00"')
    _values(rest[0], WEEKDAY)
    return [*_clock(rest[1:], f"weekly {rest[0]} 09:00", text), "*", "*", rest[0]]


def _monthly(rest: list[str], text: str) -> list[str]:
    if not rest or not re.fullmatch(r"0?[1-9]|1\d|2[0-8]", rest[0]):
        raise InvalidSchedule(
            f'"{text}" must name a day from 1 to 28, which every month has, as in "monthly 1 09:00"'
        )
    return [*_clock(rest[1:], f"monthly {rest[0]} 09:00", text), rest[0], "*", "*"]


def _clock(rest: list[str], example: str, text: str) -> tuple[str, str]:
    """Return cron's minute and hour for ``09:00``, which must be the only word in *rest*."""
    found = CLOCK.fullmatch(rest[0]) if len(rest) == 1 else None
    if not found:
        raise InvalidSchedule(
            f'"{text}" must end with one time from 00:00 to 23:59, as in "{example}"'
        )
    return found[2], found[1]


_PLAIN: Mapping[str, Callable[[list[str], str], list[str]]] = {
    "daily": _daily,
    "weekdays": _weekdays,
    "weekly": _weekly,
    "monthly": _monthly,
}


def _from_fields(text: str, zone: ZoneInfo, fields: list[str]) -> CronSchedule:
    minutes, hours, days, months, weekdays = (
        _values(field, column) for field, column in zip(fields, COLUMNS, strict=True)
    )
    return CronSchedule(
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
    """Return the numbers that a field names by numbers, ranges, ``*`` and steps."""
    return {number for part in text.split(",") for number in _part(part, column)}


def _part(text: str, column: _Field) -> list[int]:
    span, slash, step = text.partition("/")
    if slash and not re.fullmatch(r"0*[1-9]\d{0,3}", step):
        raise InvalidSchedule(f'the step "/{step}" of the {column.name} must be 1 or more')
    if slash and span != "*" and "-" not in span:
        raise InvalidSchedule(
            f'"{text}" of the {column.name} has a step without a range; write'
            f' "{span}-{column.most}/{step}" or "*/{step}"'
        )
    return _span(span, column)[:: int(step or 1)]


def _span(text: str, column: _Field) -> list[int]:
    """Return the numbers of ``*``, ``5`` or ``1-5``; a range may wrap around (``fri-mon``)."""
    if text == "*":
        return list(range(column.least, column.most + 1 - (column is WEEKDAY)))
    first, dash, last = text.partition("-")
    begin = _number(first, column)
    end = _number(last, column) if dash else begin
    if begin <= end:
        return list(range(begin, end + 1))
    # Sunday is both 0 and 7: sat-mon must contain it once, or its steps would shift.
    top = 6 if column is WEEKDAY else column.most
    return [*range(begin, top + 1), *range(column.least, end + 1)]


def _number(text: str, column: _Field) -> int:
    if text in column.names:
        return column.names[text]
    if re.fullmatch(r"[0-9]{1,4}", text) and column.least <= int(text) <= column.most:
        return int(text)
    near = get_close_matches(text, column.names, n=1)
    example = f" or a name such as {next(iter(column.names))[:3]}" if column.names else ""
    limits = f"; use {column.least} to {column.most}{example}"
    hint = f'; did you mean "{near[0]}"?' if near else limits
    raise InvalidSchedule(f'"{text}" is not a valid {column.name}{hint}')


# In words


def _times_in_words(schedule: CronSchedule) -> str | None:
    """Return ``at 09:00 and 17:30``; None for more than four times."""
    times = [f"{hour:02}:{minute:02}" for hour in schedule.hours for minute in schedule.minutes]
    if len(times) <= 4:
        return f"at {_and(times)}"
    if len(schedule.hours) == 24 and len(schedule.minutes) == 1:
        return f"at minute {schedule.minutes[0]} of every hour"
    return None


def _days_in_words(schedule: CronSchedule) -> str | None:
    """Return the days in words; None if months or both kinds of days are restricted."""
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


def _short_weekdays(weekdays: frozenset[int]) -> str:
    return ",".join(WEEKDAYS[number][:3] for number in sorted(weekdays))


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
