"""arXiv's daily feeds: announce types, and plain-text abstracts that look like HTML."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import BadAnswer
from digestbot.model import FRESH, REPLACEMENTS, AnnounceType, FetchedPaper
from digestbot.sources.arxiv_rss import error_in, is_announcement, parse_announcements

SPACES = 'xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/"'
RSS_ITEM = """<item>
  <title>On x&lt;y &amp; $\\alpha$</title>
  <link>https://arxiv.org/abs/2203.01250</link>
  <description>arXiv:2203.01250v3 Announce Type: replace-cross \nAbstract: if x&lt;y then z&gt;w.
Second line &lt;b&gt;not bold&lt;/b&gt;.</description>
  <guid isPermaLink="false">oai:arXiv.org:2203.01250v3</guid>
  <category>math.AP</category><category>math.OC</category>
  <pubDate>Fri, 23 Aug 2024 00:00:00 -0400</pubDate>
  <arxiv:announce_type>replace-cross</arxiv:announce_type>
  <arxiv:DOI>10.5802/jep.257</arxiv:DOI>
  <arxiv:journal_reference>J. X, Tome 11</arxiv:journal_reference>
  <dc:creator>Ana Pérez (1 and 2, Here), Li Wei, Ion Stoica</dc:creator>
</item>"""
ATOM_ENTRY = """<entry>
  <id>oai:arXiv.org:2508.13426v1</id><title>ALIGN</title>
  <link href="https://arxiv.org/abs/2508.13426" rel="alternate"/>
  <summary>arXiv:2508.13426v1 Announce Type: cross \nAbstract: As models.</summary>
  <category term="cs.CL"/><category term="cs.AI"/>
  <published>2025-08-20T00:00:00-04:00</published>
  <arxiv:announce_type>cross</arxiv:announce_type>
  <dc:creator>Chunhua Liu, Sukai Huang</dc:creator>
</entry>"""


def rss(*items: str) -> bytes:
    channel = f"<channel><title>math.OC updates on arXiv.org</title>{''.join(items)}</channel>"
    return f'<rss version="2.0" {SPACES}>{channel}</rss>'.encode()


def atom(*entries: str) -> bytes:
    return f'<feed xmlns="http://www.w3.org/2005/Atom" {SPACES}>{"".join(entries)}</feed>'.encode()


def only(body: bytes) -> FetchedPaper:
    assert is_announcement(body)
    (paper,) = parse_announcements(body)
    return paper


def test_an_rss_item_is_read_as_plain_text() -> None:
    paper = only(rss(RSS_ITEM))
    assert (paper.id, paper.version) == ("arxiv:2203.01250", 3)
    assert paper.type is AnnounceType.REPLACE_CROSS
    assert paper.title == "On x<y & $\\alpha$"
    assert paper.abstract == "if x<y then z>w.\nSecond line <b>not bold</b>."
    names = [author.name for author in paper.authors]
    assert names == ["Ana Pérez", "Li Wei", "Ion Stoica"]
    assert (paper.categories, paper.primary_category) == (("math.AP", "math.OC"), "math.AP")
    assert (paper.doi, paper.journal_ref) == ("10.5802/jep.257", "J. X, Tome 11")
    assert paper.url == "https://arxiv.org/abs/2203.01250v3"


def test_papers_have_no_dates() -> None:
    paper = only(rss(RSS_ITEM))
    assert (paper.published, paper.updated) == (None, None)


def test_an_atom_entry_is_read_like_an_item() -> None:
    paper = only(atom(ATOM_ENTRY))
    assert (paper.id, paper.version, paper.type) == ("arxiv:2508.13426", 1, AnnounceType.CROSS)
    assert (paper.title, paper.abstract) == ("ALIGN", "As models.")
    assert paper.categories == ("cs.CL", "cs.AI")
    assert [author.name for author in paper.authors] == ["Chunhua Liu", "Sukai Huang"]


@pytest.mark.parametrize("kind", sorted(FRESH | REPLACEMENTS))
def test_every_announce_type_is_known(kind: AnnounceType) -> None:
    assert only(rss(RSS_ITEM.replace("replace-cross", kind))).type is kind


@pytest.mark.parametrize(("version", "kind"), [(1, AnnounceType.NEW), (2, AnnounceType.REPLACE)])
def test_an_unknown_announce_type_follows_from_the_version(
    version: int, kind: AnnounceType
) -> None:
    item = RSS_ITEM.replace("replace-cross", "absonly").replace("v3", f"v{version}")
    assert only(rss(item)).type is kind


def test_an_unreadable_item_is_skipped() -> None:
    broken = RSS_ITEM.replace("oai:arXiv.org:2203.01250v3", "oai:arXiv.org:nonsense")
    assert len(parse_announcements(rss(broken, RSS_ITEM))) == 1


def test_other_feeds_are_not_announcements() -> None:
    assert not is_announcement(rss())
    assert not is_announcement(b"<rss><item><title>Announce Type: none</title></item></rss>")


def test_the_message_of_an_error_feed_is_found() -> None:
    body = rss().replace(b"math.OC updates on arXiv.org", b"Feed error for query: xx")
    assert error_in(body) == "Feed error for query: xx"
    assert error_in(rss()) is None
    assert error_in(b"not xml") is None


@given(
    cut=st.integers(min_value=0, max_value=1000),
    length=st.integers(min_value=0, max_value=60),
    put=st.binary(max_size=20),
)
def test_mutated_bytes_raise_only_bad_answer(cut: int, length: int, put: bytes) -> None:
    body = rss(RSS_ITEM)
    with contextlib.suppress(BadAnswer):
        parse_announcements(body[:cut] + put + body[cut + length :])


@pytest.mark.corpus
def test_recorded_daily_feeds_are_read_completely(corpus: Path) -> None:
    counted = {}
    for path in sorted((corpus / "arxiv-rss").glob("*.xml")):
        body = path.read_bytes()
        if is_announcement(body):
            papers = parse_announcements(body)
            assert all(paper.abstract and paper.authors for paper in papers), path.name
            counted[path.name] = len(papers)
    assert counted == {
        "atom_cs.AI_2025-08-20_short.xml": 7,
        "docs_math.OC_2024.xml": 1,
        "rebuilt_cs.CL_2025-10-09.xml": 112,
        "rebuilt_cs.CV_2026-04-14.xml": 309,
    }
