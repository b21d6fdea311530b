"""Threads and processes on one database, and processes that are killed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest

from digestbot.errors import StoreUnavailable
from digestbot.model import Origin, SubscriptionState
from digestbot.store import Store, open_store
from digestbot.store.database import INGEST_LOCK
from tests.store.samples import (
    MINUTE,
    NOW,
    edition,
    fetched,
    ingest,
    log,
    mail,
    queue,
    record,
    register,
)

ROOT = Path(__file__).parent.parent.parent
AT_ONCE = 6

T = TypeVar("T")

INGEST = """
import sys
from digestbot.store import open_store
from tests.store.samples import NOW, fetched
name, url = sys.argv[1:]
with open_store(url) as store:
    sys.stdin.readline()
    for page in range(1, 10_000):
        papers = [fetched(page * 10 + place) for place in range(10)]
        store.papers.ingest(name, papers, {"page": str(page)}, NOW)
        print(page, flush=True)
"""

RECORD = """
import sys
from dataclasses import replace
from digestbot.store import open_store
from tests.store.samples import edition, ingest, log, mail, record, register, shown
name, url = sys.argv[1:]
with open_store(url) as store:
    ingest(store, 1)
    register(store, name)
    paper = shown(log(store)[0])
    sys.stdin.readline()
    for number in range(1, 10_000):
        made = edition([paper], digest=name, number=number, slot=str(number))
        made = replace(made, from_seq=number - 1, to_seq=number)
        record(store, made, to=[mail(f"{place}@x.org") for place in range(3)])
        print(number, flush=True)
"""

CLAIM = """
import sys
from digestbot.store import open_store
from tests.store.samples import NOW
with open_store(sys.argv[2]) as store:
    sys.stdin.readline()
    while claimed := store.outbox.claim(NOW, lease_s=60, limit=7):
        for delivery in claimed:
            print(delivery.id, flush=True)
