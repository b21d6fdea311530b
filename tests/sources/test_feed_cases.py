"""Feeds as publishers really serve them, from bytes to papers; each case says why it is here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources import arxiv_atom
from digestbot.sources.feed import FeedOptions
from digestbot.text import plain
from tests.servers.web import Reply, WebServer
from tests.sources.passes import run_pass

CASES = YAML(typ="safe").load(Path(__file__).parents[1] / "data" / "feed_cases.yaml")
RSS = """\
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:arxiv="http://arxiv.org/schemas/atom"
 xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<title>Journal of Examples</title>
<link>http://journal.example.org/</link>{items}</channel></rss>"""
DAILY = (
    "<item><title>T</title><guid>oai:arXiv.org:2609.00003v1</guid><description>arXiv:2609.00003v1 "
    "Announce Type: new \nAbstract: We search.</description>{item}</item>"
)
API = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom"><entry>'
    "<id>http://arxiv.org/abs/2609.00011v1</id><title>T</title>{item}</entry></feed>"
)
BREAKS: Mapping[str, Callable[[str], bytes]] = {
    "bad-byte": lambda text: text.encode().replace("\ufffe".encode(), b"\x92"),
    "cut": lambda text: text.encode().replace(b"\xc3\x9fe<", b"\xc3<"),
}
"""Charsets of cases whose bytes are broken on purpose."""


def body_of(case: dict[str, Any]) -> bytes:
    shapes = {
        "api": API,
        "rss": RSS.format(items=DAILY),
        "feed": RSS.format(items="<item>{item}</item>"),
    }
    text = case.get("body") or shapes[case.get("parser", "feed")].replace("{item}", case["item"])
    charset = case.get("charset", "utf-8")
    if charset in BREAKS:
        return b'<?xml version="1.0" encoding="utf-8"?>' + BREAKS[charset](text)
    head = (
        ""
        if "body" in case
        else f'<?xml version="1.0" encoding="{case.get("declared", charset)}"?>'
    )
    return (head + text).encode(charset)


def papers_of(case: dict[str, Any]) -> list[FetchedPaper]:
    if case.get("parser") == "api":
        return list(arxiv_atom.parse(body_of(case)).entries)
    with WebServer.of(Reply(body=body_of(case), headers={"Content-Type": "text/xml"})) as server:
        result = run_pass(FeedOptions(url=server.url + "/feed"))
    if result.error is not None:
        raise result.error
    return result.papers


def fields(paper: FetchedPaper) -> dict[str, Any]:
    return {
        "title": paper.title,
        "plain": plain(paper.title, one_line=True),
        "abstract": paper.abstract,
        "authors": [author.name for author in paper.authors],
        "categories": list(paper.categories),
        "doi": paper.doi,
        "journal": paper.journal_ref,
        "published": paper.published.date() if paper.published else None,
        "url": paper.url,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_publishers_feeds_become_papers(case: dict[str, Any]) -> None:
    assert case["why"]
    if "error" in case:
        with pytest.raises(BadAnswer) as found:
            papers_of(case)
        assert case["error"] in str(found.value)
        return
    papers = [fields(paper) for paper in papers_of(case)]
    assert len(papers) == len(case["papers"])
    for paper, expected in zip(papers, case["papers"], strict=True):
        assert {name: paper[name] for name in expected} == expected


def test_cases_have_distinct_names() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)
