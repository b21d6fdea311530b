"""
One pass over arXiv's channels: OAI-PMH, the daily feed and the query API.

Each channel has served stale or partial days, and each has what the others lack: OAI-PMH every
change, the feed the announce types, the API what is older. The pass reads each, even if another
fails, and compares what they served of the latest day. Until two agree, it asks to be repeated
soon; then not before the next announcement. Begin at `ChannelsPass.pages`.
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Protocol

from digestbot.arxiv_calendar import Calendar, day_in_words, feed_at, oai_at
from digestbot.errors import SourceError, SourceRefused
from digestbot.ids import arxiv_order
from digestbot.model import AnnounceType, BatchOutcome, Channel, ChannelCheck, FetchedPaper
from digestbot.net import Client, allowed_interval_s
from digestbot.sources.arxiv_daily import DailyMemory, feed_spec, judge, read
from digestbot.sources.arxiv_oai_news import announce_type
from digestbot.sources.arxiv_oai_pass import OaiPass, wanted_codes
from digestbot.sources.arxiv_pass import ArxivMemory, ArxivPass, Listing
from digestbot.sources.memory import fingerprint
from digestbot.sources.protocols import Page

log = logging.getLogger(__name__)

GRACE = timedelta(minutes=5)
"""Wait after the time at which a channel should have an announcement."""
FIRST_RETRY = timedelta(minutes=15)
LAST_RETRY = timedelta(hours=2)
"""Bounds of the time until an incomplete batch is read again; it grows with the batch's age."""
LAST_AGE = timedelta(days=1)
"""Age from which a batch is read again only with the next one."""
API_INTERVAL = timedelta(hours=20)
"""Least time between two passes over the API while the other channels agree: once a day."""
CHECKED_DAYS = 14
NEWS = frozenset({AnnounceType.NEW, AnnounceType.CROSS})
"""Types that all channels have: the daily feed leaves out some replacements."""
_OWN_KEYS = {
    Channel.API: ("query", "mark", "floor", "pending"),
    Channel.RSS: ("rss_",),
    Channel.OAI: ("oai_",),
}
"""Prefixes of each channel's keys in the memory."""


class Channels(Listing, Protocol):
    """arXiv's channels and what to request from them; see `sources.arxiv.ArxivOptions`."""

    @property
    def categories(self) -> Sequence[str]: ...
    @property
    def channels(self) -> Sequence[Channel]: ...
    @property
    def calendar(self) -> Calendar: ...
    @property
    def rss_url(self) -> str | None: ...
    @property
    def oai_url(self) -> str | None: ...
    @property
    def interval(self) -> timedelta: ...


@dataclass(slots=True)
class _Served:
    """What one channel served in this pass."""

    ids: set[str] = field(default_factory=set)
    first_versions: set[str] = field(default_factory=set)
    news: dict[date, set[str]] = field(default_factory=dict)
    """Ids of new papers and cross-lists by day, as far as the channel states it."""
    is_complete: bool = False
    outcome: BatchOutcome | None = None
    """Outcome of the latest day, if the channel states it."""


