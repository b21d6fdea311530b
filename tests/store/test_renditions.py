"""Forms of editions in pieces: what they share is stored once, and each is read back as it was."""

from random import Random

import pytest
from sqlalchemy import func, select

from digestbot.model import Body, Form
from digestbot.store import Store
from digestbot.store.renditions import INLINE_MAX
from digestbot.store.tables import fragments, renditions
from tests.factories import NOW
from tests.store.samples import edition, register

PAPERS = tuple(b"paper %d " % number + b"x" * 3000 + b"\r\n" for number in range(40))


def kept(store: Store, name: str, bodies: dict[Form, Body]) -> int:
    """The key of an edition of a new digest, with those forms."""
    register(store, name)
    key = store.editions.record(
        name, edition(digest=name), (), bodies, (), None, NOW, message_domain="example.org"
    )
    assert key is not None
    return key


def count(store: Store) -> int:
    with store.editions._database.read() as connection:
        found: int = connection.execute(select(func.count()).select_from(fragments)).scalar_one()
    return found


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"a",),
        (b"a" * INLINE_MAX, b"b" * (INLINE_MAX + 1), b"\x00token", b"b" * (INLINE_MAX + 1)),
        (b"\x00" * 300, b"\xff" * 20),
        tuple(b"%d" % number + b"x" * 300 for number in range(1200)),
    ],
    ids=["none", "one", "short and long", "any octets", "many"],
)
def test_pieces_come_back_as_they_were(store: Store, pieces: tuple[bytes, ...]) -> None:
    key = kept(store, "systems", {Form.HTML: pieces, Form.SLACK: "[]"})
    assert store.editions.rendition(key, Form.HTML) == pieces
    assert store.editions.rendition(key, Form.SLACK) == "[]"
    assert store.editions.rendition(key, Form.TEXT) is None


def test_a_piece_of_many_editions_is_stored_once(store: Store) -> None:
    dice = Random(1)
    for number in range(30):
        own = tuple(dice.sample(PAPERS, 20))
        key = kept(store, f"digest-{number}", {Form.HTML: (b"frame %d" % number, *own)})
        assert store.editions.rendition(key, Form.HTML) == (b"frame %d" % number, *own)
    assert count(store) == len(PAPERS)
    with store.editions._database.read() as connection:
        query = select(func.max(func.length(renditions.c.pieces)))
        longest: int = connection.execute(query).scalar_one()
    assert longest < 400, "a personal edition costs its keys, not its papers"
