"""Bytes per delivery in an SQLite file, with indexes and attempts."""

from pathlib import Path

import pytest

from digestbot.model import DeliveryState
from digestbot.store import Store, Transition, open_store
from tests.store.samples import NOW, mail, queue

BYTES_MAX = 200
AT_ONCE = 500
RECEIPT = "250 2.0.0 Ok: queued as 4RkVtL0Zqkz9rw"
"""A reply of Postfix."""


def file_size(store: Store) -> int:
    with store._database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    return int(pages) * int(size)


@pytest.mark.parametrize("count", [8_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_sent_delivery_takes_at_most_200_bytes(tmp_path: Path, count: int) -> None:
    # Unordered addresses, as in reality: they leave gaps in the index.
    addresses = [f"{n * 7919 % 1_000_003:06}.reader.{n % 97}@example.org" for n in range(count)]
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        queue(store)
        before = file_size(store)
        queue(store, *map(mail, addresses))
        while claimed := store.outbox.claim(NOW, lease_s=60, limit=AT_ONCE):
            for to, receipt in ((DeliveryState.DATA_DONE, None), (DeliveryState.SENT, RECEIPT)):
                store.outbox.apply([Transition(d.id, to, NOW, 1, receipt=receipt) for d in claimed])
        assert store.outbox.counts()[DeliveryState.SENT] == count + 1
        bytes_each = (file_size(store) - before) / count
    assert bytes_each <= BYTES_MAX
