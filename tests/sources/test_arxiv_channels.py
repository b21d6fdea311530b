"""arXiv's channels in one pass, against a loopback server that serves each of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import Self

import pytest

from digestbot.errors import SourceLate
from digestbot.model import AnnounceType, BatchOutcome, Channel, FetchedPaper
from digestbot.sources.arxiv import API_URL, ArxivOptions
from digestbot.sources.arxiv_channels import GRACE, with_relative_type
from digestbot.sources.protocols import Page
from tests.servers.arxiv import ArxivServer, make_papers
from tests.servers.oai import OaiPaper, OaiServer
from tests.servers.web import Reply, Request, WebServer
from tests.sources.passes import Pass, run_pass

DAY = date(2026, 11, 18)
MORNING = datetime(2026, 11, 18, 9, tzinfo=UTC)
"""Wednesday 04:00 in New York: every channel should have Wednesday's announcement."""
API, OAI, RSS = Channel.API, Channel.OAI, Channel.RSS
SUBMITTED = datetime(2026, 11, 17, 12, tzinfo=UTC)


def daily_feed(*ids: str, kind: str = "new") -> bytes:
    items = "".join(
        f"<item><title>T</title><guid>oai:arXiv.org:{name}v1</guid><category>cs.DC</category>"
        f"<description>arXiv:{name}v1 Announce Type: {kind}\nAbstract: A.</description></item>"
        for name in ids
    )
    dated = f"<pubDate>{format_datetime(MORNING)}</pubDate>"
    return f'<rss version="2.0"><channel><title>t</title>{dated}{items}</channel></rss>'.encode()


