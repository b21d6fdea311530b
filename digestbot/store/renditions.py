"""
Forms of editions as they are sent, in the first attempt and in any retry.

A text is stored whole, an email as fragments. A fragment that many editions share, such as a paper,
is stored once under a hash of its content, so that a personal edition takes a few hundred octets.
Begin at `insert_forms`.
"""

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from digestbot.model import Body, Form
from digestbot.store.database import Database, chunks
from digestbot.store.tables import fragments, renditions

KEY = 16
"""Octets of a key, a hash long enough to exclude chance collisions."""
INLINE_MAX = 255
"""Largest fragment, in octets, that is stored in the edition's own row."""
CACHE_MAX = 32 * 1024 * 1024
"""Octets of fragments that a process caches; those of a day's papers take about ten MiB."""


class FragmentCache:
    """
    Contents of fragments read recently, for use from any thread.

    The editions of a day share their papers. Reading them for each batch of deliveries was a
    seventh of the work of sending it (make bench).
    """

    def __init__(self) -> None:
        self._cached: dict[bytes, bytes] = {}
        self._size = 0
        self._lock = Lock()

    def of(self, connection: Connection, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the contents of the fragments *keys*."""
        with self._lock:
            known = {key: self._cached[key] for key in keys if key in self._cached}
        new = _contents(connection, [key for key in keys if key not in known])
        with self._lock:
            if self._size > CACHE_MAX:
                self._cached, self._size = {}, 0
            self._cached |= new
            self._size += sum(map(len, new.values()))
        return known | new


def insert_forms(
    database: Database, connection: Connection, edition_id: int, bodies: Mapping[Form, Body]
) -> None:
    """Insert the forms of an edition and their new fragments."""
    new: dict[bytes, bytes] = {}
    rows = []
    for form, body in bodies.items():
        row = {"edition_id": edition_id, "form": form, "body": None, "fragments": None}
        if isinstance(body, str):
            rows.append({**row, "body": body})
            continue
        new |= {_key(part): part for part in body if len(part) > INLINE_MAX}
        rows.append({**row, "fragments": _encode(body)})
    # In order of their keys, so that two editions that share many cannot deadlock.
    for some in chunks(sorted(new.items())):
        values = [{"key": key, "content": content} for key, content in some]
        connection.execute(database.insert(fragments).on_conflict_do_nothing(), values)
    if rows:
        connection.execute(insert(renditions), rows)


def read_forms(
    connection: Connection,
    edition_ids: Collection[int],
    forms: Collection[Form],
    cache: FragmentCache | None = None,
) -> dict[tuple[int, Form], Body]:
    """Read forms of editions in few queries. Missing ones are left out."""
    rows: list[Row[Any]] = []
    for some in chunks(sorted(edition_ids)):
        query = select(renditions).where(renditions.c.edition_id.in_(some))
        rows += connection.execute(query.where(renditions.c.form.in_(sorted(forms))))
    bodies: dict[tuple[int, Form], Body] = {}
    named: dict[tuple[int, Form], tuple[list[bytes], list[int]]] = {}
    for row in rows:
        if row.fragments is None:
            bodies[row.edition_id, row.form] = row.body
        else:
            named[row.edition_id, row.form] = _decode(row.fragments)
    keys = {parts[place] for parts, places in named.values() for place in places}
    contents = (cache or FragmentCache()).of(connection, keys)
    for edition_and_form, (parts, places) in named.items():
        for place in places:
            parts[place] = contents[parts[place]]
        bodies[edition_and_form] = tuple(parts)
    return bodies


def _contents(connection: Connection, keys: Collection[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    query = select(fragments.c.key, fragments.c.content)
    for some in chunks(sorted(keys)):
        rows = connection.execute(query.where(fragments.c.key.in_(some)))
        found |= {bytes(row.key): bytes(row.content) for row in rows}
    return found


def _key(fragment: bytes) -> bytes:
    return blake2b(fragment, digest_size=KEY).digest()


def _encode(body: Iterable[bytes]) -> bytes:
    """Encode short fragments with their length, others as zero and their key."""
    return b"".join(
        bytes((len(part),)) + part if len(part) <= INLINE_MAX else b"\x00" + _key(part)
        for part in body
    )


def _decode(encoded: bytes) -> tuple[list[bytes], list[int]]:
    """Return the fragments, some as keys, and the positions of the keys."""
    parts: list[bytes] = []
    keys: list[int] = []
    at, end = 0, len(encoded)
    while at < end:
        length = encoded[at]
        if not length:
            keys.append(len(parts))
            length = KEY
        begin, at = at + 1, at + 1 + length
        parts.append(encoded[begin:at])
    return parts, keys
