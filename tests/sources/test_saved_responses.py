"""Saved responses are recognized by their content."""

import gzip
import json
from contextlib import suppress
from pathlib import Path

import pytest

from digestbot.errors import BadAnswer
from digestbot.model import AnnounceType, FetchedPaper
from digestbot.sources.saved_responses import Saved, parse_saved
from tests.servers.web import Reply
from tests.sources.conformance import Service, make_works
from tests.sources.feed_fuzz import SEEDS
from tests.sources.passes import NOW
from tests.sources.test_conformance import KINDS

API = b"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:o="http://a9.com/-/spec/opensearch/1.1/">
<o:totalResults>1</o:totalResults><entry><id>http://arxiv.org/abs/2603.20941v2</id>
<title>Seeds</title><summary>Text.</summary><published>2026-03-20T10:00:00Z</published></entry></feed>"""
ERROR = b"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:o="http://a9.com/-/spec/opensearch/1.1/">
<entry><id>http://arxiv.org/api/errors#x</id><title>Error</title><summary>bad id</summary></entry>
</feed>"""


def parsed(body: bytes, name: str = "folder/file") -> Saved:
    return parse_saved(body, name, NOW)


def test_the_query_api_of_arxiv_is_recognized() -> None:
    (paper,) = parsed(API).papers
    assert (paper.id, paper.version, paper.type) == ("arxiv:2603.20941", 2, AnnounceType.REPLACE)


def test_an_error_of_arxiv_is_no_paper() -> None:
    with pytest.raises(BadAnswer, match="bad id"):
        parsed(ERROR)


OAI = """<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record><header>
<identifier>oai:arXiv.org:{}</identifier><datestamp>2026-11-20</datestamp></header><metadata>
<arXiv xmlns="http://arxiv.org/OAI/arXiv/"><id>{}</id><created>{}</created><title>A Paper</title>
<authors><author><keyname>Xu</keyname><forenames>Ada</forenames></author></authors>
<categories>cs.DC</categories><abstract>Text.</abstract></arXiv></metadata></record></ListRecords>
</OAI-PMH>"""


@pytest.mark.parametrize(
    ("paper_id", "created", "is_backlog"),
    [("2611.00004", "2026-11-19", False), ("2610.00004", "2026-09-25", False),
     ("2603.20941", "2026-03-20", True)],
)  # fmt: skip
def test_records_of_oai_pmh_are_recognized(paper_id: str, created: str, is_backlog: bool) -> None:
    """A list holds new papers, and old ones whose record was edited."""
    (paper,) = parsed(OAI.format(paper_id, paper_id, created).encode()).papers
    assert (paper.id, paper.backlog) == (f"arxiv:{paper_id}", is_backlog)


@pytest.mark.parametrize("code", ["noRecordsMatch", "badArgument"])
def test_an_error_of_oai_pmh_is_no_paper(code: str) -> None:
    body = f'<OAI-PMH><error code="{code}">Some\u2028words</error></OAI-PMH>'.encode()
    if code == "noRecordsMatch":
        assert parsed(body) == Saved(papers=())
    else:
        with pytest.raises(BadAnswer, match="badArgument: Some words"):
            parsed(body)


@pytest.mark.parametrize("path", sorted(SEEDS.iterdir()), ids=lambda path: path.name)
def test_feeds_are_recognized(path: object) -> None:
    body = path.read_bytes()  # type: ignore[attr-defined]
    items = sum(body.count(start) for start in (b"<item", b"<entry", b'{"id"'))
    assert len(parsed(body).papers) == items


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_responses_of_every_api_are_recognized(name: str) -> None:
    bodies: list[bytes] = []

    def keep(reply: Reply) -> Reply:
        bodies.append(reply.body)
        return reply

    with Service(kind=KINDS[name], works=make_works(10), always=keep) as service:
        fetched = service.run()
    saved: list[FetchedPaper] = []
    for body in bodies:
        with suppress(BadAnswer):  # a search of PubMed lists no papers
            saved += parsed(body).papers
    assert {paper.id: paper for paper in saved} == {paper.id: paper for paper in fetched.papers}
    assert len(saved) == 10


@pytest.mark.parametrize(
    "head",
    [
        '<atom:link rel="self" href="https://j.example/feed.xml"/><link>https://other.example/{}</link>',
        "<link>https://j.example/</link>",
    ],
)
def test_a_feed_is_one_feed_in_all_its_files(head: str) -> None:
    """A feed saved every day has another file name each time, and the same items."""
    body = (
        '<rss xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>J</title>'
        f'{head}<item><guid isPermaLink="false">1</guid><title>One</title></item></channel></rss>'
    )
    one, other = (parsed(body.encode(), name).papers[0] for name in ("monday", "tuesday"))
    assert (one.id, one.aliases) == (other.id, other.aliases)


def test_a_feed_without_a_name_is_scoped_by_its_file() -> None:
    only_item = '<item><guid isPermaLink="false">1</guid><title>A</title></item>'
    body = f"<rss><channel>{only_item}</channel></rss>".encode()
    one, other = (parsed(body, name).papers[0] for name in ("a", "b"))
    assert one.id != other.id
    assert not set(one.aliases) & set(other.aliases)


def test_gzip_archives_are_unpacked() -> None:
    assert parsed(gzip.compress(API)) == parsed(API)
    with pytest.raises(BadAnswer, match="damaged or cut off"):
        parsed(gzip.compress(API)[:-20])
    with pytest.raises(BadAnswer, match="more than 32 MB"):
        parsed(gzip.compress(b" " * 40_000_000))


def test_a_cut_feed_says_so() -> None:
    saved = parsed(b"<rss><channel><item><title>One</title></item><item><title>Tw")
    assert [paper.title for paper in saved.papers] == ["One"]
    assert saved.problem == "the feed is cut off"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"%PDF-1.7", "PDF"),
        (b"<html><title>Sorry</title></html>", 'a web page, "Sorry"'),
        (b"<opml><body/></opml>", "a list of feeds"),
        (json.dumps({"error": "x"}).encode(), 'JSON with "error"'),
        (b'{"a": [', "JSON"),
        (b"just text", "just text"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><rss/>", "entities"),
    ],
)
def test_other_files_are_named(body: bytes, words: str) -> None:
    with pytest.raises(BadAnswer) as raised:
        parsed(body)
    assert words in str(raised.value)


@pytest.mark.corpus
@pytest.mark.parametrize(
    "folder",
    [
        *(f"services/{name}" for name in ("biorxiv", "dblp", "huggingface", "openreview", "s2")),
        "arxiv-api/new",
        "arxiv-oai/records",
        "arxiv-rss",
    ],
)
def test_recorded_responses_are_read_whole(corpus: Path, folder: str) -> None:
    """Left out are a list of the files, and an error of arXiv."""
    for path in sorted((corpus / folder).iterdir()):
        if path.is_file() and path.name not in ("index.json", "id_abc_s0_m100.xml"):
            assert parsed(path.read_bytes(), path.name).problem == "", path
