"""What a response is when it is not a feed, and the feed that a web page names."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import BadAnswer
from digestbot.sources.feed_kind import is_json, refuse_binary, refuse_other
from digestbot.sources.feed_text import decode, without_prolog
from tests.growth import is_linear

URL = "https://journal.example/toc/index.html"
ATOM = 'rel="alternate" type="application/atom+xml"'


def cause(body: bytes | str) -> str:
    """Return why *body* is refused; empty if it can be a feed."""
    given = body.encode() if isinstance(body, str) else body
    try:
        refuse_binary(given)
        refuse_other(without_prolog(decode(given)), URL)
    except BadAnswer as error:
        return str(error)
    return ""


PAGES = [
    (f'<link {ATOM} href="/feed.atom">', "https://journal.example/feed.atom"),
    (f'<link {ATOM} href="feed.atom">', "https://journal.example/toc/feed.atom"),
    ("<link HREF='/f?type=rss&amp;x=1' TYPE=application/rss+xml REL=Alternate>",
     "https://journal.example/f?type=rss&x=1"),
    ('<link type="application/feed+json; charset=utf-8" rel="nofollow alternate" href="/f.json">',
     "https://journal.example/f.json"),
    (f'<base href="https://cdn.example/j/"><link {ATOM} href="a.xml">',
     "https://cdn.example/j/a.xml"),
    (f'<link {ATOM} title="Comments" href="/comments"><link {ATOM} href="/papers">',
     "https://journal.example/papers"),
    (f'<link {ATOM} title="Comments" href="/comments">', "https://journal.example/comments"),
    (f'<link {ATOM} href="javascript:alert(1)"><link {ATOM} href="/b">',
     "https://journal.example/b"),
    (f'<link {ATOM} href="http://[::1"><link {ATOM} href="/b">', "https://journal.example/b"),
    (f'<link {ATOM} href="/a b"><link {ATOM} href="/b">', "https://journal.example/b"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "url"), PAGES)
def test_a_web_page_names_its_feed(head: str, url: str) -> None:
    page = f"<!DOCTYPE html><html><head><title>A\n Journal</title>{head}</head><p>Hi</html>"
    assert cause(page) == f'a web page, "A Journal", not a feed; write url: {url}'


@pytest.mark.parametrize(
    "head",
    [
        "",
        f"<link {ATOM}>",
        f'<link {ATOM} href="{URL}">',
        '<link rel="alternate" type="application/json" href="/wp-json/wp/v2/posts/1">',
        '<link rel="stylesheet" type="application/atom+xml" href="/x">',
        f'<link {ATOM} href="/{"x" * 3000}">',
    ],
)
def test_a_page_without_another_feed_is_named_only(head: str) -> None:
    assert cause(f"<html><head><title>J</title>{head}") == (
        'a web page, "J", not a feed; check the URL'
    )


BODIES = [
    (b"", "an empty response; check the URL"),
    (b"\xef\xbb\xbf \n", "an empty response; check the URL"),
    (b" " * 10_000, "an empty response; check the URL"),
    (b"%PDF-1.7\n\xe2\xe3", "a PDF file, not a feed"),
    (b"PK\x03\x04\x14\0", "a ZIP archive or an Office document, not a feed"),
    (b"\x89PNG\r\n\x1a\n", "an image, not a feed"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF", "an image, not a feed"),
    (b"\0\0\0\x18ftypmp42", "binary data, not a feed"),
    (bytes(range(60)) * 9, "binary data, not a feed"),
    (b"<p>No such journal", "a web page, not a feed"),
    (b"<html></html>", "a web page, not a feed"),
    (b"<html><title> </title>", "a web page, not a feed"),
    ("<html><title>\u202ea \"b\"</title>".encode(), "a web page, \"a 'b'\", not a feed"),
    (b'<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"/>',
     "an OAI-PMH response, not a feed"),
    (b"<urlset><url/></urlset>", "a sitemap, not a feed"),
    (b'<x:Envelope xmlns:x="y"/>', 'XML with the root element "x:Envelope", not a feed'),
    (b"Too many\nrequests", 'text that begins "Too many requests", not a feed'),
    (b"x" * 5000, 'text that begins "' + "x" * 99 + '…", not a feed'),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), BODIES, ids=[m[:40] for _, m in BODIES])
def test_other_responses_are_named(body: bytes, message: str) -> None:
    assert cause(body).removesuffix("; check the URL") == message.removesuffix("; check the URL")


@pytest.mark.parametrize(
    "body",
    [
        "<rss><channel/></rss>",
        '<feed xmlns="http://www.w3.org/2005/Atom"/>',
        '<rdf:RDF xmlns:rdf="x"/>',
        "Warning: mysql in line 3 <rss><channel></channel></rss>",
        "<note><item><title>x</title></item></note>",
        "<rss><channel><title>&lt;html>",
        '<?xml version="1.0" encoding="utf-16"?><rss><channel/></rss>'.encode("utf-16"),
        "<rss><channel><title>Журнал</title></channel></rss>".encode("utf-16"),
        "<?xml version='1.0'?><rss><channel/></rss>".encode("cp037"),
    ],
)
def test_what_may_be_a_feed_is_left_to_the_parsers(body: str | bytes) -> None:
    assert cause(body) == ""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'\xef\xbb\xbf { "a": 1}', True),
        (b"[]", True),
        (b"[1, 2]", True),
        (b"{}", True),
        (b"[Warning] <rss>", False),
        (b"<rss>", False),
        (b"", False),
    ],
)
def test_json_is_told_by_its_beginning(body: bytes, expected: bool) -> None:
    assert is_json(body) is expected


@given(st.text(max_size=200), st.sampled_from(["", "<html>", "<html><head><link ", "<title>"]))
def test_a_message_is_one_printable_line(text: str, start: str) -> None:
    assert cause(start + text).isprintable()


@pytest.mark.parametrize(
    "unit", ["<html>", f"<link {ATOM} href='a'>", "<title>", "<b ", "a=b ", "<!--", "<base href=/>"]
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    def read(text: str) -> None:
        with suppress(BadAnswer):
            refuse_other(text, URL)

    assert is_linear(lambda size: ("<html>" + unit * size)[:size], read, 100_000)
