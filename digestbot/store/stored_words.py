"""
Rebuild the words of stored papers after the splitting rules have changed.

Words of other rules are ignored, and the text is split at each matching: right, but slow. A run
rebuilds them in batches; each is one transaction with the place it has reached, so a killed rebuild
resumes there. Begin at `rebuild_words`.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, select, tuple_, update

from digestbot.store.database import INGEST_LOCK, Database
from digestbot.store.tables import papers, word_rebuilds
from digestbot.text import pack_words, unpack_words
from digestbot.text.canonical import RULES

BATCH = 500
"""Papers per transaction; 0.2 s."""
LIMIT = 20_000
"""Papers per run; a larger store takes several."""


def rebuild_words(database: Database, *, limit: int = LIMIT) -> int:
    """
    Rebuild the words of up to *limit* papers, in the order of their ids. Return the number changed.

    One query when nothing is left to do. Papers fetched meanwhile have current words.
    """
    changed = 0
    for _ in range(0, limit, BATCH):
        with database.read() as connection:
            if _place(connection) is None:
                break
        with database.write() as connection:
            database.take_lock(connection, INGEST_LOCK)
            changed += _rebuild_batch(database, connection)
    return changed


def _place(connection: Connection) -> tuple[str, int] | None:
    """Return the last paper that has been checked for the current rules; None if all have."""
    row = connection.execute(select(word_rebuilds).where(word_rebuilds.c.rules == RULES)).first()
    if row is None:
        return "", 0
    return None if row.is_complete else (row.paper_id, row.version)


def _rebuild_batch(database: Database, connection: Connection) -> int:
    place = _place(connection)
    if place is None:  # another process was faster
        return 0
    key = tuple_(papers.c.paper_id, papers.c.version)
    query = select(*_COLUMNS).where(key > place).order_by(papers.c.paper_id, papers.c.version)
    rows = connection.execute(query.limit(BATCH)).all()
    stale = [
        row for row in rows if None in map(unpack_words, (row.title_words, row.abstract_words))
    ]
    if stale:
        connection.execute(_UPDATE, [_words(row) for row in stale])
    last = (rows[-1].paper_id, rows[-1].version) if rows else place
    values = {"paper_id": last[0], "version": last[1], "is_complete": len(rows) < BATCH}
    new = database.insert(word_rebuilds).values({"rules": RULES, **values})
    connection.execute(new.on_conflict_do_update(index_elements=["rules"], set_=values))
    return len(stale)


_COLUMNS = (
    papers.c.paper_id, papers.c.version, papers.c.title, papers.c.abstract, papers.c.title_words,
    papers.c.abstract_words,
)  # fmt: skip
_UPDATE = (
    update(papers)
    .where(papers.c.paper_id == bindparam("of_paper"), papers.c.version == bindparam("of_version"))
    .values(title_words=bindparam("new_title"), abstract_words=bindparam("new_abstract"))
)


def _words(row: Any) -> dict[str, Any]:
    return {
        "of_paper": row.paper_id,
        "of_version": row.version,
        "new_title": pack_words(row.title),
        "new_abstract": pack_words(row.abstract),
    }
