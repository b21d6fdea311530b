"""Rebuilding the words of stored papers: bounded, killable and resumed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, update

from digestbot.store import Store, open_store, stored_words
from digestbot.store.database import Database, read_url
from digestbot.store.stored_words import rebuild_words
from digestbot.store.tables import papers, word_rebuilds
from digestbot.text import pack_words
from tests.store.samples import ingest

STALE = "1/0.0.0 other words"


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_words, "BATCH", 3)


@contextmanager
def stale_papers(url: str, count: int) -> Iterator[Database]:
    """Store *count* papers with the words of other rules."""
    with open_store(url) as store:
        ingest(store, *range(1, count + 1))
    database = Database(read_url(url))
    make_stale(database)
    yield database
    database.close()


def make_stale(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(papers).values(title_words=STALE, abstract_words=STALE))


def stale_count(database: Database) -> int:
    with database.read() as connection:
        rows = connection.execute(select(papers)).all()
    for row in rows:
        assert row.title_words in (STALE, pack_words(row.title))
        assert row.abstract_words in (STALE, pack_words(row.abstract))
        assert (row.title_words == STALE) is (row.abstract_words == STALE)
    return sum(row.title_words == STALE for row in rows)


@pytest.mark.usefixtures("small_batches")
def test_each_call_rebuilds_a_bounded_number_and_goes_on(store_url: str) -> None:
    with stale_papers(store_url, 10) as database:
        assert [rebuild_words(database, limit=6) for _ in range(3)] == [6, 4, 0]
        assert stale_count(database) == 0
        with database.read() as connection:
            assert connection.execute(select(word_rebuilds.c.is_complete)).scalars().all() == [True]


def test_an_empty_store_is_complete_at_once(store: Store) -> None:
    assert store.papers.rebuild_words() == 0
    ingest(store, 1)
    assert store.papers.rebuild_words() == 0


@pytest.mark.usefixtures("small_batches")
def test_new_rules_start_again(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with stale_papers(store_url, 4) as database:
        assert rebuild_words(database) == 4
        make_stale(database)
        assert rebuild_words(database) == 0
        monkeypatch.setattr(stored_words, "RULES", "3/0.0.0")
        assert rebuild_words(database) == 4


KILLED = """
import os, signal, sys
from sqlalchemy import Engine, event
from digestbot.store import stored_words
from digestbot.store.database import Database, read_url
stored_words.BATCH = 3
database = Database(read_url(sys.argv[1]))
calls = 0
def count(*_):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
for name in ("before_cursor_execute", "commit"):
    event.listen(Engine, name, count)
stored_words.rebuild_words(database)
"""


def test_a_killed_rebuild_goes_on(tmp_path: Path) -> None:
    """Kill at one statement after the other until a run survives."""
    url = f"sqlite:///{tmp_path / 'papers.db'}"
    left = [8]
    with stale_papers(url, 8) as database:
        for point in range(1, 200):
            done = subprocess.run([sys.executable, "-c", KILLED, url, str(point)], check=False)
            left.append(stale_count(database))
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert len(left) > 5
