"""Ordinary feeds: identity, text, authors and dates of papers; charsets and hostile bytes."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources.feed_items import MAX_TAGS, parse_feed

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
URL = "https://journal.example/feed.xml"
HEAD = (
    '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/">'
    "<channel><title>A Journal</title><link>https://journal.example/</link>"
)


def papers(inside: str, url: str = URL) -> tuple[FetchedPaper, ...]:
    body = f"{HEAD}{inside}</channel></rss>".encode()
    headers = {"content-type": "application/rss+xml; charset=utf-8"}
    return parse_feed(body, headers, feed_url=url, now=NOW).papers


def paper(inside: str, url: str = URL) -> FetchedPaper:
    (only,) = papers(f"<item>{inside}</item>", url)
    return only


# Identity.

IDENTITIES = [
    ("<guid>oai:arXiv.org:2603.20941v2</guid>", "arxiv:2603.20941", 2, None),
    ("<link>https://arxiv.org/abs/2603.20941v3</link>", "arxiv:2603.20941", 3, None),
    ("<link>http://export.arxiv.org/pdf/math/0309136</link>", "arxiv:math/0309136", 1, None),
    ("<guid>https://doi.org/10.48550/arXiv.2603.20941</guid>", "arxiv:2603.20941", 1, None),
    (
        "<guid>10.1109/TPAMI.2026.37</guid>",
        "doi:10.1109/tpami.2026.37",
        1,
        "10.1109/tpami.2026.37",
    ),
    ("<prism:doi>10.1000/ABC</prism:doi><guid>7</guid>", "doi:10.1000/abc", 1, "10.1000/abc"),
    ("<dc:identifier>doi:10.1101/2023.12</dc:identifier>", "doi:10.1101/2023.12", 1,
     "10.1101/2023.12"),
    ("<link>https://doi.org/10.1000/x%2Fy</link>", "doi:10.1000/x/y", 1, "10.1000/x/y"),
    (
        "<prism:doi>10.1000/x</prism:doi><link>https://arxiv.org/abs/2603.20941</link>",
        "arxiv:2603.20941",
        1,
        "10.1000/x",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("inside", "name", "version", "doi"), IDENTITIES)
def test_papers_are_identified_by_arxiv_id_or_doi(
    inside: str, name: str, version: int, doi: str | None
) -> None:
    found = paper(f"<title>T</title>{inside}")
    assert (found.id, found.version, found.doi) == (name, version, doi)
    assert found.url.startswith("http")


@pytest.mark.parametrize(
    "inside",
    [
        "<guid>2603.20941</guid>",
        "<guid>1</guid>",
        "<link>https://blog.example/2603.20941</link>",
        "<link>https://evil-arxiv.org/abs/2603.20941</link>",
        "<prism:doi>none</prism:doi>",
        "<link>http://[::1/x</link>",
    ],
)
def test_lookalikes_of_ids_are_ignored(inside: str) -> None:
    assert paper(f"<title>T</title>{inside}").id.startswith("feed:")


def test_hashed_ids_are_stable_and_scoped_by_feed() -> None:
    inside = "<title>T</title><guid>1</guid>"
    assert paper(inside).id == paper(inside + "<description>new</description>").id
    assert paper(inside).id != paper(inside, "https://other.example/").id
    assert len(paper(inside).id) == len("feed:") + 24


def test_items_without_guid_and_link_differ_by_their_text() -> None:
    one, other = papers(
        "<item><title>T</title><description>a</description></item>"
        "<item><title>T</title><description>b</description></item>"
    )
    assert one.id != other.id


def test_shared_links_and_guids_identify_no_item() -> None:
    home = "<link>https://journal.example/</link>"
    toc = "<link>https://journal.example/toc</link>"
    one = papers(f"<item><title>A</title>{home}</item>")
    assert one[0].id == paper(f"<title>A</title>{home}<guid></guid>").id
    for shared in (home, toc):
        found = papers("".join(f"<item><title>{t}</title>{shared}</item>" for t in "ABC"))
        assert len({p.id for p in found}) == 3
    first, _ = papers(f"<item><title>A</title>{home}</item><item><title>B</title>{home}</item>")
    assert first.id == one[0].id
    same_guid = "".join(
        f"<item><title>{t}</title><guid>x</guid><link>https://journal.example/{t}</link></item>"
        for t in "ABC"
    )
    assert len({p.id for p in papers(same_guid)}) == 3


def test_a_repeated_item_with_another_title_is_one_paper() -> None:
    link = "<link>https://journal.example/1</link>"
    for name in (f"<guid>1</guid>{link}", "<guid>1</guid>"):
        first, again = papers("".join(f"<item><title>{t}</title>{name}</item>" for t in "AB"))
        assert first.id == again.id


# Length.


def test_max_items_keeps_the_newest_in_any_order() -> None:
    def dated(number: int) -> str:
        date = f"Mon, {number:02} Jun 2026 10:00:00 GMT"
        return f"<item><title>{number}</title><guid>{number}</guid><pubDate>{date}</pubDate></item>"

    for order in (range(1, 9), range(8, 0, -1)):
        body = f"{HEAD}{''.join(map(dated, order))}</channel></rss>".encode()
        found = parse_feed(body, {}, feed_url=URL, now=NOW, max_items=3).papers
        assert [p.title for p in found] == [str(n) for n in order if n > 5]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
def test_a_cut_feed_is_detected(charset: str) -> None:
    items = "".join(f"<item><title>T{n}</title><guid>{n}</guid></item>" for n in range(5))
    whole = f'<?xml version="1.0" encoding="{charset}"?>{HEAD}{items}</channel></rss >\n<!-- x -->'
    parsed = parse_feed(whole.encode(charset), {}, feed_url=URL, now=NOW)
    assert (len(parsed.papers), parsed.is_cut) == (5, False)
    cut = whole[: whole.index("T3") + 1].encode(charset)
    parsed = parse_feed(cut, {}, feed_url=URL, now=NOW)
    assert ([p.title for p in parsed.papers], parsed.is_cut) == (["T0", "T1", "T2"], True)


# Text.


@pytest.mark.parametrize(
    ("served", "shown"),
    [
        ("if x&lt;y then z&gt;w", "if x<y then z>w"),
        ("<![CDATA[for $0<a<b$ and c>d]]>", "for $0<a<b$ and c>d"),
        ("<![CDATA[x <b and c> y]]>", "x <b and c> y"),
        ("<![CDATA[<i>E. coli</i> &amp; H<sub>2</sub>O]]>", "E. coli & H₂O"),
        ("&lt;b>AT&amp;amp;T&lt;/b>", "AT&T"),
        ("<![CDATA[a<script>alert(1)</script>b]]>", "ab"),
        ("<![CDATA[a<!-- <b>x</b> -->b]]>", "ab"),
        ("<![CDATA[<jats:p>One</jats:p><jats:p>Two</jats:p>]]>", "One\nTwo"),
        ('<![CDATA[<p>See <a href="https://x.example">this</a></p>]]>', "See this"),
        ("<![CDATA[a<br/>b<br>c]]>", "a\nb\nc"),
        ("Erd\\H{o}s and $\\alpha$", "Erd\\H{o}s and $\\alpha$"),
    ],
)
def test_html_becomes_text_and_inequalities_stay(served: str, shown: str) -> None:
    found = paper(f"<title>T</title><description>{served}</description>")
    assert found.abstract == shown


def test_a_title_is_one_line() -> None:
    assert paper("<title>\n  A <![CDATA[<i>b</i>]]>\n c </title>").title == "A b c"


def test_an_untitled_item_is_titled_by_its_beginning() -> None:
    found = paper(f"<description>{'word ' * 50}</description>")
    assert found.title.endswith("word …")
    assert len(found.title) <= 122


def test_content_replaces_a_missing_summary() -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title><entry><id>urn:1</id>'
        '<title>T</title><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">'
        "<p>Hello</p></div></content></entry></feed>"
    )
    (found,) = parse_feed(atom.encode(), {}, feed_url=URL, now=NOW).papers
    assert found.abstract == "Hello"


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "x"])
def test_only_web_urls_are_links(link: str) -> None:
    found = paper(f"<title>T</title><link><![CDATA[{link}]]></link><guid>x</guid>")
    assert found.url == ""


def test_links_are_encoded_not_replaced() -> None:
    inside = "<link><![CDATA[http://x.example/a b/<1>.html]]></link>"
    assert paper(f"<title>T</title>{inside}").url == "http://x.example/a%20b/%3C1%3E.html"
    assert paper(f"<title>T</title><link>http://x.example/{'a' * 2_100}</link>").url == ""


# Authors, dates and other fields.


@pytest.mark.parametrize(
    ("inside", "names"),
    [
        (
            "<dc:creator>Pérez, Ana</dc:creator><dc:creator>Wei Li</dc:creator>",
            ["Ana Pérez", "Wei Li"],
        ),
        ("<dc:creator>LAPALU, N., SIMON, A.</dc:creator>", ["N. LAPALU", "A. SIMON"]),
        ("<author>ann@example.org (Ann Bee)</author>", ["Ann Bee"]),
        ("<dc:creator><![CDATA[<a href='x=1'>Ann Bee</a>]]></dc:creator>", ["Ann Bee"]),
        ("", []),
    ],
)
def test_authors_have_the_given_name_first(inside: str, names: list[str]) -> None:
    assert [author.name for author in paper(f"<title>T</title>{inside}").authors] == names


def test_future_dates_become_now_and_nonsense_none() -> None:
    future = paper("<title>T</title><pubDate>Mon, 23 Nov 2099 08:00:00 GMT</pubDate>")
    assert (future.published, future.updated) == (NOW, NOW)
    assert paper("<title>T</title><pubDate>soon</pubDate>").published is None


def test_journal_categories_and_pdf_are_read() -> None:
    found = paper(
        "<title>T</title><prism:publicationName>Nature &amp; Co</prism:publicationName>"
        "<category>Genomics</category>"
        '<enclosure url="https://x.example/a.pdf" type="application/pdf"/>'
    )
    assert found.journal_ref == "Nature & Co"
    assert found.categories == ("Genomics",)
    assert found.pdf_url == "https://x.example/a.pdf"


# Charsets: of the header, then of the document.


@pytest.mark.parametrize(
    ("content_type", "declared", "charset"),
    [
        ("application/rss+xml; charset=utf-8", "", "utf-8"),
        ("application/rss+xml", ' encoding="iso-8859-1"', "iso-8859-1"),
        ("text/xml", "", "utf-8"),
        ("text/xml; charset=windows-1252", ' encoding="utf-8"', "windows-1252"),
        ("text/html", "", "utf-8"),
        ("application/rss+xml", "", "utf-16"),
    ],
)
def test_the_charset_is_found(content_type: str, declared: str, charset: str) -> None:
    text = f'<?xml version="1.0"{declared}?>{HEAD}<item><title>Café</title></item></channel></rss>'
    (found,) = parse_feed(
        text.encode(charset), {"content-type": content_type}, feed_url=URL, now=NOW
    ).papers
    assert found.title == "Café"


# Hostile bytes.

ENTITIES = '<!DOCTYPE rss [<!ENTITY a "aaaa">]><rss version="2.0"/>'


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-32"])
def test_declared_entities_are_refused_in_any_charset(charset: str) -> None:
    with pytest.raises(BadAnswer, match="declares entities"):
        parse_feed(ENTITIES.encode(charset), {}, feed_url=URL, now=NOW)


def test_a_plain_document_type_is_accepted() -> None:
    body = f'<!DOCTYPE rss PUBLIC "-//X//DTD" "x.dtd">{HEAD}<item><title>T</title></item>'
    assert parse_feed(body.encode(), {}, feed_url=URL, now=NOW).papers


def test_too_many_elements_are_refused() -> None:
    with pytest.raises(BadAnswer, match="more than 300,000 elements"):
        parse_feed(b"<rss>" * (MAX_TAGS + 1), {}, feed_url=URL, now=NOW)


def test_a_file_name_is_refused() -> None:
    with pytest.raises(BadAnswer):
        parse_feed(__file__.encode(), {}, feed_url=URL, now=NOW)


SAMPLE = (
    f"{HEAD}<item><title>A &lt;b&gt; &amp; c</title><guid>x</guid><dc:creator>A, B</dc:creator>"
    "<pubDate>Mon, 23 Nov 2026 08:00:00 GMT</pubDate><description><![CDATA[<p>x</p>]]>"
    "</description></item></channel></rss>"
).encode()


@given(
    cut=st.integers(min_value=0, max_value=len(SAMPLE)),
    length=st.integers(min_value=0, max_value=60),
    put=st.one_of(st.binary(max_size=20), st.sampled_from([b"<![", b"<!--", b"&#x110000;"])),
)
def test_mutated_feeds_raise_only_bad_answer(cut: int, length: int, put: bytes) -> None:
    with contextlib.suppress(BadAnswer):
        parse_feed(SAMPLE[:cut] + put + SAMPLE[cut + length :], {}, feed_url=URL, now=NOW)


@pytest.mark.corpus
def test_recorded_feeds_are_read_or_a_bad_answer(corpus: Path) -> None:
    paths = [path for path in sorted((corpus / "feeds").rglob("*")) if path.is_file()]
    read = 0
    for path in paths:
        with contextlib.suppress(BadAnswer):
            found = parse_feed(path.read_bytes(), {}, feed_url=URL, now=NOW).papers
            read += bool(found)
            for one in found:
                assert not one.url or one.url.startswith(("http://", "https://")), path.name
                assert one.title, path.name
                assert one.updated is None or one.updated <= NOW
    assert read > 60


@pytest.mark.corpus
def test_recorded_journals_are_identified_by_dois(corpus: Path) -> None:
    for path in sorted((corpus / "feeds" / "journal-rss").glob("*.xml")):
        found = parse_feed(path.read_bytes(), {}, feed_url=URL, now=NOW).papers
        assert len(found) >= 30
        assert all(one.id == f"doi:{one.doi}" for one in found), path.name


@pytest.mark.corpus
def test_recorded_encodings_are_decoded(corpus: Path) -> None:
    folder = corpus / "feeds" / "feedparser-encoding"
    titles = {
        path.name: parse_feed(path.read_bytes(), {}, feed_url=URL, now=NOW).papers
        for path in sorted(folder.glob("*.xml"))
    }
    assert [one.title for one in titles["euc-kr-item.xml"]] == ["년"]
    charset = "http_text_xml_charset_overrides_encoding_2.xml"
    assert [one.abstract for one in titles[charset]] == ["This is a £“test.”"]
