"""XML and HTML from untrusted servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import BadAnswer
from digestbot.sources.markup import child_text, one_line, own_text, parse_xml, plain_html
from digestbot.text import plain
from tests.filters.tables import table


def test_forbidden_characters_are_removed_from_xml() -> None:
    root = parse_xml(b"<a><b>x\x0by\xff</b></a>")
    assert child_text(root, "b") == "xy�"
    assert child_text(root, "c") is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "has a document type, which is refused"),
        (b"<a><b></a>", "is not well-formed XML: "),
        (b"", "is not well-formed XML: "),
    ],
)
def test_unsafe_or_broken_xml_is_a_bad_answer(body: bytes, message: str) -> None:
    with pytest.raises(BadAnswer, match=message):
        parse_xml(body)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\nTwo"),
        ("if x<y then z>w", "if x<y then z>w"),
        ("a<style>b{}</style>c<!-- <i>d</i> -->e", "ace"),
        ("a<script>b", "a"),
        ("<jats:italic>E.</jats:italic> &amp; <mml:mi>x</mml:mi>", "E. & x"),
    ],
)
def test_html_becomes_plain_text(source: str, text: str) -> None:
    assert plain_html(source) == text


@pytest.mark.parametrize(("text", "line"), [(" a\n b ", "a b"), (" \n", None), (None, None)])
def test_one_line_collapses_whitespace(text: str | None, line: str | None) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize("row", table("markup.tsv"), ids=lambda row: row[-1])
def test_titles_become_plain_unicode(row: list[str]) -> None:
    source, shown, _ = row
    assert plain(one_line(plain_html(source)) or "", one_line=True) == shown


def test_errors_about_xml_are_one_printable_line() -> None:
    with pytest.raises(BadAnswer) as caught:
        parse_xml("<a><x\u0301\u0378:b/></a>".encode())
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"<a><b>x</b></a>",
        "<?xml version='1.0' encoding='utf-8'?><a>\u00e9 &lt;</a>".encode(),
        "\ufeff<a>\u00e9</a>".encode(),
        b"<a>x&#xD83D;&#xDE00;</a>",
        b"<a>&nbsp;&eacute;</a>",
        b"<a>\xe9</a>",
        b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>",
        "<?xml version='1.0' encoding='gb18030'?><a>\u6f22</a>".encode(),
        b"<?xml version='1.0' encoding='hz'?><a>~{<:Ky2;~}</a>",
        b"<a>\r\n<![CDATA[x < y]]></a>",
        b"<a " + b" ".join(b"x%d='1'" % n for n in range(200)) + b"/>",
    ],
)
def test_good_xml_is_read_as_if_cleaned(body: bytes) -> None:
    """A control character sends the same text through the cleaning."""
    at = body.rindex(b"<") if b"</" in body else body.rindex(b"/>")
    cleaned = parse_xml(body[:at] + b"\x0b" + body[at:])
    root = parse_xml(body)
    assert (own_text(root), dict(root.attrib)) == (own_text(cleaned), dict(cleaned.attrib))


@given(st.text(alphabet="a \u00a0\n\t\u2028x", max_size=12))
def test_one_line_collapses_all_white_space(text: str) -> None:
    assert one_line(text) == (" ".join(text.split()) or None)
