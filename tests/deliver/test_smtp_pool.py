"""Reuse, limits and pace of connections against a real server."""

import asyncio

import pytest

from digestbot.deliver.smtp import SmtpSender
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import (
    DeliveryError,
)
from tests.deliver.smtp_client import (
    outgoing,
    send,
    settings,
)
from tests.servers.outgoing import Notes, Slept
from tests.servers.smtp import (
    CUT,
    SILENCE,
    SmtpServer,
)


def test_connection_is_reused_up_to_its_limit() -> None:
    with SmtpServer() as server:
        send(settings(server, messages_per_connection=2), *[outgoing()] * 5)
    assert len(server.messages) == 5
    assert server.connections == 3


def test_connection_survives_a_refusal() -> None:
    with SmtpServer(faults=[("RCPT", "550 5.1.1 no"), ("DOT", "554 5.6.0 no")]) as server:
        outcomes = send(settings(server), *[outgoing()] * 3)
    assert [outcome.split(":")[0] for outcome in outcomes] == [
        "PermanentFailure",
        "PermanentFailure",
        "250 2.0.0 taken",
    ]
    assert server.connections == 1
    # The final dot ends a transaction, whatever the reply (RFC 5321 4.1.1.4).
    assert server.commands.count("RSET") == 1


@pytest.mark.parametrize("fault", [CUT, "421 4.4.2 idle too long"])
def test_dead_idle_connection_is_replaced(fault: str) -> None:
    async def send_two(how: SmtpSettings) -> list[str]:
        sender = SmtpSender(how)
        first = await sender.send(outgoing(), Notes())
        server.faults.append(("MAIL", fault))
        second = await sender.send(outgoing(), Notes())
        await sender.close()
        return [first.detail, second.detail]

    with SmtpServer() as server:
        assert asyncio.run(send_two(settings(server))) == ["250 2.0.0 taken"] * 2
    assert (server.connections, len(server.messages)) == (2, 2)


@pytest.mark.parametrize("fault", [CUT, "421 4.4.2 too many errors", "500 what"])
def test_failed_reset_drops_the_connection(fault: str) -> None:
    with SmtpServer(faults=[("RCPT", "550 5.1.1 no"), ("RSET", fault)]) as server:
        refused, sent = send(settings(server), outgoing(), outgoing())
    assert refused.startswith("PermanentFailure")
    assert sent == "250 2.0.0 taken"
    assert server.connections == 2


def test_421_fails_one_delivery_only() -> None:
    with SmtpServer(faults=[("MAIL", "421 4.7.0 closing")]) as server:
        first, second = send(settings(server), outgoing(), outgoing())
    assert first.startswith("TransientFailure")
    assert second == "250 2.0.0 taken"


