"""`run`: one cycle for cron, safe to repeat."""

import json
import os
import pty
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Bot, Called, a_paper, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import CUT, SmtpServer
from tests.servers.web import Reply, WebServer
from tests.wire import assert_sound

OTHER = """\
  other:
    schedule: daily 09:00
    filter: {any: [erasure, serverless]}
    deliver: [{folder: out}]
"""
BREAKS_ON_ONE = """\
{% if edition.title == "other" %}{{ no_such.thing }}{% endif %}
{% include "digestbot/mail/masthead.txt.j2" %}
"""


def made(out: str) -> Mapping[str, Any]:
    """Return the result of each digest by name."""
    return {edition["digest"]: edition for edition in json.loads(out)["editions"]}


def in_folder(digest: str) -> Counter[str]:
    """Count each paper in the editions of *digest* delivered to `out`."""
    editions = [json.loads(path.read_text()) for path in Path("out").glob(f"{digest}-*.json")]
    return Counter(paper["id"] for edition in editions for paper in edition["papers"])


def test_first_run_delivers_immediately(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    called = bot("run")
    assert (called.code, called.err) == (0, "")
    assert "systems/1: 2 papers to 1 recipient" in called.out
    assert "1 sent" in called.out
    assert in_folder("systems") == {"arxiv:2611.00002": 1, "arxiv:2611.00004": 1}


def test_quiet_prints_results_but_no_record_of_a_run(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    for name in ("fetch", "run"):
        assert bot("-q", name) == bot("-q", name) == Called(code=0, out="", err="")
    assert bot("run", "-q", "--json").out.startswith("{")
    commands = (
        ("check",),
        ("status",),
        ("explain", "systems", "2611.00004"),
        ("preview", "systems", "--since", "7d"),
        ("editions", "list"),
        ("deliveries", "list"),
        ("subscribers", "list"),
    )
    for command in commands:
        assert bot("-q", *command).out == bot(*command).out != "", command


def test_quiet_runs_report_what_failed(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, deliver="[{folder: config.yaml}]")
    called = bot("-q", "run")
    assert (called.code, called.out) == (1, "")
    assert called.err.startswith("folder: ")


def test_folder_gets_the_configured_exports(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, more=OTHER.replace("deliver:", "exports: [ris, bibtex]\n    deliver:"))
    assert bot("run").code == 0
    endings = {
        name: {path.suffix for path in Path("out").glob(f"{name}-*")}
        for name in ("other", "systems")
    }
    usual = {".eml", ".html", ".txt", ".json"}
    assert endings == {"other": usual | {".ris", ".bib"}, "systems": usual}
    for path in Path("out").glob("*.eml"):
        assert_sound(path.read_bytes())


def test_nothing_due_names_the_next_digest(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    called = bot("run", at=NOW + timedelta(minutes=30))
    assert called.code == 0
    assert called.out == (
        "Nothing due (next: systems, Mon 23 Nov 09:00). Use --now to send anyway.\n"
    )


def wait_for_announcement() -> None:
    """Let the digest wait for arXiv's announcement, from 07:00 to 10:00."""
    config = Path("config.yaml").read_text()
    waits = config.replace("schedule: daily 09:00", "schedule: {after: announcement}")
    Path("config.yaml").write_text(waits)


def test_a_run_waits_for_the_announcement_until_the_latest_time(
    bot: Bot, arxiv: ArxivServer
) -> None:
    """The papers in the store are those of Tuesday; Monday's are not announced yet."""
    configure(arxiv.url)
    wait_for_announcement()
    waits = "waiting for arXiv's announcement of Mon 23 Nov until 10:00"
    for minutes in (0, 30, 119):
        called = bot("run", at=NOW + timedelta(minutes=minutes))
        assert (called.code, called.err) == (0, "")
        assert f"systems: not due yet, {waits}\n" in called.out
    assert made(bot("run", "--json").out)["systems"]["note"] == f"not due yet, {waits}"
    status = bot("status", at=NOW + timedelta(minutes=119))
    assert (status.code, f"systems: {waits}\n" in status.out) == (0, True)
    (facts,) = json.loads(bot("status", "--json").out)["digests"]
    assert facts["waits_until"] == "2026-11-23T10:00:00Z"
    assert facts["waits_for"] == [
        {
            "source": "arxiv",
            "category": "cs.DC",
            "day": "2026-11-23",
            "state": "not yet",
            "papers": 0,
        }
    ]
    assert "systems/1: 2 papers" in bot("run", at=NOW + timedelta(hours=2)).out
    (text,) = (path.read_text() for path in Path("out").glob("systems-*.txt"))
    assert (
        "THIS EDITION IS INCOMPLETE. Missing papers will follow in a later one. "
        "- arxiv: Mon 23 Nov not announced yet in cs.DC"
    ) in " ".join(text.split())


def test_an_edition_made_now_does_not_wait(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    wait_for_announcement()
    assert "systems/1: 2 papers" in bot("run", "--now").out


def test_the_limit_is_named_with_what_it_leaves(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, deliver="[{folder: out}]\n    limit: 1")
    assert "systems/1: 2 papers to 1 recipient (limit 1, 1 more by title)\n" in bot("run").out


def test_nothing_due_makes_no_requests(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    called = bot("run", "--json", at=NOW + timedelta(minutes=30))
    assert (called.code, json.loads(called.out)["fetched"]) == (0, [])
    assert len(arxiv.requests) == 1


def test_refusing_source_is_paused_and_reported(bot: Bot) -> None:
    with WebServer.of(Reply(status=403, body=b"Access Denied")) as closed:
        configure(closed.url)
        assert bot("run").code == 1
        called = bot("run", at=NOW + timedelta(hours=1))
        assert called.code == 1
        assert called.err == (
            f"arxiv: {closed.url} answered 403: access denied; paused for 6 hours, set `contact`"
            " so that arXiv can write to you; paused until 2026-11-23 14:00;"
            " use 'digestbot fetch' to try now\n"
        )
        assert len(closed.requests) == 1
        bot("run", "--now", at=NOW + timedelta(hours=1))
        assert len(closed.requests) == 2


def test_corrected_url_is_fetched_immediately(bot: Bot, arxiv: ArxivServer) -> None:
    with WebServer.of(Reply(status=404)) as wrong:
        configure(wrong.url)
        assert bot("run").code == 1
    configure(arxiv.url)
    assert "systems/1: 2 papers" in bot("run", at=NOW + timedelta(minutes=1)).out


def test_progress_is_shown_on_terminals_only(bot: Bot, arxiv: ArxivServer) -> None:
    """Standard error is a terminal, standard output a pipe; `bot` creates the folder."""
    configure(arxiv.url)
    terminal, program_side = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "digestbot", "run"],
        stdout=subprocess.PIPE,
        stderr=program_side,
        env={**os.environ, "TERM": "xterm"},
        text=True,
        check=True,
    )
    os.close(program_side)
    shown = b"".join(iter(partial(_read, terminal), b"")).decode()
    os.close(terminal)
    assert "arxiv: 4 papers read, 4 new" in shown
    assert "deliveries: 1 done" in shown
    assert done.stdout.endswith("systems/1: 2 papers to 1 recipient\n1 sent\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # on Linux: the other side is closed
        return b""


def test_due_digest_without_matches_sends_nothing(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    called = bot("run", at=NOW + timedelta(hours=2))
    assert called.code == 0
    assert "systems: no new matches\n0 sent\n" in called.out


def test_now_ignores_the_schedule(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    arxiv.papers.append(a_paper(9, "Serverless News", published=NOW, updated=NOW))
    later = NOW + timedelta(minutes=30)
    assert made(bot("run", "--json", at=later).out) == {}
    assert made(bot("run", "--now", "--json", at=later).out)["systems"]["papers"] == 1


def test_one_edition_catches_up_after_a_week(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    for number in range(10, 17):
        at = NOW + timedelta(days=number - 9)
        arxiv.papers.append(a_paper(number, "Serverless Daily", published=at, updated=at))
    called = bot("run", "--json", at=NOW + timedelta(days=8))
    assert made(called.out)["systems"]["papers"] == 7
    assert len(json.loads(bot("editions", "--json").out)) == 2


def test_run_is_limited_to_named_digests(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, more=OTHER)
    assert made(bot("run", "other", "--json").out).keys() == {"other"}
    assert made(bot("run", "--json").out).keys() == {"systems"}


def test_unknown_digest_exits_2(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, more=OTHER)
    called = bot("run", "systems", "no-such")
    assert (called.code, called.out) == (2, "")
    assert called.err == 'no digest "no-such" in the config; it has: systems, other\n'
    assert not arxiv.requests


def test_digests_share_one_fetch(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, more=OTHER)
    called = bot("run", "--json")
    assert called.code == 0
    assert len(arxiv.requests) == 1
    assert {name: edition["papers"] for name, edition in made(called.out).items()} == {
        "systems": 2,
        "other": 3,
    }
    assert set(in_folder("systems").values()) == set(in_folder("other").values()) == {1}


def test_no_fetch_uses_stored_papers(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("fetch")
    assert made(bot("run", "--no-fetch", "--json").out)["systems"]["papers"] == 2
    assert len(arxiv.requests) == 1


def test_failing_template_stops_one_digest_only(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, top="templates: mine", more=OTHER)
    Path("mine/mail").mkdir(parents=True)
    template = Path("mine/mail/masthead.txt.j2")
    template.write_text(BREAKS_ON_ONE)
    called = bot("run", "--json")
    assert called.code == 1
    assert made(called.out)["systems"]["papers"] == 2
    assert "other: template mail/masthead.txt.j2:1: " in called.err
    assert "other: template mail/masthead.txt.j2:1: " in "".join(
        line.removeprefix("digest ") for line in json.loads(bot("status", "--json").out)["problems"]
    )
    template.unlink()
    again = bot("run", "--json", at=NOW + timedelta(minutes=5))
    assert again.code == 0
    assert made(again.out).keys() == {"other"}
    assert in_folder("other") == dict.fromkeys(
        ("arxiv:2611.00002", "arxiv:2611.00003", "arxiv:2611.00004"), 1
    )
    assert bot("status").code == 0


def test_failed_source_is_reported_and_the_rest_sent(bot: Bot, arxiv: ArxivServer) -> None:
    with WebServer.of(Reply(status=404)) as bad:
        configure(arxiv.url)
        path = Path("config.yaml")
        path.write_text(
            path.read_text().replace(
                "sources:", f'sources:\n  bad: {{kind: feed, url: "{bad.url}"}}', 1
            )
        )
        called = bot("run", "--json")
    assert called.code == 1
    assert "bad: " in called.err
    assert "404" in called.err
    assert made(called.out)["systems"]["papers"] == 2
    assert "INCOMPLETE" in next(Path("out").glob("*.txt")).read_text()


def test_failed_mail_is_retried_later(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    smtp.faults = [("CONNECT", CUT)]
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}, {folder: out}]")
    called = bot("run", "--json")
    assert called.code == 1
    counts = json.loads(called.out)["deliveries"]
    assert (counts["sent"], counts["waiting"]) == (1, 1)
    assert "email: the mail server gave no usable reply to the connection" in called.err
    too_early = bot("run", "--json", at=NOW + timedelta(seconds=10))
    assert (too_early.code, smtp.messages) == (1, [])
    later = bot("run", "--json", at=NOW + timedelta(minutes=20))
    assert later.code == 0
    assert json.loads(later.out)["deliveries"]["sent"] == 1
    assert [message.recipients for message in smtp.messages] == [("r@example.org",)]
    assert set(in_folder("systems").values()) == {1}


def test_missing_mailbox_is_suppressed(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    smtp.faults = [("RCPT", "550 5.1.1 no such user")]
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}]")
    called = bot("run")
    assert called.code == 1
    assert "550 5.1.1 no such user" in called.err
    arxiv.papers.append(a_paper(9, "Serverless News", published=NOW, updated=NOW))
    bot("run", at=NOW + timedelta(days=1))
    assert not smtp.messages


def test_quiet_prints_nothing_on_success(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    called = bot("run", "-q")
    assert (called.code, called.out, called.err) == (0, "", "")


@pytest.mark.parametrize("where", ["before", "after"])
def test_verbose_logs_to_stderr(bot: Bot, arxiv: ArxivServer, where: str) -> None:
    configure(arxiv.url)
    called = bot("-v", "run") if where == "before" else bot("run", "-v")
    assert (
        "INFO digestbot.pipeline.making_editions: edition made edition=systems/1 papers=2"
        in called.err
    )
    assert "Serverless" not in called.err


def test_the_monitor_hears_of_begin_and_outcome(bot: Bot, arxiv: ArxivServer) -> None:
    with WebServer(lambda request: Reply()) as monitor:
        configure(arxiv.url, top=f"ping_url: {monitor.url}/secret-check\n")
        assert bot("run").code == 0
        configure("http://127.0.0.1:9", top=f"ping_url: {monitor.url}/secret-check\n")
        called = bot("run", "--now")
        assert called.code == 1
        paths = [request.path.removeprefix("/secret-check") for request in monitor.requests]
        assert paths == ["/start", "", "/start", "/fail"]
        assert "secret-check" not in called.err + bot("status").out + bot("check").out


def test_a_failing_monitor_never_breaks_a_run(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url, top="ping_url: http://127.0.0.1:9/secret-check\n")
    called = bot("run")
    assert (called.code, "systems/1: " in called.out) == (0, True)
    assert "secret-check" not in called.err


@pytest.mark.parametrize("patience", ["soon", "-5s", ""])
def test_patience_must_be_a_time_span(patience: str, bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    called = bot("run", "--patience", patience)
    assert called.code == 2
    assert f'--patience "{patience}" is not a time span; use 60s, 10m or 0s' in called.err


def test_missed_papers_are_sent_once_as_catch_up(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: [a@example.org]}]")
    path = Path("config.yaml")
    wide = path.read_text()
    path.write_text(wide.replace("[serverless]", "[wombat]"))
    assert bot("run").code == 0
    assert not smtp.messages
    path.write_text(wide)
    called = bot("run", "systems", "--missed-since", "14d")
    assert (called.code, called.err) == (0, "")
    assert "systems/1: 2 papers to 1 recipient" in called.out
    subject = message_from_bytes(smtp.messages[0].content, policy=default)["Subject"]
    assert subject.startswith("2 papers: systems (catch-up), ")
    again = bot("run", "--missed-since", "14d", at=NOW + timedelta(hours=1))
    assert again.code == 0
    assert "systems: nothing missed since 2026-11-09" in again.out
    assert len(smtp.messages) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("systems", "--missed-since", "soon"), '"soon" is not a time span; use 14d, 36h or 2w'),
        (("--missed-since", "14d"), "needs a digest: digestbot run systems --missed-since 14d"),
        (("systms", "--missed-since", "14d"), 'no digest "systms" in the config'),
    ],
)
def test_wrong_use_of_missed_since_exits_2(
    bot: Bot, arxiv: ArxivServer, args: tuple[str, ...], message: str
) -> None:
    configure(arxiv.url, more=OTHER)
    called = bot("run", *args)
    assert (called.code, called.out) == (2, "")
    assert message in called.err
