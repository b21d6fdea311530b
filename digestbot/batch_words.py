"""
Batches in words: one line for all categories and days with the same state and channels.

``cs.DC: all 41 papers of Fri 20 Nov, verified at 05:10 UTC against two channels``. Begin at
`statements`; `first_of` shortens them to a footer. In editions the words are those of a
`render.language.Language`; commands use `English`, which loads nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from digestbot.model import Batch, BatchOutcome, BatchState, Channel, ChannelAnswer

LINES: Final = 3
"""Lines in a footer."""
CATEGORIES: Final = 4
"""Categories named in one line."""

_ORDER: Final = (
    BatchState.DOWN,
    BatchState.PARTIAL,
    BatchState.STALE,
    BatchState.NOT_YET,
    BatchState.ANNOUNCED,
    BatchState.HOLIDAY,
)
"""Order of the lines: what needs attention comes first; weekends are left out."""


class Words(Protocol):
    """The part of a language that statements need; see `render.language.Language`."""

    def gettext(self, message: str, **facts: object) -> str: ...
    def ngettext(self, one: str, many: str, number: int, /, **facts: object) -> str: ...
    def number(self, number: int) -> str: ...
    def names(self, names: Iterable[str], more: int = 0) -> str: ...
    def weekday(self, when: datetime, zone: tzinfo) -> str: ...
    def time(self, when: datetime, zone: tzinfo) -> str: ...
    def moment(self, when: datetime, zone: ZoneInfo) -> str: ...


class English:
    """English, for the output of commands: Babel would take longer to load."""

    def gettext(self, message: str, **facts: object) -> str:
        return message % facts if facts else message

    def ngettext(self, one: str, many: str, number: int, /, **facts: object) -> str:
        return (one if number == 1 else many) % {"number": self.number(number), **facts}

    def number(self, number: int) -> str:
        return f"{number:,}"

    def names(self, names: Iterable[str], more: int = 0) -> str:
        shown = ", ".join(names)
        return f"{shown} and {self.number(more)} more" if more else shown

    def weekday(self, when: datetime, zone: tzinfo) -> str:
        local = when.astimezone(zone)
        return f"{local:%a} {local.day} {local:%b}"

    def time(self, when: datetime, zone: tzinfo) -> str:
        return f"{when.astimezone(zone):%H:%M %Z}"

    def moment(self, when: datetime, zone: ZoneInfo) -> str:
        return f"{self.weekday(when, zone)}, {self.time(when, zone)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One line about one or several batches."""

    text: str
    is_incomplete: bool