"""


@contextmanager
def process(code: str, name: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """Run *code* in a process that starts at a line of input and is killed at the end."""
    started = subprocess.Popen(
        [sys.executable, "-c", code, name, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def say_go(*processes: subprocess.Popen[str]) -> None:
    for one in processes:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()


def lines(one: subprocess.Popen[str], count: int) -> list[int]:
    assert one.stdout
    return [int(one.stdout.readline()) for _ in range(count)]


def all_at_once(act: Callable[[int], T]) -> list[T]:
    """Call *act* in several threads that start together; return the results."""
    barrier = Barrier(AT_ONCE)

    def begin(number: int) -> T:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(begin, range(AT_ONCE)))


def test_cursor_never_skips_a_late_commit(store: Store, store_url: str) -> None:
    seen: list[int] = []
    with process(INGEST, "a", store_url) as a, process(INGEST, "b", store_url) as b:
        say_go(a, b)
        cursor = 0
        while cursor < 600:
            window = store.papers.announcements(cursor, None, sources=None, types=None)
            seen += [announcement.seq for announcement in window]
            cursor = seen[-1] if seen else 0
    assert seen == list(range(1, cursor + 1))


def test_ingest_waits_for_the_previous_commit(store: Store, store_url: str) -> None:
    with open_store(store_url, busy_s=0.05) as impatient:
        with store._database.write() as connection:
            store._database.take_lock(connection, INGEST_LOCK)
            with pytest.raises(StoreUnavailable, match="lock"):
                ingest(impatient, 1)
        ingest(impatient, 1)
        assert impatient.papers.head() == 1


def test_threads_log_the_same_papers_once(store: Store) -> None:
    counts = all_at_once(lambda _: store.papers.ingest("arxiv", [fetched(1), fetched(2)], {}, NOW))
    assert sorted(c.new for c in counts) == [0] * (AT_ONCE - 1) + [2]
    assert [a.seq for a in log(store)] == [1, 2]


def test_processes_claim_each_delivery_once(store: Store, store_url: str) -> None:
    keys = queue(store, *(mail(f"r{number}@example.org") for number in range(300)))
    with process(CLAIM, "", store_url) as a, process(CLAIM, "", store_url) as b:
        say_go(a, b)
        outputs = [one.communicate()[0] for one in (a, b)]
    claimed = [int(line) for output in outputs for line in output.splitlines()]
    assert sorted(claimed) == list(keys)


def test_threads_claim_each_delivery_once(store: Store) -> None:
    keys = queue(store, *(mail(f"r{number}@example.org") for number in range(100)))

    def claim_all(_: int) -> list[int]:
        mine: list[int] = []
        while claimed := store.outbox.claim(NOW, lease_s=60, limit=5):
            mine += [delivery.id for delivery in claimed]
        return mine

    assert sorted(key for mine in all_at_once(claim_all) for key in mine) == list(keys)


def test_one_of_many_records_the_edition(store: Store) -> None:
    ingest(store, 1)
    register(store)
    keys = all_at_once(lambda number: record(store, edition(to_seq=1, slot=str(number))))
    assert len([key for key in keys if key]) == 1
    assert (len(store.editions.list()), len(store.outbox.list())) == (1, 1)


def test_one_of_many_records_an_empty_edition(store: Store) -> None:
    register(store)
    keys = all_at_once(lambda number: record(store, edition(slot=str(number))))
    assert len([key for key in keys if key]) == 1
    assert store.digests.state("systems").editions == 1


def test_one_of_many_may_send_a_request(store: Store) -> None:
    waits = all_at_once(lambda _: store.sources.pace("arxiv.org", 3, 60, NOW))
    assert sorted(waits) == [0.0] + [60.0] * (AT_ONCE - 1)


def test_concurrent_first_writes_create_one_row(store: Store) -> None:
    def first_sight(_: int) -> int:
        register(store)
        store.subscriptions.sync_config("systems", [mail(), mail("b@x.org")], NOW)
        store.sources.begin_pass("arxiv", NOW)
        return store.subscriptions.add(
            "systems",
            mail("c@x.org"),
            origin=Origin.WEB,
            state=SubscriptionState.PENDING,
            now=NOW,
        ).id

    assert len(set(all_at_once(first_sight))) == 1
    assert len(store.digests.states()) == 1
    assert len(store.subscriptions.list("systems")) == 3
    assert len(store.sources.passes("arxiv")) == AT_ONCE


def test_expired_lease_is_recovered_once(store: Store) -> None:
    queue(store, *(mail(f"r{number}@example.org") for number in range(20)))
    store.outbox.claim(NOW, lease_s=60, limit=100)
    recovered = all_at_once(lambda _: store.outbox.recover(NOW + MINUTE))
    assert sum(r.retrying for r in recovered) == 20


@pytest.mark.parametrize("pages", [1, 7])
def test_killed_ingest_leaves_whole_pages(store_url: str, pages: int) -> None:
    with process(INGEST, "arxiv", store_url) as other:
        say_go(other)
        lines(other, pages)
    with open_store(store_url) as store:
        page = int(store.sources.state("arxiv").memory["page"])
        assert page >= pages
        assert store.papers.head() == store.papers.count() == page * 10
        store.papers.ingest("arxiv", [fetched(1)], {}, NOW)


@pytest.mark.parametrize("editions", [1, 7])
def test_killed_digest_has_whole_editions(store_url: str, editions: int) -> None:
    with process(RECORD, "systems", store_url) as other:
        say_go(other)
        lines(other, editions)
    with open_store(store_url) as store:
        state = store.digests.state("systems")
        made = store.editions.list(limit=10_000)
        assert state.editions >= editions
        assert state.cursor == state.editions == len(made) == made[0].number
        assert len(store.outbox.list(limit=100_000)) == 3 * len(made)
        last = store.editions.get("systems", state.editions)
        assert last is not None
        assert len(last.papers) == 1
