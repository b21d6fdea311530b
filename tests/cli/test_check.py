"""`check`: validation before the first email goes out."""

import json
import threading
from pathlib import Path

import pytest

from digestbot.net import pace_group
from digestbot.store import open_store
from tests.cli.conftest import Bot, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.slack import TOKEN, SlackServer
from tests.servers.smtp import SmtpServer
from tests.servers.web import Reply, WebServer

NOWHERE = "http://127.0.0.1:9/api/query"
"""The discard port, where nothing listens."""


def states(out: str) -> dict[str, str]:
    return {finding["what"]: finding["state"] for finding in json.loads(out)["findings"]}


def test_valid_config_passes(bot: Bot) -> None:
    configure(NOWHERE)
    called = bot("check")
    assert (called.code, called.err) == (0, "")
    assert "✓ systems: every day at 09:00 (UTC); 1 recipient" in called.out
    assert "✗" not in called.out


def test_all_config_errors_are_listed_with_positions(bot: Bot) -> None:
    configure(NOWHERE, top="timezon: UTC", deliver="[{email: invalid}]")
    called = bot("check")
    assert (called.code, called.out) == (2, "")
    first, *_, last = called.err.splitlines()
    assert first.startswith("config.yaml:1:1: ")
    assert 'did you mean "timezone"?' in first
    assert last.startswith("config.yaml:8:")
    assert '"invalid"' in last


def test_config_errors_as_json(bot: Bot) -> None:
    configure(NOWHERE, top="timezon: UTC")
    called = bot("check", "--json")
    assert called.code == 2
    facts = json.loads(called.out)
    (problem,) = facts["problems"]
    assert facts["findings"] == []
    assert problem.startswith("config.yaml:1:1: ")


def test_missing_config_suggests_init(bot: Bot) -> None:
    called = bot("check")
    assert called.code == 2
    assert "config.yaml: no such file; create one with 'digestbot init'" in called.err


@pytest.mark.parametrize("command", [("check",), ("check", "--connect")])
def test_missing_files_of_sources_are_errors(bot: Bot, command: tuple[str, ...]) -> None:
    Path("config.yaml").write_text(
        "sources:\n"
        "  feeds: {kind: opml, path: feeds.opml}\n"
        "  saved: {kind: folder, path: saved}\n"
        "digests: {d: {schedule: daily 09:00, filter: {any: [gpu]}}}\n"
    )
    called = bot(*command, "--json")
    assert called.code == 1
    assert states(called.out)["source feeds"] == states(called.out)["source saved"] == "error"
    Path("feeds.opml").write_text("<opml/>")
    Path("saved").mkdir()
    called = bot(*command, "--json")
    assert called.code == 0
    assert "error" not in states(called.out).values()


@pytest.mark.parametrize(
    ("examples", "state", "code"),
    [
        ("match: [arxiv:2611.00004]", "ok", 0),
        ("match: [arxiv:2611.00003]", "error", 1),
        ("skip: [arxiv:2611.00003]", "ok", 0),
        ("skip: [arxiv:2611.00004]", "error", 1),
        ("match: [arxiv:2611.99999]", "warning", 0),
    ],
)
def test_filter_examples_are_tested(
    bot: Bot, arxiv: ArxivServer, examples: str, state: str, code: int
) -> None:
    configure(arxiv.url)
    path = Path("config.yaml")
    with_examples = f"[serverless], examples: {{{examples}}}"
    path.write_text(path.read_text().replace("[serverless]", with_examples))
    assert bot("fetch").code == 0
    called = bot("check", "--json")
    assert called.code == code
    found = states(called.out)
    (example,) = (what for what in found if what.startswith("systems: example arxiv:2611."))
    assert found[example] == state


