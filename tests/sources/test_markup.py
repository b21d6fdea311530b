"""XML and HTML from untrusted servers."""

import pytest

from digestbot.errors import BadAnswer
from digestbot.sources.markup import child_text, one_line, parse_xml, plain_html
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
