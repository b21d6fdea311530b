"""
Create or upgrade the tables of a database to those of `digestbot.store.tables`.

The usual start reads one row: Alembic is imported only if something must change. Two processes may
start at once, so an upgrade takes a lock and reads the revision again.
"""

import logging
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from digestbot.errors import ForeignStore, StoreTooNew, StoreUnavailable, StoreUnusable
from digestbot.store.database import MIGRATE_LOCK, Database, shown
from digestbot.store.tables import HEAD, metadata

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"

# Tables of every revision; the table of Alembic can belong to any program.
_OURS = {"announcements", "deliveries"}


def upgrade(database: Database, *, create: bool) -> None:
    """
    Upgrade *database* to `HEAD`.

    Args:
        database: The database to upgrade.
        create: Create the tables in a missing or empty database.

    Raises:
        StoreUnavailable: The database cannot be reached, or is empty and *create* is False.
        StoreUnusable: It lacks its version or a table.
        StoreTooNew: Its revision is unknown to this version of digestbot.
        ForeignStore: Its tables belong to another program.
    """
    if not create:
        _require_file(database)
    with database.read() as connection:
        revision = read_revision(connection, database)
    if revision == HEAD:
        return
    if revision is None and not create:
        raise StoreUnavailable(f"{shown(database.url)}: has no tables yet; run 'digestbot fetch'")
    _migrate(database)


def read_revision(connection: Connection, database: Database) -> str | None:
    """Return the revision of the tables, or None if there are none."""
    names = set(inspect(connection).get_table_names())
    if not names:
        return None
    if not names >= _OURS | {"alembic_version"}:
        found = ", ".join(sorted(names)[:3])
        raise ForeignStore(
            f"{shown(database.url)}: has tables of another program ({found}); "
            "give digestbot a separate database"
        )
    version = table("alembic_version", column("version_num"))
    revisions = connection.execute(select(version.c.version_num)).scalars().all()
    if len(revisions) != 1:
        raise StoreUnusable(
            f"{shown(database.url)}: its table alembic_version has {len(revisions)} rows instead "
            "of one, so its version is unknown; restore a backup"
        )
    if revisions[0] == HEAD and (missing := sorted(set(metadata.tables) - names)):
        raise StoreUnusable(
            f"{shown(database.url)}: the table {missing[0]} is missing; restore a backup"
        )
    return str(revisions[0])


def _require_file(database: Database) -> None:
    """Raise if the file is missing. Connecting would create it."""
    path = database.url.database
    if database.is_sqlite and path and path != ":memory:" and not Path(path).exists():
        raise StoreUnavailable(f"{shown(database.url)}: does not exist yet; run 'digestbot fetch'")


def _migrate(database: Database) -> None:
    """Apply missing revisions in one transaction. Both databases can undo schema changes."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with database.write() as connection:
        database.take_lock(connection, MIGRATE_LOCK)
        revision = read_revision(connection, database)
        if revision is not None and revision not in known:
            raise StoreTooNew(
                f"{shown(database.url)}: written by a newer digestbot (revision {revision}, "
                f"this version has {HEAD}); upgrade digestbot"
            )
        if revision != HEAD:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            log.info("store migrated", extra={"from_revision": revision, "to_revision": HEAD})
