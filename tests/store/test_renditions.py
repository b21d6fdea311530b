"""Forms of editions, and the fragments that they share."""

from random import Random

import pytest
from sqlalchemy import delete, func, select

from digestbot.model import Body, Form
from digestbot.store import Store
from digestbot.store import renditions as module
from digestbot.store.renditions import INLINE_MAX
from digestbot.store.tables import fragments, renditions
from tests.factories import NOW
from tests.store.samples import edition, register

PAPERS = tuple(b"paper %d " % number + b"x" * 3000 + b"\r\n" for number in range(40))


def record_forms(store: Store, name: str, bodies: dict[Form, Body]) -> int:
    """Record an edition of a new digest with these forms; return its key."""
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
    "body",
    [
        (),
        (b"a",),
        (b"a" * INLINE_MAX, b"b" * (INLINE_MAX + 1), b"\x00token", b"b" * (INLINE_MAX + 1)),
        (b"\x00" * 300, b"\xff" * 20),
        tuple(b"%d" % number + b"x" * 300 for number in range(1200)),
    ],
    ids=["none", "one", "short and long", "any octets", "many"],
)
def test_fragments_round_trip(store: Store, body: tuple[bytes, ...]) -> None:
    key = record_forms(store, "systems", {Form.HTML: body, Form.SLACK: "[]"})
    assert store.editions.rendition(key, Form.HTML) == body
    assert store.editions.rendition(key, Form.SLACK) == "[]"
    assert store.editions.rendition(key, Form.TEXT) is None


def test_shared_fragment_is_stored_once(store: Store) -> None:
    dice = Random(1)
    for number in range(30):
        own = tuple(dice.sample(PAPERS, 20))
        key = record_forms(store, f"digest-{number}", {Form.HTML: (b"frame %d" % number, *own)})
        assert store.editions.rendition(key, Form.HTML) == (b"frame %d" % number, *own)
    assert count(store) == len(PAPERS)
    with store.editions._database.read() as connection:
        query = select(func.max(func.length(renditions.c.fragments)))
        longest: int = connection.execute(query).scalar_one()
    assert longest < 400, "a personal edition stores keys of its papers"


def test_recent_fragments_are_read_from_memory(store: Store) -> None:
    first = record_forms(store, "one", {Form.HTML: PAPERS[:5]})
    second = record_forms(store, "other", {Form.HTML: PAPERS[2:5]})
    assert store.editions.rendition(first, Form.HTML) == PAPERS[:5]
    with store._database.write() as connection:
        connection.execute(delete(fragments))
    assert store.editions.rendition(second, Form.HTML) == PAPERS[2:5]


def test_fragment_cache_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_MAX", 10_000)
    key = record_forms(store, "one", {Form.HTML: PAPERS})
    for _ in range(3):
        assert store.editions.rendition(key, Form.HTML) == PAPERS
        assert len(store.editions._fragments._cached) <= len(PAPERS)
    other = record_forms(store, "other", {Form.HTML: (b"y" * 300,)})
    assert store.editions.rendition(other, Form.HTML) == (b"y" * 300,)
    assert len(store.editions._fragments._cached) == 1
