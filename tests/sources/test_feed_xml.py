"""Items keep what feedparser would lose, and feedparser sees nothing that breaks it."""

import pytest

from digestbot.sources import feed_xml
from digestbot.sources.feed_xml import DC, prepare
from tests.growth import is_linear

HEAD = '<rss xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>J</title>'


def feed(*items: str) -> str:
    inside = "".join(f"<item>{item}</item>" for item in items)
    return f"{HEAD}{inside}</channel></rss>"


def test_all_elements_of_an_item_are_kept() -> None:
    found = prepare(feed("<dc:identifier>a</dc:identifier><dc:identifier>b</dc:identifier>"))
    assert found is not None
    assert list(found.items[0].texts("identifier", namespaces=DC)) == ["a", "b"]


def test_inner_markup_is_kept_as_text() -> None:
    found = prepare(feed("<title>B<sub>s</sub> &lt; 1</title>"))
    assert found is not None
    assert list(found.items[0].texts("title")) == ["B<sub>s</sub> &lt; 1"]


@pytest.mark.parametrize("name", ["authors", "links", "title_detail", "published_parsed", "tags"])
def test_names_of_feedparser_never_reach_it(name: str) -> None:
    found = prepare(feed(f"<title>T</title><{name}>x</{name}>"))
    assert found is not None
    assert f"<{name}>".encode() not in found.document
    assert list(found.items[0].texts(name)) == ["x"]


def test_captions_of_figures_are_left_out() -> None:
    inside = "<m:title>Figure 1</m:title>"
    media = f"<m:content xmlns:m='http://search.yahoo.com/mrss/'>{inside}</m:content>"
    found = prepare(feed(f"<title>T</title>{media}"))
    assert found is not None
    assert b"Figure 1" not in found.document


def test_attributes_and_items_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_xml, "MAX_ITEMS", 2)
    many = " ".join(f"a{n}='x'" for n in range(500))
    found = prepare(feed(f"<title {many}>1</title>", "<title>2</title>", "<title>3</title>"))
    assert found is not None
    assert (len(found.items), found.omitted) == (2, 1)
    assert b"a499" not in found.document
    assert found.document.count(b"<item>") == 2


def test_a_raw_ampersand_loses_no_item() -> None:
    found = prepare(feed("<title>A & B</title>", "<title>C</title>"))
    assert found is not None
    assert len(found.items) == 2


@pytest.mark.parametrize("text", ["", "no XML", "{}", "<rss><item><title>x</item>" * 3])
def test_what_would_lose_items_is_left_to_feedparser(text: str) -> None:
    found = prepare(text)
    assert found is None or len(found.items) == text.count("<item>")


@pytest.mark.parametrize("piece", ["<!--", "<![CDATA[", "<item>", "</item>", "<item/>", "<item "])
def test_malformed_items_take_linear_time(piece: str) -> None:
    assert is_linear(lambda size: HEAD + piece * size, prepare, 2000)