def test_number_of_connections_is_limited() -> None:
    async def send_many(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        await asyncio.gather(*(sender.send(outgoing(), Notes()) for _ in range(8)))
        await sender.close()

    with SmtpServer() as server:
        asyncio.run(send_many(settings(server, max_connections=2)))
    assert len(server.messages) == 8
    assert server.connections == 2


def test_cancelled_send_frees_its_connection() -> None:
    async def cancel_one(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        task = asyncio.create_task(sender.send(outgoing(), Notes()))
        await asyncio.to_thread(server.fell_silent.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sender.send(outgoing(), Notes())).detail == "250 2.0.0 taken"
        await sender.close()

    with SmtpServer(faults=[("DOT", SILENCE)]) as server:
        asyncio.run(cancel_one(settings(server, max_connections=1)))
    assert server.connections == 2


POLICY = "550 5.7.1 not from you"


def kinds(outcomes: list[str]) -> list[str]:
    return [outcome.split(":")[0].split(" ")[0] for outcome in outcomes]


def test_three_policy_refusals_in_a_row_stop_the_kind() -> None:
    with SmtpServer(faults=[("RCPT", POLICY), ("DOT", POLICY), ("RCPT", POLICY)]) as server:
        outcomes = send(settings(server), *[outgoing()] * 3)
    assert kinds(outcomes) == ["TransientFailure", "TransientFailure", "Misconfigured"]
    assert outcomes[2].endswith("; the 2 deliveries before it too, so it concerns our server")


def test_single_policy_refusals_stop_only_themselves() -> None:
    async def send_all(how: SmtpSettings) -> list[str]:
        sender = SmtpSender(how)
        outcomes = []
        for _ in range(4):
            server.faults.append(("RCPT", POLICY))
            for _ in range(2):
                try:
                    outcomes.append((await sender.send(outgoing(), Notes())).detail)
                except DeliveryError as error:
                    outcomes.append(type(error).__name__)
        await sender.close()
        return outcomes

    with SmtpServer() as server:
        assert kinds(asyncio.run(send_all(settings(server)))) == ["TransientFailure", "250"] * 4


def test_domain_cannot_take_all_connections() -> None:
    """A silent domain blocks its two connections; other domains continue."""

    async def send_many(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        stuck = [
            asyncio.create_task(sender.send(outgoing(f"r{n}@slow.example"), Notes()))
            for n in range(5)
        ]
        async with asyncio.timeout(10):
            while server.faults:  # noqa: ASYNC110 - both connections must be stuck
                await asyncio.sleep(0.01)
        await sender.send(outgoing("reader@example.org"), Notes())
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await sender.close()

    with SmtpServer(faults=[("RCPT", SILENCE), ("RCPT", SILENCE)]) as server:
        asyncio.run(send_many(settings(server, max_connections=3, domain_connections=2)))
    assert [taken.recipients for taken in server.messages] == [("reader@example.org",)]


def test_messages_are_spread_over_the_minute() -> None:
    slept = Slept()

    async def send_many(how: SmtpSettings) -> None:
        sender = SmtpSender(how, sleep=slept)
        for _ in range(4):
            await sender.send(outgoing(), Notes())
        await sender.close()

    with SmtpServer() as server:
        asyncio.run(send_many(settings(server, per_minute=30)))
    assert [round(seconds / 2) for seconds in slept.seconds] == [0, 1, 2, 3]


class Waits:
    """Sleep that lasts until *over* is set."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self.over.wait()


@pytest.mark.parametrize("pipelining", [False, True])
def test_paced_domain_does_not_delay_others(pipelining: bool) -> None:
    async def send_many(how: SmtpSettings) -> None:
        waits = Waits()
        sender = SmtpSender(how, sleep=waits)
        addresses = ("a@a.example", "b@a.example", "c@A.example", "d@b.example", "e@c.example")
        a, b, c, d, e = (
            asyncio.create_task(sender.send(outgoing(address), Notes())) for address in addresses
        )
        await asyncio.gather(a, d, e)
        assert (b.done(), c.done()) == (False, False)
        assert waits.seconds == [10.0] * 3
        waits.over.set()
        await asyncio.gather(b, c)
        assert waits.seconds == [10.0] * 5
        await sender.close()

    with SmtpServer(pipelining=pipelining) as server:
        asyncio.run(send_many(settings(server, domain_per_minute=6, max_connections=1)))
    assert "".join(taken.recipients[0][0] for taken in server.messages) == "adebc"
    assert server.connections == 1


def test_message_after_the_pause_is_sent_at_once() -> None:
    slept = Slept()

    async def send_some(how: SmtpSettings) -> None:
        sender = SmtpSender(how, sleep=slept)
        for _ in range(3):
            await sender.send(outgoing(), Notes())
        await sender.close()

    with SmtpServer() as server:
        asyncio.run(send_some(settings(server, domain_per_minute=30)))
    assert slept.seconds == [2.0] * 3
    assert len(server.messages) == 3


def test_close_cancels_paced_messages() -> None:
    async def send_and_close(how: SmtpSettings) -> None:
        sender = SmtpSender(how, sleep=Waits())
        await sender.send(outgoing(), Notes())
        late = asyncio.create_task(sender.send(outgoing(), Notes()))
        await asyncio.sleep(0)
        await sender.close()
        with pytest.raises(asyncio.CancelledError):
            await late
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with SmtpServer() as server:
        asyncio.run(send_and_close(settings(server, domain_per_minute=1)))
    assert len(server.messages) == 1
