"""arXiv's Atom: current and old layout, unchanged text, hostile bytes."""

import contextlib
import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import BadAnswer
from digestbot.model import AnnounceType, Author, FetchedPaper
from digestbot.sources.arxiv_atom import ArxivFeed, parse

SEED = files("digestbot").joinpath("seed", "arxiv-cs.DC-start180.xml")
OLD = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:o="http://a9.com/-/spec/opensearch/1.0/">
  <title type="html">ArXiv Query: search_query=all:x&amp;id_list=&amp;start=0</title>
  <o:totalResults>1000</o:totalResults><o:startIndex>0</o:startIndex>
  <o:itemsPerPage>1</o:itemsPerPage>
  <entry>
    <id>http://arxiv.org/abs/math.GT/0309136v2</id>
    <published>2003-07-07T13:46:39-04:00</published>
    <updated>2003-07-08T13:46:39-04:00</updated>
    <title>On $a&lt;b$
  &amp; Erd\\H{o}s</title>
    <summary>  For x&lt;y and
z&gt;w.
</summary>
    <author><name>Ana
 Pérez</name>
      <arxiv:affiliation xmlns:arxiv="http://arxiv.org/schemas/atom">A, B</arxiv:affiliation>
      <arxiv:affiliation xmlns:arxiv="http://arxiv.org/schemas/atom">C</arxiv:affiliation>
    </author>
    <author><name>李明</name></author>
    <author><name> </name></author>
    <arxiv:comment xmlns:arxiv="http://arxiv.org/schemas/atom"> 23 pages </arxiv:comment>
    <arxiv:journal_ref xmlns:arxiv="http://arxiv.org/schemas/atom">J. X 1</arxiv:journal_ref>
    <arxiv:doi xmlns:arxiv="http://arxiv.org/schemas/atom">10.1000/AbC</arxiv:doi>
    <link title="pdf" href="http://elsewhere.example/x.pdf" rel="related"/>
    <category term="math.GT"/><category term="14J60; 14F05"/>
    <arxiv:primary_category xmlns:arxiv="http://arxiv.org/schemas/atom" term="math.GT"/>
  </entry>
