"""Time to parse a hostile feed grows with its size and no faster, whatever it repeats."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from digestbot.errors import BadAnswer
from digestbot.sources.arxiv_rss import is_announcement, parse_announcements
from digestbot.sources.feed_items import parse_feed
from digestbot.sources.markup import MAX_ATTRIBUTES, bounded_attributes, parse_xml
from tests.growth import is_linear

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
XML = "application/xml"
SIZE = 40_000
HEAD = (
    '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/" '
    'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>J</title>'
)
FIELDS = (
    "title", "link", "guid", "author", "authors", "dc:creator", "pubDate", "description",
    "content:encoded", "category", "dc:identifier", "prism:doi", "dc:source",
    "prism:publicationName",
)  # fmt: skip
UNITS = (
    "a", "@", " ", "\n ", "1", "é b ", "a@b ", "A, B; ", " and ", "(", "[a ", "$", "\\frac{", "{",
    "^_", "Mon, ", "12:", "10.1/", "doi:", "http://", "arXiv:", "arXiv:2401.00001", "Source: ",
    "&amp;amp", "&lt;a ", "&lt;math&gt;", "&lt;sup&gt;", "&lt;!--", "]]", "…", "-", "'", "<b/>",
    "<a x='1'>y</a>",
)  # fmt: skip


def parse(document: tuple[bytes, str]) -> None:
    body, content_type = document
    with suppress(BadAnswer):
        if is_announcement(body):
            parse_announcements(body)
        parse_feed(body, {"content-type": content_type}, feed_url="https://j.example/", now=NOW)


def rss(inside: str) -> str:
    return f"{HEAD}<item><title>T</title>{inside}</item></channel></rss>"


def in_charset(charset: str, make: Callable[[int], str]) -> Callable[[int], tuple[bytes, str]]:
    def encoded(size: int) -> tuple[bytes, str]:
        return make(size).encode(charset), f"{XML}; charset={charset}"

    return encoded


def repeated(unit: str, before: str = "") -> Callable[[int], str]:
    return lambda size: before + unit * (size // len(unit))


def attributes(size: int) -> str:
    many = " ".join(f"a{n}='x'" for n in range(size // 8))
    return f"<rss version='2.0' {many}><channel><item><title>T</title></item></channel></rss>"


def nested(size: int) -> str:
    return rss("<a>" * (size // 7) + "</a>" * (size // 7))


def bomb(size: int) -> str:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 9}">' for n in range(1, size // 60))
    return f"<!DOCTYPE r [{entities}]>{rss('&e9;')}"


def unquoted(size: int) -> str:
    return "<rss><item><title>T</title>&<a b=" + "c=1 " * (size // 4)


OPEN = "<rss version='2.0'><channel><item><title>T</title>&"
BODIES: dict[str, Callable[[int], str]] = {
    "document types": repeated("<!DOCTYPE"),
    "arXiv marks": repeated("arXiv:"),
    "arXiv marks with blanks": repeated(" ", "arXiv:2401.00001"),
    "arXiv's announce type with blanks": repeated("announce_type "),
    "attributes": attributes,
    "attributes of a broken feed": lambda size: attributes(size)[:-20],
    "attributes of an arXiv feed": lambda size: attributes(size) + "<!--announce_type>-->",
    "unquoted attributes": unquoted,
    "nested elements": nested,
    "entities": bomb,
    "unclosed elements": repeated("<a", OPEN),
    "unclosed marked sections": repeated("<![", OPEN),
    "unclosed comments": repeated("<!--", OPEN),
    "unclosed attributes": repeated("a='", OPEN + "<a "),
    "attributes without values": repeated("<a b=", OPEN),
    "blanks in an attribute": repeated(" ", OPEN + "<a b="),
    "blanks in the XML declaration": repeated(" ", "<?xml"),
    "items": lambda size: rss("</item><item><title>T</title>" * (size // 29)),
    "authors": lambda size: rss("<dc:creator>A B</dc:creator>" * (size // 28)),
    "identifiers": lambda size: rss("<dc:identifier>10.1/2</dc:identifier>" * (size // 37)),
    "a link": lambda size: rss(f"<enclosure type='application/pdf' url='http://{'a' * size}'/>"),
    "tags in CDATA": lambda size: rss(f"<title><![CDATA[{'<a ' * (size // 3)}]]></title>"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_time_grows_with_the_size_of_the_body(name: str) -> None:
    assert is_linear(in_charset("utf-8", BODIES[name]), parse, SIZE)


@pytest.mark.parametrize("charset", ["utf-16", "utf-32", "cp037"])
@pytest.mark.parametrize("name", ["attributes", "nested elements", "entities", "arXiv marks"])
def test_charsets_do_not_evade_the_limits(name: str, charset: str) -> None:
    assert is_linear(in_charset(charset, BODIES[name]), parse, SIZE)


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7"])
def test_charsets_with_slow_codecs_are_not_used(charset: str) -> None:
    def make(size: int) -> tuple[bytes, str]:
        return b"a-" + b"9" * size, f"{XML}; charset={charset}"

    assert is_linear(make, parse, SIZE)


@pytest.mark.parametrize("unit", UNITS)
def test_time_grows_with_the_length_of_each_field(unit: str) -> None:
    """All fields repeat the unit: one that is quadratic dominates the time."""

    def make(size: int) -> str:
        text = unit * (size // len(unit))
        return rss("".join(f"<{name}>{text}</{name}>" for name in FIELDS))

    assert is_linear(in_charset("utf-8", make), parse, SIZE)


@pytest.mark.parametrize(
    "unit", ["a='b' ", "a=b ", "a='<b' ", "<a b='c' ", "<a b=' c=' ", "<a b=\"'"]
)
def test_attributes_are_bounded_in_linear_time(unit: str) -> None:
    assert is_linear(lambda size: "<a " + unit * (size // len(unit)), bounded_attributes, 500_000)


def test_an_element_keeps_its_first_attributes() -> None:
    many = " ".join(f"a{n}='>'" for n in range(3 * MAX_ATTRIBUTES))
    root = parse_xml(f"<a {many}><b c='1'>d</b></a>".encode())
    assert (len(root.attrib), root[0].get("c"), root[0].text) == (MAX_ATTRIBUTES, "1", "d")


def test_text_that_looks_like_a_tag_is_kept() -> None:
    text = f"<p>x <y {'and z ' * 500}</p>"
    assert bounded_attributes(text) == text
