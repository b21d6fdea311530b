"""Creating, upgrading and refusing databases."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from digestbot.errors import ForeignStore, StoreTooNew, StoreUnavailable, StoreUnusable
from digestbot.store import open_store
from digestbot.store.database import MIGRATE_LOCK, Database, read_url
from digestbot.store.migrate import MIGRATIONS
from digestbot.store.tables import HEAD, metadata
from tests.store.samples import ingest


def plain_engine(url: str) -> Engine:
    """Connect to a database without opening a store."""
    return create_engine(read_url(url), poolclass=NullPool)


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_empty_database_gets_all_tables(store_url: str) -> None:
    open_store(store_url).close()
    names = set(inspect(plain_engine(store_url)).get_table_names())
    assert names == set(metadata.tables) | {"alembic_version"}


def test_rows_survive_reopening(store_url: str) -> None:
    with open_store(store_url) as store:
        ingest(store, 1, 2)
    with open_store(store_url) as store:
        assert store.papers.head() == 2


def test_migrations_make_the_tables_of_the_code(store_url: str) -> None:
    open_store(store_url).close()
    with plain_engine(store_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_make_the_constraints_of_the_code(tmp_path: Path) -> None:
    # compare_metadata ignores CHECK constraints; SQLite keeps the text of CREATE TABLE.
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


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_current_database_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    open_store(url).close()
    code = (
        "import sys; from digestbot.store import open_store; open_store(sys.argv[1]).close(); "
        "sys.exit('alembic' in sys.modules)"
    )
    assert run(code, url).returncode == 0


def test_newer_database_is_refused_unchanged(store_url: str) -> None:
    open_store(store_url).close()
    with plain_engine(store_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNew, match=f"revision 9999, this version has {HEAD}.*upgrade"):
        open_store(store_url)
    with plain_engine(store_url).connect() as connection:
        assert (
            connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
        )


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("DELETE FROM alembic_version", 0),
        ("INSERT INTO alembic_version SELECT '0002'", 2),
    ],
)
def test_a_database_without_one_version_is_refused(
    store_url: str, statement: str, rows: int
) -> None:
    open_store(store_url).close()
    with plain_engine(store_url).begin() as connection:
        connection.execute(text(statement))
    with pytest.raises(StoreUnusable, match=f"alembic_version has {rows} rows.*restore a backup"):
        open_store(store_url)


def test_a_missing_table_is_an_error_at_once(store_url: str) -> None:
    """At the start, and in a running process without the retries of a busy database."""
    with open_store(store_url) as store:
        with plain_engine(store_url).begin() as connection:
            connection.execute(text("DROP TABLE pauses"))
        with pytest.raises(StoreUnusable, match=r"pauses.*; restore a backup"):
            store.pauses.get("email")
    with pytest.raises(StoreUnusable, match="the table pauses is missing; restore a backup"):
        open_store(store_url)


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(["users"], id="tables of another program"),
        pytest.param(["users", "alembic_version"], id="another program that uses Alembic"),
        pytest.param(["deliveries", "vans"], id="one table name in common"),
    ],
)
def test_foreign_database_is_refused_unchanged(store_url: str, tables: list[str]) -> None:
    with plain_engine(store_url).begin() as connection:
        for name in tables:
            connection.execute(text(f"CREATE TABLE {name} (version_num TEXT)"))
    with pytest.raises(ForeignStore, match="has tables of another program"):
        open_store(store_url)
    assert set(inspect(plain_engine(store_url)).get_table_names()) == set(tables)


def test_missing_file_is_not_created_without_create(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StoreUnavailable, match="does not exist yet; run 'digestbot fetch'"):
        open_store(f"sqlite:///{path}", create=False)
    assert not path.exists()


def test_empty_database_stays_empty_without_create(postgres_schema_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="has no tables yet; run 'digestbot fetch'"):
        open_store(postgres_schema_url, create=False)
    assert inspect(plain_engine(postgres_schema_url)).get_table_names() == []


def test_processes_can_open_an_empty_database_at_once(store_url: str) -> None:
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


def test_migration_waits_for_the_lock(store_url: str) -> None:
    database = Database(read_url(store_url))
    with database.write() as connection:
        database.take_lock(connection, MIGRATE_LOCK)
        with pytest.raises(StoreUnavailable, match="lock"):
            open_store(store_url, busy_s=0.05)
    open_store(store_url).close()
    database.close()


def test_interrupted_migration_leaves_nothing(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last statement of the migration fails; the tables created before it must be gone.
    monkeypatch.setattr("alembic.migration.MigrationContext._ensure_version_table", refuse)
    with pytest.raises(RuntimeError, match="interrupted"):
        open_store(store_url)
    assert inspect(plain_engine(store_url)).get_table_names() == []


def refuse(*arguments: object, **options: object) -> None:
    raise RuntimeError("interrupted")


def test_schema_compiles_for_both_databases(store_url: str) -> None:
    dialect = read_url(store_url).get_dialect()()
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        assert all(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
