"""Lists of feeds in OPML, well-formed or not."""

from pathlib import Path

import pytest

from digestbot.errors import BadAnswer
from digestbot.sources import opml_outlines
from digestbot.sources.opml_outlines import FeedList, parse_opml


def opml(*outlines: str, version: str = "2.0") -> bytes:
    return f'<opml version="{version}"><body>{"".join(outlines)}</body></opml>'.encode()


def outline(url: str, label: str = "", *inner: str) -> str:
    return f'<outline text="{label}" xmlUrl="{url}">{"".join(inner)}</outline>'


def urls(found: FeedList) -> list[str]:
    return [feed.url for feed in found.feeds]


def test_nested_outlines_are_found_in_order() -> None:
    body = opml(
        outline("https://a.example/", "A", outline("https://b.example/", "B")),
        '<outline text="Folder"><outline text="Sub">' + outline("https://c.example/") + "</outline>"
        "</outline>",
    )
    found = parse_opml(body)
    assert urls(found) == ["https://a.example/", "https://b.example/", "https://c.example/"]
    assert [feed.label for feed in found.feeds] == ["A", "B", "c.example"]
    assert found.problems == ()


@pytest.mark.parametrize("name", ["xmlUrl", "xmlurl", "XMLURL", "xmlURL"])
@pytest.mark.parametrize("tail", ["", " & "])
def test_the_attribute_may_have_any_case(name: str, tail: str) -> None:
    body = opml(f"<outline text='A{tail}' {name} = 'https://a.example/?x=1&amp;y=2'/>")
    assert urls(parse_opml(body)) == ["https://a.example/?x=1&y=2"]


def test_each_url_is_listed_once() -> None:
    twice = outline("https://a.example/f", "One"), outline(" HTTPS://a.example/f#top ", "Two")
    found = parse_opml(opml(*twice))
    assert [(feed.url, feed.label) for feed in found.feeds] == [("https://a.example/f", "One")]


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("feed:https://a.example/f", "https://a.example/f"),
        ("feed://a.example/f", "http://a.example/f"),
        ("https://a.example/a\n  b", "https://a.example/ab"),
        ("https://a.example/été", "https://a.example/été"),
    ],
)
def test_odd_addresses_are_understood(address: str, url: str) -> None:
    assert urls(parse_opml(opml(outline(address)))) == [url]


@pytest.mark.parametrize(
    "address",
    ["feed.xml", "/feed.xml", "file:///etc/passwd", "javascript:1", "https://", "http://[::1"],
)
def test_other_addresses_are_named_as_problems(address: str) -> None:
    found = parse_opml(opml(outline(address), outline("https://a.example/")))
    assert urls(found) == ["https://a.example/"]
    assert found.problems == (f'"{address}" is not an http or https address',)


@pytest.mark.parametrize(
    "damage",
    [
        '<outline text="B & C">',
        "<outline text=x>",
        "<outline>",
        '<outline text="<">',
        "\x01",
        "</b>",
    ],
)
def test_a_list_that_is_not_well_formed_keeps_every_feed(damage: str) -> None:
    given = [f"https://{name}.example/" for name in "abc"]
    body = opml(outline(given[0], "A"), damage, *(outline(url) for url in given[1:]))
    found = parse_opml(body)
    assert urls(found) == given
    assert found.feeds[0].label == "A"


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "cp1252"])
def test_charsets_are_read(charset: str) -> None:
    name = charset.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{name}"?>' + opml(outline("https://a.example/")).decode()
    body = text.replace('text=""', 'text="Été"').encode(charset)
    assert parse_opml(body).feeds[0].label == "Été"


def test_an_external_document_type_is_ignored() -> None:
    body = b'<!DOCTYPE opml SYSTEM "http://x.example/opml.dtd">' + opml(outline("http://a.example"))
    assert urls(parse_opml(body)) == ["http://a.example"]


def test_entities_are_refused() -> None:
    with pytest.raises(BadAnswer, match="entities"):
        parse_opml(b"<!DOCTYPE opml [<!ENTITY a 'b'>]>" + opml())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"<rss version='2.0'><channel/></rss>", "use kind: feed"),
        (b"<rdf:RDF/>", "use kind: feed"),
        (b"<html><body>xmlUrl='http://a.example'</body></html>", 'root element "html"'),
        (b"https://a.example/feed.xml", '"https://a.example/feed.xml", not a list of feeds'),
        (b"\x00\x01\x02", "not a list of feeds"),
    ],
)
def test_other_files_are_named(body: bytes, words: str) -> None:
    with pytest.raises(BadAnswer, match="not a list of feeds") as raised:
        parse_opml(body)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_list_beyond_the_bound_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opml_outlines, "MAX_FEEDS", 2)
    found = parse_opml(opml(*(outline(f"https://{name}.example/") for name in "abc")))
    assert len(found.feeds) == 2
    assert found.problems == ("more than 2 feeds; split the file into several sources",)


def test_labels_are_short_and_printable() -> None:
    found = parse_opml(opml(outline("https://a.example/", "x\u200e&#10;" + "y" * 500)))
    assert found.feeds[0].label == "x " + "y" * 58


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "feeds"),
    [
        ("Subs.opml", None),
        ("journals.opml", 30),
        ("romance_business.opml", 1),
        ("romance_derstandard.opml", 7),
        ("romance_orf.opml", 0),
        ("romance_science.opml", 1),
        ("romance_youtube.opml", 2),
    ],
)
def test_real_lists_are_read_whole(corpus: Path, name: str, feeds: int | None) -> None:
    """Counted by eye, but for the longest file; two journals are listed twice."""
    body = (corpus / "configs" / "opml" / name).read_bytes()
    found = parse_opml(body)
    listed = {line.split(b'"')[0] for line in body.split(b'xmlUrl="')[1:]}
    assert len(found.feeds) == (len(listed) if feeds is None else feeds)
    assert found.problems == ()
