"""
Answers about us, against a real server: the kind is paused, and no delivery is charged with it.

A clock that the waits of the stage move replaces the real one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from digestbot.config import Config, load_config
from digestbot.model import Delivery, DeliveryState
from digestbot.pipeline import Delivered, deliver
from digestbot.status import gather
from digestbot.store import Store, open_store
from tests.pipeline.test_killing import CONFIG, fill
from tests.servers.smtp import CUT, SILENCE, SmtpServer
from tests.store.samples import NOW, register

READERS = 8
LIMITED = "sending_limits: {per_day: 1}\n"


class Clock:
    """Time that passes only while the stage sleeps."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Any:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def load(tmp_path: Path, server: SmtpServer, more: str = "") -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(more + CONFIG.format(port=server.port, connections=2))
    return load_config(path, {})


@contextmanager
def filled(tmp_path: Path, readers: int = READERS) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        register(store)
        fill(store, 1, readers=readers)
        yield store


def run(store: Store, config: Config, clock: Clock, *, patience_s: float = 60) -> Delivered:
    random = Random(1)
    how: dict[str, Any] = {"clock": clock, "sleep": clock.sleep, "patience_s": patience_s}
    return asyncio.run(deliver(store, config, random=random, **how))


def all_of(store: Store) -> tuple[Delivery, ...]:
    return store.outbox.list(limit=100_000)


ABOUT_US = [
    ("RCPT", "504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname"),
    ("DOT", "554 5.2.252 SendAsDenied, box@tenant.example not allowed to send"),
    ("DOT", "550 5.4.5 Daily user sending limit exceeded. - gsmtp"),
    ("DOT", "550 5.1.90 Your message can't be sent because you've reached your daily limit"),
    ("CONNECT", "421 4.7.0 Too many connections from your address, try later"),
    ("CONNECT", "554 No SMTP service"),
    ("CONNECT", CUT),
    ("MAIL", "450 4.7.1 Error: too much mail from 192.0.2.9"),
    ("RCPT", "550 what nobody has heard of"),
]


@pytest.mark.parametrize(("phase", "reply"), ABOUT_US, ids=[reply for _, reply in ABOUT_US])
def test_answer_about_us_costs_no_delivery_anything(
    phase: str, reply: str, tmp_path: Path, clock: Clock
) -> None:
    with SmtpServer() as server, filled(tmp_path) as store:
        config = load(tmp_path, server)
        server.faults = [(phase, reply)] * 100
        done = run(store, config, clock)
        assert (done.sent, done.dead, done.all_sent) == (0, 0, False)
        assert done.waiting + done.retrying == READERS
        unclear = (2, 3) if "nobody" in reply else (0,)
        assert sum(d.attempts for d in all_of(store)) in unclear
        assert {d.state for d in all_of(store)} <= {DeliveryState.QUEUED, DeliveryState.RETRYING}
        assert not any(
            store.subscriptions.is_suppressed(d.destination.address) for d in all_of(store)
        )
        server.faults = []
        clock.now += timedelta(days=1)
        assert run(store, config, clock).sent == READERS
        assert len(server.messages) == READERS
        assert store.pauses.list(NOW) == ()


@pytest.mark.parametrize(
    ("fault", "readers"),
    [(CUT, 10), (CUT, 1_000), (CUT, 100_000), (SILENCE, 1_000), ("421 4.3.2 down", 1_000)],
)
def test_server_that_is_down_is_asked_thrice_in_a_minute(
    fault: str, readers: int, tmp_path: Path, clock: Clock
) -> None:
    """Whatever the number of readers, and with the ticks of `serve` going on."""
    with SmtpServer() as server, filled(tmp_path, readers) as store:
        config = with_timeout(load(tmp_path, server), timedelta(seconds=0.2))
        server.faults = [("CONNECT", fault)] * 1_000
        while clock.now < NOW + timedelta(minutes=1):
            run(store, config, clock, patience_s=0)
            clock.now += timedelta(seconds=10)
        assert 1 <= server.connections <= 3
        assert sum(d.attempts for d in store.outbox.list(limit=200)) == 0


def with_timeout(config: Config, timeout: timedelta) -> Config:
    assert config.smtp is not None
    return replace(config, smtp=replace(config.smtp, timeout=timeout))


