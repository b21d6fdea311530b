"""Atom as feed readers see it (feedparser) and as RFC 4287 requires it (lxml)."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import feedparser
from lxml import etree

from digestbot.model import Edition, Form
from digestbot.render import RenderContext, render
from tests.factories import NOW, make_edition, make_edition_paper, make_paper
from tests.render.editions import drawn_editions, full_edition, hostile_edition

ATOM = {"a": "http://www.w3.org/2005/Atom"}


def feed_of(edition: Edition, context: RenderContext) -> Any:
    """Check the requirements of RFC 4287 and return the feed as a reader sees it."""
    text = render(edition, Form.ATOM, context)
    root = etree.fromstring(text.encode())
    for holder in (root, *root.findall("a:entry", ATOM)):
        for tag in ("id", "title", "updated"):  # 4.1.1 and 4.1.2: exactly one of each
            assert len(holder.findall(f"a:{tag}", ATOM)) == 1, tag
        assert holder.findtext("a:id", "", ATOM).startswith("urn:uuid:")
    assert root.findtext("a:author/a:name", "", ATOM).strip()
    assert all(name.text for name in root.iterfind(".//a:name", ATOM))
    found = feedparser.parse(text.encode())
    assert not found.bozo, found.get("bozo_exception")
    assert found.version == "atom10"
    return found


def test_feed_reader_sees_every_paper_with_its_facts(context: RenderContext) -> None:
    found = feed_of(full_edition(), context)
    assert found.feed.title == "Systems for ML"
    assert found.feed.subtitle == "top 4 of 7 papers, Monday, 23 November 2026"
    assert found.feed.updated == "2026-11-23T08:00:00Z"
    assert len(found.entries) == 7
    line = found.entries[-1].content[0].value
    assert line.startswith("<p>new · cs.DC · cs.LG · arXiv:2611.90003v1</p><p>12 pages")
    assert line.endswith(" · edge</p>")
    entry = found.entries[0]
    assert entry.title == "Serverless Inference for Mixture of Experts at O(n log n) Cost"
    assert [author.name for author in entry.authors] == ["Ana Pérez", "Ion Stoica", "李明"]
    assert [(tag.term, tag.scheme) for tag in entry.tags] == [
        ("cs.DC", "http://arxiv.org/schemas/atom"),
        ("cs.LG", "http://arxiv.org/schemas/atom"),
    ]
    assert entry.link == "https://arxiv.org/abs/2611.01234v1"
    assert entry.links[1].href == "https://arxiv.org/pdf/2611.01234v1"
    assert (entry.updated, entry.published) == ("2026-11-23T08:00:00Z", "2026-11-20T08:00:00Z")
    assert "<p>Large models are costly to serve." in entry.content[0].value
    assert "accepted at SoCC" in entry.content[0].value
    assert "GPUs &amp; energy; a &lt; b" in found.entries[1].content[0].value
    assert [e.get("links", []) for e in found.entries if e.title == "From a feed"] == [[]]


def test_ids_are_stable_across_editions(context: RenderContext) -> None:
    first = feed_of(make_edition(number=1), context)
    later = make_edition([make_edition_paper(score=9.0)], number=2, created_at=NOW + timedelta(1))
    second = feed_of(later, context)
    assert first.feed.id == second.feed.id
    assert first.entries[0].id == second.entries[0].id
    again = feed_of(make_edition([make_paper(version=2)]), context)
    assert again.entries[0].id != first.entries[0].id
    elsewhere = replace(context, public_url="https://other.example/")
    assert feed_of(make_edition(), elsewhere).feed.id != first.feed.id


def test_hostile_text_is_escaped(context: RenderContext) -> None:
    text = render(hostile_edition(), Form.ATOM, context)
    assert "<script" not in text
    assert not set(text) & set("\x00\x1b\u202e\u2066\ud800")
    root = etree.fromstring(text.encode())
    first = root.find("a:entry", ATOM)
    assert first is not None
    assert first.findtext("a:title", "", ATOM) == "<script>alert(1)</script>"
    content = first.findtext("a:content", "", ATOM)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert set(re.findall(r"</?(\w+)", content)) == {"p"}
    hrefs = root.xpath("//a:link/@href", namespaces=ATOM)
    assert {href.partition(":")[0] for href in hrefs} == {"https"}


def test_any_edition_is_a_valid_feed(context: RenderContext) -> None:
    for edition in drawn_editions(60):
        assert len(feed_of(edition, context).entries) == len(edition.papers) + edition.omitted
