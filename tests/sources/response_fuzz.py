"""
Mutated responses of web APIs and lists of feeds, and the properties that hold for any of them.

Every parser returns papers within bounds or raises one clear `BadAnswer`, whatever the bytes are:
those of its own service, damaged, or those of another. Begin at `check_response` and `check_opml`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from digestbot.errors import BadAnswer
from digestbot.sources import (
    biorxiv,
    crossref,
    dblp,
    europepmc,
    huggingface,
    openalex,
    openreview,
    pubmed,
    semanticscholar,
)
from digestbot.sources.opml_outlines import MAX_FEEDS, MAX_LABEL, parse_opml
from digestbot.sources.saved_responses import parse_saved
from digestbot.sources.web_api import ReadPage
from tests.sources.feed_fuzz import NOW, check_paper, check_words

READERS: Mapping[str, ReadPage] = {
    "biorxiv": biorxiv.read_page,
    "crossref": crossref.read_page,
    "dblp": partial(dblp.read_page, years=(2025, 2026)),
    "dblp xml": dblp.read_xml,
    "europepmc": europepmc.read_page,
    "huggingface": partial(huggingface.read_page, first="2026-11-19", last="2026-11-23"),
    "openalex": openalex.read_page,
    "openreview": partial(openreview.read_page, venue="Ex.cc/2026/Conference"),
    "pubmed": pubmed.read_page,
    "pubmed xml": pubmed.read_articles,
    "semanticscholar": semanticscholar.read_page,
}
RECORDS = """<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE dblp SYSTEM "dblp.dtd"><dblp>
<article key="journals/ex/B26"><author>Oded B&ouml;hlen 0001</author>
<title>A <i>k</i> Paper.</title><journal>Ex</journal><volume>7</volume><year>2026</year>
<ee>https://doi.org/10.5555/y</ee></article>
<proceedings key="conf/ex/2026"><editor>X Y</editor><title>All.</title></proceedings></dblp>"""
OPML = """<?xml version="1.0" encoding="UTF-8"?><opml version="2.0"><head><title>T</title></head>
<body><outline text="A &amp; B" title="C" type="rss" xmlUrl="https://a.example/?x=1&amp;y=2"/>
<outline text='Folder'><outline xmlurl='feed://b.example/f' text="D"/>
<outline text="E" xmlUrl="relative.xml"/></outline></body></opml>"""


def check_response(data: bytes) -> None:
    """Fail unless a folder that has *data* as a file gives sound papers or one clear error."""
    try:
        saved = parse_saved(data, "folder/file", NOW)
    except BadAnswer as error:
        check_words(str(error))
        return
    for paper in saved.papers:
        check_paper(paper)
    if saved.problem:
        check_words(saved.problem)


def check_reader(read: ReadPage, data: bytes) -> None:
    """Fail unless *read* gives sound records or one clear error, and a cursor that it accepts."""
    cursor = ""
    for _ in range(2):
        try:
            page = read(data, cursor)
        except BadAnswer as error:
            check_words(str(error))
            return
        for record in page.records:
            check_paper(record.paper)
            assert record.key
            assert record.at is None or record.at.utcoffset() is not None
        if page.cursor is None:
            return
        cursor = page.cursor


def check_readers(data: bytes) -> None:
    """Check every parser of an API with *data*."""
    for read in READERS.values():
        check_reader(read, data)


def check_opml(data: bytes) -> None:
    """Fail unless *data* gives a list of feeds within bounds, or one clear error."""
    try:
        found = parse_opml(data)
    except BadAnswer as error:
        check_words(str(error))
        return
    assert len(found.feeds) <= MAX_FEEDS
    assert len({feed.url for feed in found.feeds}) == len(found.feeds)
    for feed in found.feeds:
        assert feed.url.startswith(("http://", "https://"))
        assert feed.url.isprintable()
        assert 0 < len(feed.label) <= MAX_LABEL, feed
        assert feed.label.isprintable()
    for problem in found.problems:
        check_words(problem)


def check(data: bytes) -> None:
    """Check all properties with *data*."""
    check_response(data)
    check_readers(data)
    check_opml(data)


def own_seeds() -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of small responses of every service."""
    yield "dblp.xml", RECORDS.encode("latin-1")
    yield "feeds.opml", OPML.encode()
    yield "s2.json", json.dumps({"paperId": "1", "title": "A", "externalIds": {}}).encode()


CHECKS: Mapping[str, Callable[[bytes], None]] = {
    "folder": check_response,
    "opml": check_opml,
    **{name: partial(check_reader, read) for name, read in READERS.items()},
}
