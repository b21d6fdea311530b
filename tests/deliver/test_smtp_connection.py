"""Dialogue of one message, and its failures at each step."""

import asyncio
from datetime import timedelta

import pytest

from digestbot.deliver.smtp_connection import SmtpConnection
from digestbot.deliver.smtp_sender import SmtpSender
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import (
    DeliveryError,
    OutcomeUnknown,
    PermanentFailure,
    ServerUnavailable,
    TransientFailure,
)
from tests.deliver.smtp_client import (
    failure,
    outgoing,
    send,
    settings,
)
from tests.servers.outgoing import Notes
from tests.servers.smtp import (
    CUT,
    SILENCE,
    TAKE_AND_CUT,
    SmtpServer,
)


def test_data_done_comes_between_354_and_the_dot() -> None:
    with SmtpServer() as server:
        seen: list[list[str]] = []

        class Looking(Notes):
            async def data_done(self) -> None:
                seen.append(list(server.commands))

        send(settings(server), notes=Looking())
    assert seen == [["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"]]


def temporary(phase: str) -> type[DeliveryError]:
    """Return the error of a failure in *phase*: before the recipient, it is about us."""
    return TransientFailure if phase in {"RCPT", "DATA"} else ServerUnavailable


@pytest.mark.parametrize("phase", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", [CUT, "451 4.3.0 later"])
def test_failure_before_the_text_is_temporary(phase: str, reply: str) -> None:
    notes = Notes()
    with SmtpServer(faults=[(phase, reply)]) as server:
        error = failure(settings(server), notes=notes)
    assert isinstance(error, temporary(phase))
    assert notes.log == []
    assert server.messages == []


@pytest.mark.parametrize("phase", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_silent_server_times_out(phase: str) -> None:
    with SmtpServer(faults=[(phase, SILENCE)]) as server:
        error = failure(settings(server, timeout=timedelta(seconds=0.1)))
    assert isinstance(error, temporary(phase))


@pytest.mark.parametrize(
    ("fault", "taken"),
    [(CUT, 0), (TAKE_AND_CUT, 1), (SILENCE, 0)],
)
def test_loss_after_the_dot_is_an_unknown_outcome(fault: str, taken: int) -> None:
    notes = Notes()
    with SmtpServer(faults=[("DOT", fault)]) as server:
        error = failure(settings(server, final_timeout=timedelta(seconds=0.2)), notes=notes)
    assert isinstance(error, OutcomeUnknown)
    assert notes.log == ["data_done"]
    assert len(server.messages) == taken


def test_loss_before_the_dot_is_transient() -> None:
    class HungUpOn(Notes):
        async def data_done(self) -> None:
            await super().data_done()
            await asyncio.to_thread(server.hang_up)
            for _ in range(5):  # iterations of the loop in which the client notices
                await asyncio.sleep(0)

    notes = HungUpOn()
    with SmtpServer() as server:
        error = failure(settings(server), notes=notes)
    assert isinstance(error, TransientFailure)
    assert notes.log == ["data_done"]
    assert server.messages == []


def test_failed_checkpoint_stops_before_the_dot() -> None:
    class Broken(Notes):
        async def data_done(self) -> None:
            raise RuntimeError("the disk is full")

    async def send_one(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        with pytest.raises(RuntimeError):
            await sender.send(outgoing(), Broken())
        await sender.send(outgoing(), Notes())
        await sender.close()

    with SmtpServer() as server:
        asyncio.run(send_one(settings(server)))
    assert len(server.messages) == 1
    assert server.connections == 2


@pytest.mark.parametrize("fault", ["554 5.0.0 I am not done with you", CUT])
def test_reply_to_quit_is_irrelevant(fault: str) -> None:
    with SmtpServer(faults=[("QUIT", fault)]) as server:
        assert send(settings(server)) == ["250 2.0.0 taken"]
    assert len(server.messages) == 1


def test_oversized_message_is_never_begun() -> None:
    with SmtpServer(size_limit=20) as server:
        error = failure(settings(server))
    assert isinstance(error, PermanentFailure)
    assert error.code == "552 5.3.4"
    assert "MAIL" not in server.commands


class Flooded(asyncio.Transport):
    """Transport of a peer that never stops sending."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def abort(self) -> None:
        self.is_aborted = True


@pytest.mark.parametrize("chunk", [1, 70_000])
@pytest.mark.parametrize(
    ("flood", "goes_on"),
    [
        (b"x" * 40_000, b"x" * 30_000),
        (b"250-\r\n" * 7_000, b"250-\r\n" * 5_000),
        (b"250-many words\r\n" * 3_000, b"250-many words\r\n" * 2_000),
        (b"250 fine\r\n" * 20, b"250 fine\r\n" * 5),
    ],
    ids=["no line", "empty lines", "lines", "answers"],
)
def test_endless_reply_drops_the_connection(flood: bytes, goes_on: bytes, chunk: int) -> None:
    for octets, is_lost in ((goes_on, False), (flood, True)):
        transport = Flooded()
        link = SmtpConnection(SmtpSettings(), pipelines=True, size_limit=None)
        link.take_over(transport)
        for start in range(0, len(octets), chunk):
            link.data_received(octets[start : start + chunk])
        assert (link.is_lost, transport.is_aborted) == (is_lost, is_lost)
