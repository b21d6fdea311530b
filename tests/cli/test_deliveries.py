"""`deliveries`: list, show, retry, release and cancel."""

import json
from datetime import timedelta

import pytest

from digestbot.store import open_store
from digestbot.store.recovery import MAX_LOST
from tests.cli.conftest import Bot, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer

LATER = NOW + timedelta(minutes=1)
"""Before any automatic retry is due."""


def run_with(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, *faults: tuple[str, str]) -> None:
    """Send one edition to two readers; the first delivery meets *faults*."""
    smtp.faults = list(faults)
    configure(
        arxiv.url,
        top=smtp_keys(smtp).replace("security", "max_connections: 1, security"),
        deliver="[{email: [a@example.org, b@example.org]}]",
    )
    bot("run")


def states(bot: Bot, *options: str) -> dict[str, str]:
    called = bot("deliveries", "list", "--json", *options)
    assert called.code == 0
    return {d["address"]: d["state"] for d in json.loads(called.out)}


def number_of(bot: Bot, address: str) -> str:
    found = json.loads(bot("deliveries", "--json").out)
    return str(next(d["id"] for d in found if d["address"] == address))


def test_list_shows_states_and_errors(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    run_with(bot, arxiv, smtp, ("RCPT", "552 5.2.2 mailbox full"))
    assert sorted(states(bot).values()) == ["dead", "sent"]
    table = bot("deliveries").out
    assert "email:a@example.org" in table
    assert "552 5.2.2 mailbox full" in table


def test_list_can_be_filtered(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    run_with(bot, arxiv, smtp, ("RCPT", "552 5.2.2 mailbox full"))
    assert list(states(bot, "--state", "dead").values()) == ["dead"]
    assert list(states(bot, "--state", "queued", "--state", "sent").values()) == ["sent"]
    assert len(states(bot, "--digest", "systems")) == 2
    assert len(states(bot, "--limit", "1")) == 1
    assert bot("deliveries", "list", "--digest", "no-such").code == 2
    assert bot("deliveries", "list", "--state", "lost").code == 2


def test_empty_outbox(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    assert bot("deliveries").out == "no deliveries yet\n"
    assert bot("deliveries", "retry", "--all").code == 0


def test_show_includes_the_attempts(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    run_with(bot, arxiv, smtp, ("RCPT", "450 4.2.0 later"))
    (retrying,) = (a for a, state in states(bot).items() if state == "retrying")
    bot("run", at=NOW + timedelta(hours=1))
    facts = json.loads(bot("deliveries", "show", number_of(bot, retrying), "--json").out)
    assert (facts["state"], facts["attempts"]) == ("sent", 2)
    assert [(t["outcome"], t["code"]) for t in facts["tries"]] == [
        ("retrying", "450 4.2.0"),
        ("sent", None),
    ]
    history = bot("deliveries", "show", number_of(bot, retrying)).out
    assert "2026-11-23 08:00  retrying  the mail server refused the recipient: 450" in history
    assert "sent_at     2026-11-23 09:00\n" in history


def test_show_of_unknown_delivery_fails(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    called = bot("deliveries", "show", "7")
    assert (called.code, called.err) == (
        1,
        "digestbot: no delivery 7; 'digestbot deliveries list' shows all of them\n",
    )


def test_retry_of_dead_delivery_keeps_message_id(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    run_with(bot, arxiv, smtp, ("RCPT", "552 5.2.2 mailbox full"))
    (dead,) = (address for address, state in states(bot).items() if state == "dead")
    number = number_of(bot, dead)
    before = json.loads(bot("deliveries", "show", number, "--json").out)
    called = bot("deliveries", "retry", number)
    assert (called.code, called.out) == (0, "1 delivery queued\n")
    assert bot("run", at=LATER).code == 0
    after = json.loads(bot("deliveries", "show", number, "--json").out)
    assert (after["state"], after["message_id"]) == ("sent", before["message_id"])
    assert [m.recipients for m in smtp.messages].count((dead,)) == 1
    assert before["message_id"].encode() in smtp.messages[-1].content


@pytest.mark.parametrize(
    "fault", ["450 4.2.0 later", "552 5.2.2 mailbox full"], ids=["retrying", "dead"]
)
def test_retry_all_queues_every_failed_delivery(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, fault: str
) -> None:
    run_with(bot, arxiv, smtp, ("RCPT", fault), ("RCPT", fault))
    assert not smtp.messages
    called = bot("deliveries", "retry", "--all", at=LATER)
    assert (called.code, called.out) == (0, "2 deliveries queued\n")
    assert bot("run", at=LATER).code == 0
    assert set(states(bot).values()) == {"sent"}


def test_retry_leaves_sent_deliveries_alone(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    run_with(bot, arxiv, smtp)
    called = bot("deliveries", "retry", "1", "99")
    assert called.code == 1
    assert called.out == "0 deliveries queued\n"
    assert called.err == (
        "2 deliveries unchanged: sent, queued or unknown; see 'digestbot deliveries list'\n"
    )
    bot("run", at=LATER)
    assert len(smtp.messages) == 2


@pytest.mark.parametrize("options", [(), ("1", "--all")], ids=["nothing", "both"])
def test_retry_requires_numbers_or_all(
    bot: Bot, arxiv: ArxivServer, options: tuple[str, ...]
) -> None:
    configure(arxiv.url)
    called = bot("deliveries", "retry", *options)
    assert (called.code, called.err) == (2, "give delivery numbers or --all, and not both\n")


def test_quarantined_deliveries_wait_for_release(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    run_with(bot, arxiv, smtp, ("RCPT", "450 4.2.0 later"), ("RCPT", "450 4.2.0 later"))
    with open_store("sqlite:///digestbot.db") as store:
        at = NOW + timedelta(hours=1)
        for lost in range(MAX_LOST):
            store.outbox.claim(at, lease_s=60, limit=2, lost=lost)
            at += timedelta(minutes=1)
            store.outbox.recover(at)
    assert set(states(bot).values()) == {"quarantined"}
    assert "quarantined" in bot("status").out
    bot("run", at=NOW + timedelta(days=1))
    assert not smtp.messages
    one = bot("deliveries", "release", "1", "99", at=at)
    assert (one.code, one.out) == (1, "1 delivery queued\n")
    assert one.err == (
        "1 delivery unchanged: not held or quarantined; see 'digestbot deliveries list'\n"
    )
    rest = bot("deliveries", "release", at=at)
    assert (rest.code, rest.out) == (0, "1 delivery queued\n")
    assert bot("run", at=at).code == 0
    assert set(states(bot).values()) == {"sent"}
