"""Bytes of feeds become clean text; the rows name the publisher's habit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import BadAnswer
from digestbot.sources.feed_text import decode, with_sound_references, without_prolog
from tests.growth import is_linear

UMLAUT = "Über die Größe"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (UMLAUT.encode(), "", UMLAUT),
        (UMLAUT.encode("latin-1"), "", UMLAUT),
        (UMLAUT.encode("latin-1"), "text/xml; charset=iso-8859-1", UMLAUT),
        (UMLAUT.encode("utf-16"), "", UMLAUT),
        (b"\xef\xbb\xbf" + UMLAUT.encode(), "text/xml; charset=latin-1", UMLAUT),
        (UMLAUT.encode(), "text/xml; charset=latin-1", UMLAUT),
        ("日本".encode("iso2022_jp"), "text/xml; charset=iso-2022-jp", "日本"),
        ("日本".encode("shift_jis"), "text/xml; charset=Shift_JIS", "日本"),
        ("“x”".encode("cp1252"), "text/xml; charset=iso-8859-1", "“x”"),
        ("<a>é</a>".encode("cp037"), "", None),
        (b"ab", "text/xml; charset=punycode", "ab"),
        (b"ab", "text/xml; charset=no-such", "ab"),
        (b"ab", "text/xml; charset=zlib", "ab"),
        (b"\xff\xfe<\x00?\x00", "", "<?"),
    ],
)
def test_the_charset_is_found(body: bytes, content_type: str, text: str | None) -> None:
    if text is not None:
        assert decode(body, content_type) == text


@pytest.mark.parametrize("where", ["header", "declaration", "mark"])
def test_one_bad_byte_costs_one_character(where: str) -> None:
    """A feed that says UTF-8 in any way is read as UTF-8."""
    head = '<?xml version="1.0" encoding="utf-8"?>' if where == "declaration" else ""
    mark = b"\xef\xbb\xbf" if where == "mark" else b""
    header = "text/xml; charset=utf-8" if where == "header" else "text/xml"
    body = mark + head.encode() + UMLAUT.encode() + b"\x92 s" + "Größe".encode()[:-1] + b"\xc3"
    text = decode(body, header)
    assert text.startswith(UMLAUT)
    assert text.count("\ufffd") <= 3


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("&#xD800;", ""),
        ("&#55357;&#56832;", "😀"),
        ("&#xD83D;&#xDE00;", "😀"),
        ("&#x110000;", ""),
        ("&#99999999999;", ""),
        ("&#0;", ""),
        ("&#8;", ""),
        ("&#xFFFF;", ""),
        ("&#65;", "&#65;"),
        ("&nbsp;", "\xa0"),
        ("&alpha;", "α"),
        ("&amp;lt;", "&amp;lt;"),
        ("&nosuch;", "&nosuch;"),
        ("&", "&"),
    ],
)
def test_a_bad_reference_costs_only_itself(reference: str, text: str) -> None:
    assert decode(f"a{reference}b".encode()) == f"a{text}b"


@pytest.mark.parametrize(
    "prolog",
    [
        "",
        "<!-- by <https://cms.example.org> -->\n",
        '<?xml-stylesheet href="a.xsl"?>',
        "<!DOCTYPE rss>",
        '<!DOCTYPE rss PUBLIC "-//X//DTD RSS 0.91//EN" "http://x.example/rss-0.91.dtd">',
        "<!DOCTYPE rss [<!ELEMENT rss ANY>]>",
        "<!-- a --><?b c?> <!DOCTYPE d><!-- e -->",
    ],
)
def test_the_root_follows_the_prolog(prolog: str) -> None:
    assert without_prolog(f"{prolog}<rss><title>x</title></rss>").startswith("<rss>")


def test_declared_entities_are_refused_in_the_prolog_only() -> None:
    with pytest.raises(BadAnswer, match="declares entities"):
        without_prolog('<!DOCTYPE r [<!ENTITY a "b">]><r/>')
    text = "<r><title>An <!ENTITY attack, and a <!DOCTYPE</title></r>"
    assert without_prolog(text) == text


@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_bytes_are_decoded(body: bytes, content_type: str) -> None:
    text = decode(body, content_type)
    text.encode()
    with suppress(BadAnswer):
        without_prolog(text)


@pytest.mark.parametrize(
    "unit", ["<!DOCTYPE", "<!-- ", "<?x ", "<!DOCTYPE [", "&#", "&a", " ", "<!---->", "&#xD800;"]
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    def read(body: bytes) -> None:
        with suppress(BadAnswer):
            without_prolog(decode(body))

    assert is_linear(lambda size: (unit * size)[:size].encode(), read, 200_000)


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("&#8211; &#x2013; &amp; &#9;", "&#8211; &#x2013; &amp; &#9;"),
        ("&#xD800; &#55357;", "&amp;#xD800; &amp;#55357;"),
        ("&#0; &#x1F; &#x110000; &#xFFFF;", "&amp;#0; &amp;#x1F; &amp;#x110000; &amp;#xFFFF;"),
        ("&#8211 &#x &# &#;", "&amp;#8211 &amp;#x &amp;# &amp;#;"),
        ("&#99999999999999999999;", "&amp;#99999999999999999999;"),
        ("&#x&#xD800;D800;", "&amp;#x&amp;#xD800;D800;"),
    ],
)
def test_references_are_sound(text: str, sound: str) -> None:
    assert with_sound_references(text) == sound
