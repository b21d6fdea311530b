"""An OPML file as a source: each feed as if it stood alone, and a failure stays its own."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from digestbot.config import load_config
from digestbot.errors import BadAnswer, SourceLate, SourceRefused, StoreUnavailable
from digestbot.net import Client
from digestbot.sources import opml
from digestbot.sources.feed import FeedOptions
from digestbot.sources.opml import OpmlOptions
from digestbot.sources.parser_pool import in_thread
from tests.servers.web import Reply, Request, WebServer
from tests.sources.passes import NOW, Pass, run_pass
from tests.sources.test_feed import item, reply, reported


class Feeds(WebServer):
    """Server with one feed per path; a missing path answers 404."""

    def __init__(self, **replies: Reply) -> None:
        self.replies = replies
        super().__init__(lambda request: self.replies.get(request.path[1:], Reply(status=404)))

    def list_in(self, folder: Path, *names: str) -> OpmlOptions:
        outlines = "".join(
            f'<outline text="{name}" xmlUrl="{self.url}/{name}"/>' for name in names or self.replies
        )
        path = folder / "feeds.opml"
        path.write_text(f"<opml><body>{outlines}</body></opml>", encoding="utf-8")
        return OpmlOptions(path=str(path), interval=timedelta(0))


def titles(found: Pass) -> set[str]:
    return {paper.title for paper in found.papers}


def test_each_feed_gives_what_it_gives_alone(tmp_path: Path) -> None:
    replies = {
        name: reply(*(item(f"{name}{n}", f"{name} {n}", age_days=n) for n in range(20)))
        for name in ("a", "b", "c")
    }
    with Feeds(**replies) as server:
        together = run_pass(server.list_in(tmp_path))
        alone = [
            run_pass(FeedOptions(url=f"{server.url}/{name}", interval=timedelta(0)))
            for name in replies
        ]
    assert {paper.id: paper.backlog for paper in together.papers} == {
        paper.id: paper.backlog for found in alone for paper in found.papers
    }
    assert together.pages[-1].complete
    assert together.pages[-1].note is None


def test_a_broken_feed_stops_no_other(tmp_path: Path) -> None:
    broken = {
        "gone": Reply(status=410),
        "page": Reply(body=b"<html><title>Sorry</title></html>"),
        "reset": Reply(reset=True),
        "late": Reply(status=503),
    }
    with Feeds(a=reply(item("1", "One")), **broken) as server:
        found = run_pass(server.list_in(tmp_path))
    assert titles(found) == {"One"}
    last = found.pages[-1]
    assert not last.complete
    assert last.note is not None
    assert "feeds failed" in last.note
    assert "\n" not in last.note


def test_the_note_names_the_feed_and_the_cause(tmp_path: Path) -> None:
    with Feeds(a=reply(item("1", "One")), b=Reply(status=404)) as server:
        found = run_pass(server.list_in(tmp_path))
        url = server.url
    note = f"1 of 2 feeds failed: b: {url}/b answered 404: not found; check the URL"
    assert found.pages[-1].note == note


def test_a_pass_without_any_feed_left_fails(tmp_path: Path) -> None:
    with Feeds(a=Reply(status=503), b=Reply(status=404)) as server:
        found = run_pass(server.list_in(tmp_path))
    assert isinstance(found.error, SourceLate)
    assert str(found.error).startswith("source: every feed failed; a: http://127.0.0.1")
    assert found.error.retry_at == NOW + timedelta(minutes=30)


def test_a_pass_refused_by_all_feeds_is_refused(tmp_path: Path) -> None:
    with Feeds(a=Reply(status=403), b=Reply(status=410)) as server:
        found = run_pass(server.list_in(tmp_path))
    assert isinstance(found.error, SourceRefused)
    assert found.error.retry_at == NOW + timedelta(hours=6)


def test_a_server_that_refuses_rests(tmp_path: Path) -> None:
    with Feeds(a=reply(item("1", "One")), b=Reply(status=403)) as server:
        options = server.list_in(tmp_path)
        first = run_pass(options)
        soon = run_pass(options, first.memory, now=NOW + timedelta(hours=5))
        assert server.paths.count("/b") == 1
        assert soon.pages[-1].note == first.pages[-1].note
        assert not soon.pages[-1].complete
        server.replies["b"] = reply(item("2", "Two"))
        later = run_pass(options, soon.memory, now=NOW + timedelta(hours=7))
    assert titles(later) == {"Two"}
    assert later.pages[-1].complete


def test_later_passes_are_conditional_and_write_nothing(tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        if "if-none-match" in request.headers:
            return Reply(status=304)
        return reply(item(request.path, request.path), ETag='"x"')

    path = tmp_path / "feeds.opml"
    with WebServer(answer) as server:
        outlines = "".join(f'<outline xmlUrl="{server.url}/{n}"/>' for n in range(50))
        path.write_text(f"<opml><body>{outlines}</body></opml>", encoding="utf-8")
        options = OpmlOptions(path=str(path), interval=timedelta(0))
        first = run_pass(options)
        again = run_pass(options, first.memory)
    assert len(first.papers) == 50
    assert (again.papers, len(again.pages), again.memory) == ([], 1, first.memory)


def test_a_new_feed_begins_with_its_own_first_fetch(tmp_path: Path) -> None:
    old = reply(*(item(f"b{n}", f"Old {n}", age_days=100 + 20 * n) for n in range(5)))
    with Feeds(a=reply(item("1", "One", age_days=1)), b=old) as server:
        first = run_pass(server.list_in(tmp_path, "a"))
        second = run_pass(server.list_in(tmp_path, "a", "b"), first.memory)
    assert reported(second.papers) == ["Old 0"]
    assert len(second.papers) == 5


def test_a_feed_that_left_the_list_is_forgotten(tmp_path: Path) -> None:
    with Feeds(a=reply(item("1", "One")), b=reply(item("2", "Two"))) as server:
        both = run_pass(server.list_in(tmp_path))
        one = run_pass(server.list_in(tmp_path, "a"), both.memory)
        alone = run_pass(server.list_in(tmp_path, "a"))
    assert dict(one.memory) == dict(alone.memory)


def test_guids_are_scoped_by_their_feed(tmp_path: Path) -> None:
    """Feeds number their items: "1" of one feed is not "1" of another."""
    numbered = '<item><guid isPermaLink="false">1</guid><title>{}</title></item>'
    replies = {name: reply(numbered.format(name)) for name in ("one", "other")}
    with Feeds(**replies) as server:
        one, other = run_pass(server.list_in(tmp_path)).papers
    assert not {each for each in one.aliases if each in other.aliases}
    assert one.id != other.id


def test_the_memory_contains_no_password(tmp_path: Path) -> None:
    with Feeds(a=reply(item("1", "One"))) as server:
        options = server.list_in(tmp_path)
        path = Path(options.path)
        path.write_text(path.read_text().replace("http://", "http://me:secret@"))
        found = run_pass(options)
    assert titles(found) == {"One"}
    assert "secret" not in repr(found.memory)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "cannot read"),
        (b"<rss/>", "use kind: feed"),
        (b"", "empty"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, body: bytes | None, words: str) -> None:
    path = tmp_path / "feeds.opml"
    if body is not None:
        path.write_bytes(body)
    found = run_pass(OpmlOptions(path=str(path)))
    assert isinstance(found.error, SourceRefused | BadAnswer)
    assert str(found.error).startswith("source: ")
    assert words in str(found.error)
    assert found.error.retry_at == NOW + timedelta(minutes=30)


def test_an_empty_list_is_said(tmp_path: Path) -> None:
    (tmp_path / "feeds.opml").write_text("<opml><body/></opml>")
    (page,) = run_pass(OpmlOptions(path=str(tmp_path / "feeds.opml"))).pages
    assert (page.complete, page.note) == (True, "the file lists no feeds")


def test_an_unusable_address_is_said(tmp_path: Path) -> None:
    with Feeds(a=reply(item("1", "One"))) as server:
        options = server.list_in(tmp_path)
        path = Path(options.path)
        path.write_text(path.read_text().replace("<body>", '<body><outline xmlUrl="b.xml"/>'))
        last = run_pass(options).pages[-1]
    assert (last.complete, last.note) == (False, '"b.xml" is not an http or https address')


def test_a_failing_store_ends_the_pass(tmp_path: Path) -> None:
    """The pacer writes to the store: that it fails is not the feed's fault."""

    class BrokenPacer:
        async def take(self, group: str, interval_s: float, hold_s: float) -> None:
            raise StoreUnavailable("the disk is full")

        async def release(self, group: str, interval_s: float) -> None: ...

    async def go(options: OpmlOptions) -> None:
        async with Client(user_agent="test", pacer=BrokenPacer()) as client:
            async for _ in options.fetch("source", client, {}, NOW, parse=in_thread):
                pass

    with Feeds(a=reply(item("1", "One"))) as server:
        options = server.list_in(tmp_path)
        with pytest.raises(StoreUnavailable):
            asyncio.run(go(options))


