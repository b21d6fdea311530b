"""What `open_store` makes of each kind of database, and what it refuses."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from digestbot.errors import ForeignStore, MissingExtra, StoreTooNew, StoreUnavailable
from digestbot.store import open_store
from digestbot.store.database import MIGRATE_LOCK, Database, read_url, shown
from digestbot.store.migrate import MIGRATIONS
from digestbot.store.tables import HEAD, metadata
from tests.store.samples import ingest


def plain_engine(url: str) -> Engine:
    """A way to the database past the store."""
    return create_engine(read_url(url), poolclass=NullPool)


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_an_empty_database_gets_all_tables(store_url: str) -> None:
    open_store(store_url).close()
    names = set(inspect(plain_engine(store_url)).get_table_names())
    assert names == set(metadata.tables) | {"alembic_version"}


def test_what_was_stored_is_there_when_opened_again(store_url: str) -> None:
    with open_store(store_url) as store:
        ingest(store, 1, 2)
    with open_store(store_url) as store:
        assert store.papers.head() == 2


def test_the_migrations_lead_to_exactly_the_tables_of_the_code(store_url: str) -> None:
    open_store(store_url).close()
    with plain_engine(store_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_lead_to_exactly_the_constraints_of_the_code(tmp_path: Path) -> None:
    # compare_metadata does not look at CHECK constraints; SQLite keeps the words of CREATE TABLE.
    migrated, made = f"sqlite:///{tmp_path / 'a.db'}", f"sqlite:///{tmp_path / 'b.db'}"
    open_store(migrated).close()
    metadata.create_all(plain_engine(made))
    assert checks_of(migrated) == checks_of(made)


def checks_of(url: str) -> dict[str, list[tuple[str | None, str]]]:
    inspector = inspect(plain_engine(url))
    return {
        name: sorted((c["name"], c["sqltext"]) for c in inspector.get_check_constraints(name))
        for name in metadata.tables
    }


def test_the_revision_of_the_code_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_at_head_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    open_store(url).close()
    code = (
        "import sys; from digestbot.store import open_store; open_store(sys.argv[1]).close(); "
        "sys.exit('alembic' in sys.modules)"
    )
    assert run(code, url).returncode == 0


def test_a_newer_database_is_refused_and_left_alone(store_url: str) -> None:
    open_store(store_url).close()
    with plain_engine(store_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNew, match=f"revision 9999, this one knows {HEAD}.*upgrade"):
        open_store(store_url)
    with plain_engine(store_url).connect() as connection:
        assert (
            connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
        )


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(["users"], id="somebody's tables"),
        pytest.param(["users", "alembic_version"], id="another program that uses Alembic"),
        pytest.param(["deliveries", "vans"], id="a courier's, with one name in common"),
    ],
)
def test_a_foreign_database_is_refused_and_left_alone(store_url: str, tables: list[str]) -> None:
    with plain_engine(store_url).begin() as connection:
        for name in tables:
            connection.execute(text(f"CREATE TABLE {name} (version_num TEXT)"))
    with pytest.raises(ForeignStore, match="tables that are not digestbot's"):
        open_store(store_url)
    assert set(inspect(plain_engine(store_url)).get_table_names()) == set(tables)


def test_a_file_that_is_no_database_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "thesis.db"
    path.write_bytes(b"%PDF-1.7 not a database" * 100)
    advice = "file is not a database; name another file, or move it away"
    with pytest.raises(ForeignStore, match=advice):
        open_store(f"sqlite:///{path}")


def test_without_create_a_missing_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StoreUnavailable, match="no such file yet"):
        open_store(f"sqlite:///{path}", create=False)
    assert not path.exists()


def test_without_create_an_empty_database_stays_empty(postgres_schema_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="no tables yet"):
        open_store(postgres_schema_url, create=False)
    assert inspect(plain_engine(postgres_schema_url)).get_table_names() == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gone' / 'store.db'}"
    with pytest.raises(StoreUnavailable, match=r"store\.db: the folder .*gone does not exist"):
        open_store(url)


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="it is a folder; name a file"):
        open_store(f"sqlite:///{tmp_path}")


def test_a_file_that_may_not_be_written_to_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    message = "attempt to write a readonly database; whoever runs this must be able to write to it"
    with pytest.raises(StoreUnavailable, match=message):
        open_store(f"sqlite:///file:{path}?mode=ro&uri=true")


def test_a_full_disk_is_said_and_what_to_do(tmp_path: Path) -> None:
    with open_store("sqlite://") as store:
        with store._database.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        message = "database or disk is full; free some space; nothing is lost"
        with pytest.raises(StoreUnavailable, match=message):
            store.sources.begin_pass("x" * 100_000, datetime(2026, 11, 23, tzinfo=UTC))


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql://bot:pl4nted@127.0.0.1:1/digests?password=pl4nted")
    message = str(caught.value)
    assert message.startswith("postgresql://bot:***@127.0.0.1:1/digests: ")
    assert "refused" in message
    assert "pl4nted" not in message
    assert "\n" not in message


@pytest.mark.parametrize("url", ["digestbot.db", "", "mysql://host/db", "sqlite:/x:y@z"])
def test_other_urls_are_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"write sqlite:///path or postgresql://"):
        read_url(url)


def test_postgres_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"pip install 'digestbot\[postgres\]'"):
        open_store("postgresql://localhost/x")


def test_heroku_s_old_scheme_is_read_as_postgresql() -> None:
    assert shown(read_url("postgres://bot@db/x")) == "postgresql://bot@db/x"


def test_a_store_in_memory_is_one_for_all_threads() -> None:
    with open_store("sqlite://") as store, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ingest(store, number), range(8)))
        assert store.papers.head() == 8


def test_sqlite_is_opened_with_what_durability_needs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with open_store(url) as store, store._database.read() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert values == ["wal", 2, 1, 30_000]


def test_many_processes_may_open_an_empty_database_at_once(store_url: str) -> None:
    code = (
        "import sys; from digestbot.store import open_store\n"
        "sys.stdin.readline()\n"
        "open_store(sys.argv[1]).close()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, store_url],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in processes] == [""] * 4
    with plain_engine(store_url).connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            (HEAD,)
        ]


def test_who_would_change_the_tables_waits_for_whoever_is_at_it(store_url: str) -> None:
    database = Database(read_url(store_url))
    with database.write() as connection:
        database.take_lock(connection, MIGRATE_LOCK)
        with pytest.raises(StoreUnavailable, match="lock"):
            open_store(store_url, busy_s=0.05)
    open_store(store_url).close()
    database.close()


def test_a_migration_that_is_cut_off_leaves_nothing(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last statement of the migration fails: the thirteen tables before it must be gone.
    monkeypatch.setattr("alembic.migration.MigrationContext._ensure_version_table", refuse)
    with pytest.raises(RuntimeError, match="cut off"):
        open_store(store_url)
    assert inspect(plain_engine(store_url)).get_table_names() == []


def refuse(*arguments: object, **options: object) -> None:
    raise RuntimeError("cut off")


def test_every_statement_of_the_schema_can_be_written_for_both_databases(store_url: str) -> None:
    dialect = read_url(store_url).get_dialect()()
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        assert all(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)


def test_a_locked_database_is_unavailable_and_nothing_is_half_done(tmp_path: Path) -> None:
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
def test_a_connection_that_postgresql_has_cut_is_replaced(
    postgres_schema_url: str, monkeypatch: pytest.MonkeyPatch, idle_s: float
) -> None:
    """At once if it was idle; else, as in the midst of work, after an error that says so."""
    monkeypatch.setattr("digestbot.store.database.IDLE_S", idle_s)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    with open_store(postgres_schema_url) as store, psycopg.connect(postgres_schema_url) as other:
        before = store.outbox.counts()
        other.execute(cut, ["digestbot"])
        if idle_s:
            with pytest.raises(StoreUnavailable, match="terminat"):
                store.outbox.counts()
        assert store.outbox.counts() == before
