"""`preview`: the next edition, without sending it or marking papers as sent."""

import email
import email.policy
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from digestbot.text import plain
from tests.cli.conftest import PAPERS, Bot, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer
from tests.servers.web import Reply, WebServer
from tests.wire import assert_sound

ATOM = "{http://www.w3.org/2005/Atom}"
ARXIV = "{http://arxiv.org/schemas/atom}"
FORMS = {
    "html": "<!DOCTYPE html>",
    "text": "Is Serverless All You Need?",
    "slack": '"blocks"',
    "eml": "Subject: ",
    "json": '"papers"',
    "markdown": "Serverless",
    "bibtex": "@",
}
"""Text that each format must contain."""


@pytest.mark.parametrize("form", FORMS)
def test_every_format_prints_and_writes_to_a_file(bot: Bot, arxiv: ArxivServer, form: str) -> None:
    configure(arxiv.url)
    bot("fetch")
    called = bot("preview", "systems", "--format", form)
    assert (called.code, called.err) == (0, "")
    assert FORMS[form] in called.out
    written = bot("preview", "systems", "--format", form, "--out", "edition")
    assert (written.code, written.out) == (0, "edition\n")
    assert Path("edition").read_bytes().decode().rstrip("\n") == called.out.rstrip("\n")


def test_eml_is_a_complete_message_to_the_sender(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: r@example.org}]")
    bot("preview", "systems", "--format", "eml", "--out", "mail.eml")
    content = Path("mail.eml").read_bytes()
    assert_sound(content)
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert (message["From"], message["To"]) == ("Bot <bot@example.org>", "bot@example.org")
    assert message.get_body(("html",)) is not None
    assert message.get_body(("plain",)) is not None
    assert not smtp.messages


