"""A feed as a source: requests, memory, new papers and failures."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from html import escape

import pytest

from digestbot.errors import BadAnswer, SourceError, SourceLate, SourceRefused
from digestbot.model import FetchedPaper
from digestbot.secret import Secret
from digestbot.sources.feed import FeedOptions
from tests.servers.web import Reply, Request, WebServer
from tests.sources.passes import NOW, Pass, run_pass

RSS = {"Content-Type": "application/rss+xml"}


def item(guid: str, title: str, *, age_days: float | None = None, more: str = "") -> str:
    when = NOW - timedelta(days=age_days or 0)
    date = "" if age_days is None else f"<pubDate>{when:%a, %d %b %Y %H:%M:%S} +0000</pubDate>"
    return f"<item><guid>{guid}</guid><title>{escape(title)}</title>{date}{more}</item>"


def rss(*items: str) -> bytes:
    return (
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:arxiv="http://arxiv.org/schemas/atom"><channel><title>A Journal</title>'
        f"<link>https://journal.example/</link>{''.join(items)}</channel></rss>"
    ).encode()


def reply(*items: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(headers=RSS | named, body=rss(*items))


def fetched(server: WebServer, memory: Mapping[str, str] | None = None, **settings: object) -> Pass:
    options = FeedOptions(url=server.url + "/feed.xml", interval=timedelta(0))
    return run_pass(replace(options, **settings), memory)  # type: ignore[arg-type]


def reported(papers: list[FetchedPaper]) -> list[str]:
    return [paper.title for paper in papers if not paper.backlog]


# Conditional requests.


def test_the_second_request_repeats_the_validators() -> None:
    first = reply(item("1", "One"), ETag='W/"a b"', Last_Modified="yesterday, perhaps")
    with WebServer.of(first, Reply(status=304)) as server:
        memory = fetched(server).memory
        again = fetched(server, memory)
        headers = server.requests[1].headers
    assert headers["if-none-match"] == 'W/"a b"'
    assert headers["if-modified-since"] == "yesterday, perhaps"
    assert (again.papers, again.pages[0].complete, again.memory) == ([], True, memory)


def test_own_headers_are_sent_to_the_configured_host_only() -> None:
    own: dict[str, object] = {
        "headers": {"X-Key": Secret("planted"), "Accept": Secret("text/xml")},
        "cookies": {"session": Secret("planted")},
        "user_agent": "MyLab/1.0",
    }
    with WebServer.of(reply(item("1", "One"))) as other:
        gone = Reply(status=302, headers={"Location": other.url}, cookies=["seen=1"])
        here = Reply(status=302, headers={"Location": "/moved"}, cookies=["seen=1"])
        with WebServer.of(here, gone) as server:
            result = fetched(server, None, **own)
            first, second = (request.headers for request in server.requests)
        third = other.requests[0].headers
    assert reported(result.papers) == ["One"]
    assert "planted" not in str(result.pages)
    assert (first["x-key"], first["cookie"]) == ("planted", "session=planted")
    assert (second["x-key"], second["cookie"]) == ("planted", "session=planted; seen=1")
    assert ("x-key" in third, "planted" in str(third)) == (False, False)
    assert {each["user-agent"] for each in (first, second, third)} == {"MyLab/1.0"}
    assert {each["accept"] for each in (first, second, third)} == {"text/xml"}


def test_a_redirect_into_a_private_network_is_refused() -> None:
    with WebServer.of(reply(item("1", "One"))) as other:
        elsewhere = other.url.replace("127.0.0.1", "[::ffff:127.0.0.1]")
        with WebServer.of(Reply(status=302, headers={"Location": elsewhere})) as server:
            error = fetched(server).error
        assert not other.requests
    assert isinstance(error, SourceRefused)
    assert str(error) == (
        f"source: {server.url}/feed.xml redirects to {elsewhere}, but ::ffff:127.0.0.1 is "
        '127.0.0.1, a loopback address; to allow it, add "127.0.0.1" to allowed_hosts in the config'
    )


def test_validators_are_sent_to_the_same_url_only() -> None:
    with WebServer.of(reply(item("1", "One"), ETag='"x"')) as server:
        memory = fetched(server).memory
        fetched(server, memory, url=server.url + "/other.xml")
        assert "if-none-match" not in server.requests[1].headers


def test_the_same_body_updates_only_the_validators() -> None:
    with WebServer.of(
        reply(item("1", "One"), ETag='"x"'), reply(item("1", "One"), ETag='"y"')
    ) as s:
        again = fetched(s, fetched(s).memory)
    assert again.papers == []
    assert again.pages[0].complete
    assert again.memory["etag"] == '"y"'


def test_the_memory_contains_no_password() -> None:
    with WebServer.of(reply(item("1", "One"))) as server:
        url = server.url.replace("//", "//me:secret@") + "/feed.xml?key=secret"
        result = fetched(server, url=url)
        assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert "secret" not in str(result.pages)


def test_a_304_with_other_validators_keeps_the_old_ones() -> None:
    other = Reply(status=304, headers={"ETag": '"y"', "Last-Modified": "tomorrow"})
    with WebServer.of(reply(item("1", "One"), ETag='"x"'), other) as server:
        memory = fetched(server).memory
        again = fetched(server, memory)
    assert (again.error, again.memory) == (None, memory)
    assert memory["etag"] == '"x"'


def test_a_304_to_an_unconditional_request_keeps_the_memory() -> None:
    """It must not count as success: the papers behind it would be missed."""
    with WebServer.of(reply(item("1", "One")), Reply(status=304)) as server:
        again = fetched(server, fetched(server).memory)
    assert isinstance(again.error, BadAnswer)
    assert again.pages == ()


@pytest.mark.parametrize("name", ["ETag", "Last-Modified"])
def test_validators_above_1_kb_are_not_stored(name: str) -> None:
    longest = Reply(headers=RSS | {name: "x" * 1024}, body=rss(item("1", "One")))
    longer = Reply(headers=RSS | {name: "x" * 1025}, body=rss(item("2", "Two")))
    with WebServer.of(longest, longer, reply()) as server:
        memory = fetched(server).memory
        assert "x" * 1024 in memory.values()
        memory = fetched(server, memory).memory
        assert (memory["etag"], memory["modified"]) == ("", "")
        fetched(server, memory)
        names = {"if-none-match", "if-modified-since"}
        assert [len(names & set(r.headers)) for r in server.requests] == [0, 1, 0]


@pytest.mark.parametrize("encoding", ["aws-chunked", "UTF-8", "none", "gzip", "br"])
def test_a_readable_feed_is_read_in_any_encoding(encoding: str) -> None:
    with WebServer.of(reply(item("1", "One"), Content_Encoding=encoding)) as server:
        assert reported(fetched(server).papers) == ["One"]


# New papers and backlog.


def test_a_first_fetch_reports_only_the_newest_papers() -> None:
    items = [item(str(n), f"Paper {n}", age_days=n / 10) for n in range(30)]
    with WebServer.of(reply(*items)) as server:
        result = fetched(server, newest=3)
    assert reported(result.papers) == ["Paper 0", "Paper 1", "Paper 2"]
    assert len(result.papers) == 30


def test_a_day_at_the_edge_of_backfill_is_reported() -> None:
    """The paper may be from the end of that day."""
    dates = [f"{NOW:%Y-%m-%dT%H:%M:%SZ}", *(f"{NOW - timedelta(n):%Y-%m-%d}" for n in (7, 8))]
    days = "".join(
        f"<item><guid>{n}</guid><title>Paper {n}</title><pubDate>{date}</pubDate></item>"
        for n, date in enumerate(dates)
    )
    with WebServer.of(reply(days)) as server:
        result = fetched(server, backfill=timedelta(days=7))
    assert reported(result.papers) == ["Paper 0", "Paper 1"]


def test_the_first_fetch_with_papers_counts_as_first() -> None:
    items = [item(str(n), f"Paper {n}", age_days=n / 10) for n in range(30)]
    with WebServer.of(reply(), reply(*items)) as server:
        result = fetched(server, fetched(server).memory, newest=3)
    assert reported(result.papers) == ["Paper 0", "Paper 1", "Paper 2"]


def test_a_first_fetch_reports_papers_within_backfill() -> None:
    items = [item(str(n), f"Paper {n}", age_days=400 + 5 * n) for n in range(5)]
    with WebServer.of(reply(*items)) as server:
        result = fetched(server)
    assert reported(result.papers) == ["Paper 0", "Paper 1"]


def test_newest_papers_are_found_by_date() -> None:
    items = [item(str(n), f"Paper {n}", age_days=5 - n) for n in range(5)]
    with WebServer.of(reply(*items, item("x", "Undated"))) as server:
        assert reported(fetched(server, newest=2).papers) == ["Paper 3", "Paper 4"]


def test_later_fetches_report_papers_of_any_date() -> None:
    old = [item(str(n), f"Paper {n}", age_days=n) for n in range(20)]
    late = item("late", "Late", age_days=300)
    with WebServer.of(reply(*old), reply(late, *old)) as server:
        again = fetched(server, fetched(server, newest=1).memory, newest=1)
    assert "Late" in reported(again.papers)


def test_a_feed_with_changed_ids_reports_only_new_papers() -> None:
    before = [item(f"http://j.example/{n}", f"Paper {n}", age_days=n) for n in range(20)]
    after = [item(f"https://j.example/{n}", f"Paper {n}", age_days=n) for n in range(20)]
    fresh = item("https://j.example/new", "Fresh", age_days=0)
    with WebServer.of(reply(*before), reply(fresh, *after)) as server:
        first = fetched(server)
        again = fetched(server, first.memory)
    assert [p.id for p in again.papers[1:]] == [p.id for p in first.papers]
    assert again.papers[0].title == "Fresh"


def test_a_few_new_ids_with_known_titles_are_reported() -> None:
    before = [item(str(n), f"Paper {n}") for n in range(20)]
    with WebServer.of(reply(*before), reply(item("x", "Paper 3"), *before)) as server:
        again = fetched(server, fetched(server).memory)
    assert reported(again.papers)[0] == "Paper 3"
    assert len(again.papers) == 21


def test_a_repeated_item_is_one_paper() -> None:
    with WebServer.of(reply(item("1", "One"), item("1", "One"), item("2", "Two"))) as server:
        assert len(fetched(server).papers) == 2


def test_the_memory_stays_small() -> None:
    items = [item(str(n), f"Paper {n}") for n in range(1500)]
    with WebServer.of(reply(*items)) as server:
        result = fetched(server)
    assert len(result.papers) == 1500
    assert len(str(result.memory)) < 6000


def test_max_items_limits_the_items_read() -> None:
    with WebServer.of(reply(*(item(str(n), f"Paper {n}") for n in range(50)))) as server:
        assert len(fetched(server, max_items=20).papers) == 20


ANNOUNCED = (
    "<item><title>Paper {n}</title><guid isPermaLink='false'>oai:arXiv.org:2611.{n:05}v1</guid>"
    "<arxiv:announce_type>new</arxiv:announce_type></item>"
)


def test_a_daily_feed_of_arxiv_is_reported_completely() -> None:
    items = [ANNOUNCED.format(n=n) for n in range(1, 41)]
    with WebServer.of(reply(*items)) as server:
        result = fetched(server, newest=3, categories=("mine",))
    assert len(reported(result.papers)) == 40
    assert result.papers[0].categories == ("mine",)


# Failures.


@pytest.mark.parametrize(
    ("answer", "kind", "message", "retry_s"),
    [
        (Reply(status=503), SourceLate, "answered 503; no papers lost; next try at", 1800),
        (Reply(status=500), SourceLate, "answered 500; no papers lost", 1800),
        (Reply(status=429, headers={"Retry-After": "7200"}), SourceLate, "answered 429", 7200),
        (
            Reply(status=304),
            BadAnswer,
            "answered 304 (not modified) to a request for the whole feed; next try at",
            1800,
        ),
        (
            Reply(headers={"Content-Encoding": "br"}, body=b"\0" * 99),
            BadAnswer,
            'sent the unsupported content encoding "br"; next try at',
            1800,
        ),
        (Reply(reset=True), SourceLate, "no papers lost", 1800),
        (Reply(status=401), SourceRefused, "answered 401: it requires a login", 21_600),
        (Reply(status=403), SourceRefused, "answered 403: access denied", 21_600),
        (Reply(status=404), SourceRefused, "answered 404: not found; check the URL", 21_600),
        (Reply(status=410), SourceRefused, "answered 410: gone for good", 604_800),
        (Reply(status=418), SourceRefused, "answered 418: check the URL", 21_600),
        (Reply(status=302, headers={"Location": "ftp://x/"}), SourceRefused, "ftp", 1800),
        (
            Reply(body=b"<html><title>Hi</title></html>"),
            BadAnswer,
            '/feed.xml: a web page, "Hi", not a feed; check the URL; next try at',
            1800,
        ),
        (Reply(body=b""), BadAnswer, "/feed.xml: an empty response; check the URL", 1800),
        (
            Reply(body=b'{"version": "https://jsonfeed.org"}'),
            BadAnswer,
            'JSON with "version", not a JSON Feed; check the URL',
            1800,
        ),
        (Reply(body=b"x" * 11_000_000), BadAnswer, "more than 10,485,760 bytes", 1800),
    ],
)
def test_failures_state_the_cause_and_the_next_try(
    answer: Reply, kind: type[Exception], message: str, retry_s: int
) -> None:
    with WebServer.of(answer) as server:
        result = fetched(server)
    assert isinstance(result.error, SourceError)
    assert isinstance(result.error, kind)
    assert str(result.error).startswith("source: http://127.0.0.1:")
    assert message in str(result.error)
    assert result.error.retry_at == NOW + timedelta(seconds=retry_s)
    assert result.pages == ()


def test_a_cut_feed_is_partial_and_read_again() -> None:
    """A server answers 304 to its validator even if the body was incomplete."""
    whole = reply(*(item(str(n), f"Paper {n}") for n in range(4)), ETag='"x"')
    half = replace(whole, body=whole.body[: whole.body.index(b"Paper 3")])
    with WebServer.of(half, whole) as server:
        first = fetched(server)
        again = fetched(server, first.memory)
        assert "if-none-match" not in server.requests[1].headers
    assert (len(first.papers), first.pages[0].complete) == (3, False)
    note = "the feed is cut off; missing items are read with the next response"
    assert first.pages[0].note == note
    assert (len(again.papers), again.pages[0].complete) == (4, True)


def test_a_permanent_move_is_logged_with_the_new_url(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def answering(request: Request) -> Reply:
        if request.path == "/feed.xml":
            return Reply(status=301, headers={"Location": "/new.xml?key=secret"})
        return reply(item("1", "One"))

    with WebServer(answering) as server:
        fetched(server)
        new_url = f"{server.url}/new.xml"
    (record,) = caplog.records
    assert record.getMessage() == "feed moved permanently; update its URL in the config"
    assert (vars(record)["source"], vars(record)["new_url"]) == ("source", new_url)


def test_a_wrong_arxiv_url_shows_the_message_of_arxiv() -> None:
    body = rss().replace(b"A Journal", b"Feed error for query: cs.XX")
    with WebServer.of(Reply(status=400, headers=RSS, body=body)) as server:
        result = fetched(server)
    assert isinstance(result.error, SourceRefused)
    assert 'answered 400: "Feed error for query: cs.XX"; check the URL' in str(result.error)


def test_a_web_page_names_the_feed_on_its_own_server() -> None:
    link = b'<link rel="alternate" type="application/rss+xml" href="../rss?a=1">'
    page = Reply(headers={"Content-Type": "text/html"}, body=b"<html><title>J</title>" + link)

    def answering(request: Request) -> Reply:
        moved = Reply(status=302, headers={"Location": "/a/b/index.html"})
        return moved if request.path == "/feed.xml" else page

    with WebServer(answering) as server:
        result = fetched(server)
        assert f'a web page, "J", not a feed; write url: {server.url}/a/rss?a=1;' in str(
            result.error
        )


def test_a_json_feed_is_read_like_any_other() -> None:
    items = b'[{"id": "1", "title": "One"}, {"id": "2", "title": "Two"}, 3]'
    body = b'{"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": %s}' % items
    feed = Reply(headers={"Content-Type": "application/feed+json", "ETag": '"x"'}, body=body)
    with WebServer.of(feed, Reply(status=304)) as server:
        result = fetched(server)
        again = fetched(server, result.memory)
        assert "application/feed+json" in server.requests[0].headers["accept"]
    assert reported(result.papers) == ["One", "Two"]
    assert result.pages[0].note == "unreadable items skipped: 1"
    assert (again.papers, again.error) == ([], None)


def test_unreadable_items_are_counted() -> None:
    with WebServer.of(reply(item("1", ""), item("2", "Two"))) as server:
        result = fetched(server)
    note = result.pages[0].note or ""
    assert note.startswith("unreadable items skipped: 1, the first is http://127.0.0.1:")
    assert len(result.papers) == 1


def test_relative_links_use_the_final_url() -> None:
    feed = reply("<item><title>T</title><link>papers/1.html</link></item>")

    def answering(request: Request) -> Reply:
        if request.path == "/feed.xml":
            return Reply(status=302, headers={"Location": "/deep/feed.xml"})
        return feed

    with WebServer(answering) as server:
        (paper,) = fetched(server).papers
        assert paper.url == server.url + "/deep/papers/1.html"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://x/"},
        {"url": "feed.xml"},
        {"url": "http://[::1"},
        {"url": "https://x/", "newest": -1},
        {"url": "https://x/", "max_items": 0},
        {"url": "https://x/", "backfill": timedelta(days=-1)},
        {"url": "https://x/", "interval": timedelta(days=-1)},
    ],
)
def test_invalid_options_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        FeedOptions(**settings)  # type: ignore[arg-type]
