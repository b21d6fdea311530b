"""
Every step of the dialogue with every fault, as in `smtp_matrix.csv`.

Each cell is tested with and without PIPELINING, in two ways: with the sender alone, which must
raise the right error, and through the whole stage with a real store, where the delivery must
succeed once the server works again. The cells of one step run concurrently.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from digestbot.config import Config
from digestbot.deliver.smtp_sender import SmtpSender
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import DeliveryError, PermanentFailure, TransientFailure
from digestbot.model import Delivery, DestinationKind, Edition, Form
from digestbot.pipeline import deliver
from digestbot.render import compose
from digestbot.secret import Secret
from digestbot.sending_limits import SendingLimits
from digestbot.store import Store, open_store
from tests.servers.outgoing import Notes, frozen_mail, make_outgoing
from tests.servers.scripted_smtp import FAULTS, STEPS, ScriptedSmtp
from tests.servers.smtp import TAKE_AND_CUT, Certificates, SmtpServer, make_certificates
from tests.store.samples import NOW, edition, mail, register

TABLE = Path(__file__).with_name("smtp_matrix.csv")
PATIENCE = timedelta(seconds=30)
"""Timeout that even a loaded machine never reaches, so that only silence times out."""
SILENCE = timedelta(seconds=4)
"""Timeout for a silent server."""
LATER = timedelta(minutes=16)
"""Time after which a first retry and a Misconfigured delivery are due."""
BODIES = {
    Form.SUBJECT: "Systems for ML: one paper",
    Form.TEXT: "Serverless paper\n.and a dot\n" + "more of it\n" * 30,
    Form.HTML: "<p>Serverless paper</p>\n",
}


def cells() -> dict[str, dict[str, str]]:
    """Return the expected outcome by step and fault."""
    lines = [row for row in TABLE.read_text(encoding="utf-8").splitlines() if row[0] != "#"]
    head, *rows = ([cell.strip() for cell in line.split(";")] for line in lines)
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


CELLS = cells()
Cell = tuple[str, bool]
"""Fault, with or without PIPELINING."""
BOTH = (False, True)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Path:
    """Return a folder with a CA file and a store with one queued delivery."""
    folder = tmp_path_factory.mktemp("matrix")
    certificates.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    with open_store(f"sqlite:///{folder / 'store.db'}") as store:
        register(store)
        made: Edition = edition()
        to = [(mail(), None)]
        bodies = frozen_mail(
            subject=BODIES[Form.SUBJECT], text=BODIES[Form.TEXT], html=BODIES[Form.HTML]
        )
        store.editions.record(
            made.digest, made, (), bodies, to, None, NOW, message_domain="example.org"
        )
    return folder


def settings(
    base: Path, server: ScriptedSmtp, step: str, fault: str, *, patient: bool = False
) -> SmtpSettings:
    """Return settings with a short timeout for silence only, unless *patient*."""
    silent = fault == "silence" and not patient
    return SmtpSettings(
        host="localhost",
        port=server.port,
        security="tls" if is_implicit(step, fault) else "starttls",
        username="bot",
        password=Secret("pl4nted-s3cret"),
        sender="Digests <digests@example.org>",
        ca_file=str(base / "ca.pem"),
        timeout=SILENCE if silent and step not in LATE else PATIENCE,
        final_timeout=SILENCE if silent and step != "QUIT" else PATIENCE,
    )


LATE = {"TEXT", "DOT", "TAKEN", "QUIT"}
"""Steps at which only the reply to the final dot or to QUIT is missing."""


def is_implicit(step: str, fault: str) -> bool:
    """Return True if the cell needs implicit TLS, as before STARTTLS."""
    return fault == "tls" and step in {"CONNECT", "BANNER", "EHLO"}


def config(base: Path, smtp: SmtpSettings) -> Config:
    return Config(
        path=base / "config.yaml",
        timezone=ZoneInfo("UTC"),
        store="",
        public_url=None,
        contact=None,
        umask=0o077,
        templates=None,
        sources={},
        smtp=smtp,
        sending_limits=SendingLimits(),
        bounces=None,
        slack=None,
        digests={},
        secret_addresses={},
    )


@contextmanager
def store_of(base: Path, name: str) -> Iterator[Store]:
    """Open a copy of the store for one cell."""
    copy = base / f"{name}.db"
    shutil.copy(base / "store.db", copy)
    with open_store(f"sqlite:///{copy}") as store:
        yield store


def only(store: Store) -> Delivery:
    (delivery,) = store.outbox.list()
    return delivery


async def run(store: Store, settings: Config, now: datetime) -> Delivery:
    """Run the stage once; return the delivery."""
    await deliver(store, settings, clock=lambda: now, random=Random(1))
    return only(store)


# The sender alone


class Patient(Notes):
    """Checkpoint that waits until a fault in the middle of the text has arrived."""

    def __init__(self, server: ScriptedSmtp, step: str, fault: str) -> None:
        super().__init__()
        self._waits = step == "TEXT" and fault != "slow"
        self._server = server

    async def data_done(self) -> None:
        await super().data_done()
        if self._waits:
            await self._server.struck.wait()
            for _ in range(20):  # iterations of the loop in which the client notices
                await asyncio.sleep(0)


async def sender_outcome(
    base: Path, context: Any, step: str, fault: str, *, pipelining: bool
) -> str:
    options: dict[str, Any] = {"implicit_tls": is_implicit(step, fault), "pipelining": pipelining}
    async with ScriptedSmtp(context, step=step, fault=fault, **options) as server:
        sender = SmtpSender(settings(base, server, step, fault))
        outgoing = make_outgoing(
            DestinationKind.EMAIL, "reader@example.org", {}, message=eml().encode()
        )
        try:
            await sender.send(outgoing, Patient(server, step, fault))
        except DeliveryError as error:
            return word(error)
        finally:
            await sender.close()
    return "sent"


def word(error: DeliveryError) -> str:
    if isinstance(error, PermanentFailure) and error.suppress:
        return "bounced"
    return {
        "TransientFailure": "later",
        "UnclearRefusal": "later",
        "ServerUnavailable": "pause",
        "Misconfigured": "ours",
        "PermanentFailure": "dead",
        "TooLarge": "dead",
        "OutcomeUnknown": "doubt",
    }[type(error).__name__]


def eml() -> str:
    return compose(
        subject=BODIES[Form.SUBJECT],
        html=BODIES[Form.HTML],
        text=BODIES[Form.TEXT],
        sender="Digests <digests@example.org>",
        recipient="reader@example.org",
        message_id="<one@example.org>",
        date=NOW,
        list_id="Systems <systems.example.org>",
        list_unsubscribe=("mailto:digests@example.org",),
    )


# The whole stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Outcome of the delivery after the fault, and after the next runs."""

    first: str
    last: str
    suppressed: bool
    taken: int
    """Number of times the server accepted the message."""