@dataclass
class Channels:
    """A server of the daily feed, and one of the query API with *papers* new papers."""

    feed: bytes | Reply = b""
    papers: int = 3
    api_down: bool = False
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        found = make_papers(self.papers, start=SUBMITTED, days=0.1, category="cs.DC")
        self._api = ArxivServer(found).__enter__()
        self._rss = WebServer(self._answer).__enter__()
        self.ids = [paper.id for paper in found]
        self.options = ArxivOptions(
            categories=("cs.DC",),
            url=f"{self._rss.url}/down" if self.api_down else self._api.url,
            rss_url=self._rss.url,
            interval=timedelta(0),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rss.__exit__(kind, error, trace)
        self._api.__exit__(kind, error, trace)

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        if request.path == "/down":
            return Reply(status=500)
        return self.feed if isinstance(self.feed, Reply) else Reply(body=self.feed)

    def read(
        self, memory: Mapping[str, str] | None = None, *, now: datetime = MORNING
    ) -> tuple[Pass, Page]:
        done = run_pass(self.options, memory, now=now)
        return done, done.pages[-1]


def outcomes(done: Pass) -> dict[tuple[Channel, date], BatchOutcome]:
    return {
        (check.channel, check.announced_on): check.outcome
        for page in done.pages
        for check in page.checks
    }


def test_channels_that_agree_wait_for_the_next_announcement() -> None:
    with Channels() as server:
        server.feed = daily_feed(*server.ids)
        done, last = server.read()
    assert last.complete
    assert last.note is None
    assert last.next_try_at == datetime(2026, 11, 19, 5, tzinfo=UTC) + GRACE
    assert outcomes(done)[RSS, DAY] is BatchOutcome.COMPLETE
    assert outcomes(done)[API, DAY] is BatchOutcome.COMPLETE
    assert [page.channel for page in done.pages] == [RSS, API, None]
    assert {paper.announced_on for paper in done.pages[0].papers} == {DAY}


def test_feed_is_asked_by_its_published_address() -> None:
    with Channels() as server:
        server.feed = daily_feed(*server.ids)
        server.options = replace(server.options, categories=("cs.DC", "cs.OS"))
        server.read()
    assert [request.path for request in server.requests] == ["/rss/cs.DC+cs.OS"]


def test_feed_with_fewer_papers_is_read_again_soon() -> None:
    with Channels() as server:
        server.feed = daily_feed(*server.ids[:2])
        done, last = server.read()
        assert not last.complete
        assert last.note == (
            "Wed 18 Nov: the channels do not agree on 3 papers (daily feed 2, query API 3)"
        )
        assert last.next_try_at == MORNING + timedelta(hours=2)
        server.feed = daily_feed(*server.ids)
        again, last = server.read(done.memory, now=MORNING + timedelta(hours=2))
    assert last.complete
    assert [paper.announced_on for paper in again.pages[0].papers] == [DAY] * 3


def test_stale_feed_is_neither_dated_nor_believed() -> None:
    with Channels() as server:
        server.feed = daily_feed(*server.ids)
        done, _ = server.read()
        thursday = MORNING + timedelta(days=1)
        stale, last = server.read(done.memory, now=thursday)
    assert outcomes(stale)[RSS, thursday.date()] is BatchOutcome.STALE
    assert not last.complete
    assert "the daily feed still has the papers of Wed 18 Nov" in (last.note or "")
    assert {paper.announced_on for paper in stale.pages[0].papers} == {None}


def test_failing_channel_costs_only_itself() -> None:
    with Channels(feed=Reply(status=500)) as server:
        done, last = server.read()
    assert len(done.papers) == 3
    assert outcomes(done)[RSS, DAY] is BatchOutcome.DOWN
    assert not last.complete
    assert "answered 500" in (last.note or "")


def test_all_channels_failing_is_an_error() -> None:
    with Channels(feed=Reply(status=500), api_down=True) as server:
        done = run_pass(server.options, now=MORNING)
    assert isinstance(done.error, SourceLate)


def test_channel_that_refuses_rests_while_the_other_goes_on() -> None:
    with Channels(feed=Reply(status=403)) as server:
        done, _ = server.read()
        server.read(done.memory, now=MORNING + timedelta(hours=2))
        assert len(server.requests) == 1
        server.feed = daily_feed(*server.ids)
        _, last = server.read(done.memory, now=MORNING + timedelta(hours=7))
        assert len(server.requests) == 2
    assert last.complete


def test_before_midnight_the_pass_waits_for_the_feed() -> None:
    evening = datetime(2026, 11, 18, 4, tzinfo=UTC)  # Tuesday 23:00 in New York
    with Channels(feed=daily_feed("2611.00001")) as server:
        _, last = server.read(now=evening)
    assert last.complete
    assert last.next_try_at == datetime(2026, 11, 18, 5, tzinfo=UTC) + GRACE


def test_api_is_not_asked_before_it_can_have_more() -> None:
    evening = datetime(2026, 11, 19, 4, tzinfo=UTC)  # Wednesday 23:00 in New York
    with Channels() as server:
        server.feed = daily_feed(*server.ids)
        done, _ = server.read()
        again, _ = server.read(done.memory, now=evening)
    assert [page.channel for page in again.pages] == [RSS, None]


@pytest.mark.parametrize(
    ("fields", "channels"),
    [
        ({}, (RSS, OAI, API)),
        ({"oai_url": None}, (RSS, API)),
        ({"url": None}, (RSS, OAI)),
        ({"rss_url": None, "oai_url": None}, (API,)),
        ({"url": "http://127.0.0.1:1/api"}, (API,)),
        ({"url": "http://127.0.0.1:1/api", "rss_url": "http://127.0.0.1:1"}, (RSS, API)),
    ],
)
def test_configured_channels(fields: dict[str, str | None], channels: tuple[Channel, ...]) -> None:
    options = ArxivOptions(categories=("cs.DC",), **fields)  # type: ignore[arg-type]
    assert options.channels == channels
    assert options.api_url == (fields.get("url") or API_URL)


def test_query_has_the_api_only() -> None:
    assert ArxivOptions(query="all:gpu").channels == (API,)
    with pytest.raises(ValueError, match='need "categories"'):
        ArxivOptions(query="all:gpu", rss_url="https://rss.arxiv.org")
    with pytest.raises(ValueError, match="all null"):
        ArxivOptions(categories=("cs.DC",), url=None, rss_url=None, oai_url=None)


@pytest.mark.parametrize(
    ("kind", "primary", "relative"),
    [
        (AnnounceType.NEW, "cs.DC", AnnounceType.NEW),
        (AnnounceType.NEW, "cs.LG", AnnounceType.CROSS),
        (AnnounceType.REPLACE, "cs.LG", AnnounceType.REPLACE_CROSS),
        (AnnounceType.NEW, None, AnnounceType.NEW),
    ],
)
def test_announce_type_is_relative_to_the_categories(
    kind: AnnounceType, primary: str | None, relative: AnnounceType
) -> None:
    paper = FetchedPaper(
        id="arxiv:2611.00001",
        title="T",
        abstract="",
        url="https://x.org",
        version=1 if kind is AnnounceType.NEW else 2,
        type=kind,
        primary_category=primary,
    )
    assert with_relative_type(paper, frozenset({"cs.DC"})).type is relative
    assert with_relative_type(paper, frozenset()).type is kind


# All three channels.


def three_channels(server: Channels, oai: OaiServer) -> None:
    """Let *server* have OAI-PMH too, with the papers of its query API."""
    oai.papers = [OaiPaper(id=name, datestamp=DAY, submitted=(SUBMITTED,)) for name in server.ids]
    server.options = replace(server.options, oai_url=oai.url)


def test_api_is_asked_once_a_day_while_the_others_agree() -> None:
    with Channels() as server, OaiServer([], now=MORNING) as oai:
        three_channels(server, oai)
        server.feed = daily_feed(*server.ids)
        done, last = server.read()
        again, _ = server.read(done.memory, now=MORNING + timedelta(hours=1))
        tomorrow, _ = server.read(again.memory, now=MORNING + timedelta(hours=21))
    assert [page.channel for page in done.pages] == [OAI, RSS, API, None]
    assert last.complete
    assert last.next_try_at == datetime(2026, 11, 19, 3, 30, tzinfo=UTC) + GRACE
    assert [page.channel for page in again.pages] == [OAI, RSS, None]
    assert [page.channel for page in tomorrow.pages] == [OAI, RSS, API, None]


def test_three_channels_date_papers_alike() -> None:
    with Channels() as server, OaiServer([], now=MORNING) as oai:
        three_channels(server, oai)
        server.feed = daily_feed(*server.ids)
        done, _ = server.read()
    dated = {
        page.channel: {paper.announced_on for paper in page.papers if not paper.backlog}
        for page in done.pages[:2]
    }
    assert dated == {OAI: {DAY}, RSS: {DAY}}
    assert {outcomes(done)[channel, DAY] for channel in Channel} == {BatchOutcome.COMPLETE}


def test_two_channels_outvote_a_partial_third() -> None:
    with Channels() as server, OaiServer([], now=MORNING) as oai:
        three_channels(server, oai)
        server.feed = daily_feed(*server.ids[:1])
        _, last = server.read()
    assert last.complete


def test_pass_is_incomplete_while_one_channel_has_more() -> None:
    with Channels() as server, OaiServer([], now=MORNING) as oai:
        three_channels(server, oai)
        server.feed = daily_feed(*server.ids, "2611.09999")
        done, last = server.read()
    assert "arxiv:2611.09999" in {paper.id for paper in done.papers}
    assert not last.complete
    assert last.note == (
        "Wed 18 Nov: the channels do not agree on 4 papers (OAI-PMH 3, daily feed 4, query API 3)"
    )


def test_day_without_papers_is_asked_for_until_it_is_over() -> None:
    """A batch that is hours late looks the same in every channel."""
    with Channels(papers=0, feed=daily_feed()) as server, OaiServer([], now=MORNING) as oai:
        three_channels(server, oai)
        done, last = server.read()
        assert (last.complete, last.next_try_at) == (True, MORNING + timedelta(hours=2))
        oai.now = evening = datetime(2026, 11, 18, 23, tzinfo=UTC)
        oai.papers = [OaiPaper(id="2611.00100", datestamp=DAY, submitted=(SUBMITTED,))]
        server.feed = daily_feed("2611.00100")
        late, last = server.read(done.memory, now=evening)
    assert last.complete
    assert last.next_try_at == datetime(2026, 11, 19, 3, 30, tzinfo=UTC) + GRACE
    assert {paper.announced_on for paper in late.papers} == {DAY}


def test_settled_day_stays_settled_when_the_feed_is_empty_again() -> None:
    """On Saturdays; papers of Friday's batch are no longer in it."""
    friday = datetime(2026, 11, 20, 9, tzinfo=UTC)
    with Channels() as server:
        server.feed = daily_feed(*server.ids)
        done, _ = server.read()
        server.feed = daily_feed()
        again, last = server.read(done.memory, now=MORNING + timedelta(hours=19))
        assert last.complete
        _, later = server.read(again.memory, now=friday + timedelta(days=1, hours=1))
    assert later.next_try_at == datetime(2026, 11, 23, 5, tzinfo=UTC) + GRACE


def test_old_cross_list_needs_no_confirmation_by_the_api() -> None:
    with Channels() as server:
        server.feed = daily_feed(*server.ids).replace(
            b"</channel>", daily_feed("2504.00010", kind="cross").partition(b"</pubDate>")[2][:-6]
        )
        done, last = server.read()
    assert "arxiv:2504.00010" in {paper.id for paper in done.papers}
    assert last.complete