@dataclass(frozen=True, slots=True)
class _Group:
    """Batches that share a line: the same days of one or several categories."""

    categories: tuple[tuple[str, int], ...]
    """Names, with the papers of all days."""
    days: tuple[date, ...]
    like: Batch
    """The latest batch, which stands for all."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.categories)

    @property
    def total(self) -> int | None:
        """Papers in the only category; several categories can share papers."""
        return self.categories[0][1] if len(self.categories) == 1 else None

    @property
    def is_empty(self) -> bool:
        return not any(papers for _, papers in self.categories)


def statements(batches: Iterable[Batch], lang: Words, zone: ZoneInfo) -> tuple[Statement, ...]:
    """Describe *batches* in as few lines as possible, with times in *zone*; the worst first."""
    return tuple(
        Statement(
            text=f"{_label(group, lang)}: {_sentence(group, lang, zone)}",
            is_incomplete=group.like.is_incomplete,
        )
        for group in sorted(_grouped(batches), key=_rank)
    )


def first_of(lines: Sequence[Statement], lang: Words) -> tuple[str, ...]:
    """Return at most `LINES` of *lines*; the last one counts those left out."""
    if len(lines) <= LINES:
        return tuple(line.text for line in lines)
    rest = len(lines) - LINES + 1
    more = lang.ngettext(
        "and %(number)s more statement like these",
        "and %(number)s more statements like these",
        rest,
    )
    return (*(line.text for line in lines[: LINES - 1]), more)


def channel_name(channel: Channel, lang: Words) -> str:
    """Name *channel* for readers."""
    match channel:
        case Channel.RSS:
            return lang.gettext("the daily feed")
        case Channel.OAI:
            return lang.gettext("OAI-PMH")
        case Channel.API:
            return lang.gettext("the query API")


def _rank(group: _Group) -> tuple[int, bool, int]:
    return _ORDER.index(group.like.state), group.like.is_verified, -group.days[-1].toordinal()


def _grouped(batches: Iterable[Batch]) -> Iterator[_Group]:
    """Join the days of each category, then the categories with the same days."""
    by_category: dict[object, list[Batch]] = defaultdict(list)
    for batch in batches:
        if batch.state is not BatchState.WEEKEND:
            by_category[(batch.source, batch.category, _story(batch))].append(batch)
    by_days: dict[object, list[list[Batch]]] = defaultdict(list)
    for several in by_category.values():
        days = tuple(batch.day for batch in several)
        by_days[(several[0].source, _story(several[0]), days)].append(several)
    for lists in by_days.values():
        names = [
            (each[0].category or each[0].source, sum(b.papers for b in each)) for each in lists
        ]
        last = max((each[-1] for each in lists), key=_verified_at)
        yield _Group(tuple(names), tuple(batch.day for batch in lists[0]), last)


def _story(batch: Batch) -> tuple[object, ...]:
    """Return what all batches of a line have in common."""
    if batch.state is BatchState.HOLIDAY:
        return (batch.state,)
    answers = [(a.channel, a.outcome, a.lacks > 0) for a in batch.answers]
    told = len(batch.verified_by) if batch.is_verified else tuple(answers)
    return batch.state, batch.papers > 0, told, batch.asked_again_at


def _verified_at(batch: Batch) -> float:
    return batch.verified_at.timestamp() if batch.verified_at else 0.0


def _label(group: _Group, lang: Words) -> str:
    shown = list(group.names[:CATEGORIES])
    is_counted = group.total is None and not group.is_empty
    if is_counted:
        counts = [papers for _, papers in group.categories]
        shown = [f"{name} ({lang.number(n)})" for name, n in zip(shown, counts, strict=False)]
    return lang.names(shown, max(0, len(group.names) - CATEGORIES))


def _sentence(group: _Group, lang: Words, zone: ZoneInfo) -> str:
    days = _days(group.days, lang)
    if group.like.state is BatchState.HOLIDAY:
        return lang.gettext("no announcement on %(days)s (holiday)", days=days)
    if group.like.state is BatchState.ANNOUNCED:
        return f"{_announced(group, days, lang)}, {_verification(group, lang, zone)}"
    parts = [_so_far(group, days, lang), *_reasons(group, lang)]
    if group.like.asked_again_at is not None:
        at = lang.time(group.like.asked_again_at, zone)
        parts.append(lang.gettext("asked again at %(time)s", time=at))
    return "; ".join(parts)


def _days(days: Sequence[date], lang: Words) -> str:
    if len(days) == 1:
        return _weekday(days[0], lang)
    return lang.ngettext(
        "%(number)s day from %(first)s to %(last)s",
        "%(number)s days from %(first)s to %(last)s",
        len(days),
        first=_weekday(days[0], lang),
        last=_weekday(days[-1], lang),
    )


def _weekday(day: date, lang: Words) -> str:
    return lang.weekday(datetime.combine(day, time(), UTC), UTC)


def _announced(group: _Group, days: str, lang: Words) -> str:
    if group.is_empty:
        return lang.gettext("no papers on %(days)s", days=days)
    if not group.like.is_verified:
        return _papers(group, days, lang)
    if group.total is None:
        return lang.gettext("all papers of %(days)s", days=days)
    return lang.ngettext(
        "the %(number)s paper of %(days)s",
        "all %(number)s papers of %(days)s",
        group.total,
        days=days,
    )


def _papers(group: _Group, days: str, lang: Words) -> str:
    if group.total is None:
        return lang.gettext("papers of %(days)s", days=days)
    return lang.ngettext(
        "%(number)s paper of %(days)s", "%(number)s papers of %(days)s", group.total, days=days
    )


def _so_far(group: _Group, days: str, lang: Words) -> str:
    if group.is_empty:
        return lang.gettext("no papers of %(days)s yet", days=days)
    return lang.gettext("%(papers)s so far", papers=_papers(group, days, lang))


def _verification(group: _Group, lang: Words, zone: ZoneInfo) -> str:
    batch = group.like
    if not batch.is_verified or batch.verified_at is None:
        reasons = "; ".join(_reasons(group, lang))
        return lang.gettext("unverified: %(reasons)s", reasons=reasons)
    is_two = len(batch.verified_by) == 2
    channels = lang.gettext("two channels") if is_two else lang.gettext("three channels")
    if len(group.days) > 1:
        return lang.gettext("verified against %(channels)s", channels=channels)
    if batch.verified_at.astimezone(zone).date() == batch.day:
        at = lang.time(batch.verified_at, zone)
        return lang.gettext("verified at %(time)s against %(channels)s", time=at, channels=channels)
    moment = lang.moment(batch.verified_at, zone)
    return lang.gettext(
        "verified on %(moment)s against %(channels)s", moment=moment, channels=channels
    )


def _reasons(group: _Group, lang: Words) -> list[str]:
    """Explain why channels do not confirm the batch."""
    answers, is_announced = group.like.answers, group.like.state is BatchState.ANNOUNCED
    if is_announced and len(answers) == 1:
        only = channel_name(answers[0].channel, lang)
        return [lang.gettext("only %(channel)s is configured", channel=only)]
    outcomes = {answer.outcome for answer in answers}
    if outcomes == {BatchOutcome.DOWN}:
        return [lang.gettext("no channel answers")]
    if outcomes <= {None}:
        is_soon = group.like.asked_again_at is not None
        return [] if is_soon else [lang.gettext("no channel has been read")]
    is_waiting = group.is_empty and not is_announced
    told = [answer for answer in answers if is_waiting or not answer.confirms]
    total = group.total if len(group.days) == 1 else None
    return [_reason(answer, total, lang) for answer in told]


def _reason(answer: ChannelAnswer, total: int | None, lang: Words) -> str:
    channel = channel_name(answer.channel, lang)
    match answer.outcome:
        case None:
            return lang.gettext("%(channel)s has not been read", channel=channel)
        case BatchOutcome.DOWN:
            return lang.gettext("%(channel)s does not answer", channel=channel)
        case BatchOutcome.STALE:
            return lang.gettext("%(channel)s still shows an earlier day", channel=channel)
    if not answer.lacks:
        if answer.outcome is BatchOutcome.EMPTY:
            return lang.gettext("%(channel)s is empty", channel=channel)
        return lang.gettext("%(channel)s is incomplete", channel=channel)
    if total is None:
        return lang.gettext("%(channel)s lacks some of them", channel=channel)
    return lang.gettext(
        "%(channel)s lacks %(lacking)s of %(number)s",
        channel=channel,
        lacking=lang.number(answer.lacks),
        number=lang.number(total),
    )
