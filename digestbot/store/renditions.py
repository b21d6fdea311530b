"""
The forms of editions as they will be sent, today and in any retry: texts, and mails in pieces.

A piece that many editions have, such as a paper, is stored once and named by its content, so that
a personal edition costs some hundred octets and no copy of its papers. Begin at `keep`.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from sqlalchemy import Connection, insert, select

from digestbot.model import Body, Form, Pieces
from digestbot.store.database import Database, chunks
from digestbot.store.tables import fragments, renditions

KEY = 16
"""Octets of a key: of a hash that nobody can find a second text for by chance."""
INLINE_MAX = 255
"""Octets of a piece that stands in the edition's own row: not worth a row and a key."""


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


def read(connection: Connection, edition_id: int, form: Form) -> Body | None:
    """The form as it was kept; None if it was not."""
    query = select(renditions.c.body, renditions.c.pieces)
    query = query.where(renditions.c.edition_id == edition_id, renditions.c.form == form)
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.pieces is None:
        text: str = row.body
        return text
    return _gathered(connection, tuple(_parts(row.pieces)))


def _gathered(connection: Connection, parts: tuple[tuple[bool, bytes], ...]) -> Pieces:
    found: dict[bytes, bytes] = {}
    query = select(fragments.c.key, fragments.c.content)
    for some in chunks(sorted({part for is_key, part in parts if is_key})):
        rows = connection.execute(query.where(fragments.c.key.in_(some)))
        found |= {bytes(row.key): bytes(row.content) for row in rows}
    return tuple(found[part] if is_key else part for is_key, part in parts)


def _key(piece: bytes) -> bytes:
    return blake2b(piece, digest_size=KEY).digest()


def _listed(pieces: Iterable[bytes]) -> bytes:
    """Each piece as an octet of length and itself, or as zero and its key."""
    return b"".join(
        bytes((len(piece),)) + piece if len(piece) <= INLINE_MAX else b"\x00" + _key(piece)
        for piece in pieces
    )


def _parts(listed: bytes) -> Iterator[tuple[bool, bytes]]:
    """Whether it is a key, and the key or the piece."""
    at = 0
    while at < len(listed):
        is_key = listed[at] == 0
        end = at + 1 + (KEY if is_key else listed[at])
        yield is_key, listed[at + 1 : end]
        at = end
