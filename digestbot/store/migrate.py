"""
Bring a database to the tables of `digestbot.store.tables`, or say why not.

The usual start reads one row and goes on: Alembic is imported only when something must change.
Two processes may start at once: who changes the schema holds a lock and looks again first.
"""

import logging
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from digestbot.errors import ForeignStore, StoreTooNew, StoreUnavailable
from digestbot.store.database import MIGRATE_LOCK, Database, shown
from digestbot.store.tables import HEAD

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"

# Tables that no digestbot has ever been without; Alembic's own table may be anybody's.
_OURS = {"announcements", "deliveries"}


def bring_to_head(database: Database, *, create: bool) -> None:
    """
    Make the tables, or bring older ones up to date; does nothing to a database at `HEAD`.

    Args:
        database: Where; an empty one is given its tables if *create*.
        create: Whether a database that does not exist or is empty is welcome.

    Raises:
        StoreUnavailable: It cannot be reached, or it is empty and not to be created.
        StoreTooNew: Its revision is none that this version knows.
        ForeignStore: It holds tables, but not ours.
    """
    if not create:
        _require_file(database)
    with database.read() as connection:
        revision = read_revision(connection, database)
    if revision == HEAD:
        return
    if revision is None and not create:
        raise StoreUnavailable(f"{shown(database.url)}: there are no tables yet; fetch first")
    _migrate(database)


def read_revision(connection: Connection, database: Database) -> str | None:
    """The revision of the tables that are there; None for an empty database."""
    names = set(inspect(connection).get_table_names())
    if not names:
        return None
    if not names >= _OURS | {"alembic_version"}:
        found = ", ".join(sorted(names)[:3])
        raise ForeignStore(
            f"{shown(database.url)}: holds tables that are not digestbot's ({found}); "
            "name a database of its own"
        )
    version = table("alembic_version", column("version_num"))
    revision: str = connection.execute(select(version.c.version_num)).scalar_one()
    return revision


def _require_file(database: Database) -> None:
    """Connecting would create the file."""
    path = database.url.database
    if database.is_sqlite and path and path != ":memory:" and not Path(path).exists():
        raise StoreUnavailable(f"{shown(database.url)}: there is no such file yet; fetch first")


def _migrate(database: Database) -> None:
    """All missing revisions in one transaction: both databases can undo changes of the schema."""
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
                f"this one knows {HEAD}); upgrade digestbot"
            )
        if revision != HEAD:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            log.info("store migrated", extra={"from_revision": revision, "to_revision": HEAD})
