"""Faults of the house while mails go out: two runs on one store."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from digestbot.config import Config, load_config
from digestbot.model import DeliveryState
from digestbot.pipeline import deliver
from digestbot.store import Store, open_store
from tests.pipeline.test_killing import CONFIG
from tests.servers.letters import frozen_mail
from tests.servers.smtp import SmtpServer
from tests.store.samples import NOW, edition, mail, register

READERS = 30


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer(pipelining=True) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, smtp: SmtpServer) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(port=smtp.port, connections=2))
    return load_config(path, {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def filled(path: Path) -> Iterator[Store]:
    """A store with an edition that waits for its readers."""
    with open_store(f"sqlite:///{path}") as store:
        register(store)
        bodies = frozen_mail(subject="One paper", text="Serverless\n", html="<p>Serverless</p>\n")
        readers = [(mail(f"reader{n}@example.org"), None) for n in range(READERS)]
        made = edition()
        store.editions.record(
            made.digest, made, (), bodies, readers, None, NOW, message_domain="example.org"
        )
        yield store


def test_two_runs_on_one_store_send_each_mail_once(
    filled: Store, config: Config, smtp: SmtpServer, path: Path
) -> None:
    async def both() -> int:
        with open_store(f"sqlite:///{path}") as second:
            runs = (
                deliver(store, config, clock=lambda: NOW, random=Random(1))
                for store in (filled, second)
            )
            return sum(done.sent for done in await asyncio.gather(*runs))

    assert asyncio.run(both()) == READERS
    assert len({m.recipients for m in smtp.messages}) == len(smtp.messages) == READERS


def test_a_run_that_is_stopped_takes_nobodys_place_of_the_day(
    filled: Store, config: Config, smtp: SmtpServer
) -> None:
    once_a_day = replace(config, brakes=replace(config.brakes, per_day=1))
    stops = iter([False])  # not before the claim, but before anything of it is begun

    async def run(stop: Callable[[], bool]) -> int:
        done = await deliver(filled, once_a_day, clock=lambda: NOW, random=Random(1), stop=stop)
        return done.sent

    assert asyncio.run(run(lambda: next(stops, True))) == 0
    assert filled.outbox.counts()[DeliveryState.QUEUED] == READERS
    assert asyncio.run(run(lambda: False)) == READERS