</feed>"""


def test_every_field_of_an_entry_is_read_as_served() -> None:
    feed = parse(OLD.encode())
    assert (feed.total, feed.start, feed.per_page, feed.error) == (1000, 0, 1, None)
    assert feed.title == "ArXiv Query: search_query=all:x&id_list=&start=0"
    assert feed.entries == (
        FetchedPaper(
            id="arxiv:math/0309136",
            version=2,
            type=AnnounceType.REPLACE,
            title="On $a<b$\n  & Erd\\H{o}s",
            abstract="  For x<y and\nz>w.\n",
            authors=(Author(name="Ana Pérez", affiliations=("A, B", "C")), Author(name="李明")),
            categories=("math.GT", "14J60; 14F05"),
            primary_category="math.GT",
            published=datetime(2003, 7, 7, 17, 46, 39, tzinfo=UTC),
            updated=datetime(2003, 7, 8, 17, 46, 39, tzinfo=UTC),
            comment="23 pages",
            journal_ref="J. X 1",
            doi="10.1000/AbC",
            url="https://arxiv.org/abs/math/0309136v2",
            pdf_url="https://arxiv.org/pdf/math/0309136v2",
        ),
    )


def entry(inside: str) -> ArxivFeed:
    """Parse a feed of one entry."""
    return parse(
        f'<feed xmlns="http://www.w3.org/2005/Atom"><entry>{inside}</entry></feed>'.encode()
    )


def test_a_paper_titled_0_is_read() -> None:
    feed = entry("<id>http://arxiv.org/abs/2104.12255v1</id><title>0</title>")
    assert [paper.title for paper in feed.entries] == ["0"]


def test_an_entry_needs_only_id_and_title() -> None:
    (paper,) = entry("<id>http://arxiv.org/abs/2104.12255</id><title>T</title>").entries
    assert (paper.version, paper.type) == (1, AnnounceType.NEW)
    assert (paper.authors, paper.categories, paper.updated) == ((), (), None)


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<title>no id</title>",
        "<id>http://arxiv.org/abs/2104.12255v1</id>",
        "<id>http://example.org/abs/1</id><title>T</title>",
        "<id>http://arxiv.org/abs/9913.12255v1</id><title>no such month</title>",
        "<id>https://doi.org/10.1000/x</id><title>not arXiv</title>",
    ],
)
def test_a_broken_entry_is_counted_and_skipped(inside: str) -> None:
    good = "<id>http://arxiv.org/abs/2104.12255v1</id><title>T</title>"
    feed = entry(f"{inside}</entry><entry>{good}")
    assert (len(feed.entries), feed.skipped, feed.count) == (1, 1, 2)


@pytest.mark.parametrize("date", ["soon", "", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_an_unreadable_date_is_none(date: str) -> None:
    (paper,) = entry(
        f"<id>http://arxiv.org/abs/2104.12255v1</id><title>T</title><updated>{date}</updated>"
    ).entries
    assert paper.updated is None


def test_an_error_feed_has_a_message_and_no_papers() -> None:
    feed = entry(
        "<id>https://arxiv.org/api/errors#incorrect_id</id><title>Error</title>"
        "<summary>incorrect id format for abc</summary>"
    )
    assert (feed.error, feed.entries, feed.skipped) == ("incorrect id format for abc", (), 0)


def test_control_characters_are_removed() -> None:
    body = OLD.replace("Erd", "E\x0brd").encode() + b"<!-- \xff -->"
    assert parse(body).entries[0].title == "On $a<b$\n  & Erd\\H{o}s"


BOMB = """<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<feed xmlns="http://www.w3.org/2005/Atom"><title>&b;</title></feed>"""
REFUSED = [
    (b"", "not well-formed XML"),
    (b"Rate exceeded.", "not well-formed XML"),
    (OLD.encode()[:-10], "not well-formed XML"),
    (b"<html><body/></html>", "not an Atom feed; check the URL"),
    (b"<feed/>", "not an Atom feed; check the URL"),
    (BOMB.encode(), "document type"),
    (b'<!DOCTYPE feed SYSTEM "file:///etc/passwd"><feed/>', "document type"),
    (b"<a>" * 100_000, "not well-formed XML"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_other_bytes_are_a_bad_answer(body: bytes, message: str) -> None:
    with pytest.raises(BadAnswer, match=message):
        parse(body)


@given(
    cut=st.integers(min_value=0, max_value=len(OLD)),
    length=st.integers(min_value=0, max_value=40),
    put=st.one_of(st.binary(max_size=20), st.sampled_from([b"<", b"&#0;", b"]]>", b"\xff\xfe"])),
)
def test_mutated_bytes_raise_only_bad_answer(cut: int, length: int, put: bytes) -> None:
    body = OLD.encode()
    with contextlib.suppress(BadAnswer):
        parse(body[:cut] + put + body[cut + length :])


def test_the_bundled_page_holds_fifteen_papers() -> None:
    feed = parse(SEED.read_bytes())
    assert (feed.total, feed.start, feed.per_page, feed.count) == (27_874, 180, 15, 15)
    assert feed.entries[0].id == "arxiv:2603.20941"
    assert feed.entries[1].type is AnnounceType.REPLACE
    dates = [paper.updated for paper in feed.entries if paper.updated is not None]
    assert dates == sorted(dates, reverse=True)


@pytest.mark.corpus
def test_the_bundled_page_equals_the_seed(corpus: Path) -> None:
    expected = json.loads((corpus / "seed" / "arxiv-cs.DC-start180.json").read_text("utf-8"))
    papers = parse(SEED.read_bytes()).entries
    assert len(papers) == len(expected["papers"])
    for paper, facts in zip(papers, expected["papers"], strict=True):
        assert paper.id == f"arxiv:{facts['id']}"
        assert paper.version == facts["version"]
        assert (paper.title, paper.abstract) == (facts["title"], facts["summary"])
        assert [author.name for author in paper.authors] == facts["authors"]
        assert list(paper.categories) == facts["categories"]
        assert (paper.comment, paper.doi) == (facts["comment"], facts["doi"])
        assert (paper.url, paper.pdf_url) == (facts["abs_url"], facts["pdf_url"])
        assert paper.published == datetime.fromisoformat(facts["published"])
        assert paper.updated == datetime.fromisoformat(facts["updated"])


@pytest.mark.corpus
def test_recorded_responses_are_read_completely(corpus: Path) -> None:
    paths = sorted((corpus / "arxiv-api").rglob("*.xml"))
    assert len(paths) >= 11
    for path in paths:
        body = path.read_bytes()
        feed = parse(body)
        is_error = b"/api/errors#" in body
        assert (feed.error is not None) is is_error, path.name
        assert len(feed.entries) == (0 if is_error else body.count(b"<entry")), path.name
        assert feed.skipped == 0
        assert None not in (feed.total, feed.start, feed.per_page)