STORIES = {
    "later": Story(first="retrying", last="sent", suppressed=False, taken=1),
    "pause": Story(first="retrying", last="sent", suppressed=False, taken=1),
    "ours": Story(first="retrying", last="sent", suppressed=False, taken=1),
    "doubt": Story(first="retrying", last="sent", suppressed=False, taken=1),
    "dead": Story(first="dead", last="dead", suppressed=False, taken=0),
    "bounced": Story(first="dead", last="dead", suppressed=True, taken=0),
    "sent": Story(first="sent", last="sent", suppressed=False, taken=1),
}


def expected_story(step: str, outcome: str) -> Story:
    """Return the expected copies: an unconfirmed acceptance is repeated once."""
    twice = step == "TAKEN" and outcome == "doubt"
    return replace(STORIES[outcome], taken=2) if twice else STORIES[outcome]


async def story(base: Path, context: Any, step: str, fault: str, *, pipelining: bool) -> Story:
    options: dict[str, Any] = {"implicit_tls": is_implicit(step, fault), "pipelining": pipelining}
    with store_of(base, f"{step}-{fault}-{pipelining}") as store:
        async with ScriptedSmtp(context, step=step, fault=fault, **options) as server:
            how = config(base, settings(base, server, step, fault))
            first = await run(store, how, NOW)
            patient = config(base, settings(base, server, step, fault, patient=True))
            second = await run(store, patient, NOW + LATER)
            last = await run(store, patient, NOW + 10 * LATER)
        assert second.state == last.state
        assert len(set(server.taken)) <= 1, "a repeat has the same bytes"
        return Story(
            first=str(first.state),
            last=str(last.state),
            suppressed=store.subscriptions.is_suppressed("reader@example.org"),
            taken=len(server.taken),
        )


@pytest.mark.parametrize("step", STEPS)
def test_no_fault_loses_or_duplicates_a_message(
    step: str, base: Path, certificates: Certificates
) -> None:
    outcomes = {fault: outcome for fault, outcome in CELLS[step].items() if outcome != "-"}
    context = certificates.server

    async def all_faults() -> tuple[dict[Cell, str], dict[Cell, Story]]:
        cells = [(fault, grouped) for fault in outcomes for grouped in BOTH]
        errors = (sender_outcome(base, context, step, f, pipelining=p) for f, p in cells)
        stories = (story(base, context, step, f, pipelining=p) for f, p in cells)
        both = await asyncio.gather(asyncio.gather(*errors), asyncio.gather(*stories))
        return dict(zip(cells, both[0], strict=True)), dict(zip(cells, both[1], strict=True))

    errors, stories = asyncio.run(all_faults())
    expected = {(f, p): o.split("/")[-1 if p else 0] for f, o in outcomes.items() for p in BOTH}
    assert errors == expected
    assert stories == {cell: expected_story(step, outcome) for cell, outcome in expected.items()}


