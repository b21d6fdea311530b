"""`explain`: why a paper is in a digest, and whether it was sent."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digestbot.model import AnnounceType, DocumentType, FetchedPaper
from digestbot.store import open_store
from tests.cli.conftest import PAPERS, Bot, a_paper, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer


@pytest.fixture
def fetched(bot: Bot) -> Iterator[ArxivServer]:
    """Fetch the papers, and a replacement, which the digest does not accept."""
    second = a_paper(1, "Serverless, Again", version=2)
    with ArxivServer((*PAPERS, second)) as server:
        configure(server.url)
        assert bot("fetch").code == 0
        yield server


def test_included_paper(bot: Bot, fetched: ArxivServer) -> None:
    called = bot("explain", "systems", "2611.00004")
    assert (called.code, called.err) == (0, "")
    lines = called.out.splitlines()
    assert lines[0] == "In systems: it will be in the next edition"
    assert "arxiv:2611.00004v1  Serverless Inference" in lines
    assert "✓ serverless" in called.out


def test_excluded_paper(bot: Bot, fetched: ArxivServer) -> None:
    called = bot("explain", "systems", "2611.00003")
    assert called.code == 0
    assert called.out.startswith("Not in systems\n")
    assert "✗ serverless" in called.out


def test_paper_excluded_by_its_announce_type(bot: Bot, fetched: ArxivServer) -> None:
    called = bot("explain", "systems", "2611.00001")
    first = "Not in systems: announced as replace (the digest accepts cross, new)\n"
    assert called.out.startswith(first)
    assert "✗ announced as replace (the digest accepts cross, new)" in called.out
    assert "✓ serverless" in called.out


def test_json_output(bot: Bot, fetched: ArxivServer) -> None:
    facts = json.loads(bot("explain", "systems", "2611.00002", "--json").out)
    assert (facts["paper"], facts["in"], facts["editions"]) == ("arxiv:2611.00002", True, [])
    assert facts["filter"]["passed"] is True
    hit = json.dumps(facts["filter"])
    assert '"text": "Serverless"' in hit


def test_edition_that_included_the_paper_is_named(bot: Bot, fetched: ArxivServer) -> None:
    bot("run")
    called = bot("explain", "systems", "2611.00004")
    assert called.out.startswith("In systems, included in systems/1\n")
    assert "✓ already processed (announcement 4, digest cursor 5)\n" in called.out


def test_a_withdrawal_of_a_sent_paper_is_in(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    gone = FetchedPaper(
        id="arxiv:2611.00004",
        version=2,
        type=AnnounceType.REPLACE,
        title="Gone",
        abstract="",
        url="https://arxiv.org/abs/2611.00004v2",
        document_type=DocumentType.WITHDRAWAL,
    )
    with open_store("sqlite:///digestbot.db") as store:
        store.papers.ingest("arxiv", [gone], {}, NOW)
    called = bot("explain", "systems", "2611.00004")
    assert called.out.startswith("In systems, included in systems/1\n")
    line = "✓ withdrawal of a paper that the digest had: included whatever its filter and types"
    assert line in called.out.splitlines()
    facts = json.loads(bot("explain", "systems", "2611.00004", "--json").out)
    assert (facts["in"], facts["notice"]) == (True, True)
    assert json.loads(bot("preview", "systems", "--json").out)["papers"][0]["version"] == 2


def test_papers_are_explained_after_ninety_days(bot: Bot, fetched: ArxivServer) -> None:
    bot("run")
    later = NOW + timedelta(days=90)
    called = bot("explain", "systems", "2611.00004", at=later)
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith("In systems, included in systems/1\n")
    assert "  ✓ serverless: “Serverless” in the title\n" in called.out
    assert bot("explain", "systems", "2611.00003", at=later).out.startswith("Not in systems\n")


def test_paper_beyond_the_limit(bot: Bot, fetched: ArxivServer) -> None:
    path = Path("config.yaml")
    path.write_text(path.read_text().replace("daily 09:00", "daily 09:00\n    limit: 1"))
    bot("run")
    out = bot("explain", "systems", "2611.00004").out
    assert out.startswith("In systems, by title only in systems/1 (limit: 1)\n")
    facts = json.loads(bot("explain", "systems", "2611.00004", "--json").out)
    assert (facts["editions"], facts["cut_from"]) == ([], ["systems/1"])
    assert facts["summary"] == out.splitlines()[0]
    assert "included in systems/1" in bot("explain", "systems", "2611.00002").out


def test_paper_that_waits_beyond_the_limit(bot: Bot, fetched: ArxivServer) -> None:
    path = Path("config.yaml")
    path.write_text(
        path.read_text().replace("daily 09:00", "daily 09:00\n    limit: 1\n    overflow: next")
    )
    bot("run")
    out = bot("explain", "systems", "2611.00004").out
    assert out.startswith("In systems: it will be in the next edition\n")


def test_edited_filter_shows_the_failing_conditions(bot: Bot, fetched: ArxivServer) -> None:
    path = Path("config.yaml")
    stricter = "{any: [serverless], none: [inference, {title: quantum}], min_score: 3}"
    path.write_text(path.read_text().replace("{any: [serverless]}", stricter))
    out = bot("explain", "systems", "2611.00004").out
    assert out.startswith("Not in systems\n")
    assert "✗ excluded by none: inference\n" in out
    assert "✗ inference: “Inference” in the title, which excludes the paper\n" in out
    assert "✓ title: quantum: no hit\n" in out
    assert "✗ min_score: 3 (score: 2)" in out


def test_hit_offsets_refer_to_the_displayed_text(bot: Bot, fetched: ArxivServer) -> None:
    facts = json.loads(bot("explain", "systems", "2611.00002", "--json").out)
    node = facts["filter"]
    while node["children"]:
        node = node["children"][0]
    (hit,) = node["hits"]
    assert hit["field"] == "title"
    assert facts["title"][hit["start"] : hit["end"]] == hit["text"] == "Serverless"


@pytest.mark.parametrize(
    "name", ["arXiv:2611.00004v1", "https://arxiv.org/abs/2611.00004", "arxiv:2611.00004"]
)
def test_paper_accepts_ids_and_urls(bot: Bot, fetched: ArxivServer, name: str) -> None:
    assert "Serverless Inference" in bot("explain", "systems", name).out


def test_unknown_paper_lists_the_sources(bot: Bot, fetched: ArxivServer) -> None:
    called = bot("explain", "systems", "2611.09999")
    assert (called.code, called.out) == (1, "")
    assert called.err == (
        "digestbot: no source has announced arxiv:2611.09999 yet; systems reads arxiv; "
        "use 'digestbot fetch' to update\n"
    )


@pytest.mark.parametrize(
    ("digest", "paper", "message"),
    [
        ("systms", "2611.00004", 'no digest "systms" in the config; it has: systems'),
    ],
)
def test_invalid_arguments_exit_2(
    bot: Bot, fetched: ArxivServer, digest: str, paper: str, message: str
) -> None:
    called = bot("explain", digest, paper)
    assert (called.code, called.out) == (2, "")
    assert message in called.err


def test_paper_is_found_by_words_of_its_title(bot: Bot, fetched: ArxivServer) -> None:
    called = bot("explain", "systems", "serverless inference")
    assert (called.code, called.err) == (0, "")
    assert "arxiv:2611.00004v1  Serverless Inference" in called.out
    assert bot("explain", "inference", "serverless").out == called.out
    assert bot("explain", "2611.00004").out == called.out


def test_several_titles_are_listed(bot: Bot, fetched: ArxivServer) -> None:
    called = bot("explain", "serverless")
    assert called.code == 1
    assert called.err == '"serverless" is in 3 titles; give an id or more words\n'
    assert called.out.splitlines()[0] == "arxiv:2611.00004  Serverless Inference"
    facts = json.loads(bot("explain", "serverless", "--json").out)
    assert facts["candidates"][0] == {"id": "arxiv:2611.00004", "title": "Serverless Inference"}


def test_unknown_title_exits_1(bot: Bot, fetched: ArxivServer) -> None:
    called = bot("explain", "systems", "no paper at all")
    assert (called.code, called.out) == (1, "")
    assert called.err == (
        'digestbot: "no paper at all" is not a paper id, and no title in the store has these '
        "words; give the id, such as 2603.20941\n"
    )


def test_paper_that_an_earlier_filter_left_out_says_so(bot: Bot, fetched: ArxivServer) -> None:
    path = Path("config.yaml")
    later = path.read_text()
    path.write_text(later.replace("[serverless]", "[erasure]"))
    assert bot("run").code == 0
    path.write_text(later)
    assert bot("explain", "2611.00004").out.splitlines()[0] == (
        "In systems by today's filter, but not sent: an earlier filter applied when it was "
        "announced (23 Nov); to send it: digestbot run systems --missed-since 1d"
    )
    path.write_text(later.replace("[serverless]", "[wombat]"))
    assert bot("explain", "2611.00003").out.splitlines()[0] == (
        "Not in systems by today's filter; it was in systems/1"
    )


def test_feed_paper_is_found_by_our_id(bot: Bot, tmp_path: Path) -> None:
    from tests.servers.web import Reply, WebServer

    feed = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>J</title>
    <item><title>Serverless Feeds</title><link>https://j.example/1</link>
    <guid>https://j.example/1</guid><pubDate>Sun, 22 Nov 2026 08:00:00 GMT</pubDate></item>
    </channel></rss>"""
    with WebServer.of(Reply(headers={"Content-Type": "application/rss+xml"}, body=feed)) as web:
        configure(web.url)
        path = Path("config.yaml")
        path.write_text(
            path.read_text().replace(
                f'kind: arxiv, categories: [cs.DC], url: "{web.url}"',
                f'kind: feed, url: "{web.url}"',
            )
        )
        papers = json.loads(bot("preview", "systems", "--json").out)["papers"]
        assert [paper["title"] for paper in papers] == ["Serverless Feeds"]
        called = bot("explain", "systems", papers[0]["id"])
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith("In systems: ")


