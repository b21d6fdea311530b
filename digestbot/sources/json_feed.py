"""
Parser for JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/).

Convert items to the structure that feedparser and `feed_xml` produce, so that all feeds share the
rules for authors, dates and identity. Members of the wrong type are ignored. Begin at
`read_json_feed`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from digestbot.errors import BadAnswer
from digestbot.sources.feed_kind import shown
from digestbot.sources.feed_text import without_controls
from digestbot.sources.feed_xml import DC, MAX_FIELD, MAX_FIELDS, MAX_ITEMS, RawField, RawItem

MAX_KEYS = 5
"""Members of other JSON that a message names."""
_VERSION = "jsonfeed.org/version/"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonFeed:
    """Title, home page and items of a feed."""

    title: str
    page: str
    items: tuple[tuple[Mapping[str, Any], RawItem], ...] = field(repr=False)
    """Each as feedparser's entry and as raw fields."""
    skipped: int = 0
    """Items of other types, or beyond the bound."""


def read_json_feed(body: bytes) -> JsonFeed:
    """
    Parse *body*, which is JSON.

    Raises:
        BadAnswer: It is not well-formed, or not a feed.
    """
    data = _parsed(body)
    if not isinstance(data, dict) or not _is_feed(data):
        raise BadAnswer(f"{_what(data)}, not a JSON Feed; check the URL")
    found = data["items"]
    if not isinstance(found, list):
        raise BadAnswer('a JSON Feed whose "items" are not a list; check the URL')
    objects = [each for each in found[:MAX_ITEMS] if isinstance(each, dict)]
    return JsonFeed(
        title=_text(data.get("title")),
        page=_text(data.get("home_page_url")),
        items=tuple((_entry(each), _raw(each)) for each in objects),
        skipped=len(found) - len(objects),
    )


def _parsed(body: bytes) -> Any:
    text = body.decode(json.detect_encoding(body), "replace").removeprefix("\ufeff")
    try:
        # Numbers stay text: an id keeps its zeros, and no digit sequence is too long.
        return json.loads(text, strict=False, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise BadAnswer("the JSON is nested too deeply") from error
    except ValueError as error:
        raise BadAnswer(f"not well-formed JSON: {shown(str(error))}") from error


def _is_feed(data: Mapping[str, Any]) -> bool:
    if "items" not in data:
        return False
    is_versioned = _VERSION in _text(data.get("version"))
    return is_versioned or (isinstance(data["items"], list) and "feed_url" in data)


def _what(data: object) -> str:
    """Name the JSON by its first members."""
    if not isinstance(data, dict):
        return "a JSON list" if isinstance(data, list) else "JSON"
    keys = ", ".join(f'"{shown(key[:100])}"' for key in list(data)[:MAX_KEYS])
    return f"JSON with {keys}" if keys else "an empty JSON object"


def _entry(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *item* with the keys of feedparser."""
    return {
        "id": _text(item.get("id")),
        "link": _text(item.get("url")),
        "links": list(_links(item)),
        "title": _text(item.get("title")),
        "summary": _text(item.get("summary")),
        "content": [{"value": _text(item.get(key))} for key in ("content_html", "content_text")],
        "tags": [{"term": _text(tag)} for tag in _list(item.get("tags"))],
    }


def _links(item: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    yield {"rel": "alternate", "href": _text(item.get("external_url"))}
    for each in _list(item.get("attachments")):
        if isinstance(each, dict):
            kind = _text(each.get("mime_type"))
            yield {"rel": "enclosure", "href": _text(each.get("url")), "type": kind}


def _raw(item: Mapping[str, Any]) -> RawItem:
    """Return the members of *item* that `feed_items` reads from elements."""
    dates = (("published", "date_published"), ("updated", "date_modified"))
    fields = [RawField("", name, _text(item.get(key))) for name, key in dates]
    fields += [RawField("", "doi", _text(item.get(key))) for key in ("doi", "_doi")]
    fields += [RawField(DC[0], "creator", name) for name in _authors(item)]
    return RawItem(fields=tuple(each for each in fields if each.text))


def _authors(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names; version 1.0 had one ``author``."""
    for each in _list(item.get("authors")) or [item.get("author")]:
        yield _text(each.get("name") if isinstance(each, dict) else each)


def _list(value: object) -> list[object]:
    return value[:MAX_FIELDS] if isinstance(value, list) else []


def _text(value: object) -> str:
    """Return a string member, or a number as text; empty for other types."""
    return without_controls(value[:MAX_FIELD]) if isinstance(value, str) else ""
