"""
End to end: a week of arXiv with every fault, to a mailbox, a channel and a folder.

Only the papers are invented: servers run on loopback, the database is SQLite or PostgreSQL, and
the program runs as the shell would call it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digestbot.cli.error_reporting import run_reporting_errors
from digestbot.cli.group import digestbot
from digestbot.store import open_store
from tests.servers.arxiv import ArxivServer, FakePaper, every_fault, make_papers
from tests.servers.slack import TOKEN, SlackServer
from tests.servers.smtp import SmtpServer

WEEK = 2_000
CONFIG = """\
timezone: Europe/Berlin
store: {store}
smtp: {{host: localhost, port: {port}, security: none, sender: "Digests <digests@example.org>"}}
slack: {{token: {token}, url: "{slack}", interval: 0s}}
sources:
  arxiv:
    kind: arxiv
    categories: [cs.DC, cs.OS, cs.LG, cs.DB, cs.NI, math.NA, cs.NA, cs.PF]
    url: {arxiv}
    interval: 0s
    page_size: 100
    backfill: 8d
digests:
  systems:
    schedule: daily 09:00
    types: [new, cross, replace]
    limit: 5000
    filter:
      any: [serverless, {{title: mixture of experts}}]
    deliver:
      - email: [reader@example.org]
      - slack: "#papers"
      - folder: out
"""


@pytest.fixture
def papers() -> tuple[FakePaper, ...]:
    start = datetime.now(UTC) - timedelta(days=7, hours=1)
    return make_papers(WEEK, start=start, days=7)


@pytest.fixture
def servers(
    papers: tuple[FakePaper, ...],
) -> Iterator[tuple[ArxivServer, SmtpServer, SlackServer]]:
    late = make_papers(5, start=papers[-1].updated, days=0.01, first_number=60_000, seed=5)
    with (
        ArxivServer(papers, faults=every_fault(), arrivals=late) as arxiv,
        SmtpServer() as smtp,
        SlackServer() as slack,
    ):
        yield arxiv, smtp, slack


def matching(papers: list[FakePaper]) -> set[tuple[str, int]]:
    """Return the papers that the filter must match, by plain string search."""
    return {
        (f"arxiv:{p.id}", p.version)
        for p in papers
        if "serverless" in f"{p.title} {p.abstract}".lower()
        or "mixture of experts" in p.title.lower()
    }


def in_editions(folder: Path) -> Counter[tuple[str, int]]:
    """Count each paper in the delivered editions."""
    editions = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return Counter((p["id"], p["version"]) for edition in editions for p in edition["papers"])


def run(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run_reporting_errors(digestbot, ["run", "--now", "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    return code, json.loads(out)


def test_one_week_of_arxiv_with_every_fault(
    store_url: str,
    servers: tuple[ArxivServer, SmtpServer, SlackServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arxiv, smtp, slack = servers
    monkeypatch.chdir(tmp_path)
    text = CONFIG.format(
        store=store_url, port=smtp.port, slack=slack.url, token=TOKEN, arxiv=arxiv.url
    )
    Path("config.yaml").write_text(text)

    code, first = run(capsys)
    assert (code, first["fetched"][0]["status"]) == (0, "ok")
    assert not arxiv.faults, "every fault must have occurred"
    listed = {(f"arxiv:{p.id}", p.version) for p in arxiv.papers}
    assert len(listed) == WEEK + 5
    with open_store(store_url) as store:
        rows = list(store.papers.announcements(0, None, sources=None, types=None))
    stored = Counter((row.paper.id, row.paper.version) for row in rows)
    assert stored == Counter(dict.fromkeys(listed, 1))
    assert in_editions(tmp_path / "out") == Counter(dict.fromkeys(matching(arxiv.papers), 1))
    assert [m.recipients for m in smtp.messages] == [("reader@example.org",)]
    threads = len(slack.posted["#papers"])
    assert threads > 1

    code, second = run(capsys)
    assert code == 0
    assert second["editions"] == [
        {"digest": "systems", "edition": None, "papers": 0, "omitted": 0, "deliveries": 0,
         "held": None, "note": None, "error": None}
    ]  # fmt: skip
    assert second["deliveries"]["sent"] == 0
    assert (len(smtp.messages), len(slack.posted["#papers"])) == (1, threads)

    fresh = make_papers(40, start=arxiv.papers[-1].updated, days=0.01, first_number=70_000, seed=7)
    three = [p for p in fresh if matching([p])][:3]
    arxiv.papers += three
    code, third = run(capsys)
    assert (code, third["editions"][0]["papers"]) == (0, 3)
    assert third["deliveries"]["sent"] == 3
    assert in_editions(tmp_path / "out") == Counter(dict.fromkeys(matching(arxiv.papers), 1))
    assert len(smtp.messages) == 2
