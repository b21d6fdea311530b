"""
Every step of the dialogue with every fault, as `smtp_matrix.csv` draws it.

Each cell is tried, with PIPELINING and without, twice over: with the sender alone, which must raise
the right error, and through the whole stage with a real store, where the delivery must end well
once the server is. The cells of one step run side by side.
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
from digestbot.deliver.smtp import SmtpSender
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
"""Far beyond what a loaded machine takes for an answer: no other fault may end as a time-out."""
SILENCE = timedelta(seconds=4)
"""How long a client bears silence here."""
LATER = timedelta(minutes=16)
"""After it, a first retry is due, and what waited for the owner too."""
BODIES = {
    Form.SUBJECT: "Systems for ML: one paper",
    Form.TEXT: "Serverless paper\n.and a dot\n" + "more of it\n" * 30,
    Form.HTML: "<p>Serverless paper</p>\n",
}


def cells() -> dict[str, dict[str, str]]:
    """What is expected, by step and fault."""
    lines = [row for row in TABLE.read_text(encoding="utf-8").splitlines() if row[0] != "#"]
    head, *rows = ([cell.strip() for cell in line.split(";")] for line in lines)
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


CELLS = cells()
Cell = tuple[str, bool]
"""A fault, and whether the server offers PIPELINING."""
BOTH = (False, True)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Path:
    """A folder with a store that has one delivery waiting, and the authority to trust."""
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
    house: Path, server: ScriptedSmtp, step: str, fault: str, *, patient: bool = False
) -> SmtpSettings:
    """Such as end the *fault* of silence soon, unless *patient*, and no other fault by time."""
    silent = fault == "silence" and not patient
    return SmtpSettings(
        host="localhost",
        port=server.port,
        security="tls" if is_implicit(step, fault) else "starttls",
        username="bot",
        password=Secret("pl4nted-s3cret"),
        sender="Digests <digests@example.org>",
        ca_file=str(house / "ca.pem"),
        timeout=SILENCE if silent and step not in LATE else PATIENCE,
        final_timeout=SILENCE if silent and step != "QUIT" else PATIENCE,
    )


LATE = {"TEXT", "DOT", "TAKEN", "QUIT"}
"""Where silence is an answer to the final dot, or to QUIT, that does not come: all before it may
take its time."""


def is_implicit(step: str, fault: str) -> bool:
    """Before STARTTLS there is TLS to break only where it is there from the first byte."""
    return fault == "tls" and step in {"CONNECT", "BANNER", "EHLO"}


def config(house: Path, smtp: SmtpSettings) -> Config:
    return Config(
        path=house / "config.yaml",
        timezone=ZoneInfo("UTC"),
        store="",
        public_url=None,
        contact=None,
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
def store_of(house: Path, name: str) -> Iterator[Store]:
    """A copy of the store, the cell's own."""
    copy = house / f"{name}.db"
    shutil.copy(house / "store.db", copy)
    with open_store(f"sqlite:///{copy}") as store:
        yield store


def only(store: Store) -> Delivery:
    (delivery,) = store.outbox.list()
    return delivery


async def run(store: Store, settings: Config, now: datetime) -> Delivery:
    """The delivery after one run of the stage."""
    await deliver(store, settings, clock=lambda: now, random=Random(1))
    return only(store)


# The sender alone


class Patient(Notes):
    """A checkpoint that is written only when a fault amid the text has come through."""

    def __init__(self, server: ScriptedSmtp, step: str, fault: str) -> None:
        super().__init__()
        self._waits = step == "TEXT" and fault != "slow"
        self._server = server

    async def data_done(self) -> None:
        await super().data_done()
        if self._waits:
            await self._server.struck.wait()
            for _ in range(20):  # rounds of the loop, in which the client hears of it
                await asyncio.sleep(0)


async def what_the_sender_says(
    house: Path, context: Any, step: str, fault: str, *, pipelining: bool
) -> str:
    options: dict[str, Any] = {"implicit_tls": is_implicit(step, fault), "pipelining": pipelining}
    async with ScriptedSmtp(context, step=step, fault=fault, **options) as server:
        sender = SmtpSender(settings(house, server, step, fault))
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
        "Misconfigured": "ours",
        "PermanentFailure": "dead",
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
    """What became of the delivery: after the fault, and after the next runs."""

    first: str
    last: str
    suppressed: bool
    taken: int
    """How often the server accepted the message."""


STORIES = {
    "later": Story(first="retrying", last="sent", suppressed=False, taken=1),
    "ours": Story(first="retrying", last="sent", suppressed=False, taken=1),
    "doubt": Story(first="retrying", last="sent", suppressed=False, taken=1),
    "dead": Story(first="dead", last="dead", suppressed=False, taken=0),
    "bounced": Story(first="dead", last="dead", suppressed=True, taken=0),
    "sent": Story(first="sent", last="sent", suppressed=False, taken=1),
}


def expected_story(step: str, outcome: str) -> Story:
    """A message that was accepted, and nobody told us, comes once more and no more often."""
    twice = step == "TAKEN" and outcome == "doubt"
    return replace(STORIES[outcome], taken=2) if twice else STORIES[outcome]


