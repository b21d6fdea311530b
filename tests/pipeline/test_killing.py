"""
The kill loop: 500 deliveries, the process killed at every named point and restarted until all is
sent. Nothing is lost, and each kill repeats at most one message per connection.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from digestbot.model import DeliveryState as S
from digestbot.model import Destination, DestinationKind, Form
from digestbot.store import Store, open_store
from digestbot.store.tables import deliveries, delivery_attempts
from digestbot.store.transitions import LEASED, WAITING
from tests.pipeline.killing import ON_THE_WIRE, POINTS
from tests.servers.outgoing import frozen_mail
from tests.servers.slack import TOKEN, SlackServer
from tests.servers.smtp import SmtpServer, Taken
from tests.store.samples import NOW, edition, mail, register

ROOT = Path(__file__).parents[2]
DELIVERIES = 500
CONNECTIONS = 3
KILLS = 100
"""On each of the two databases; `make soak` does 2,000 in all."""
SOAK_KILLS = 1000
MINUTES = 3
"""Time between two runs, more than a lease."""
ANYWHERE = (*POINTS[:-1], *("answered DOT", "dot written", "data done") * 3)
"""Points drawn at random, the critical ones more often; the last one excepted."""
CONFIG = """\
sources:
  arxiv: {{kind: arxiv, categories: [cs.DC]}}
smtp:
  host: 127.0.0.1
  port: {port}
  security: none
  sender: "Digests <digests@example.org>"
  max_connections: {connections}
  domain_connections: {connections}
digests:
  systems:
    schedule: daily 09:00
    sources: [arxiv]
    filter: {{any: [serverless]}}
    deliver: [{{email: [reader@example.org]}}]
"""


SLACK_CONFIG = """\
sources:
  arxiv: {{kind: arxiv, categories: [cs.DC]}}
slack: {{token: {token}, url: "{url}", interval: 0s}}
digests:
  systems:
    schedule: daily 09:00
    sources: [arxiv]
    filter: {{any: [serverless]}}
    deliver: [{{slack: "#papers"}}]
