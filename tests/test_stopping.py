"""`run` and `serve`, stopped by a signal at any moment: nothing lost, nothing sent twice."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from digestbot.stopping import StopSignals
from tests.cli.conftest import SMTP, a_paper
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer

READERS = tuple(f"reader{number}@example.org" for number in range(12))
STOPS = 20
SOAK_STOPS = 200
ANSWER_S = 0.03
"""Time between the final dot and its answer, in which a careless stop makes duplicates."""
CONFIG = """\
{smtp}
sources:
  arxiv: {{kind: arxiv, categories: [cs.DC], url: "{url}", interval: 0s}}
digests:
"""
DIGEST = """\
  d{number}:
    schedule: daily 09:00
    filter: {{any: [serverless]}}
    deliver: [{{email: [{readers}]}}]
"""
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@pytest.fixture
def arxiv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArxivServer]:
    """Serve one paper that matches, with an empty current folder."""
    monkeypatch.chdir(tmp_path)
    with ArxivServer([a_paper(1, "Serverless")]) as server:
        yield server


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        server.answer_after_s = ANSWER_S
        yield server


def configure(arxiv: ArxivServer, smtp: SmtpServer) -> None:
    Path("config.yaml").write_text(CONFIG.format(smtp=SMTP.format(port=smtp.port), url=arxiv.url))


def add_digest(number: int) -> None:
    """Add a digest; a new one is due at once."""
    with Path("config.yaml").open("a") as file:
        file.write(DIGEST.format(number=number, readers=", ".join(READERS)))


def start(*args: str) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "digestbot", *args]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until *condition* holds or *process* ends, at most five seconds."""
    until = time.monotonic() + 5
    while not condition() and process.poll() is None and time.monotonic() < until:
        os.sched_yield()


def has_seen(smtp: SmtpServer, events: int) -> bool:
    return len(smtp.commands) >= events


def mails(smtp: SmtpServer) -> Counter[tuple[str, str]]:
    """Count the accepted mails by digest and reader."""
    found: Counter[tuple[str, str]] = Counter()
    for message in smtp.messages:
        list_id = next(n for n in message.content.split(b"\r\n") if n.startswith(b"List-Id: "))
        found[list_id.decode(), message.recipients[0]] += 1
    return found


@pytest.mark.parametrize("stops", [STOPS, pytest.param(SOAK_STOPS, marks=pytest.mark.soak)])
def test_stops_at_random_moments_lose_and_repeat_nothing(
    stops: int, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    dice = Random(stops)
    configure(arxiv, smtp)
    for stop in range(stops):
        add_digest(stop)
        process = start("run" if stop % 4 else "serve")
        events = len(smtp.commands) + dice.choice((0, 1, dice.randrange(2, 80)))
        wait_until(partial(has_seen, smtp, events), process)
        time.sleep(dice.uniform(0, 2 * ANSWER_S) + (dice.random() < 0.2))
        process.send_signal(dice.choice((signal.SIGTERM, signal.SIGINT)))
        process.communicate(timeout=30)
    last = start("run")
    out, err = last.communicate(timeout=60)
    assert (last.returncode, err) == (0, ""), out
    counts = mails(smtp)
    assert len(counts) == stops * len(READERS)
    assert set(counts.values()) == {1}


@SIGNALS
def test_a_stopped_run_frees_its_claims_and_exits_1(
    number: signal.Signals, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    configure(arxiv, smtp)
    add_digest(1)
    smtp.answer_after_s = 0.5
    process = start("run", "--json")
    wait_until(lambda: len(smtp.messages) > 1, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    said = f"stopped by {number.name}; the next run continues there\n"
    sent = len(smtp.messages)
    waiting = len(READERS) - sent
    assert err == f"email: {waiting} deliveries wait for the next run\n{said}"
    facts = json.loads(out)
    assert facts["stopped_by"] == number.name
    assert (facts["deliveries"]["sent"], facts["deliveries"]["waiting"]) == (sent, waiting)
    smtp.answer_after_s = 0
    again = start("run")
    out, err = again.communicate(timeout=60)
    assert (again.returncode, err) == (0, "")
    assert f"{waiting} sent" in out
    assert len(mails(smtp)) == len(smtp.messages) == len(READERS)


@SIGNALS
@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_second_signal_stops_at_once(
    command: str, number: signal.Signals, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    configure(arxiv, smtp)
    add_digest(1)
    smtp.answer_after_s = 5
    process = start(command)
    wait_until(lambda: bool(smtp.messages), process)
    process.send_signal(number)
    time.sleep(0.5)
    begun = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == -number
    assert time.monotonic() - begun < 3


def test_work_is_cancelled_after_the_grace_period() -> None:
    stop = StopSignals()
    ended = []

    async def work() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(stop.received)
        return "unreached"

    with stop.listening():
        assert stop.run(work(), grace_s=0.05) is None
        assert stop()
    assert ended == ["SIGTERM"]


def test_work_may_end_within_the_grace_period() -> None:
    stop = StopSignals()

    async def work() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.05)
        return "finished"

    before = signal.getsignal(signal.SIGINT)
    with stop.listening():
        assert stop.run(work(), grace_s=10) == "finished"
    assert signal.getsignal(signal.SIGINT) is before


def test_errors_of_the_work_are_raised() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        StopSignals().run(work())
