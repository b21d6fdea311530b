"""JSON Feed: members become the fields of a paper, and a bad one costs only itself."""

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources import json_feed
from digestbot.sources.feed_items import ParsedFeed, parse_feed

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
URL = "https://journal.example/feed.json"
VERSION = "https://jsonfeed.org/version/1.1"
ITEM = {
    "id": "https://journal.example/p/1",
    "url": "https://journal.example/p/1",
    "external_url": "https://doi.org/10.1234/EX.1",
    "title": "Mice &amp; sleep",
    "content_html": "<p>We measure H<sub>2</sub>O.</p><p>Twice.</p>",
    "date_published": "2026-09-03T10:00:00+02:00",
    "date_modified": "2026-09-04",
    "authors": [{"name": "Ada Bee", "url": "x"}, {"name": "Dee, Carl"}],
    "tags": ["Sleep", "Mice"],
    "language": "en",
    "attachments": [{"url": "https://journal.example/1.pdf", "mime_type": "application/pdf"}],
}


def read(*items: object, **more: object) -> ParsedFeed:
    data = {"version": VERSION, "title": "A Journal", "items": list(items), **more}
    return parse_feed(json.dumps(data).encode(), {}, feed_url=URL, now=NOW)


def paper(item: Mapping[str, object]) -> FetchedPaper:
    (only,) = read(item).papers
    return only


def test_every_member_is_read() -> None:
    found = paper(ITEM)
    assert (found.id, found.doi) == ("doi:10.1234/ex.1", "10.1234/ex.1")
    assert (found.title, found.abstract) == ("Mice & sleep", "We measure H₂O.\nTwice.")
    assert [author.name for author in found.authors] == ["Ada Bee", "Carl Dee"]
    assert found.published == datetime(2026, 9, 3, 8, tzinfo=UTC)
    assert found.updated == datetime(2026, 9, 4, tzinfo=UTC)
    assert (found.categories, found.journal_ref) == (("Sleep", "Mice"), "A Journal")
    assert found.url == "https://journal.example/p/1"
    assert found.pdf_url == "https://journal.example/1.pdf"


@pytest.mark.parametrize(
    ("item", "field", "value"),
    [
        ({"author": {"name": "Ada Bee"}}, "authors", ["Ada Bee"]),
        ({"authors": [{"name": "Ada Bee, Carl Dee"}]}, "authors", ["Ada Bee", "Carl Dee"]),
        ({"authors": ["Ada Bee"]}, "authors", ["Ada Bee"]),
        ({"authors": [None, 3, {"name": ["x"]}, {"name": "Ada Bee"}]}, "authors", ["Ada Bee"]),
        ({"summary": "Short."}, "abstract", "Short."),
        ({"content_text": "if x<y then z>w"}, "abstract", "if x<y then z>w"),
        ({"doi": "https://doi.org/10.1234/x"}, "doi", "10.1234/x"),
        ({"date_published": "soon"}, "published", None),
        ({"date_published": 1788422400}, "published", datetime(2026, 9, 3, 8, tzinfo=UTC)),
        ({"title": "a\u0000b\ud800c😀"}, "title", "abc😀"),
        ({"title": "T" * 5000}, "title", "T" * 1999 + "…"),
        ({"tags": "x"}, "categories", []),
        ({"url": "javascript:alert(1)"}, "url", ""),
        ({"attachments": [1, {"mime_type": "application/pdf"}]}, "pdf_url", None),
    ],
)
def test_members_of_other_types_are_ignored(
    item: Mapping[str, object], field: str, value: object
) -> None:
    found = paper({"id": "1", "title": "T", **item})
    fields = {
        "authors": [author.name for author in found.authors],
        "abstract": found.abstract,
        "doi": found.doi,
        "published": found.published,
        "title": found.title,
        "categories": list(found.categories),
        "url": found.url,
        "pdf_url": found.pdf_url,
    }
    assert fields[field] == value


def test_a_bad_item_costs_only_itself() -> None:
    items: list[object] = [
        7,
        None,
        [],
        {"title": {}},
        {"id": "1", "title": "One"},
        {"id": "2", "title": "Two"},
    ]
    found = read(*items)
    assert [each.title for each in found.papers] == ["One", "Two"]
    assert found.skipped == 4


def test_a_number_as_id_keeps_its_digits() -> None:
    ids = ("1.10", "1.1", "9" * 5000)
    items = ", ".join(f'{{"id": {each}, "title": "T"}}' for each in ids)
    body = f'{{"version": "{VERSION}", "items": [{items}]}}'.encode()
    found = parse_feed(body, {}, feed_url=URL, now=NOW).papers
    assert len({each.id for each in found}) == 3


def test_items_beyond_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_feed, "MAX_ITEMS", 2)
    found = read(*({"id": str(n), "title": str(n)} for n in range(5)))
    assert (len(found.papers), found.skipped) == (2, 3)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": 1, "status": "ok"}', 'JSON with "message", "status", not a JSON Feed'),
        (b'[{"title": "x"}]', "a JSON list, not a JSON Feed"),
        (b"{}", "an empty JSON object, not a JSON Feed"),
        (b'{"items": [], "total": 0}', 'JSON with "items", "total", not a JSON Feed'),
        (b'{"version": "https://jsonfeed.org/version/1", "items": {}}', '"items" are not a list'),
        (b'{"version": ', "not well-formed JSON: Expecting value: line 1 column 13 (char 12)"),
        (b"[" * 200_000, "the JSON is nested too deeply"),
        (b'{"a":' * 100_000, "the JSON is nested too deeply"),
    ],
)
def test_other_json_is_named(body: bytes, message: str) -> None:
    with pytest.raises(BadAnswer) as found:
        parse_feed(body, {}, feed_url=URL, now=NOW)
    assert message in str(found.value)


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig"])
def test_text_beyond_ascii_is_read(charset: str) -> None:
    data = {"version": VERSION, "items": [{"id": "1", "title": "Über α\tβ"}]}
    body = json.dumps(data, ensure_ascii=False).replace("\\t", "\t").encode(charset)
    (found,) = parse_feed(body, {}, feed_url=URL, now=NOW).papers
    assert found.title == "Über α β"


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(st.lists(st.one_of(JSON, st.fixed_dictionaries({}, optional=dict.fromkeys(ITEM, JSON)))))
def test_any_items_are_read_or_skipped(items: list[object]) -> None:
    found = read(*items, {"id": "last", "title": "Last"})
    assert found.papers[-1].title == "Last"
    assert len(found.papers) + found.skipped == len(items) + 1


@given(st.binary(max_size=60))
def test_any_bytes_raise_only_bad_answer(body: bytes) -> None:
    with contextlib.suppress(BadAnswer):
        parse_feed(b'{"version": "' + body, {}, feed_url=URL, now=NOW)
