"""A feed as a source: what is asked, what is remembered, what is news."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from html import escape

import pytest

from digestbot.errors import BadAnswer, SourceLate, SourceRefused
from digestbot.model import FetchedPaper
from digestbot.sources import FeedOptions
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


def news(papers: list[FetchedPaper]) -> list[str]:
    return [paper.title for paper in papers if not paper.backlog]


# Conditional requests.


def test_the_second_request_gives_back_the_validators_exactly() -> None:
    first = reply(item("1", "One"), ETag='W/"a b"', Last_Modified="yesterday, perhaps")
    with WebServer.of(first, Reply(status=304)) as server:
        memory = fetched(server).memory
        again = fetched(server, memory)
        headers = server.requests[1].headers
    assert headers["if-none-match"] == 'W/"a b"'
    assert headers["if-modified-since"] == "yesterday, perhaps"
    assert (again.papers, again.pages[0].complete, again.memory) == ([], True, memory)


def test_validators_are_not_sent_to_another_address() -> None:
    with WebServer.of(reply(item("1", "One"), ETag='"x"')) as server:
        memory = fetched(server).memory
        fetched(server, memory, url=server.url + "/other.xml")
        assert "if-none-match" not in server.requests[1].headers


def test_the_same_bytes_once_more_bring_nothing_but_new_validators() -> None:
    with WebServer.of(
        reply(item("1", "One"), ETag='"x"'), reply(item("1", "One"), ETag='"y"')
    ) as s:
        again = fetched(s, fetched(s).memory)
    assert again.papers == []
    assert again.pages[0].complete
    assert again.memory["etag"] == '"y"'


def test_the_memory_holds_no_password() -> None:
    with WebServer.of(reply(item("1", "One"))) as server:
        url = server.url.replace("//", "//me:secret@") + "/feed.xml?key=secret"
        result = fetched(server, url=url)
        assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert "secret" not in str(result.pages)


# What is news.


def test_of_a_new_feed_only_the_newest_few_are_news() -> None:
    items = [item(str(n), f"Paper {n}", age_days=n / 10) for n in range(30)]
    with WebServer.of(reply(*items)) as server:
        result = fetched(server, newest=3)
    assert news(result.papers) == ["Paper 0", "Paper 1", "Paper 2"]
    assert len(result.papers) == 30


def test_a_feed_that_was_empty_at_first_is_still_a_new_one() -> None:
    items = [item(str(n), f"Paper {n}", age_days=n / 10) for n in range(30)]
    with WebServer.of(reply(), reply(*items)) as server:
        result = fetched(server, fetched(server).memory, newest=3)
    assert news(result.papers) == ["Paper 0", "Paper 1", "Paper 2"]


def test_of_a_new_feed_nothing_is_news_that_is_much_older_than_its_newest() -> None:
    items = [item(str(n), f"Paper {n}", age_days=400 + 5 * n) for n in range(5)]
    with WebServer.of(reply(*items)) as server:
        result = fetched(server)
    assert news(result.papers) == ["Paper 0", "Paper 1"]


def test_the_newest_are_told_by_date_not_by_place() -> None:
    items = [item(str(n), f"Paper {n}", age_days=5 - n) for n in range(5)]
    with WebServer.of(reply(*items, item("x", "Undated"))) as server:
        assert news(fetched(server, newest=2).papers) == ["Paper 3", "Paper 4"]


def test_all_that_a_known_feed_adds_is_news_however_old_its_date() -> None:
    old = [item(str(n), f"Paper {n}", age_days=n) for n in range(20)]
    late = item("late", "Late", age_days=300)
    with WebServer.of(reply(*old), reply(late, *old)) as server:
        again = fetched(server, fetched(server, newest=1).memory, newest=1)
    assert "Late" in news(again.papers)


def test_a_feed_that_changes_all_its_ids_is_not_news() -> None:
    before = [item(f"http://j.example/{n}", f"Paper {n}", age_days=n) for n in range(20)]
    after = [item(f"https://j.example/{n}", f"Paper {n}", age_days=n) for n in range(20)]
    fresh = item("https://j.example/new", "Fresh", age_days=0)
    with WebServer.of(reply(*before), reply(fresh, *after)) as server:
        again = fetched(server, fetched(server).memory)
    assert news(again.papers) == ["Fresh"]


def test_a_few_new_ids_with_known_titles_are_news() -> None:
    before = [item(str(n), f"Paper {n}") for n in range(20)]
    with WebServer.of(reply(*before), reply(item("x", "Paper 3"), *before)) as server:
        again = fetched(server, fetched(server).memory)
    assert news(again.papers)[0] == "Paper 3"
    assert len(again.papers) == 21


def test_an_item_that_is_there_twice_comes_once() -> None:
    with WebServer.of(reply(item("1", "One"), item("1", "One"), item("2", "Two"))) as server:
        assert len(fetched(server).papers) == 2


def test_the_memory_stays_small() -> None:
    items = [item(str(n), f"Paper {n}") for n in range(1500)]
    with WebServer.of(reply(*items)) as server:
        result = fetched(server)
    assert len(result.papers) == 1500
    assert len(str(result.memory)) < 6000


def test_no_more_items_are_read_than_allowed() -> None:
    with WebServer.of(reply(*(item(str(n), f"Paper {n}") for n in range(50)))) as server:
        assert len(fetched(server, max_items=20).papers) == 20


ANNOUNCED = (
    "<item><title>Paper {n}</title><guid isPermaLink='false'>oai:arXiv.org:2611.{n:05}v1</guid>"
    "<arxiv:announce_type>new</arxiv:announce_type></item>"
)


def test_a_daily_feed_of_arxiv_is_all_news() -> None:
    items = [ANNOUNCED.format(n=n) for n in range(1, 41)]
    with WebServer.of(reply(*items)) as server:
        result = fetched(server, newest=3, categories=("mine",))
    assert len(news(result.papers)) == 40
    assert result.papers[0].categories == ("mine",)


# Where it goes wrong.


@pytest.mark.parametrize(
    ("answer", "kind", "message", "retry_s"),
    [
        (Reply(status=503), SourceLate, "answered 503; nothing is lost, next try", 1800),
        (Reply(status=500), SourceLate, "answered 500; nothing", 1800),
        (Reply(status=429, headers={"Retry-After": "7200"}), SourceLate, "answered 429", 7200),
        (Reply(status=304), None, "", 0),
        (Reply(reset=True), SourceLate, "nothing is lost", 1800),
        (Reply(status=401), SourceRefused, "answered 401: it wants a login", 21_600),
        (Reply(status=403), SourceRefused, "answered 403: it does not let us in", 21_600),
        (Reply(status=404), SourceRefused, "answered 404: there is no such feed", 21_600),
        (Reply(status=410), SourceRefused, "answered 410: it is gone for good", 604_800),
        (Reply(status=418), SourceRefused, "answered 418: check the address", 21_600),
        (Reply(status=302, headers={"Location": "ftp://x/"}), SourceRefused, "ftp", 1800),
        (Reply(body=b"<html><p>Hi</html>"), BadAnswer, "the answer is no feed", 1800),
        (Reply(body=b""), BadAnswer, "the answer is no feed", 1800),
        (Reply(body=b'{"version": "https://jsonfeed.org"}'), BadAnswer, "no feed", 1800),
        (Reply(body=b"x" * 11_000_000), BadAnswer, "more than 10,485,760 bytes", 1800),
    ],
)
def test_each_failure_says_what_happened_and_when_to_ask_again(
    answer: Reply, kind: type[Exception] | None, message: str, retry_s: int
) -> None:
    with WebServer.of(answer) as server:
        result = fetched(server)
    if kind is None:
        assert result.error is None
        return
    assert isinstance(result.error, kind)
    assert str(result.error).startswith("source: http://127.0.0.1:")
    assert message in str(result.error)
    assert result.error.retry_at == NOW + timedelta(seconds=retry_s)
    assert result.pages == ()


def test_a_feed_that_breaks_off_is_partial_and_read_again() -> None:
    """The server says "not modified" to whoever has its validator, whole or not."""
    whole = reply(*(item(str(n), f"Paper {n}") for n in range(4)), ETag='"x"')
    half = replace(whole, body=whole.body[: whole.body.index(b"Paper 3")])
    with WebServer.of(half, whole) as server:
        first = fetched(server)
        again = fetched(server, first.memory)
        assert "if-none-match" not in server.requests[1].headers
    assert (len(first.papers), first.pages[0].complete) == (3, False)
    assert (
        first.pages[0].note
        == "the feed breaks off in the middle; the rest comes with its next answer"
    )
    assert (len(again.papers), again.pages[0].complete) == (4, True)


def test_a_feed_that_moved_for_good_is_told_of_with_its_new_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def answering(request: Request) -> Reply:
        if request.path == "/feed.xml":
            return Reply(status=301, headers={"Location": "/new.xml?key=secret"})
        return reply(item("1", "One"))

    with WebServer(answering) as server:
        fetched(server)
        new = f"put its new address into the config: {server.url}/new.xml"
    assert [r.getMessage() for r in caplog.records] == [
        f"source: the feed has moved for good; {new}"
    ]


def test_a_wrong_address_of_arxiv_is_refused_in_its_own_words() -> None:
    body = rss().replace(b"A Journal", b"Feed error for query: cs.XX")
    with WebServer.of(Reply(status=400, headers=RSS, body=body)) as server:
        result = fetched(server)
    assert isinstance(result.error, SourceRefused)
    assert 'answered 400: "Feed error for query: cs.XX"; check' in str(result.error)


def test_items_that_cannot_be_read_are_counted() -> None:
    with WebServer.of(reply(item("1", ""), item("2", "Two"))) as server:
        result = fetched(server)
    assert result.pages[0].note == "1 items could not be read"
    assert len(result.papers) == 1


def test_relative_links_are_resolved_against_the_final_address() -> None:
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
def test_options_that_cannot_be_meant_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        FeedOptions(**settings)  # type: ignore[arg-type]
