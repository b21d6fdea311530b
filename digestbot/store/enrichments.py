"""
The queue of papers that lack fields, and which service filled in what.

A paper joins the queue in the transaction that announces it, so a killed process loses none. Fields
are filled in by `Papers.complete`, which marks the paper in its transaction. Begin at `enqueue`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from digestbot.store.database import Database
from digestbot.store.tables import enrichment_services, enrichments, papers
from digestbot.store.values import Completion, ServiceState

FIELDS = ("abstract", "authors", "doi", "journal_ref", "document_type")
"""Columns of papers that services fill in."""

_Key = tuple[str, int]


class Enrichments:
    """The part of the store with the state of the services and of the papers that lack fields."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> dict[str, int]:
        """Count the papers of each source that wait for a service."""
        table = enrichments.c
        query = select(table.source, func.count().label("papers"))
        query = query.where(table.next_at.is_not(None)).group_by(table.source)
        with self._database.read() as connection:
            return {row.source: row.papers for row in connection.execute(query)}

    def origins(self, paper_id: str, version: int) -> dict[str, str]:
        """Return the fields of a paper that a service filled in, with the service's name."""
        query = select(enrichments.c.filled, *(papers.c[name] for name in FIELDS))
        query = query.join_from(enrichments, papers, _SAME_PAPER)
        mine = (enrichments.c.paper_id == paper_id, enrichments.c.version == version)
        with self._database.read() as connection:
            row = connection.execute(query.where(*mine)).first()
        return {} if row is None else _origins(row)

    def services(self) -> tuple[ServiceState, ...]:
        """List the services that were asked, by name."""
        query = select(enrichment_services).order_by(enrichment_services.c.name)
        with self._database.read() as connection:
            return tuple(ServiceState(**row._mapping) for row in connection.execute(query))

    def record_services(self, states: Iterable[ServiceState]) -> None:
        """Store the outcome of each service; a failure keeps the time of its last success."""
        with self._database.write() as connection:
            for state in states:
                values = asdict(state)
                insert = self._database.insert(enrichment_services).values(values)
                if state.last_ok_at is None:
                    del values["last_ok_at"]
                connection.execute(
                    insert.on_conflict_do_update(index_elements=["name"], set_=values)
                )


_SAME_PAPER = (enrichments.c.paper_id == papers.c.paper_id) & (
    enrichments.c.version == papers.c.version
)


def enqueue(
    connection: Connection, database: Database, source: str, keys: Iterable[_Key], now: datetime
) -> None:
    """Queue the papers with these ids and versions, unless they were queued before."""
    rows = [
        {
            "paper_id": paper_id,
            "version": version,
            "source": source,
            "queued_at": now,
            "tries": 0,
            "next_at": now,
            "filled": {},
        }
        for paper_id, version in keys
    ]
    if rows:
        connection.execute(database.insert(enrichments).on_conflict_do_nothing(), rows)


def due(
    connection: Connection, sources: Iterable[str], now: datetime, *, limit: int
) -> list[Row[Any]]:
    """Return the due rows of *sources* with their papers, the newest of the queue first."""
    table = enrichments.c
    query = select(table.source, table.tries, table.queued_at, *papers.c)
    query = query.join_from(enrichments, papers, _SAME_PAPER)
    query = query.where(table.next_at <= now, table.source.in_(sorted(sources)))
    query = query.order_by(table.queued_at.desc(), table.paper_id, table.version).limit(limit)
    return list(connection.execute(query))


def mark(
    connection: Connection, completion: Completion, filled: Mapping[str, Any], now: datetime
) -> None:
    """Note an attempt for the queued paper, and the columns *filled* with their values."""
    mine = (
        enrichments.c.paper_id == completion.paper_id,
        enrichments.c.version == completion.version,
    )
    before = connection.execute(select(enrichments.c.filled).where(*mine)).scalar() or {}
    learned = {
        name: [service, _hash(filled[name])]
        for name, service in completion.origins.items()
        if name in filled
    }
    values = {
        "tries": enrichments.c.tries + int(completion.is_answered),
        "tried_at": now,
        "next_at": completion.next_at,
        "filled": before | learned,
    }
    connection.execute(update(enrichments).where(*mine).values(values))


def _origins(row: Row[Any]) -> dict[str, str]:
    stored = row._mapping
    return {
        name: service
        for name, (service, digest) in row.filled.items()
        if name in stored and _hash(stored[name]) == digest
    }


def _hash(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