def test_failed_example_suggests_explain(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    path = Path("config.yaml")
    path.write_text(
        path.read_text().replace(
            "[serverless]", "[serverless], examples: {match: [arxiv:2611.00003]}"
        )
    )
    bot("fetch")
    assert (
        "✗ systems: example arxiv:2611.00003: should match but does not; "
        "'digestbot explain systems arxiv:2611.00003' shows why" in bot("check").out
    )


def test_failing_custom_template_is_reported(bot: Bot) -> None:
    configure(NOWHERE, top="templates: mine")
    Path("mine/mail").mkdir(parents=True)
    Path("mine/mail/masthead.txt.j2").write_text("{{ no_such.name }}\n")
    called = bot("check")
    assert called.code == 1
    assert "✗ systems: " in called.out
    assert "mail/masthead.txt.j2" in called.out


def test_unreachable_store_is_one_of_the_findings(bot: Bot, arxiv: ArxivServer) -> None:
    Path("taken").write_text("a file")
    configure(arxiv.url, top="store: sqlite:///taken/digestbot.db")
    called = bot("check", "--connect", "--json")
    assert called.code == 1
    found = states(called.out)
    assert found["store"] == "error"
    assert found["source arxiv"] == "ok"


def test_connect_tests_every_server(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    with SlackServer() as slack:
        configure(
            arxiv.url,
            top=f'{smtp_keys(smtp)}\nslack: {{token: {TOKEN}, url: "{slack.url}"}}',
            deliver=f'[{{email: r@example.org}}, {{slack: "#papers"}}, {{folder: out}},'
            f' {{webhook: "{slack.webhook}"}}]',
        )
        called = bot("check", "--connect", "--json")
    assert (called.code, called.err) == (0, "")
    assert states(called.out) == dict.fromkeys(
        ["systems", "store", "source arxiv", "email", "slack", "webhook", "folder"], "ok"
    )
    assert (smtp.messages, slack.posted) == ([], {})


def test_unused_template_is_reported(bot: Bot) -> None:
    configure(NOWHERE, top="templates: mine")
    for name, text in (
        ("mail/masthead.html.j2", '{% include "mail/mine.html.j2" %}'),
        ("mail/mine.html.j2", "<tr><td>Hello</td></tr>"),
        ("compact/mail/paper.txt.j2", "{{ paper.title }}"),
        ("mail/mastheat.txt.j2", "Hello"),
    ):
        path = Path("mine", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    called = bot("check")
    assert called.code == 0
    assert [line for line in called.out.splitlines() if line.startswith("!")] == [
        "! templates: mail/mastheat.txt.j2 overrides no built-in template, and none of yours "
        'includes it; did you mean "mail/masthead.txt.j2"?'
    ]


def test_connect_respects_the_request_interval(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    path = Path("config.yaml")
    path.write_text(path.read_text().replace("interval: 0s", "interval: 1h"))
    assert bot("check", "--connect").code == 0
    with open_store("sqlite:///digestbot.db") as store:
        assert store.sources.pace(pace_group(arxiv.url), 0, 0, NOW) == 3600


def test_connect_times_out_before_fetch_would(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digestbot.cli.check.PATIENCE_S", 0.05)
    answered = threading.Event()
    with WebServer.of(Reply(wait_for=answered)) as silent:
        configure(silent.url)
        called = bot("check", "--connect")
        answered.set()
    assert called.code == 1
    assert "✗ source arxiv: no valid response within 0.05 s" in called.out


def test_connect_sends_and_stores_nothing(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("check", "--connect")
    assert len(arxiv.requests) == 1
    assert json.loads(bot("status", "--json").out)["papers"] == 0
    assert list(Path("out").iterdir()) == []


def test_suppressed_destinations_are_counted_separately(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    deliver = "[{email: [a@example.org, B@example.org]}, {folder: out}]"
    configure(arxiv.url, top=smtp_keys(smtp), deliver=deliver)
    assert "every day at 09:00 (UTC); 3 recipients\n" in bot("check").out
    assert bot("suppressions", "add", "b@example.org").code == 0
    called = bot("check")
    assert (called.code, "; 2 recipients, 1 suppressed\n" in called.out) == (0, True)


def test_connect_reports_each_failing_server(bot: Bot) -> None:
    with (
        SmtpServer(logins={"me": "right"}, clear_logins=True) as smtp,
        SlackServer() as slack,
        WebServer.of(Reply(status=404)) as web,
    ):
        login = "security: none, insecure: true, username: me, password: wr0ng-passw0rd"
        configure(
            f"{web.url}/api/query",
            top=smtp_keys(smtp).replace("security: none", login)
            + f'\nslack: {{token: xoxb-pl4nted-wrong, url: "{slack.url}"}}',
            deliver='[{email: r@example.org}, {slack: "#papers"}]',
        )
        called = bot("check", "--connect")
    assert called.code == 1
    failed = [line for line in called.out.splitlines() if line.startswith("✗")]
    assert [line.split(":")[0] for line in failed] == ["✗ source arxiv", "✗ email", "✗ slack"]
    assert "404" in failed[0]
    assert "535" in failed[1]
    assert "invalid_auth" in failed[2]
    assert "wr0ng-passw0rd" not in called.out + called.err


def test_connect_names_the_feed_of_a_web_page(bot: Bot) -> None:
    link = b'<link rel="alternate" type="application/rss+xml" href="/rss">'
    with WebServer.of(Reply(body=b"<html><title>Journal</title>" + link)) as web:
        configure(NOWHERE)
        path = Path("config.yaml")
        feed = f"sources:\n  journal: {{kind: feed, url: {web.url}/toc, interval: 0s}}"
        path.write_text(path.read_text().replace("sources:", feed, 1))
        called = bot("check", "--connect")
    assert called.code == 1
    assert (
        f"✗ source journal: journal: {web.url}/toc: "
        f'a web page, "Journal", not a feed; write url: {web.url}/rss; next try at' in called.out
    )


def test_unwritable_folder_is_reported(bot: Bot, arxiv: ArxivServer) -> None:
    Path("taken").write_text("a file")
    configure(arxiv.url, deliver="[{folder: taken/out}]")
    called = bot("check", "--connect")
    assert called.code == 1
    assert "✗ folder: cannot write to the folder" in called.out


def test_filter_warnings_name_their_position(bot: Bot) -> None:
    configure(
        NOWHERE,
        more="  one: {filter: [gpu, GPUs]}\n  two:\n    filter:\n      any: [energ*, energy]\n",
    )
    findings = json.loads(bot("check", "--json").out)["findings"]
    warnings = [finding["words"] for finding in findings if finding["state"] == "warning"]
    assert warnings == [
        'config.yaml:9:23: "GPUs" is redundant: it hits only papers that "gpu" hits;'
        " remove one of them",
        'config.yaml:12:21: "energy" is redundant: it hits only papers that "energ*" hits;'
        " remove one of them",
    ]


# Fields that a source does not have.

JOURNAL = """\
sources:
  tpami: {{kind: feed, url: "{url}", interval: 0s, newest: 50, backfill: 3650d}}
digests:
  vision:
    filter:
      any:
        - author: Ada Xu
        - title: paper
    deliver: [{{folder: out}}]
"""


def journal() -> Reply:
    """A feed of 20 papers, half of them with an abstract, none with authors."""
    items = "".join(
        f"<item><title>Paper {n}</title><link>https://j.example/{n}</link>"
        f"<pubDate>2026-11-{1 + n:02}</pubDate>"
        f"{'<description>We study it.</description>' if n % 2 else ''}</item>"
        for n in range(20)
    )
    body = f'<rss version="2.0"><channel><title>J</title>{items}</channel></rss>'
    return Reply(body=body.encode(), headers={"content-type": "application/rss+xml"})


def test_a_condition_that_a_feed_cannot_meet_is_a_warning(bot: Bot) -> None:
    with WebServer.of(journal()) as server:
        Path("config.yaml").write_text(JOURNAL.format(url=server.url))
        assert "cannot match" not in bot("check").out
        bot("fetch")
    called = bot("check", "--json")
    (found,) = [f for f in json.loads(called.out)["findings"] if "cannot match" in f["words"]]
    assert (called.code, found["what"], found["state"]) == (0, "vision", "warning")
    assert found["words"].startswith(
        'config.yaml:7:19: "author: Ada Xu" cannot match in tpami: its feed has no authors;'
    )


def test_shares_of_fields_are_shown(bot: Bot) -> None:
    with WebServer.of(journal()) as server:
        Path("config.yaml").write_text(JOURNAL.format(url=server.url))
        text = bot("check", "--connect").out
        called = bot("check", "--connect", "--json")
        bot("fetch")
    assert (
        "✓ source tpami: 20 papers on the first page; "
        "with abstract 50%, authors 0%, DOI 0%, date 100%\n" in text
    )
    shares = {"papers": 20, "abstracts": 0.5, "authors": 0.0, "dois": 0.0, "dates": 1.0}
    findings = json.loads(called.out)["findings"]
    assert [f["fields"] for f in findings if f["what"] == "source tpami"] == [shares]
    (source,) = json.loads(bot("status", "--json").out)["sources"]
    assert source["fields"] == shares
    head, row, *_ = bot("status").out.splitlines()
    assert head.split()[-4:] == ["ABSTRACTS", "AUTHORS", "DOI", "DATES"]
    assert row.split()[-4:] == ["50%", "0%", "0%", "100%"]


def test_a_digest_that_waits_for_arxiv_in_vain_is_told_so(bot: Bot) -> None:
    window = "schedule: {after: announcement}"
    with WebServer.of(journal()) as server:
        config = JOURNAL.format(url=server.url)
        Path("config.yaml").write_text(config.replace("  vision:\n", f"  vision:\n    {window}\n"))
        out = bot("check").out
    assert (
        "vision: every day after arXiv's announcement, from 07:00 to 10:00 (UTC), "
        "due at 07:00 as none of its sources is arXiv; "
    ) in out


def test_connect_reads_the_store_for_damage(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    path = Path("digestbot.db")
    size = path.stat().st_size
    content = bytearray(path.read_bytes())
    content[size - 4096 :] = bytes(4096)
    path.write_bytes(content)
    findings = json.loads(bot("check", "--connect", "--json").out)["findings"]
    (error,) = [f["words"] for f in findings if f["what"] == "store" and f["state"] == "error"]
    assert error.startswith("the file is damaged (")
