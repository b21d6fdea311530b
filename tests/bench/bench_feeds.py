"""
Wall time of `digestbot fetch` beside rss2email's ``r2e run``, and cost of the parser pool.

A server in a process of its own answers on loopback, with validators and 304. Each round runs both
programs in turn on empty stores, so that a busy machine slows both alike; their email is sent
nowhere. ``python -m tests.bench.bench_feeds`` exits with 1 if a figure misses its target.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from digestbot.sources.feed_items import parse_feed
from digestbot.sources.parser_pool import ParserPool, in_thread

ITEMS = 20
FEEDS = 100
"""On one host, for the comparison."""
MANY_FEEDS = 1000
HOSTS = 200
LATENCY_S = 0.05
MANY_S = 30.0
"""Target for `MANY_FEEDS` on `HOSTS`, with the default pause between requests to one host."""
POOL_SHARE = 1.5
"""Target for parsing in child processes, in units of parsing in this process."""
POOL_FEEDS = 40
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
SENTENCES = (
    "We study how the rate of cold starts depends on the memory of a function.",
    "The method needs no labels and runs in linear time &amp; constant memory.",
    "Across 14 data sets the error falls from 7.2% to 4.9% (&lt;i&gt;p&lt;/i&gt; = 0.01).",
    "A model with two parameters explains the observations at 10 K within 3%.",
    "Our results suggest that the effect is larger in alloys with more nickel.",
)


def feed(number: int) -> bytes:
    """Return a feed in the shape of a journal's: Dublin Core, PRISM and escaped HTML."""
    items = "".join(map(_item, [number] * ITEMS, range(ITEMS)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/"><channel>'
        f"<title>Journal of Examples {number}: Latest Articles</title>"
        f"<link>https://journal{number}.example.org/</link>{items}</channel></rss>"
    ).encode()


def _item(journal: int, number: int) -> str:
    doi = f"10.5555/j{journal}.{number}"
    date = NOW - timedelta(hours=7 * number)
    turned = (*SENTENCES[number % 5 :], *SENTENCES[: number % 5])
    abstract = " ".join(turned * 2)
    return (
        f"<item><title>Cold starts of functions in setting {number} of study {journal}</title>"
        f"<link>https://journal{journal}.example.org/doi/{doi}?af=R</link>"
        f"<guid isPermaLink='false'>{doi}</guid>"
        f"<pubDate>{date:%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
        "<dc:creator>Ada B. Xu</dc:creator><dc:creator>José García-López</dc:creator>"
        "<dc:creator>Ion van der Berg</dc:creator>"
        f"<description>&lt;p&gt;{abstract}&lt;/p&gt;</description>"
        f"<dc:identifier>doi:{doi}</dc:identifier><prism:doi>{doi}</prism:doi>"
        f"<prism:publicationName>Journal of Examples {journal}</prism:publicationName></item>"
    )


# The server


async def serve(hosts: Sequence[str], port: int, latency_s: float) -> None:
    """Answer ``/N.xml``, and without validators ``/N.rss``, until killed; print the port first."""
    body = lru_cache(maxsize=None)(feed)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(latency_s)
                writer.write(_response(head, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    first = await asyncio.start_server(answer, hosts[0], port)
    port = first.sockets[0].getsockname()[1]
    others = [await asyncio.start_server(answer, host, port) for host in hosts[1:]]
    print(port, flush=True)  # noqa: T201
    await asyncio.gather(*(each.serve_forever() for each in (first, *others)))


def _response(head: bytes, body: Callable[[int], bytes]) -> bytes:
    path = head.split(b" ")[1].strip(b"/")
    number = int(path.partition(b".")[0])
    if path.endswith(b".rss"):
        return _page(body(number))
    tag = f'"feed-{number}"'
    if f"if-none-match: {tag}".encode() in head.lower():
        return f"HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n".encode()
    return _page(body(number), f"ETag: {tag}\r\n")


def _page(content: bytes, validator: str = "") -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml; charset=utf-8\r\n{validator}"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content


@contextmanager
def feed_server(hosts: Sequence[str], latency_s: float = 0.0) -> Iterator[int]:
    """Run `serve` in a process of its own; yield its port."""
    options = ["--serve", ",".join(hosts), "--latency", str(latency_s)]
    command = [sys.executable, "-m", "tests.bench.bench_feeds", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


# The programs


def our_folder(folder: Path, urls: Sequence[str], options: str) -> Path:
    """Write a config of ours with a source for each of *urls*."""
    folder.mkdir(parents=True)
    sources = "".join(
        f'  f{number}: {{kind: feed, url: "{url}"{options}}}\n' for number, url in enumerate(urls)
    )
    (folder / "config.yaml").write_text(f"sources:\n{sources}digests: {{}}\n")
    return folder


def their_folder(folder: Path, urls: Sequence[str]) -> Path:
    """Write a config of rss2email with the same feeds."""
    folder.mkdir(parents=True)
    feeds = "".join(f"[feed.f{number}]\nurl = {url}\n" for number, url in enumerate(urls))
    head = "[DEFAULT]\nfrom = bot@example.org\nto = reader@example.org\n"
    (folder / "r2e.cfg").write_text(head + feeds)
    return folder


def our_fetch(folder: Path) -> float:
    """Return the wall time of ``digestbot fetch`` in *folder*."""
    return _timed([sys.executable, "-m", "digestbot", "--json", "fetch"], folder)


def their_run(folder: Path) -> float:
    """Return the wall time of ``r2e run`` in *folder*, with its email sent nowhere."""
    command = [sys.executable, "-c", "from rss2email.main import run; run()"]
    return _timed([*command, "-c", "r2e.cfg", "-d", "r2e.json", "run", "--no-send"], folder)


def _timed(command: Sequence[str], folder: Path) -> float:
    """
    Return the wall time of *command*.

    Raises:
        RuntimeError: It did not exit with 0.
    """
    environ = os.environ | {"PYTHONPYCACHEPREFIX": str(folder.parent / "compiled")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed programs are compiled
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    taken = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}: {done.stderr}")
    return taken


# The figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value and its target."""

    name: str
    value: float
    target: float
    unit: str = "s"
    note: str = ""

    @property
    def is_met(self) -> bool:
        """True if the value is at most the target."""
        return self.value <= self.target


def side_by_side(root: Path, rounds: int) -> list[Figure]:
    """Fetch `FEEDS` feeds of one host, first and again with nothing new, with both programs."""
    with feed_server(["127.0.0.1"]) as port:
        whole = [f"http://127.0.0.1:{port}/{number}.rss" for number in range(FEEDS)]
        tagged = [f"http://127.0.0.1:{port}/{number}.xml" for number in range(FEEDS)]
        first, again = _rounds(root / "whole", whole, rounds)
        _, unchanged = _rounds(root / "tagged", tagged, rounds)
    return [
        _share("first fetch", first),
        _share("nothing new, feeds without validators", again),
        _share("nothing new, all answer 304", unchanged),
    ]


Times = list[tuple[float, float]]
"""Seconds of ours and theirs, round by round."""


def _rounds(root: Path, urls: Sequence[str], rounds: int) -> tuple[Times, Times]:
    """Return the times of first fetches, and of fetches with nothing new."""
    first, again = [], []
    for number in range(rounds + 1):
        ours = our_folder(root / f"ours{number}", urls, ", interval: 0s")
        theirs = their_folder(root / f"theirs{number}", urls)
        first.append((our_fetch(ours), their_run(theirs)))
        again.append((our_fetch(ours), their_run(theirs)))
        _check(ours, theirs)
    return first[1:], again[1:]  # round 0 fills the caches of compiled modules


def _share(what: str, times: Times) -> Figure:
    ours, theirs = (median(each) for each in zip(*times, strict=True))
    return Figure(
        name=f"{FEEDS} feeds on one host, {what}: share of r2e's time",
        value=median(our / their for our, their in times),
        target=1.0,
        unit="",
        note=f"{ours:.2f} s and {theirs:.2f} s",
    )


def _check(ours: Path, theirs: Path) -> None:
    """Raise unless both programs have read all papers."""
    from digestbot.store import open_store

    with open_store(f"sqlite:///{ours / 'digestbot.db'}") as store:
        assert store.papers.count() == FEEDS * ITEMS, store.papers.count()
    known = json.loads((theirs / "r2e.json").read_text())["feeds"]
    assert sum(len(each["seen"]) for each in known) == FEEDS * ITEMS


def many_hosts(root: Path) -> Figure:
    """Fetch `MANY_FEEDS` feeds of `HOSTS` slow hosts for the first time."""
    hosts = [f"127.0.1.{number + 1}" for number in range(HOSTS)]
    with feed_server(hosts, LATENCY_S) as port:
        urls = [f"http://{hosts[n % HOSTS]}:{port}/{n}.xml" for n in range(MANY_FEEDS)]
        value = our_fetch(our_folder(root / "many" / "ours", urls, ""))
    name = f"{MANY_FEEDS:,} feeds on {HOSTS} hosts with {LATENCY_S * 1000:.0f} ms latency"
    return Figure(name=name, value=value, target=MANY_S)


def pool_cost(rounds: int) -> Figure:
    """Parse the same feeds in this process and in a warm pool of one child, in turn."""
    bodies = [feed(number) for number in range(POOL_FEEDS)]
    url = "https://journal.example.org/feed.xml"

    async def one_by_one(parse: Any) -> float:
        start = time.perf_counter()
        for body in bodies:
            await parse(parse_feed, body, {}, feed_url=url, now=NOW)
        return time.perf_counter() - start

    async def measured() -> list[tuple[float, float]]:
        async with ParserPool(workers=1) as pool:
            await one_by_one(in_thread)
            await one_by_one(pool)
            return [(await one_by_one(in_thread), await one_by_one(pool)) for _ in range(rounds)]

    times = asyncio.run(measured())
    inside, outside = (median(each) for each in zip(*times, strict=True))
    return Figure(
        name=f"parsing {POOL_FEEDS} feeds in a child: share of the time in this process",
        value=median(child / here for here, child in times),
        target=POOL_SHARE,
        unit="",
        note=f"{outside / POOL_FEEDS * 1000:.1f} ms and {inside / POOL_FEEDS * 1000:.1f} ms a feed",
    )


def main() -> int:
    """Print the table; return 1 if a figure misses its target."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", action="store_true", help="print the figures as JSON")
    options.add_argument("--serve", help=argparse.SUPPRESS)
    options.add_argument("--latency", type=float, default=0.0, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.serve:
        asyncio.run(serve(chosen.serve.split(","), 0, chosen.latency))
    with TemporaryDirectory() as name:
        root = Path(name)
        figures = [*side_by_side(root, chosen.rounds), many_hosts(root), pool_cost(chosen.rounds)]
    rows = [asdict(each) | {"is_met": each.is_met} for each in figures]
    print(json.dumps(rows) if chosen.json else table(figures))  # noqa: T201
    return 0 if all(each.is_met for each in figures) else 1


def table(figures: Sequence[Figure]) -> str:
    """Return *figures* as a Markdown table."""
    lines = ["| figure | value | target | | |", "|---|---|---|---|---|"]
    lines += [
        f"| {f.name} | {f.value:.2f} {f.unit} | {f.target:.2f} {f.unit} | {f.note}"
        f" | {'ok' if f.is_met else 'missed'} |"
        for f in figures
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
