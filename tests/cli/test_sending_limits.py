"""Sending limits on the command line: report, release and cancel held deliveries."""

import json
from datetime import timedelta

import pytest

from tests.cli.conftest import Bot, a_paper, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer

DAY = timedelta(days=1)
READERS = ", ".join(f"r{n}@example.org" for n in range(4))


def states(bot: Bot) -> list[str]:
    return sorted(d["state"] for d in json.loads(bot("deliveries", "--json").out))


@pytest.fixture
def flood(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> int:
    """Run five days with one reader and a sixth with four; return the number sent before."""
    top = f"{smtp_keys(smtp)}\nsending_limits: {{volume: 2, volume_floor: 1}}"
    configure(arxiv.url, top=top, deliver="[{email: r0@example.org}]")
    for day in range(6):
        at = NOW + day * DAY
        arxiv.papers.append(a_paper(day + 10, "Serverless Daily", published=at, updated=at))
        if day == 5:
            configure(arxiv.url, top=top, deliver=f"[{{email: [{READERS}]}}]")
        called = bot("run", "--now", at=at)
        assert called.code == (1 if day == 5 else 0)
    assert "systems/6: held: 4 deliveries today, 1 on a usual day" in called.err
    assert "'digestbot deliveries release'" in called.err
    return 5


def test_unusual_volume_is_held_until_release(bot: Bot, smtp: SmtpServer, flood: int) -> None:
    assert len(smtp.messages) == flood
    at = NOW + 5 * DAY
    status = bot("status", at=at)
    assert status.code == 1
    assert "4 deliveries held: 'digestbot deliveries list --state held' shows why;" in status.out
    assert bot("deliveries", "retry", "--all", at=at).out == "0 deliveries queued\n"
    assert bot("run", at=at).code == 0
    assert len(smtp.messages) == flood
    released = bot("deliveries", "release", at=at)
    assert (released.code, released.out) == (0, "4 deliveries queued\n")
    assert bot("run", at=at).code == 0
    assert len(smtp.messages) == flood + 4
    assert bot("status", at=at).code == 0


def test_held_deliveries_can_be_cancelled(bot: Bot, smtp: SmtpServer, flood: int) -> None:
    at = NOW + 5 * DAY
    dropped = bot("deliveries", "cancel", "--held", at=at)
    assert (dropped.code, dropped.out) == (0, "4 deliveries cancelled\n")
    assert bot("deliveries", "cancel", "1").code == 1  # sent
    assert bot("deliveries", "cancel").code == 2
    assert bot("deliveries", "release", at=at).out == "0 deliveries queued\n"
    assert bot("run", at=at).code == 0
    assert len(smtp.messages) == flood


def test_stale_delivery_is_held(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}, {folder: out}]")
    smtp.faults = [("MAIL", "451 4.3.0 later")]
    bot("run")
    assert states(bot) == ["retrying", "sent"]
    at = NOW + 8 * DAY
    assert bot("run", "--no-fetch", at=at).code == 0
    assert states(bot) == ["held", "sent"]
    listed = bot("deliveries", "list", "--state", "held").out
    assert "the edition of 2026-11-23 is too old; release it to send it anyway" in listed
    bot("deliveries", "release", at=at)
    assert bot("run", "--no-fetch", at=at).code == 0
    assert len(smtp.messages) == 1


def test_expires_sets_the_age_limit(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}]\n    expires: 1h")
    smtp.faults = [("MAIL", "451 4.3.0 later")]
    bot("run")
    bot("run", "--no-fetch", at=NOW + timedelta(hours=1))
    assert states(bot) == ["held"]


def test_daily_limit_per_address_delays_deliveries(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    top = f"{smtp_keys(smtp)}\nsending_limits: {{per_day: 2}}"
    more = "".join(f"  d{n}: {{deliver: [{{email: r@example.org}}]}}\n" for n in range(3))
    configure(arxiv.url, top=top, more=more)
    assert bot("run").code == 0
    assert len(smtp.messages) == 2
    assert (
        "reached the limit of 2 on 2026-11-23; waits"
        in bot("deliveries", "list", "--state", "queued").out
    )
    assert bot("run", "--no-fetch", at=NOW + timedelta(hours=15)).code == 0
    assert len(smtp.messages) == 2
    assert bot("run", "--no-fetch", at=NOW + timedelta(hours=16)).code == 0
    assert len(smtp.messages) == 3