"""
TEXTS = ("parent", "one", "two", "three")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Process that forks runs of the stage."""

    process: subprocess.Popen[str]
    url: str
    config: Path

    def run(self, point: str, nth: int, number: int) -> int:
        """Do run *number*, killed at *point* for the nth time; return its exit code."""
        assert self.process.stdin
        assert self.process.stdout
        words = (self.url, str(self.config), point, str(nth), str(number * MINUTES))
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def runs(url: str, config: Path) -> Iterator[Runs]:
    command = [sys.executable, "-m", "tests.pipeline.killing"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as process:
        yield Runs(process=process, url=url, config=config)


def fill(store: Store, number: int, *, readers: int = DELIVERIES) -> None:
    """Record one more edition, for *readers* readers."""
    made = edition(number=number, slot=str(number))
    to = [(mail(f"reader{n}@example.org"), None) for n in range(readers)]
    bodies = frozen_mail(subject="One paper", text="Serverless\n", html="<p>Serverless</p>\n")
    key = store.editions.record(
        made.digest, made, (), bodies, to, None, NOW, message_domain="example.org"
    )
    assert key is not None


def violations(store: Store) -> list[str]:
    """List the invariants of the outbox that are broken."""
    here = deliveries.c
    wrong = {
        "sent without a receipt": (here.state == S.SENT) & here.receipt.is_(None),
        "sent without a moment": (here.state == S.SENT) & here.sent_at.is_(None),
        "sent and still due or leased": (here.state == S.SENT)
        & (here.next_at.is_not(None) | here.lease_until.is_not(None)),
        "leased without an end": here.state.in_(LEASED) & here.lease_until.is_(None),
        "waiting without a due time": here.state.in_(WAITING) & here.next_at.is_(None),
        "more doubts than attempts": here.doubts > here.attempts,
        "repeated more than once automatically": here.doubts > 2,
    }
    with store._database.read() as connection:
        count = select(func.count()).select_from(deliveries)
        found = [
            f"{number} {what}"
            for what, condition in wrong.items()
            if (number := connection.execute(count.where(condition)).scalar_one())
        ]
        ended = select(func.count()).where(delivery_attempts.c.outcome == S.SENDING)
        if connection.execute(ended).scalar_one():
            found.append("an attempt both ended and under way")
    return found


def drained(store: Store) -> bool:
    counts = store.outbox.counts()
    return sum(counts.values()) == counts[S.SENT]


def requeue_stuck(store: Store) -> int:
    """Requeue what is unknown or quarantined, as an operator does."""
    stuck = store.outbox.list(states={S.UNKNOWN, S.QUARANTINED}, limit=DELIVERIES)
    return store.outbox.requeue([d.id for d in stuck], NOW)


def repeats(store: Store, taken: Sequence[Taken]) -> int:
    """Count the messages that the server got twice, with equal bytes; none may be missing."""
    bytes_of: dict[str, bytes] = {}
    for one in taken:
        message_id = str(message_from_bytes(one.content)["Message-ID"])
        assert bytes_of.setdefault(message_id, one.content) == one.content
    every = sum(store.outbox.counts().values())
    assert set(bytes_of) == {d.message_id for d in store.outbox.list(limit=every)}
    assert len(bytes_of) == every
    return len(taken) - every


@pytest.mark.parametrize("kills", [KILLS, pytest.param(SOAK_KILLS, marks=pytest.mark.soak)])
def test_a_killed_run_loses_nothing_and_repeats_little(
    store_url: str, tmp_path: Path, kills: int, record_property: Callable[[str, object], None]
) -> None:
    dice = Random(kills)
    planned = [(point, 1 + (point in ON_THE_WIRE[1:])) for point in POINTS[:-1]]
    planned += [(dice.choice(ANYWHERE), dice.randrange(1, 5)) for _ in range(kills - len(POINTS))]
    planned += [(POINTS[-1], 1)]
    config = tmp_path / "config.yaml"
    with (
        SmtpServer(pipelining=True) as smtp,
        open_store(store_url) as store,
        runs(store_url, config) as stage,
    ):
        config.write_text(CONFIG.format(port=smtp.port, connections=CONNECTIONS))
        register(store)
        died, editions, number = Counter[str](), 0, 0
        while died.total() < kills:
            if drained(store):
                editions += 1
                fill(store, editions)
            requeue_stuck(store)
            point, nth = planned.pop(0) if planned else (dice.choice(ANYWHERE), 1)
            code = stage.run(point, nth, number := number + 1)
            assert code in {0, -9}, point
            died[point] += code == -9
            assert violations(store) == []
        for later in range(1, 50):
            requeue_stuck(store)
            assert stage.run("", 0, number + later) == 0
            assert violations(store) == []
            if drained(store):
                break
        assert drained(store)
        assert [point for point in POINTS if not died[point]] == []
        repeated = repeats(store, smtp.messages)
    record_property("repeats", repeated)
    assert repeated <= died.total() * CONNECTIONS


def fill_slack(store: Store, number: int) -> int:
    """Record one more edition of several messages to a channel; return its delivery."""
    made = edition(number=number, slot=str(number))
    messages = [{"text": f"{text} {number}"} for text in TEXTS]
    channel = Destination(kind=DestinationKind.SLACK, address="#papers")
    bodies = {Form.SLACK: json.dumps(messages)}
    store.editions.record(
        made.digest, made, (), bodies, [(channel, None)], None, NOW, message_domain="example.org"
    )
    return store.outbox.list()[0].id


# Where a run dies, and which message of the thread the channel then has twice.
SLACK_KILLS = (
    ("apply_data_done done", 1, None),
    ("apply_data_done called", 2, None),
    ("apply_data_done done", 3, None),
    ("apply_sending called", 1, "parent"),
    ("apply_sending called", 3, "two"),
    ("apply_sending done", 1, None),
    ("apply_sending done", 2, None),
    ("apply_sending done", 4, None),
    ("apply_sent called", 1, None),
)


def test_a_slack_thread_resumes_after_the_last_message(store_url: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    with SlackServer() as slack, open_store(store_url) as store, runs(store_url, config) as stage:
        config.write_text(SLACK_CONFIG.format(token=TOKEN, url=slack.url))
        register(store)
        for number, (point, nth, repeated) in enumerate(SLACK_KILLS, start=1):
            key = fill_slack(store, number)
            slack.posted.clear()
            assert stage.run(point, nth, 3 * number) == -9, point
            assert violations(store) == []
            assert stage.run("", 0, 3 * number + 1) == 0
            delivery = store.outbox.get(key)
            assert delivery is not None
            assert delivery.state is S.SENT, point
            expected = [each for text in TEXTS for each in [text] * (1 + (text == repeated))]
            assert slack.texts("#papers") == [f"{text} {number}" for text in expected], point