@pytest.mark.parametrize("fault", ["cut", "garbage"])
def test_second_doubt_is_left_to_the_operator(
    fault: str, base: Path, certificates: Certificates
) -> None:
    async def doubts() -> tuple[list[str], int]:
        with store_of(base, f"doubts-{fault}") as store:
            context = certificates.server
            async with ScriptedSmtp(context, step="TAKEN", fault=fault, times=9) as server:
                how = config(base, settings(base, server, "TAKEN", fault))
                states = [str((await run(store, how, NOW + n * LATER)).state) for n in range(4)]
            return states, len(server.taken)

    states, taken = asyncio.run(doubts())
    assert states == ["retrying", "unknown", "unknown", "unknown"]
    assert taken == 2


def test_refusal_between_doubts_allows_no_third_copy(base: Path) -> None:
    greylisted = [("RCPT", "451 4.7.1 greylisted")] * 2
    faults = [("DOT", TAKE_AND_CUT), *greylisted, ("DOT", TAKE_AND_CUT), ("DOT", TAKE_AND_CUT)]
    with SmtpServer(faults=faults) as server, store_of(base, "doubts-separated") as store:
        smtp = SmtpSettings(host="localhost", port=server.port, security="none")
        how = config(base, smtp)
        hours = timedelta(hours=6)
        states = [str(asyncio.run(run(store, how, NOW + n * hours)).state) for n in range(6)]
    assert states == ["retrying"] * 3 + ["unknown"] * 3
    assert len(server.messages) == 2
    assert len({taken.content for taken in server.messages}) == 1


@pytest.mark.parametrize("fault", ["cut", "silence"])
def test_unsent_text_is_not_in_doubt(fault: str, base: Path, certificates: Certificates) -> None:
    """The text exceeds the sockets' buffers, so the dot is never written."""
    huge = eml().replace("more of it\r\n", "more of it\r\n" * 40_000)
    notes = Notes()

    async def send() -> None:
        async with ScriptedSmtp(certificates.server, step="TEXT", fault=fault) as server:
            how = replace(settings(base, server, "TEXT", fault), timeout=SILENCE)
            sender = SmtpSender(how)
            outgoing = make_outgoing(
                DestinationKind.EMAIL, "reader@example.org", {}, message=huge.encode()
            )
            try:
                await sender.send(outgoing, notes)
            finally:
                await sender.close()

    with pytest.raises(TransientFailure):
        asyncio.run(send())
    assert notes.log == []


def test_matrix_is_complete() -> None:
    assert tuple(CELLS) == STEPS
    assert all(tuple(row) == FAULTS for row in CELLS.values())


# Groups of commands (RFC 2920)


async def send_over_one_connection(
    base: Path, server: ScriptedSmtp, count: int
) -> tuple[list[str], list[list[str]]]:
    """Send several messages at once; return the outcomes and the calls of each checkpoint."""
    how = replace(settings(base, server, "", ""), max_connections=1, domain_connections=1)
    sender = SmtpSender(how)
    notes = [Notes() for _ in range(count)]
    messages = [
        make_outgoing(DestinationKind.EMAIL, f"r{n}@example.org", {}, message=eml().encode())
        for n in range(count)
    ]
    sent = (sender.send(outgoing, note) for outgoing, note in zip(messages, notes, strict=True))
    results = await asyncio.gather(*sent, return_exceptions=True)
    await sender.close()
    outcomes = [word(r) if isinstance(r, DeliveryError) else "sent" for r in results]
    return outcomes, [note.log for note in notes]


def test_next_message_is_pipelined_behind_the_dot(base: Path, certificates: Certificates) -> None:
    async def send() -> list[str]:
        async with ScriptedSmtp(certificates.server, pipelining=True) as server:
            outcomes, _ = await send_over_one_connection(base, server, 3)
        assert (server.connections, len(server.taken)) == (1, 3)
        assert server.begun_before_the_answer == [True, True, False]
        return outcomes

    assert asyncio.run(send()) == ["sent"] * 3


def test_text_without_recipients_is_a_lone_dot(base: Path, certificates: Certificates) -> None:
    async def send() -> list[str]:
        options: dict[str, Any] = {"pipelining": True, "step": "RCPT", "fault": "5xx"}
        async with ScriptedSmtp(certificates.server, **options) as server:
            outcomes, calls = await send_over_one_connection(base, server, 2)
        assert (server.connections, server.empty_texts, len(server.taken)) == (1, 1, 1)
        assert calls == [[], ["data_done"]]
        return outcomes

    assert asyncio.run(send()) == ["bounced", "sent"]


@pytest.mark.parametrize(
    ("step", "fault"),
    [("DOT", "cut"), ("DOT", "garbage"), ("DOT", "tls"), ("TAKEN", "cut")],
)
def test_pipelined_message_moves_to_a_new_connection(
    step: str, fault: str, base: Path, certificates: Certificates
) -> None:
    async def send() -> list[str]:
        options: dict[str, Any] = {"pipelining": True, "step": step, "fault": fault}
        async with ScriptedSmtp(certificates.server, **options) as server:
            outcomes, calls = await send_over_one_connection(base, server, 3)
        assert server.connections == 2
        assert len(server.taken) == 2 + (step == "TAKEN")
        assert calls == [["data_done"]] * 3
        return outcomes

    first = CELLS[step][fault]
    assert asyncio.run(send()) == [first, "sent", "sent"]
