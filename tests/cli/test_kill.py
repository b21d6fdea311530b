"""`run`, killed at any moment and run again: nothing missing, nothing announced twice."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from random import Random

from digestbot.model import DeliveryState
from digestbot.store import Store, open_store
from tests.cli.conftest import Bot, a_paper, configure, smtp_keys
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer

KILLS = 8
READERS = 6
CONNECTIONS = 2
PROGRAM = """\
import sys
from datetime import UTC, datetime, timedelta
from digestbot.cli.app import App
from digestbot.cli.error_reporting import run_reporting_errors
from digestbot.cli.group import digestbot
from digestbot.pipeline import delivering
delivering.GRACE_PERIOD_S = 0
ahead = timedelta(hours=int(sys.argv[1]))
app = App(clock=lambda: datetime.now(UTC) + ahead)
sys.exit(run_reporting_errors(digestbot, sys.argv[2:], app))
"""
"""
The program with a clock some hours ahead, so that leases have expired and retries are due. No other
worker is alive to hold a lease.
"""


def start(hours: int) -> subprocess.Popen[bytes]:
    """Start ``digestbot run --now`` with its clock *hours* ahead."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(hours), "run", "--now"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_after(
    process: subprocess.Popen[bytes], events: Callable[[], int], many: int, seconds: float
) -> None:
    """Send SIGKILL *seconds* after *many* more events were seen."""
    goal = events() + many
    while events() < goal and process.poll() is None:
        os.sched_yield()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()


def waiting(store: Store) -> int:
    """Count the deliveries that are not sent."""
    counts = store.outbox.counts()
    return sum(number for state, number in counts.items() if state is not DeliveryState.SENT)


def test_killed_runs_lose_nothing(bot: Bot) -> None:
    dice = Random(20261123)
    now = datetime.now(UTC).replace(microsecond=0)
    with ArxivServer([]) as arxiv, SmtpServer() as smtp:
        readers = ", ".join(f"reader{number}@example.org" for number in range(READERS))
        configure(
            arxiv.url,
            top=smtp_keys(smtp).replace("security", f"max_connections: {CONNECTIONS}, security"),
            deliver=f"[{{email: [{readers}]}}, {{folder: out}}]",
        )

        def events() -> int:
            return len(arxiv.requests) + len(smtp.commands)

        for hours in range(KILLS):
            first = 1 + 4 * hours
            arxiv.papers += [
                a_paper(n, "Serverless", published=now, updated=now + timedelta(seconds=n))
                for n in range(first, first + 4)
            ]
            many = dice.choice((0, 1, dice.randrange(1, 30), dice.randrange(1, 60)))
            kill_after(start(hours), events, many, dice.uniform(0, 0.3))

        with open_store("sqlite:///digestbot.db") as store:
            for hours in range(KILLS, KILLS + 6):
                start(hours).wait()
                if not waiting(store):
                    break
                # Deliveries in doubt twice need the operator to retry them.
                bot("deliveries", "retry", "--all")
            assert waiting(store) == 0
            editions = [store.editions.get("systems", e.number) for e in store.editions.list()]

    in_editions = Counter(p.paper.id for edition in editions if edition for p in edition.papers)
    assert in_editions == {f"arxiv:{paper.id}": 1 for paper in arxiv.papers}

    mails = Counter((m.recipients, message_id(m.content)) for m in smtp.messages)
    by_reader = Counter(recipients for recipients, _ in mails)
    assert by_reader == {(f"reader{n}@example.org",): len(editions) for n in range(READERS)}
    assert mails.total() - len(mails) <= KILLS * CONNECTIONS
    assert len({m.content for m in smtp.messages}) == len(mails), "a repeat is the same to the byte"


def message_id(content: bytes) -> str:
    found = message_from_bytes(content)["Message-ID"]
    assert found
    return str(found)