async def story(house: Path, context: Any, step: str, fault: str, *, pipelining: bool) -> Story:
    options: dict[str, Any] = {"implicit_tls": is_implicit(step, fault), "pipelining": pipelining}
    with store_of(house, f"{step}-{fault}-{pipelining}") as store:
        async with ScriptedSmtp(context, step=step, fault=fault, **options) as server:
            how = config(house, settings(house, server, step, fault))
            first = await run(store, how, NOW)
            patient = config(house, settings(house, server, step, fault, patient=True))
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
    step: str, house: Path, certificates: Certificates
) -> None:
    outcomes = {fault: outcome for fault, outcome in CELLS[step].items() if outcome != "-"}
    context = certificates.server

    async def all_faults() -> tuple[dict[Cell, str], dict[Cell, Story]]:
        cells = [(fault, grouped) for fault in outcomes for grouped in BOTH]
        said = (what_the_sender_says(house, context, step, f, pipelining=p) for f, p in cells)
        stories = (story(house, context, step, f, pipelining=p) for f, p in cells)
        both = await asyncio.gather(asyncio.gather(*said), asyncio.gather(*stories))
        return dict(zip(cells, both[0], strict=True)), dict(zip(cells, both[1], strict=True))

    said, stories = asyncio.run(all_faults())
    assert said == {(fault, p): outcome for fault, outcome in outcomes.items() for p in BOTH}
    expected = {fault: expected_story(step, outcome) for fault, outcome in outcomes.items()}
    assert stories == {(fault, p): story for fault, story in expected.items() for p in BOTH}


@pytest.mark.parametrize("fault", ["cut", "garbage"])
def test_second_doubt_is_left_to_the_operator(
    fault: str, house: Path, certificates: Certificates
) -> None:
    async def doubts() -> tuple[list[str], int]:
        with store_of(house, f"doubts-{fault}") as store:
            context = certificates.server
            async with ScriptedSmtp(context, step="TAKEN", fault=fault, times=9) as server:
                how = config(house, settings(house, server, "TAKEN", fault))
                states = [str((await run(store, how, NOW + n * LATER)).state) for n in range(4)]
            return states, len(server.taken)

    states, taken = asyncio.run(doubts())
    assert states == ["retrying", "unknown", "unknown", "unknown"]
    assert taken == 2


def test_refusal_between_doubts_allows_no_third_copy(house: Path) -> None:
    greylisted = [("RCPT", "451 4.7.1 greylisted")] * 2
    faults = [("DOT", TAKE_AND_CUT), *greylisted, ("DOT", TAKE_AND_CUT), ("DOT", TAKE_AND_CUT)]
    with SmtpServer(faults=faults) as server, store_of(house, "doubts-parted") as store:
        smtp = SmtpSettings(host="localhost", port=server.port, security="none")
        how = config(house, smtp)
        hours = timedelta(hours=6)
        states = [str(asyncio.run(run(store, how, NOW + n * hours)).state) for n in range(6)]
    assert states == ["retrying"] * 3 + ["unknown"] * 3
    assert len(server.messages) == 2
    assert len({taken.content for taken in server.messages}) == 1


@pytest.mark.parametrize("fault", ["cut", "silence"])
def test_unsent_text_is_not_in_doubt(fault: str, house: Path, certificates: Certificates) -> None:
    """More than what the system keeps between two sockets: the dot cannot be written."""
    huge = eml().replace("more of it\r\n", "more of it\r\n" * 40_000)
    notes = Notes()

    async def send() -> None:
        async with ScriptedSmtp(certificates.server, step="TEXT", fault=fault) as server:
            how = replace(settings(house, server, "TEXT", fault), timeout=SILENCE)
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


async def send_over_one_link(
    house: Path, server: ScriptedSmtp, count: int
) -> tuple[list[str], list[list[str]]]:
    """What becomes of so many letters that wait at once, and what each checkpoint was told."""
    how = replace(settings(house, server, "", ""), max_connections=1, domain_connections=1)
    sender = SmtpSender(how)
    notes = [Notes() for _ in range(count)]
    letters = [
        make_outgoing(DestinationKind.EMAIL, f"r{n}@example.org", {}, message=eml().encode())
        for n in range(count)
    ]
    sent = (sender.send(outgoing, note) for outgoing, note in zip(letters, notes, strict=True))
    outcomes = await asyncio.gather(*sent, return_exceptions=True)
    await sender.close()
    words = [word(o) if isinstance(o, DeliveryError) else "sent" for o in outcomes]
    return words, [note.log for note in notes]


def test_next_message_is_pipelined_behind_the_dot(house: Path, certificates: Certificates) -> None:
    async def send() -> list[str]:
        async with ScriptedSmtp(certificates.server, pipelining=True) as server:
            words, _ = await send_over_one_link(house, server, 3)
        assert (server.connections, len(server.taken)) == (1, 3)
        assert server.begun_before_the_answer == [True, True, False]
        return words

    assert asyncio.run(send()) == ["sent"] * 3


def test_text_without_recipients_is_a_lone_dot(house: Path, certificates: Certificates) -> None:
    async def send() -> list[str]:
        options: dict[str, Any] = {"pipelining": True, "step": "RCPT", "fault": "5xx"}
        async with ScriptedSmtp(certificates.server, **options) as server:
            words, told = await send_over_one_link(house, server, 2)
        assert (server.connections, server.empty_texts, len(server.taken)) == (1, 1, 1)
        assert told == [[], ["data_done"]]
        return words

    assert asyncio.run(send()) == ["bounced", "sent"]


@pytest.mark.parametrize(
    ("step", "fault"),
    [("DOT", "cut"), ("DOT", "421"), ("DOT", "garbage"), ("DOT", "tls"), ("TAKEN", "cut")],
)
def test_pipelined_message_moves_to_a_new_connection(
    step: str, fault: str, house: Path, certificates: Certificates
) -> None:
    async def send() -> list[str]:
        options: dict[str, Any] = {"pipelining": True, "step": step, "fault": fault}
        async with ScriptedSmtp(certificates.server, **options) as server:
            words, told = await send_over_one_link(house, server, 3)
        assert server.connections == 2
        assert len(server.taken) == 2 + (step == "TAKEN")
        assert told == [["data_done"]] * 3
        return words

    first = CELLS[step][fault]
    assert asyncio.run(send()) == [first, "sent", "sent"]
