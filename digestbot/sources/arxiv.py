"""
arXiv as a source, by categories or by a query.

It has the options of `kind: arxiv`. `arxiv_channels` reads and compares the daily feed, OAI-PMH and
the query API; `arxiv_pass` reads the query API alone.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from digestbot import taxonomy
from digestbot.arxiv_calendar import Calendar, calendar_with
from digestbot.model import Channel
from digestbot.sources.protocols import Page, check_interval, check_span

if TYPE_CHECKING:
    from digestbot.net import Client
    from digestbot.sources.parser_pool import Parse


API_URL = "https://export.arxiv.org/api/query"
RSS_URL = "https://rss.arxiv.org"
OAI_URL = "https://oaipmh.arxiv.org/oai"
DEFAULT = "default"
"""arXiv's own address, unless the query API is a mirror: a test server has one channel only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArxivOptions:
    """arXiv papers by category or by query."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    categories: tuple[str, ...] = ()
    """Categories (`cs.DC`) or whole archives (`cs`, `astro-ph`); alternative to `query`."""
    query: str | None = None
    """Query in arXiv's syntax: `cat:cs.DC AND all:gpu`; alternative to `categories`."""
    url: str | None = API_URL
    """The query API; change it to use a mirror or a test server. `null` turns it off."""
    rss_url: str | None = DEFAULT
    """The daily feeds, `https://rss.arxiv.org` unless `url` is changed. `null` turns them off."""
    oai_url: str | None = DEFAULT
    """OAI-PMH, `https://oaipmh.arxiv.org/oai` unless `url` is changed. `null` turns it off."""
    holidays: tuple[date, ...] = ()
    """Holidays of arXiv, in addition to the published ones; see `docs/arxiv.md`."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers, counted from the newest paper."""
    interval: timedelta = timedelta(seconds=3)
    """Time between requests; at least 3s for arxiv.org, by its terms of use."""
    page_size: int = 200
    """Papers per request, 1 to 2000; small pages are cheaper to repeat."""
    overlap: timedelta = timedelta(days=14)
    """How far behind the last complete pass to read again: moderation delays papers."""
    max_pages: int = 500
    """Limit of pages per pass."""

    def __post_init__(self) -> None:
        if not self.categories and self.query is None:
            raise ValueError('set "categories" or "query"')
        if self.categories and self.query is not None:
            raise ValueError('set either "categories" or "query", not both')
        if self.query is not None and not self.query.strip():
            raise ValueError('"query" is empty')
        for category in self.categories:
            _check_category(category)
        if not 1 <= self.page_size <= 2000:
            raise ValueError(f"page_size must be from 1 to 2000, not {self.page_size}")
        if self.max_pages < 1:
            raise ValueError(f"max_pages must be at least 1, not {self.max_pages}")
        check_interval(self.interval)
        check_span("backfill", self.backfill)
        check_span("overlap", self.overlap)
        self._resolve_channels()

    def _resolve_channels(self) -> None:
        """Put arXiv's own addresses in place of `DEFAULT`."""
        is_own = self.url in (API_URL, None) and self.query is None
        for key, address in (("rss_url", RSS_URL), ("oai_url", OAI_URL)):
            if getattr(self, key) == DEFAULT:
                object.__setattr__(self, key, address if is_own else None)
        if self.query is not None and (self.rss_url or self.oai_url):
            raise ValueError('rss_url and oai_url need "categories"; a "query" uses url only')
        if self.query is not None and self.url is None:
            raise ValueError('url is null, but a "query" needs it; remove "url: null"')
        for key in ("url", "rss_url", "oai_url"):
            _check_url(key, getattr(self, key))
        if not self.channels:
            raise ValueError("url, rss_url and oai_url are all null; arXiv needs one of them")

    @property
    def search(self) -> str:
        """``search_query``: the configured query, or the categories and their aliases."""
        if self.query is not None:
            return self.query.strip()
        codes = dict.fromkeys(
            code for spec in self.categories for code in sorted(taxonomy.expand(spec))
        )
        return " OR ".join(f"cat:{code}" for code in codes)

    @property
    def api_url(self) -> str:
        """The address of the query API."""
        return self.url or API_URL

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels to read."""
        urls = {Channel.RSS: self.rss_url, Channel.OAI: self.oai_url, Channel.API: self.url}
        return tuple(channel for channel, url in urls.items() if url)

    @property
    def calendar(self) -> Calendar:
        """The days on which arXiv announces papers."""
        return calendar_with(self.holidays)

    @property
    def interval_s(self) -> float:
        """Seconds between requests, at least arXiv's minimum on its own hosts."""
        from digestbot.net import allowed_interval_s

        return allowed_interval_s(self.api_url, self.interval.total_seconds())

    def fetch(
        self,
        name: str,
        client: "Client",
        memory: Mapping[str, str],
        now: datetime,
        *,
        parse: "Parse",
    ) -> AsyncIterator[Page]:
        """Make one pass; see `Options.fetch`."""
        from digestbot.sources.arxiv_channels import ChannelsPass, api_only

        if self.channels == (Channel.API,):
            return api_only(self, name, client, memory, now)
        return ChannelsPass(
            options=self, name=name, client=client, memory=dict(memory), now=now
        ).pages()


def _check_url(key: str, url: str | None) -> None:
    from digestbot.net import is_web_url

    if url is not None and not is_web_url(url):
        raise ValueError(f"{key} must be an http or https address, or null")


def _check_category(category: str) -> None:
    if taxonomy.expand(category):
        return
    if codes := taxonomy.codes_in(category):
        what = f'"{category[:60]}" is not one category'
        raise ValueError(f"{what}; write categories: [{', '.join(codes)}]")
    nearest = taxonomy.suggest(category)
    hint = taxonomy.meant(nearest) if nearest else ""
    raise ValueError(f'arXiv has no category "{category}"{hint}')