@pytest.fixture
def sent(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    """Send an edition: a@ gets it, the server refuses b@, c@ is suppressed."""
    more = "  other:\n    filter: {any: [erasure]}\n    deliver: [{folder: out}]\n"
    people = "[{email: [a@example.org, b@example.org, c@example.org]}]"
    limited = f"{people}\n    limit: 1"
    top = smtp_keys(smtp).replace("security", "max_connections: 1, security")
    configure(arxiv.url, top=top, deliver=limited, more=more)
    bot("suppressions", "add", "c@example.org", "--reason", "left")
    smtp.refuse("b@example.org", "552 5.2.2 mailbox full")
    bot("run")


def verdicts(bot: Bot, *args: str) -> dict[str, tuple[str, str]]:
    """Return verdict and reason by digest."""
    called = bot("explain", *args, "--json")
    assert called.code == 0
    return {a["digest"]: (a["sent"], a["why"]) for a in json.loads(called.out)}


@pytest.mark.usefixtures("sent")
def test_sent_to_shows_delivery_and_message_id(bot: Bot, smtp: SmtpServer) -> None:
    called = bot("explain", "--sent-to", "A@example.org", "systems", "2611.00002")
    assert called.code == 0
    lines = called.out.splitlines()
    assert lines[0] == "Sent."
    assert lines[1].startswith("  systems/1 by email: sent, 2026-11-23 08:00 (delivery ")
    assert lines[3] == "  server response: 250 2.0.0 taken"
    mail = next(m for m in smtp.messages if m.recipients == ("a@example.org",))
    assert lines[2].removeprefix("  Message-ID: ").encode() in mail.content


@pytest.mark.usefixtures("sent")
def test_sent_to_gives_the_reason_if_not_sent(bot: Bot) -> None:
    shown, cut, other = "2611.00002", "2611.00004", "2611.00003"
    dead = verdicts(bot, "--sent-to", "b@example.org", "systems", shown)["systems"]
    assert dead[0] == "no"
    assert "552 5.2.2 mailbox full" in dead[1]
    gone = verdicts(bot, "--sent-to", "c@example.org", "systems", shown)["systems"]
    assert gone == ("no", "cancelled: the address is suppressed: left")
    assert verdicts(bot, "--sent-to", "a@example.org", cut) == {
        "other": ("no", "not subscribed"),
        "systems": ("yes", "sent"),
    }
    assert verdicts(bot, "--sent-to", "a@example.org", "systems", other)["systems"] == (
        "no",
        "it does not match",
    )
    assert verdicts(bot, "--sent-to", "d@example.org", "systems", shown)["systems"] == (
        "no",
        "systems/1 had it but did not go to this destination: not subscribed",
    )
    folder = verdicts(bot, "--sent-to", str(Path("out").absolute()), other)
    assert folder["other"] == ("yes", "sent")


@pytest.mark.usefixtures("sent")
def test_sent_to_with_unknown_paper_fails(bot: Bot) -> None:
    called = bot("explain", "--sent-to", "a@example.org", "2611.00099")
    assert (called.code, called.err) == (
        1,
        "digestbot: no source has announced arxiv:2611.00099\n",
    )
    assert bot("explain", "--sent-to", "a@example.org", "no-such", "2611.00002").code == 2
    assert bot("explain", "2611.00002").code == 2


def test_sent_to_reports_a_filter_that_was_changed_since(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    path = Path("config.yaml")
    later = path.read_text()
    path.write_text(later.replace("[serverless]", "[erasure]"))
    assert bot("run").code == 0
    path.write_text(later)
    folder = str(Path("out").absolute())
    assert bot("explain", "--sent-to", folder, "systems", "2611.00004").out == (
        "Not sent: it matches today's filter, but an earlier version of the filter was applied "
        "when it was announced (23 Nov).\n"
    )
    assert bot("explain", "--sent-to", folder, "2611.00003").out.startswith("systems: Sent.\n")