def test_a_stopped_pass_leaves_no_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opml, "WAVE", 10)

    async def go(options: OpmlOptions) -> int:
        async with Client(user_agent="test") as client:
            async for _ in options.fetch("source", client, {}, NOW, parse=in_thread):
                return len(asyncio.all_tasks()) - 1
        raise AssertionError

    replies = {f"f{n}": reply(item(str(n), f"Paper {n}")) for n in range(60)}
    with Feeds(**replies) as server:
        assert asyncio.run(go(server.list_in(tmp_path))) == 0
        assert len(server.requests) == 10


def test_a_cancelled_pass_leaves_no_task(tmp_path: Path) -> None:
    async def go(options: OpmlOptions) -> int:
        async with Client(user_agent="test") as client:
            pages = options.fetch("source", client, {}, NOW, parse=in_thread)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(aiter(pages))
            return len(asyncio.all_tasks()) - 1

    with Feeds(a=reply(item("1", "One")), slow=Reply(delay_s=2)) as server:
        assert asyncio.run(go(server.list_in(tmp_path))) == 0


def test_an_interrupted_pass_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opml, "WAVE", 2)
    replies = {f"f{n}": reply(item(str(n), f"Paper {n}")) for n in range(10)}
    with Feeds(**replies) as server:
        options = server.list_in(tmp_path)
        memory: Mapping[str, str] = {}
        begun = run_pass(options, memory, pages=2)
        rest = run_pass(options, begun.memory)
    assert titles(begun) | titles(rest) == {f"Paper {n}" for n in range(10)}
    assert not titles(begun) & titles(rest)


def test_options_are_checked_like_those_of_a_feed() -> None:
    with pytest.raises(ValueError, match="max_items"):
        OpmlOptions(path="feeds.opml", max_items=0)


def test_the_path_is_relative_to_the_config(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources: {list: {kind: opml, path: feeds.opml}}\ndigests: {d: {schedule: daily 09:00}}\n",
        encoding="utf-8",
    )
    found: object = load_config(config, {}).sources["list"]
    assert found == OpmlOptions(path=str(tmp_path / "feeds.opml"))
