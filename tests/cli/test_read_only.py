"""Commands that only read: on a filled store they change no row."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy.exc import InternalError

from digestbot.errors import StoreUnavailable
from digestbot.store import open_store
from tests.cli.conftest import Bot, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer
from tests.store.samples import register

READERS = "[{email: [a@example.org, b@example.org]}, {folder: out}]"
NEW_DIGEST = "  fresh: {schedule: daily 09:00, deliver: [{email: new@example.org}]}\n"
"""A digest that the store does not have when the commands run."""
COMMANDS = (
    ("status",),
    ("explain", "systems", "2611.00004"),
    ("explain", "fresh", "2611.00004"),
    ("explain", "2611.00004", "--sent-to", "a@example.org"),
    ("explain", "fresh", "2611.00004", "--sent-to", "new@example.org"),
    ("preview", "systems"),
    ("preview", "fresh", "--since", "7d", "--format", "eml"),
    ("check",),
    ("backtest", "systems", "--since", "30d"),
    ("coverage",),
    ("editions",),
    ("editions", "show", "systems/1"),
    ("deliveries",),
    ("deliveries", "list", "--state", "sent"),
    ("deliveries", "show", "1"),
    ("deliveries", "export", "-"),
    ("subscribers",),
    ("subscribers", "list", "fresh", "--all"),
    ("subscribers", "export"),
    ("suppressions",),
    ("suppressions", "export"),
)


@pytest.fixture
def filled(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    """A store with an edition that was sent, and a config that it does not match any more."""
    old = "  old: {schedule: daily 09:00, deliver: [{folder: old}]}\n"
    configure(arxiv.url, top=smtp_keys(smtp), deliver=READERS, more=old)
    assert bot("run").code == 0
    assert bot("suppressions", "add", "b@example.org").code == 0
    configure(arxiv.url, top=smtp_keys(smtp), deliver=READERS, more=NEW_DIGEST)


def dump() -> list[str]:
    """Return every row of the store as SQL."""
    with closing(sqlite3.connect("digestbot.db")) as connection:
        return list(connection.iterdump())


@contextmanager
def unchanged() -> Iterator[None]:
    """Fail if a row changes within the block."""
    before = dump()
    yield
    after = dump()
    assert set(after) ^ set(before) == set()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_reading_command_changes_no_row(bot: Bot, filled: None, command: tuple[str, ...]) -> None:
    with unchanged():
        called = bot(*command, at=NOW)
    assert called.code in {0, 1}
    assert "readonly" not in called.err
    assert called.out


def test_a_command_that_writes_is_caught(bot: Bot, filled: None) -> None:
    with pytest.raises(AssertionError), unchanged():
        bot("subscribers", "add", "systems", "c@example.org")


def test_a_read_only_store_refuses_to_write(store_url: str) -> None:
    with open_store(store_url) as store:
        register(store)
    with open_store(store_url, read_only=True) as store:
        state = store.digests.state("systems")
        with pytest.raises((StoreUnavailable, InternalError), match=r"read-?only"):
            store.digests.set_error("systems", "x")
        assert store.digests.state("systems") == state


def test_a_removed_digest_is_shown_before_and_after_the_sync(bot: Bot, filled: None) -> None:
    before = bot("subscribers", "list", "--all").out
    assert (
        "old: removed from the config; its subscriptions end at the next run" in bot("status").out
    )
    assert bot("run").code in {0, 1}
    assert "old: removed from the config; its subscriptions have ended" in bot("status").out
    assert bot("subscribers", "list", "--all").out == before
    (line,) = (line for line in before.splitlines() if line.startswith("old "))
    assert "  ended  " in line