@dataclass(slots=True, kw_only=True)
class ChannelsPass:
    """One pass; the later fields record its progress."""

    options: Channels
    name: str
    client: Client
    memory: dict[str, str]
    now: datetime
    served: dict[Channel, _Served] = field(default_factory=dict)
    errors: dict[Channel, SourceError] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    checks: list[ChannelCheck] = field(default_factory=list)
    done: int = 0

    @property
    def day(self) -> date:
        """The latest day that arXiv has announced."""
        return self.options.calendar.latest_day(self.now)

    async def pages(self) -> AsyncIterator[Page]:
        """
        Yield the pages of every channel, then a summary.

        Raises:
            SourceLate, SourceRefused: Every channel failed.
        """
        for channel in (Channel.OAI, Channel.RSS, Channel.API):
            if channel in self.options.channels and self._is_due(channel):
                async for page in self._read(channel):
                    yield page
        if not any(served.is_complete for served in self.served.values()) and self.errors:
            raise self._worst_error()
        yield self._last_page()

    def _is_due(self, channel: Channel) -> bool:
        if self._is_resting(channel):
            return False
        if channel is not Channel.API:
            return True
        asked = self.memory.get("asked_api")
        has_just_been_asked = (
            asked is not None and self.now - datetime.fromisoformat(asked) < API_INTERVAL
        )
        # The index of the API is updated after the feed.
        is_needed = not self._is_settled() and self.now >= feed_at(self.day)
        return is_needed or not has_just_been_asked

    def _is_settled(self) -> bool:
        """
        Return True once two channels have agreed on the papers of the latest day.

        A day without papers stays open until it is over: a late batch looks the same.
        """
        if self.memory.get("settled") == self.day.isoformat():
            return True
        needed = min(2, len(self.options.channels))
        return bool(self._news()) and len(self._agreeing()) >= needed

    def _is_quiet(self) -> bool:
        """Return True if every channel answered, and none has papers of the latest day."""
        answered = (
            self._tells_of_day(channel, served) or channel is Channel.API
            for channel, served in self.served.items()
        )
        return not self._news() and not self.errors and all(answered)

    def _news(self) -> set[str]:
        """Return the new papers and cross-lists of the latest day, from all channels."""
        return set[str]().union(*(s.news.get(self.day, set()) for s in self.served.values()))

    def _is_resting(self, channel: Channel) -> bool:
        """Return True while a channel that refused us must not be requested."""
        until = self.memory.get(f"rest_{channel}")
        return until is not None and self.now < datetime.fromisoformat(until)

    async def _read(self, channel: Channel) -> AsyncIterator[Page]:
        """Yield the pages of *channel*; a failure ends only this channel."""
        served = self.served[channel] = _Served()
        try:
            async for page in self._pages_of(channel):
                self._record(served, page)
                self._remember(channel, page.memory)
                yield replace(
                    page,
                    memory=dict(self.memory),
                    channel=channel,
                    complete=False,
                    note=None,
                    done=self.done,
                )
        except SourceError as error:
            self._note_failure(channel, error)
        else:
            self._note_success(channel)

    def _pages_of(self, channel: Channel) -> AsyncIterator[Page]:
        own = {key: value for key, value in self.memory.items() if _belongs(key, channel)}
        if channel is Channel.API:
            return self._api_pages(own)
        return self._oai_pages(own) if channel is Channel.OAI else self._feed_pages(own)

    def _oai_pages(self, memory: Mapping[str, str]) -> AsyncIterator[Page]:
        options = self.options
        url = options.oai_url or ""
        return OaiPass(
            name=self.name,
            categories=options.categories,
            client=self.client,
            memory=memory,
            now=self.now,
            calendar=options.calendar,
            url=url,
            backfill=options.backfill,
            interval_s=allowed_interval_s(url, options.interval.total_seconds()),
            max_pages=options.max_pages,
        ).pages()

    async def _feed_pages(self, memory: Mapping[str, str]) -> AsyncIterator[Page]:
        spec = feed_spec(self.options.categories)
        known = DailyMemory.read(memory) if memory.get("rss_spec") == spec else DailyMemory()
        url = f"{(self.options.rss_url or '').rstrip('/')}/rss/{spec}"
        interval_s = allowed_interval_s(url, self.options.interval.total_seconds())
        papers = await read(self.client, self.name, url, interval_s)
        daily = judge(papers, known, self.client.clock(), self.options.calendar)
        if daily.check.announced_on == self.day:
            self.served[Channel.RSS].outcome = daily.check.outcome
        yield Page(
            papers=daily.papers,
            memory={"rss_spec": spec, **daily.memory.written()},
            checks=(daily.check,),
            complete=True,
            note=daily.check.detail,
        )

    async def _api_pages(self, memory: Mapping[str, str]) -> AsyncIterator[Page]:
        async for page in api_pass(self.options, self.name, self.client, memory, self.now).pages():
            codes = wanted_codes(self.options.categories)
            yield replace(page, papers=tuple(with_relative_type(p, codes) for p in page.papers))

    def _record(self, served: _Served, page: Page) -> None:
        self.done += len(page.papers)
        served.is_complete = page.complete
        if page.note:
            self.notes.append(page.note)
        for paper in page.papers:
            served.ids.add(paper.id)
            if paper.version == 1:
                served.first_versions.add(paper.id)
            day = self._day_of(paper)
            if day is not None and paper.type in NEWS and not paper.backlog:
                served.news.setdefault(day, set()).add(paper.id)

    def _day_of(self, paper: FetchedPaper) -> date | None:
        if paper.announced_on is not None or paper.updated is None:
            return paper.announced_on
        return self.options.calendar.expected_day(paper.updated)

    def _remember(self, channel: Channel, own: Mapping[str, str]) -> None:
        for key in [key for key in self.memory if _belongs(key, channel)]:
            del self.memory[key]
        self.memory |= own

    def _note_failure(self, channel: Channel, error: SourceError) -> None:
        self.errors[channel] = error
        self.notes.append(str(error))
        self.checks.append(_check(channel, self.day, BatchOutcome.DOWN, self.now, str(error)))
        if isinstance(error, SourceRefused) and error.retry_at is not None:
            self.memory[f"rest_{channel}"] = error.retry_at.isoformat()

    def _note_success(self, channel: Channel) -> None:
        self.memory.pop(f"rest_{channel}", None)
        served = self.served[channel]
        if channel is Channel.API and served.is_complete:
            self.memory["asked_api"] = self.now.isoformat()
            self.checks += _api_checks(served, self.now, self.options.calendar)

    def _worst_error(self) -> SourceError:
        refusals = (error for error in self.errors.values() if isinstance(error, SourceRefused))
        return next(refusals, next(iter(self.errors.values())))

    def _last_page(self) -> Page:
        is_settled = self._is_settled()
        if is_settled:
            self.memory["settled"] = self.day.isoformat()
        is_due = self.now >= feed_at(self.day) + GRACE
        is_late = is_due and not is_settled and not self._is_quiet()
        note = self._disagreement() if is_late else None
        return Page(
            papers=(),
            memory=dict(self.memory),
            checks=tuple(self.checks),
            complete=not is_late,
            note="; ".join(dict.fromkeys(filter(None, [note, *self.notes]))) or None,
            next_try_at=self._next_try_at(is_settled=is_settled),
            done=self.done,
        )

    def _agreeing(self) -> list[Channel]:
        """List the channels that served all of the latest day, as far as any channel tells."""
        news = self._news()
        return [
            channel
            for channel, served in self.served.items()
            if self._tells_of_day(channel, served) and self._reachable(channel, news) <= served.ids
        ]

    def _reachable(self, channel: Channel, news: set[str]) -> set[str]:
        """Return the part of *news* that *channel* can have: the API lists no old cross-lists."""
        if channel is not Channel.API:
            return news
        oldest = min(map(arxiv_order, self.served[channel].first_versions), default=None)
        return {name for name in news if oldest is None or arxiv_order(name) >= oldest}

    def _tells_of_day(self, channel: Channel, served: _Served) -> bool:
        """Return True if the channel could have had all papers of the latest day."""
        if channel is Channel.RSS:
            return served.outcome in (BatchOutcome.COMPLETE, BatchOutcome.EMPTY)
        if channel is Channel.OAI:
            return served.is_complete and self.now >= oai_at(self.day)
        return served.is_complete and bool(served.news.get(self.day))

    def _next_try_at(self, *, is_settled: bool) -> datetime:
        """Return when a channel should have more: soon if they disagree, else tomorrow."""
        channels = self.options.channels
        age = self.now - feed_at(self.day)
        if is_settled or age > LAST_AGE:
            return self._next_announcement()
        due = [oai_at(self.day) + GRACE] if Channel.OAI in channels else []
        due += [feed_at(self.day) + GRACE] if Channel.RSS in channels else []
        ahead = [moment for moment in due if moment > self.now]
        return min(ahead, default=self.now + min(max(age / 2, FIRST_RETRY), LAST_RETRY))

    def _next_announcement(self) -> datetime:
        following = self.options.calendar.next_day(self.day)
        return (oai_at if Channel.OAI in self.options.channels else feed_at)(following) + GRACE

    def _disagreement(self) -> str:
        day = day_in_words(self.day)
        news = self._news()
        if not news:
            return f"{day}: no papers yet"
        counts = ", ".join(
            f"{LABELS[channel]} {len(news & served.ids)}" for channel, served in self.served.items()
        )
        return f"{day}: the channels do not agree on {len(news)} papers ({counts})"


