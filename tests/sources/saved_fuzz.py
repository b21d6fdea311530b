"""
Mutated files of the operator: saved responses and lists of feeds.

Whatever the bytes are, a folder gives sound papers or one clear `BadAnswer`, and so does an OPML
file. The mutations are those of `feed_fuzz`. Begin at `check`.
"""

from collections.abc import Iterator
from pathlib import Path

from digestbot.errors import BadAnswer
from digestbot.sources.opml_outlines import MAX_FEEDS, MAX_LABEL, parse_opml
from digestbot.sources.saved_responses import parse_saved
from tests.sources import api_fuzz, feed_fuzz
from tests.sources.feed_fuzz import NOW, check_paper, check_words

OPML = b"""<?xml version="1.0" encoding="UTF-8"?><opml version="2.0"><head><title>T</title></head>
<body><outline text="A &amp; B" title="C" type="rss" xmlUrl="https://a.example/?x=1&amp;y=2"/>
<outline text='Folder'><outline xmlurl='feed://b.example/f' text="D"/>
<outline text="E" xmlUrl="relative.xml"/></outline></body></opml>"""
RECORDS = """<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE dblp SYSTEM "dblp.dtd"><dblp>
<article key="journals/ex/B26"><author>Oded B&ouml;hlen 0001</author>
<title>A <i>k</i> Paper.</title><journal>Ex</journal><volume>7</volume><year>2026</year>
<ee>https://doi.org/10.5555/y</ee></article>
<proceedings key="conf/ex/2026"><editor>X Y</editor><title>All.</title></proceedings></dblp>"""


def check_saved(data: bytes) -> int:
    """Return how many papers a folder finds in *data*; fail unless they are sound."""
    try:
        saved = parse_saved(data, "folder/file", NOW)
    except BadAnswer as error:
        check_words(str(error))
        return 0
    for paper in saved.papers:
        check_paper(paper)
    if saved.problem:
        check_words(saved.problem)
    return len(saved.papers)


def check_opml(data: bytes) -> int:
    """Return how many feeds *data* lists; fail unless they are within bounds."""
    try:
        found = parse_opml(data)
    except BadAnswer as error:
        check_words(str(error))
        return 0
    assert len(found.feeds) <= MAX_FEEDS
    assert len({feed.url for feed in found.feeds}) == len(found.feeds)
    for feed in found.feeds:
        assert feed.url.startswith(("http://", "https://"))
        assert feed.url.isprintable()
        assert 0 < len(feed.label) <= MAX_LABEL, feed
        assert feed.label.isprintable()
    for problem in found.problems:
        check_words(problem)
    return len(found.feeds)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of a response in every form, and of a list of feeds."""
    yield "feeds.opml", OPML
    yield "dblp-records.xml", RECORDS.encode("latin-1")
    folders: tuple[Path, ...] = (feed_fuzz.SEEDS, api_fuzz.SEEDS)
    for folder in folders:
        for path in sorted(folder.iterdir()):
            yield path.name, path.read_bytes()


def check(data: bytes) -> None:
    """Check *data* as a saved response and as a list of feeds."""
    check_saved(data)
    check_opml(data)
