"""Slack in a run: a rate limit is waited out, and a refused token is reported."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from digestbot.config import Config, load_config
from digestbot.model import DeliveryState
from digestbot.pipeline import deliver
from digestbot.status import gather
from digestbot.store import open_store
from tests.pipeline.test_answers_about_us import Clock, run
from tests.pipeline.test_killing import SLACK_CONFIG, TEXTS, fill_slack
from tests.servers.slack import TOKEN, Fault, SlackServer
from tests.store.samples import NOW, register


def limited(seconds: int) -> Fault:
    return 429, '{"ok": false, "error": "ratelimited"}', {"Retry-After": str(seconds)}


def load(tmp_path: Path, server: SlackServer, token: str = TOKEN) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(SLACK_CONFIG.format(token=token, url=server.url))
    return load_config(path, {})


def test_rate_limit_is_waited_out(tmp_path: Path) -> None:
    """
    The thread continues behind the last message posted, after at least Retry-After.

    The channel's limit is kept in the event loop's time, so that this test waits in earnest.
    """
    begin = time.monotonic()

    def clock() -> datetime:
        return NOW + timedelta(seconds=time.monotonic() - begin)

    with (
        SlackServer(faults=[None, limited(1)]) as slack,
        open_store(f"sqlite:///{tmp_path / 's.db'}") as store,
    ):
        register(store)
        fill_slack(store, 1)
        config = load(tmp_path, slack)
        sending = deliver(store, config, clock=clock, random=Random(1), patience_s=60)
        assert asyncio.run(sending).sent == 1
    assert slack.texts("#papers") == [f"{text} 1" for text in TEXTS]
    assert len(slack.requests) == len(TEXTS) + 1
    assert clock() >= NOW + timedelta(seconds=1)


def test_rate_limit_beyond_the_patience_is_retried_later(tmp_path: Path) -> None:
    clock = Clock()
    with (
        SlackServer(faults=[limited(20)]) as slack,
        open_store(f"sqlite:///{tmp_path / 's.db'}") as store,
    ):
        register(store)
        fill_slack(store, 1)
        assert run(store, load(tmp_path, slack), clock, patience_s=10).sent == 0
        (waiting,) = store.outbox.list()
    assert (waiting.state, clock.now) == (DeliveryState.RETRYING, NOW)


def test_status_reports_a_refused_token(tmp_path: Path) -> None:
    clock = Clock()
    with SlackServer() as slack, open_store(f"sqlite:///{tmp_path / 's.db'}") as store:
        register(store)
        fill_slack(store, 1)
        config = load(tmp_path, slack, "xoxb-pl4nted-wrong")
        assert run(store, config, clock, patience_s=0).sent == 0
        assert any("invalid_auth" in fault for fault in gather(store, config, NOW).faults)
        assert run(store, load(tmp_path, slack), clock, patience_s=0).sent == 0
        store.pauses.lift(only_operator=True)
        config = load(tmp_path, slack)
        assert run(store, config, clock, patience_s=0).sent == 1
        assert not any("invalid_auth" in fault for fault in gather(store, config, NOW).faults)