LABELS = {Channel.OAI: "OAI-PMH", Channel.RSS: "daily feed", Channel.API: "query API"}


def api_pass(
    options: Listing, name: str, client: Client, memory: Mapping[str, str], now: datetime
) -> ArxivPass:
    """Return a pass over the query API alone."""
    return ArxivPass(
        options=options,
        name=name,
        client=client,
        memory=memory,
        known=ArxivMemory.read(memory, fingerprint(f"{options.api_url}\n{options.search}")),
        now=now,
    )


async def api_only(
    options: Channels, name: str, client: Client, memory: Mapping[str, str], now: datetime
) -> AsyncIterator[Page]:
    """Yield the pages of a source that has the query API only, which verifies nothing."""
    served = _Served()
    async for page in api_pass(options, name, client, memory, now).pages():
        for paper in page.papers:
            if paper.updated and paper.type in NEWS and not paper.backlog:
                day = options.calendar.expected_day(paper.updated)
                served.news.setdefault(day, set()).add(paper.id)
        checks = _api_checks(served, now, options.calendar) if page.complete else ()
        yield replace(page, channel=Channel.API, checks=tuple(checks))


def with_relative_type(paper: FetchedPaper, codes: frozenset[str]) -> FetchedPaper:
    """Give *paper* the announce type that the daily feed of *codes* would give it."""
    is_known = codes and paper.primary_category is not None
    return replace(paper, type=announce_type(paper, codes)) if is_known else paper


def _belongs(key: str, channel: Channel) -> bool:
    return key.startswith(_OWN_KEYS[channel])


def _api_checks(served: _Served, now: datetime, calendar: Calendar) -> list[ChannelCheck]:
    """
    Return what a complete pass over the API had of each day, newest first.

    Its index can be days late: it has a day once it has papers of that day or a later one.
    """
    newest = max(served.news, default=None)
    day = calendar.latest_day(now)
    checks = []
    for _ in range(CHECKED_DAYS):
        outcome = BatchOutcome.COMPLETE if served.news.get(day) else BatchOutcome.EMPTY
        if newest is not None and day <= newest:
            checks.append(_check(Channel.API, day, outcome, now))
        day = calendar.previous_day(day)
    return checks


def _check(
    channel: Channel, day: date, outcome: BatchOutcome, now: datetime, detail: str | None = None
) -> ChannelCheck:
    return ChannelCheck(channel=channel, announced_on=day, outcome=outcome, at=now, detail=detail)
