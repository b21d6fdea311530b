"""`status`: the state of the bot, and an exit code for monitoring."""

import json
from datetime import timedelta

from tests.cli.conftest import PAPERS, Bot, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.slack import TOKEN, WEBHOOK_PATH, SlackServer
from tests.servers.smtp import SmtpServer
from tests.servers.web import Reply, WebServer


def test_new_store_has_no_problems(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    called = bot("status")
    assert (called.code, called.err) == (0, "")
    assert "0 papers; deliveries: none yet" in called.out


def test_successful_run_has_no_problems(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    called = bot("status", "--json")
    assert called.code == 0
    facts = json.loads(called.out)
    assert facts["problems"] == []
    assert facts["papers"] == len(PAPERS)
    assert facts["now"] == facts["sources"][0]["last_ok_at"] == "2026-11-23T08:00:00Z"
    digest = facts["digests"][0]
    assert (digest["editions"], digest["waiting"]) == (1, 0)
    assert digest["next_due_at"] == "2026-11-23T09:00:00Z"
    assert facts["deliveries"]["sent"] == 1


def test_max_age_reports_sources_without_a_recent_fetch(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    called = bot("status", "--max-age", "26h")
    assert (called.code, called.err) == (1, "")
    assert "  source arxiv: no complete fetch yet\n" in called.out
    bot("run")
    assert bot("status", "--max-age", "26h").code == 0
    later = NOW + timedelta(minutes=30)
    assert bot("status", "--max-age", "20m", at=later).code == 1
    facts = json.loads(bot("status", "--max-age", "20m", "--json", at=later).out)
    line = "source arxiv: last complete fetch at 2026-11-23 08:00 UTC, older than --max-age"
    assert facts["problems"] == [line]
    assert bot("status", at=later).code == 0


def test_an_age_that_is_no_span_is_refused(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    called = bot("status", "--max-age", "soon")
    assert called.code == 2
    assert '--max-age "soon" is not a time span; use 26h or 2d' in called.err


def test_failed_source_needs_attention(bot: Bot) -> None:
    with WebServer.of(Reply(status=404)) as web:
        configure(f"{web.url}/api/query")
        bot("fetch")
    called = bot("status")
    assert called.code == 1
    assert "Needs attention:\n  source arxiv: refused: http://127.0.0.1:" in called.out


def test_digest_without_recipients_needs_attention(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, deliver="[]")
    called = bot("status")
    assert called.code == 1
    assert "  digest systems: no recipients" in called.out
    bot("subscribers", "add", "systems", "reader@example.org")
    assert bot("status").code == 0


def test_failed_delivery_needs_attention_until_sent(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    smtp.faults = [("RCPT", "450 4.2.0 later")]
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}]")
    bot("run")
    called = bot("status", "--json")
    assert called.code == 1
    facts = json.loads(called.out)
    (problem,) = facts["problems"]
    assert problem.startswith(
        "1 delivery retrying, email r@example.org: the mail server refused the recipient"
    )
    (failure,) = facts["failures"]
    assert "450 4.2.0 later" in failure["error"]
    assert failure["address"] == "r@example.org"
    bot("run", at=NOW + timedelta(hours=1))
    assert bot("status", at=NOW + timedelta(hours=1)).code == 0


def test_dead_channel_needs_attention(bot: Bot, arxiv: ArxivServer) -> None:
    with SlackServer() as slack:
        top = f'slack: {{token: {TOKEN}, url: "{slack.url}"}}'
        deliver = (
            f'[{{slack: "#gone"}}, {{slack: "#papers"}}, {{webhook: "{slack.webhook}"}},'
            f' {{webhook: "{slack.origin}/services/T/B/pl4nted-gone"}}]'
        )
        configure(arxiv.url, top=top, deliver=deliver)
        bot("run")
        assert slack.posted["#papers"]
        assert slack.posted[WEBHOOK_PATH]
    called = bot("status")
    assert called.code == 1
    assert "\n  2 deliveries dead, webhook " in called.out
    assert ": the webhook refused: 404 no_service\n" in called.out
    assert "\n  also dead, slack #gone: Slack: channel_not_found; invite the app" in called.out


def test_overdue_digest_needs_attention(bot: Bot, arxiv: ArxivServer) -> None:
    """The last run succeeded, but the cron job is gone."""
    configure(arxiv.url)
    bot("run")
    assert bot("status", at=NOW + timedelta(hours=2, minutes=59)).code == 0
    called = bot("status", at=NOW + timedelta(hours=3))
    assert called.code == 1
    assert "digest systems: overdue since 2026-11-23 09:00; is a cron job or" in called.out


def test_times_are_in_the_configured_zone(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, top="timezone: Asia/Tokyo")
    bot("run")
    out = bot("status").out
    assert "2026-11-23 17:00" in out
    assert "2026-11-24 09:00" in out