def test_quota_waits_for_the_next_day(tmp_path: Path, clock: Clock) -> None:
    quota = "550 5.4.5 Daily user sending limit exceeded"
    with SmtpServer() as server, filled(tmp_path) as store:
        config = load(tmp_path, server)
        taken = 3
        server.quota = (taken, quota)
        assert run(store, config, clock).sent == taken
        connections = server.connections
        for _ in range(10):
            clock.now += timedelta(minutes=30)
            done = run(store, config, clock)
            assert (done.sent, done.waiting) == (0, READERS - taken)
            assert "Daily user sending limit" in done.errors[0]
        assert server.connections == connections
        server.quota = None
        clock.now += timedelta(days=1)
        assert run(store, config, clock).sent == READERS - taken


def test_released_first_attempts_use_up_no_daily_cap(tmp_path: Path, clock: Clock) -> None:
    with SmtpServer() as server, filled(tmp_path) as store:
        config = load(tmp_path, server, LIMITED)
        server.faults = [("CONNECT", "421 4.3.2 down")]
        assert run(store, config, clock, patience_s=0).sent == 0
        clock.now += timedelta(minutes=1)
        assert run(store, config, clock).sent == READERS


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("RCPT", "451 4.7.1 Greylisted"),
        ("RCPT", CUT),
        ("DATA", CUT),
        ("CONNECT", CUT),
        ("CONNECT", "421 4.3.2 shutting down"),
        ("DOT", "451 4.3.0 later"),
    ],
)
def test_short_failure_is_waited_out(phase: str, reply: str, tmp_path: Path, clock: Clock) -> None:
    with SmtpServer(faults=[(phase, reply)]) as server, filled(tmp_path) as store:
        done = run(store, load(tmp_path, server), clock)
        assert done == Delivered(sent=READERS)
        assert len(server.messages) == READERS
        assert {d.attempts for d in all_of(store)} == {1}
        assert timedelta(0) < clock.now - NOW <= timedelta(seconds=60)


def test_without_patience_nothing_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    with SmtpServer(faults=[("RCPT", "451 4.7.1 no")]) as server, filled(tmp_path) as store:
        done = run(store, load(tmp_path, server), clock, patience_s=0)
        assert (done.sent, done.retrying, clock.now) == (READERS - 1, 1, NOW)


def test_patience_ends(tmp_path: Path, clock: Clock) -> None:
    with SmtpServer() as server, filled(tmp_path) as store:
        server.refuse("reader1@example.org", "451 4.7.1 Greylisted")
        done = run(store, load(tmp_path, server), clock)
        assert (done.sent, done.retrying) == (READERS - 1, 1)
        assert clock.now - NOW <= timedelta(seconds=60)
        assert max(d.attempts for d in all_of(store)) == 1


def test_greylisting_does_not_hold_up_the_others(tmp_path: Path, clock: Clock) -> None:
    with SmtpServer() as server, filled(tmp_path) as store:
        for number in range(4):
            server.refuse(f"reader{number}@example.org", "451 4.7.1 Greylisted")
        done = run(store, load(tmp_path, server), clock, patience_s=0)
        assert (done.sent, done.retrying, done.waiting) == (READERS - 4, 4, 0)


def test_status_names_the_pause_and_the_addresses(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with SmtpServer() as server, filled(tmp_path) as store:
        config = load(tmp_path, server)
        server.refuse("reader1@example.org", "550 5.1.1 no such user")
        server.quota = (3, "550 5.4.5 Daily user sending limit exceeded")
        run(store, config, clock)
        problems = "\n".join(gather(store, config, clock.now).problems)
    assert "email reader1@example.org: the mail server refused" in problems
    assert "email: paused until 2026-" in problems
    assert "Daily user sending limit exceeded" in problems
    assert "reader1@example.org" not in caplog.text


def test_operator_lifts_a_pause(tmp_path: Path, clock: Clock) -> None:
    with SmtpServer(faults=[("CONNECT", "554 no")]) as server, filled(tmp_path) as store:
        config = load(tmp_path, server)
        assert run(store, config, clock, patience_s=0).sent == 0
        assert run(store, config, clock, patience_s=0).waiting == READERS
        store.pauses.lift(only_operator=True)
        assert run(store, config, clock, patience_s=0).sent == READERS
