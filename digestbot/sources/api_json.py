"""
Read the JSON of web APIs: objects of any type become text, numbers and lists, or nothing.

Nothing here raises for a member of the wrong type: the record loses that field. Begin at
`read_json`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from digestbot.errors import BadAnswer
from digestbot.sources.feed_kind import shown
from digestbot.sources.feed_text import without_controls
from digestbot.sources.markup import one_line

MAX_TEXT = 200_000
"""Characters of one member that are read."""
MAX_ITEMS = 5_000
"""Members of one list that are read, such as the authors of a paper."""
_MESSAGES = ("message", "error", "errors", "errMsg", "detail", "description", "msg")
"""Members in which APIs explain a failure."""


def read_json(body: bytes) -> Any:
    """
    Return the JSON in *body*, with numbers as text: they may have any length.

    Raises:
        BadAnswer: It is not well-formed JSON.
    """
    if not body.strip():
        raise BadAnswer("the response is empty")
    text = body.decode(json.detect_encoding(body), "replace").removeprefix("\ufeff")
    if text.lstrip().startswith("<"):
        raise BadAnswer("the response is HTML or XML, not JSON; check the URL")
    try:
        return json.loads(text, strict=False, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise BadAnswer("the JSON is nested too deeply") from error
    except ValueError as error:
        raise BadAnswer(f"the response is not well-formed JSON: {shown(str(error))}") from error


def read_object(body: bytes) -> Mapping[str, Any]:
    """
    Return the JSON object in *body*.

    Raises:
        BadAnswer: It is something else.
    """
    data = read_json(body)
    if not isinstance(data, dict):
        raise BadAnswer("the response is JSON, but not an object; check the URL")
    return data


def required_list(data: Mapping[str, Any], *path: str) -> list[Any]:
    """
    Return the list at *path* in *data*.

    Raises:
        BadAnswer: There is none; the API's own message is quoted if it has one.
    """
    found = member(data, *path)
    if isinstance(found, list):
        return found
    message = message_of(data)
    said = f': "{message}"' if message else ""
    raise BadAnswer(f'the response has no list "{".".join(path)}"{said}')


def member(data: object, *path: str) -> Any:
    """Return the member at *path* in *data*, if it exists."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def text_at(data: object, *path: str) -> str:
    """Return the string or number at *path*, freed of control characters; else an empty text."""
    found = member(data, *path)
    if isinstance(found, list) and found:  # Crossref's titles are lists of one
        found = found[0]
    return without_controls(found[:MAX_TEXT]).strip() if isinstance(found, str) else ""


def number_at(data: object, *path: str) -> int | None:
    """Return the whole number at *path*, written as a number or as text."""
    text = text_at(data, *path)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def list_at(data: object, *path: str) -> list[Any]:
    """Return the list at *path*, bounded; a single object there is a list of one."""
    found = member(data, *path)
    if isinstance(found, dict):
        return [found]
    return found[:MAX_ITEMS] if isinstance(found, list) else []


def texts_at(data: object, *path: str) -> list[str]:
    """Return the strings in the list at *path*, or the one string there."""
    found = member(data, *path)
    listed = found[:MAX_ITEMS] if isinstance(found, list) else [found]
    texts = (without_controls(each[:MAX_TEXT]).strip() for each in listed if isinstance(each, str))
    return [text for text in texts if text]


def message_of(data: object) -> str | None:
    """Return the API's own message in *data*, on one line."""
    texts = (text for name in _MESSAGES for text in _said(member(data, name)))
    found = next((line for text in texts if (line := one_line(text))), None)
    return shown(found) if found else None


def message_in(body: bytes) -> str | None:
    """Return the message in the *body* of a failure: in JSON, or its only line of text."""
    try:
        return message_of(read_json(body[:10_000]))
    except BadAnswer:
        text = body[:500].decode("utf-8", "replace").strip()
        is_line = text and "\n" not in text and not text.startswith(("<", "{", "["))
        return shown(text) if is_line and text.isprintable() else None


def _said(value: object) -> Iterator[str]:
    """Yield the strings in *value*, which may be a list of messages or an object with one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value[:3]:
            yield from _said(each)
    elif isinstance(value, dict):
        for name in _MESSAGES:
            yield from _said(value.get(name))
