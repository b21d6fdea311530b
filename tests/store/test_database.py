"""Connections, transactions and errors of both databases."""

import shutil
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from digestbot.errors import (
    ForeignStore,
    MissingExtra,
    StoreReplaced,
    StoreUnavailable,
    StoreUnusable,
)
from digestbot.store import open_store
from digestbot.store.database import read_url, shown
from tests.store.samples import NOW, fetched, ingest


def test_other_file_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thesis.db"
    path.write_bytes(b"%PDF-1.7 not a database" * 100)
    advice = "file is not a database; name another file, or move it away"
    with pytest.raises(ForeignStore, match=advice):
        open_store(f"sqlite:///{path}")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gone' / 'store.db'}"
    with pytest.raises(StoreUnavailable, match=r"store\.db: the folder .*gone does not exist"):
        open_store(url)


def test_folder_as_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="this is a folder; name a file"):
        open_store(f"sqlite:///{tmp_path}")


def test_readonly_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    message = "attempt to write a readonly database; make it writable for the user of digestbot"
    with pytest.raises(StoreUnavailable, match=message):
        open_store(f"sqlite:///file:{path}?mode=ro&uri=true")


def test_full_disk_is_reported_with_advice(tmp_path: Path) -> None:
    with open_store("sqlite://") as store:
        with store._database.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        message = "database or disk is full; free some space; nothing is lost"
        with pytest.raises(StoreUnavailable, match=message):
            store.sources.begin_pass("x" * 100_000, datetime(2026, 11, 23, tzinfo=UTC))


def test_unreachable_server_is_named_without_password() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql://bot:pl4nted@127.0.0.1:1/digests?password=pl4nted")
    message = str(caught.value)
    assert message.startswith("postgresql://bot:***@127.0.0.1:1/digests: ")
    assert "refused" in message
    assert "pl4nted" not in message
    assert "\n" not in message


@pytest.mark.parametrize("url", ["digestbot.db", "", "mysql://host/db", "sqlite:/x:y@z"])
def test_other_urls_are_refused_with_advice(url: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"write sqlite:///path or postgresql://"):
        read_url(url)


def test_missing_postgresql_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"pip install 'digestbot\[postgres\]'"):
        open_store("postgresql://localhost/x")


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("frobnicate=1", 'invalid connection option "frobnicate"'),
        ("a=1&a=2", 'invalid connection option "a"'),
        ("connect_timeout=abc", "bad value for connect_timeout"),
    ],
)
def test_unknown_parameters_of_postgresql_are_errors_of_the_url(query: str, cause: str) -> None:
    with pytest.raises(StoreUnusable, match=f"{cause}.*; correct the URL of the store"):
        open_store(f"postgresql://bot@127.0.0.1:1/digests?{query}")


def test_postgres_scheme_is_read_as_postgresql() -> None:
    assert shown(read_url("postgres://bot@db/x")) == "postgresql://bot@db/x"


def test_memory_store_is_shared_by_threads() -> None:
    with open_store("sqlite://") as store, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ingest(store, number), range(8)))
        assert store.papers.head() == 8


def test_sqlite_is_opened_with_durable_settings(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with open_store(url) as store, store._database.read() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert values == ["wal", 2, 1, 30_000]


def test_locked_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(f"sqlite:///{path}", busy_s=0.05) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"store\.db: database is locked"):
            ingest(store, 1)
        other.execute("ROLLBACK")
        other.close()
        assert store.papers.head() == 0
        ingest(store, 1)
        assert store.papers.head() == 1


@pytest.mark.parametrize("idle_s", [0, 1000])
def test_connection_cut_by_postgresql_is_replaced(
    postgres_schema_url: str, monkeypatch: pytest.MonkeyPatch, idle_s: float
) -> None:
    """An idle connection is replaced silently, one in use after an error."""
    monkeypatch.setattr("digestbot.store.database.IDLE_S", idle_s)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    with open_store(postgres_schema_url) as store, psycopg.connect(postgres_schema_url) as other:
        before = store.outbox.counts()
        other.execute(cut, ["digestbot"])
        if idle_s:
            with pytest.raises(StoreUnavailable, match="terminat"):
                store.outbox.counts()
        assert store.outbox.counts() == before


@pytest.mark.parametrize("what", ["deleted", "moved", "replaced"])
def test_a_store_that_lost_its_file_is_not_used(tmp_path: Path, what: str) -> None:
    """SQLite would go on with the nameless file, and record there what is sent."""
    path = tmp_path / "store.db"
    with open_store(f"sqlite:///{path}") as store:
        ingest(store, 1)
        if what == "deleted":
            path.unlink()
        else:
            path.rename(tmp_path / "moved.db")
        if what == "replaced":
            shutil.copyfile(tmp_path / "moved.db", path)
        text = "was replaced" if what == "replaced" else "was deleted or moved"
        for _ in range(2):
            with pytest.raises(StoreReplaced, match=rf"store\.db: {text} while digestbot was"):
                store.papers.count()
            with pytest.raises(StoreReplaced, match=text):
                ingest(store, 2)
    assert path.exists() == (what == "replaced"), "no new file was created"


def test_a_damaged_page_of_a_file_is_found(tmp_path: Path) -> None:
    """As in a file that was copied during a write."""
    path = tmp_path / "digestbot.db"
    with open_store(f"sqlite:///{path}") as store:
        store.papers.ingest("a", [fetched(number) for number in range(500)], {}, NOW)
        assert store.find_damage() is None
    content = bytearray(path.read_bytes())
    content[-40 * 4096 : -39 * 4096] = bytes(4096)
    path.write_bytes(content)
    with open_store(f"sqlite:///{path}") as store:
        assert "Page " in str(store.find_damage())