def test_json_has_the_contract_keys(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    edition = json.loads(bot("preview", "systems", "--json").out)
    assert {key: edition[key] for key in ("digest", "title", "edition", "omitted")} == {
        "digest": "systems",
        "title": "systems",
        "edition": "systems/1",
        "omitted": 0,
    }
    assert [paper["id"] for paper in edition["papers"]] == ["arxiv:2611.00002", "arxiv:2611.00004"]
    (match,) = edition["papers"][0]["matched"]
    found = {key: match[key] for key in ("field", "term", "text")}
    assert found == {"field": "title", "term": "serverless", "text": "Serverless"}


def test_new_sources_are_fetched_once(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    first = bot("preview", "systems")
    assert first.err == "fetching arxiv for the first time\n"
    assert bot("preview", "systems").err == ""
    assert len(arxiv.requests) == 1


def test_preview_does_not_mark_papers_as_sent(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    before = json.loads(bot("preview", "systems", "--json").out)
    assert json.loads(bot("preview", "systems", "--json").out) == before
    assert json.loads(bot("editions", "--json").out) == []
    run = json.loads(bot("run", "--json").out)
    assert run["editions"][0]["papers"] == len(before["papers"])
    assert run["deliveries"]["sent"] == 1


def test_since_includes_sent_papers(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    bot("run")
    later = NOW + timedelta(days=1)
    after = bot("preview", "systems", "--json", at=later)
    assert json.loads(after.out)["papers"] == []
    assert after.err == "nothing new since the last edition; use --since 7d for older papers\n"
    for span, papers in (("7d", 2), ("25h", 2), ("23h", 0)):
        shown = bot("preview", "systems", "--json", "--since", span, at=later)
        assert len(json.loads(shown.out)["papers"]) == papers, span
    assert json.loads(bot("run", "--now", "--json", at=later).out)["editions"][0]["papers"] == 0


def test_empty_preview_gives_the_reason(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    path = Path("config.yaml")
    path.write_text(path.read_text().replace("serverless", "phlogiston"))
    bot("fetch")
    called = bot("preview", "systems")
    assert called.code == 0
    assert called.err == f"none of {len(PAPERS)} papers match; 'digestbot explain' shows why\n"


def test_failed_source_is_reported_and_preview_shown(bot: Bot) -> None:
    with WebServer.of(Reply(status=404)) as web:
        configure(f"{web.url}/api/query")
        called = bot("preview", "systems")
    assert called.code == 1
    assert "arxiv: " in called.err
    assert "404" in called.err
    assert "systems" in called.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("no-such",), 'no digest "no-such" in the config; it has: systems'),
        (("systems", "--since", "soon"), '--since "soon" is not a time span; use 7d, 36h or 2w'),
        (("systems", "--format", "pdf"), "'pdf' is not one of"),
        (("systems", "--out", "no-such/folder/x"), "cannot write no-such/folder/x"),
    ],
)
def test_invalid_arguments_exit_2(
    bot: Bot, arxiv: ArxivServer, options: tuple[str, ...], message: str
) -> None:
    configure(arxiv.url)
    called = bot("preview", *options)
    assert (called.code, called.out) == (2, "")
    assert message in called.err


# The bundled page of the real arXiv: every field of every paper must be kept.


@pytest.fixture
def page(seed: bytes) -> Iterator[WebServer]:
    """Serve that page as the first and only one."""
    first = re.sub(rb"(startIndex>)180(<)", rb"\g<1>0\2", seed)
    only = re.sub(rb"(totalResults>)\d+(<)", rb"\g<1>15\2", first)
    with WebServer.of(Reply(headers={"Content-Type": "application/atom+xml"}, body=only)) as web:
        yield web


def expected(entry: etree._Element) -> dict[str, Any]:
    """Read a paper of the page with lxml, with the contract's keys."""
    name = entry.findtext(f"{ATOM}id").removeprefix("http://arxiv.org/abs/")
    number, _, version = name.rpartition("v")
    links = {
        link.get("title") or link.get("rel"): link.get("href") for link in entry.iter(f"{ATOM}link")
    }
    title, abstract = entry.findtext(f"{ATOM}title"), entry.findtext(f"{ATOM}summary")
    return {
        "id": f"arxiv:{number}",
        "version": int(version),
        "type": "new" if version == "1" else "replace",
        "title": plain(title),
        "abstract": plain(abstract),
        "title_raw": title,
        "abstract_raw": abstract,
        "authors": [author.findtext(f"{ATOM}name") for author in entry.iter(f"{ATOM}author")],
        "categories": [c.get("term") for c in entry.iter(f"{ATOM}category")],
        "primary_category": entry.find(f"{ARXIV}primary_category").get("term"),
        "published": entry.findtext(f"{ATOM}published"),
        "updated": entry.findtext(f"{ATOM}updated"),
        "comment": entry.findtext(f"{ARXIV}comment"),
        "journal_ref": entry.findtext(f"{ARXIV}journal_ref"),
        "doi": entry.findtext(f"{ARXIV}doi"),
        "url": links["alternate"],
        "pdf_url": links["pdf"],
    }


def test_real_page_keeps_every_field(bot: Bot, page: WebServer, seed: bytes) -> None:
    configure(f"{page.url}/api/query")
    path = Path("config.yaml")
    everything = path.read_text().replace("filter: {any: [serverless]}", "types: [new, replace]")
    path.write_text(everything)
    called = bot("preview", "systems", "--format", "json")
    assert called.code == 0
    papers = {paper["id"]: paper for paper in json.loads(called.out)["papers"]}
    entries = [expected(entry) for entry in etree.fromstring(seed).iter(f"{ATOM}entry")]
    assert len(entries) == len(papers) == 15
    for entry in entries:
        paper = papers[entry["id"]]
        assert {key: paper[key] for key in entry} == entry
        assert isinstance(paper["score"], float)
        assert paper["matched"] == []
        assert "\\" not in paper["title"] + paper["abstract"]
        assert "$" not in paper["title"]
    kinds = {paper["version"]: paper["type"] for paper in papers.values()}
    assert kinds == {1: "new", 2: "replace", 3: "replace", 5: "replace"}
