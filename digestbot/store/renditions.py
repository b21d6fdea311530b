"""
The forms of editions as they will be sent, today and in any retry: texts, and mails in pieces.

A piece that many editions have, such as a paper, is stored once and named by its content, so that
a personal edition costs some hundred octets and no copy of its papers. Begin at `keep`.
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
"""Octets of a key: of a hash that nobody can find a second text for by chance."""
INLINE_MAX = 255
"""Octets of a piece that stands in the edition's own row: not worth a row and a key."""
KEPT_MAX = 32 * 1024 * 1024
"""Octets of pieces that a process keeps in memory: those of a day's papers have about ten."""


class FragmentCache:
    """
    The contents of pieces, those that were read lately from memory; may be used from any thread.

    The editions of a day share their papers: read anew for each lot of deliveries, they were a
    seventh of the work of sending it (make bench).
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}
        self._size = 0
        self._lock = Lock()

    def of(self, connection: Connection, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The contents of *keys*."""
        with self._lock:
            known = {key: self._kept[key] for key in keys if key in self._kept}
        new = _contents(connection, [key for key in keys if key not in known])
        with self._lock:
            if self._size > KEPT_MAX:
                self._kept, self._size = {}, 0
            self._kept |= new
            self._size += sum(map(len, new.values()))
        return known | new


def keep(
    database: Database, connection: Connection, edition_id: int, bodies: Mapping[Form, Body]
) -> None:
    """Store the forms of an edition, and of their pieces those that are new."""
    new: dict[bytes, bytes] = {}
    rows = []
    for form, body in bodies.items():
        row = {"edition_id": edition_id, "form": form, "body": None, "pieces": None}
        if isinstance(body, str):
            rows.append({**row, "body": body})
            continue
        new |= {_key(piece): piece for piece in body if len(piece) > INLINE_MAX}
        rows.append({**row, "pieces": _listed(body)})
    # In the order of their keys, so that two editions that share many do not wait for each other.
    for some in chunks(sorted(new.items())):
        values = [{"key": key, "content": content} for key, content in some]
        connection.execute(database.insert(fragments).on_conflict_do_nothing(), values)
    if rows:
        connection.execute(insert(renditions), rows)


def read(
    connection: Connection,
    edition_ids: Collection[int],
    forms: Collection[Form],
    kept: FragmentCache | None = None,
) -> dict[tuple[int, Form], Body]:
    """Those forms of those editions as they were kept, in few queries; without what was not."""
    rows: list[Row[Any]] = []
    for some in chunks(sorted(edition_ids)):
        query = select(renditions).where(renditions.c.edition_id.in_(some))
        rows += connection.execute(query.where(renditions.c.form.in_(sorted(forms))))
    bodies: dict[tuple[int, Form], Body] = {}
    named: dict[tuple[int, Form], tuple[list[bytes], list[int]]] = {}
    for row in rows:
        if row.pieces is None:
            bodies[row.edition_id, row.form] = row.body
        else:
            named[row.edition_id, row.form] = _parts(row.pieces)
    keys = {pieces[place] for pieces, places in named.values() for place in places}
    contents = (kept or FragmentCache()).of(connection, keys)
    for edition_and_form, (pieces, places) in named.items():
        for place in places:
            pieces[place] = contents[pieces[place]]
        bodies[edition_and_form] = tuple(pieces)
    return bodies


def _contents(connection: Connection, keys: Collection[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    query = select(fragments.c.key, fragments.c.content)
    for some in chunks(sorted(keys)):
        rows = connection.execute(query.where(fragments.c.key.in_(some)))
        found |= {bytes(row.key): bytes(row.content) for row in rows}
    return found


def _key(piece: bytes) -> bytes:
    return blake2b(piece, digest_size=KEY).digest()


def _listed(pieces: Iterable[bytes]) -> bytes:
    """Each piece as an octet of length and itself, or as zero and its key."""
    return b"".join(
        bytes((len(piece),)) + piece if len(piece) <= INLINE_MAX else b"\x00" + _key(piece)
        for piece in pieces
    )


def _parts(listed: bytes) -> tuple[list[bytes], list[int]]:
    """The pieces, with keys instead of those that stand elsewhere; the places of the keys."""
    pieces: list[bytes] = []
    keys: list[int] = []
    at, end = 0, len(listed)
    while at < end:
        length = listed[at]
        if not length:
            keys.append(len(pieces))
            length = KEY
        begin, at = at + 1, at + 1 + length
        pieces.append(listed[begin:at])
    return pieces, keys
