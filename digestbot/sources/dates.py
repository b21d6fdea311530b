"""
Parse the dates of feeds strictly: a date is right, or there is none.

Feeds write ISO 8601, RFC 822 with every kind of weekday and zone, "3 September 2026", epoch
seconds and date-only values. feedparser guesses (``2026/09/03`` becomes 1 November), so the text
itself is parsed here. Begin at `parse_date`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

MAX_LENGTH = 60
FIRST_YEAR = 1950
LAST_YEAR = 2200

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janv janvier enero ene gennaio",
            "feb february februar fev fevr fevrier febrero febbraio",
            "mar march mrz marz maerz mars marzo",
            "apr april avr avril abril aprile",
            "may mai mayo maggio",
            "jun june juni juin junio giugno",
            "jul july juli juil juillet julio luglio",
            "aug august aout agosto ago",
            "sep sept september septembre septiembre settembre",
            "oct okt october oktober octobre octubre ottobre",
            "nov november novembre noviembre",
            "dec dez december dezember decembre diciembre dicembre dic",
        ),
        start=1,
    )
    for name in names.split()
}
_ZONES_H = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2,
    "mez": 1, "mesz": 2, "eet": 2, "eest": 3, "msk": 3, "est": -5, "edt": -4, "cst": -6,
    "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "akst": -9, "akdt": -8, "hst": -10,
    "jst": 9, "kst": 9, "sgt": 8, "hkt": 8, "awst": 8, "aest": 10, "aedt": 11, "nzst": 12,
    "nzdt": 13,
}  # fmt: skip
"""Hours east of UTC. RFC 822 defines the American names; CST is theirs, not China's."""

_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?"
)
_ZONE = r"(?: ?(?P<zone>[A-Za-z]{1,4}|(?:GMT|UTC)?[+-]\d{1,2}:?\d{2}|[+-]\d{2}))?"
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>[^\W\d_]{3,9})\.?", r"(?P<day>\d{1,2})"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{_YEAR}([-/.]?)(?P<number>\d{{2}})\2{_DAY}"
        rf"(?:(?:T| ){_TIME}{_ZONE}|Z|[+-]\d{{2}}:\d{{2}})?",  # XML Schema dates have a zone
        rf"(?:[^\W\d_]+\.?,? )?{_DAY}(?:st|nd|rd|th|\.)?[ -]{_MONTH},?[ -]"
        rf"(?P<short>\d{{2}}|\d{{4}})"
        rf"(?:,?(?: at)? {_TIME}{_ZONE})?",
        rf"{_DAY}\.(?P<number>\d{{1,2}})\.{_YEAR}(?: {_TIME}{_ZONE})?",  # dots: day first
        rf"(?:[^\W\d_]+\.?,? )?{_MONTH} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}"
        rf"(?:,?(?: at)? {_TIME}{_ZONE})?(?: \([^()]*\))?",  # JavaScript adds "(UTC)"
        rf"(?:[^\W\d_]+,? )?{_MONTH} {_DAY} {_TIME}{_ZONE} {_YEAR}",  # asctime
    )
)
_EPOCH = re.compile(r"-?\d{9,10}(?:\.\d+)?|\d{13}")


@dataclass(frozen=True, slots=True)
class Moment:
    """A parsed date."""

    at: datetime
    """UTC; midnight for a date without a time."""
    is_date: bool = False
    """Only the day is known: show it unchanged in every time zone."""


def parse_date(text: str) -> Moment | None:
    """
    Return the moment that *text* names, or None if any part of it is missing or impossible.

    A month without a day, ``2026-00-00``, ``03/09/2026`` and years before 1950 are None: no date
    is better than a wrong one. A time without a zone is UTC. Midnight UTC is a day without a time:
    so publishers' software fills the gap, in more than half of the journals' feeds that we know.
    """
    line = " ".join(text[: MAX_LENGTH + 1].split())
    if not line or len(line) > MAX_LENGTH:
        return None
    if _EPOCH.fullmatch(line):
        return _from_epoch(line)
    found = next((match for form in _FORMS if (match := form.fullmatch(line))), None)
    return None if found is None else _from_parts(found.groupdict())


def _from_epoch(line: str) -> Moment | None:
    seconds = int(line) / 1000 if len(line) == 13 else float(line)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return Moment(at.replace(microsecond=0)) if at.year >= FIRST_YEAR else None


def _from_parts(parts: dict[str, str | None]) -> Moment | None:
    try:
        day = date(_year(parts), _month(parts), int(parts["day"] or 0))
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            return None
        if parts.get("hour") is None:
            return Moment(datetime.combine(day, time(), UTC), is_date=True)
        clock, zone = _clock(parts), _zone(parts)
        at = (datetime.combine(day, time(), zone) + clock).astimezone(UTC)
        return Moment(at, is_date=not clock and not zone.utcoffset(None))
    except (ValueError, KeyError, OverflowError):
        return None


def _year(parts: dict[str, str | None]) -> int:
    text = parts.get("year") or parts.get("short") or ""
    year = int(text)
    if len(text) == 4:
        return year
    return year + (2000 if year < 50 else 1900)  # RFC 2822 4.3


def _month(parts: dict[str, str | None]) -> int:
    if number := parts.get("number"):
        return int(number)
    return _MONTHS[_plain(parts["month"] or "")]


def _plain(month: str) -> str:
    table = str.maketrans("äéèûùàí", "aeeuuai")
    return month.lower().translate(table)


def _clock(parts: dict[str, str | None]) -> timedelta:
    """Return the time of day; 24:00 is the end of the day (ISO 8601), :60 a leap second."""
    hour, minute = int(parts["hour"] or 0), int(parts["minute"] or 0)
    second = min(int(parts.get("second") or 0), 60)
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    clock = timedelta(hours=hour, minutes=minute, seconds=second)
    if minute > 59 or clock > timedelta(days=1, seconds=1):
        raise ValueError(clock)
    return clock


def _zone(parts: dict[str, str | None]) -> timezone:
    text = (parts.get("zone") or "z").lower()
    sign = re.fullmatch(r"(?:gmt|utc)?([+-])(\d{1,2}):?(\d{2})?", text)
    if sign is None:
        return timezone(timedelta(hours=_ZONES_H[text]))
    offset = timedelta(hours=int(sign[2]), minutes=int(sign[3] or 0))
    if offset > timedelta(hours=14):
        raise ValueError(text)
    return timezone(-offset if sign[1] == "-" else offset)
