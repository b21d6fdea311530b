"""Reuse, limits and pace of connections against a real server."""

import asyncio

import pytest

from digestbot.deliver.smtp_sender import SmtpSender
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import (
    DeliveryError,
)
from digestbot.model import Receipt
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


def send_at_once(how: SmtpSettings, *addresses: str) -> list[str]:
    """Send to all *addresses* at once; return each receipt or kind of error."""

    async def send_all() -> list[str]:
        sender = SmtpSender(how)
        sends = (sender.send(outgoing(address), Notes()) for address in addresses)
        results = await asyncio.gather(*sends, return_exceptions=True)
        await sender.close()
        return [r.detail if isinstance(r, Receipt) else type(r).__name__ for r in results]

    return asyncio.run(send_all())


READERS = tuple(f"r{number}@example.org" for number in range(20))


@pytest.mark.parametrize("pipelining", [False, True])
@pytest.mark.parametrize(
    ("phase", "reply", "kind"),
    [
        ("CONNECT", "421 4.7.0 Too many connections, try later", "ServerUnavailable"),
        ("CONNECT", "554 5.3.2 no service", "Misconfigured"),
        ("CONNECT", CUT, "ServerUnavailable"),
        ("EHLO", "550 who are you", "Misconfigured"),
        ("MAIL", "450 4.7.1 Error: too much mail from 192.0.2.9", "ServerUnavailable"),
        ("RCPT", "504 5.5.2 <box>: Helo command rejected: no", "Misconfigured"),
        ("DOT", "550 5.4.5 Daily user sending limit exceeded", "ServerUnavailable"),
        ("DOT", "554 5.2.252 SendAsDenied", "Misconfigured"),
        ("DOT", "421 4.3.2 shutting down", "ServerUnavailable"),
    ],
)
def test_answer_about_us_leaves_the_queue_alone(
    phase: str, reply: str, kind: str, pipelining: bool
) -> None:
    with SmtpServer(faults=[(phase, reply)] * 20, pipelining=pipelining) as server:
        outcomes = send_at_once(settings(server, max_connections=2), *READERS)
        assert server.connections <= 2
        assert server.connections == 1 or phase in {"MAIL", "RCPT", "DOT"}
    assert set(outcomes) == {kind, "NotAttempted"}
    assert outcomes.count(kind) <= 2


def test_server_that_has_failed_is_asked_over_one_connection() -> None:
    async def send_twice(how: SmtpSettings) -> None:
        sender = SmtpSender(how)
        for _ in range(2):
            sends = (sender.send(outgoing(address), Notes()) for address in READERS)
            await asyncio.gather(*sends, return_exceptions=True)
        await sender.close()

    faults = [("MAIL", "450 4.7.1 Error: too much mail")] * 20
    with SmtpServer(faults=faults) as server:
        asyncio.run(send_twice(settings(server, max_connections=2)))
        assert server.connections <= 3


@pytest.mark.parametrize("pipelining", [False, True])
def test_full_session_goes_on_over_another(pipelining: bool) -> None:
    """The server takes three messages per connection."""
    refusal = ("MAIL", "452 4.5.3 Too many messages in this session")
    with SmtpServer(pipelining=pipelining) as server:
        server.per_session = (3, refusal[1])
        outcomes = send_at_once(settings(server, max_connections=1), *READERS)
    assert outcomes == ["250 2.0.0 taken"] * 20
    assert server.connections == 7


def test_server_that_takes_nothing_per_session_is_left_alone() -> None:
    with SmtpServer() as server:
        server.per_session = (0, "452 4.5.3 Too many messages in this session")
        outcomes = send_at_once(settings(server, max_connections=1), *READERS)
        assert server.connections == 1
    assert outcomes == ["SessionLimit"] + ["NotAttempted"] * 19


def test_three_lost_connections_in_a_row_are_about_the_server() -> None:
    with SmtpServer(faults=[("RCPT", CUT)] * 20) as server:
        outcomes = send_at_once(settings(server, max_connections=1), *READERS)
        assert server.connections == 3
    lost = ["TransientFailure"] * 2 + ["ServerUnavailable"]
    assert outcomes == [*lost, *["NotAttempted"] * 17]


def test_one_message_lost_thrice_is_about_itself() -> None:
    with SmtpServer(faults=[("RCPT", CUT)] * 3) as server:
        outcomes = send(settings(server), *[outgoing()] * 3)
    assert kinds(outcomes) == ["TransientFailure"] * 3


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


UNKNOWN = "550 what we do not know"


@pytest.mark.parametrize("refusal", [POLICY, UNKNOWN])
def test_three_unclear_refusals_in_a_row_stop_the_kind(refusal: str) -> None:
    with SmtpServer(faults=[("RCPT", refusal), ("DOT", refusal), ("RCPT", refusal)]) as server:
        outcomes = send(settings(server), *map(outgoing, READERS[:3]))
    assert kinds(outcomes) == ["UnclearRefusal", "UnclearRefusal", "Misconfigured"]
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
        assert kinds(asyncio.run(send_all(settings(server)))) == ["UnclearRefusal", "250"] * 4


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
