"""
Slack's limits on messages, a little stricter where Slack does not document them.

The limits are from Block Kit's reference; the limit on the sum of all blocks is undocumented and
was found by users (slackapi/bolt-js issue 2509). Begin at `check_message`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

BLOCKS = 50
TEXT = 40_000
SECTION = 3000
HEADER = 150
FIELDS = 10
FIELD = 2000
ELEMENTS = 10
SUM = 13_200
TYPES = frozenset({"header", "section", "context", "divider"})

_ENTITY = re.compile(r"&(?:amp|lt|gt);")
_LINK = re.compile(r"<(?:https?|mailto):[^<>|\s]+(?:\|[^<>|\n]+)?>")


def check_message(message: Mapping[str, Any]) -> list[str]:
    """Return all problems of *message* (``text`` and ``blocks``), one sentence each."""
    return list(_problems(message))


def _problems(message: Mapping[str, Any]) -> Iterator[str]:
    unknown = set(message) - {"text", "blocks"}
    if unknown:
        yield f"unknown keys: {sorted(unknown)}"
    yield from _mrkdwn("text", message.get("text"), TEXT)
    blocks = message.get("blocks", [])
    if not isinstance(blocks, list):
        yield "blocks: not a list"
        return
    if len(blocks) > BLOCKS:
        yield f"blocks: {len(blocks)}, at most {BLOCKS}"
    total = sum(len(text) for text in _texts(blocks))
    if total > SUM:
        yield f"msg_blocks_too_long: {total} characters, at most {SUM}"
    for number, block in enumerate(blocks):
        yield from _block(f"blocks[{number}]", block)
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        yield "cannot be written as UTF-8"


def _block(place: str, block: Any) -> Iterator[str]:
    kind = block.get("type")
    if kind not in TYPES:
        yield f"{place}: unknown type {kind!r}"
    elif kind == "header":
        yield from _plain(f"{place}.text", block.get("text"), HEADER)
    elif kind == "section":
        yield from _section(place, block)
    elif kind == "context":
        elements = block.get("elements", [])
        if not 1 <= len(elements) <= ELEMENTS:
            yield f"{place}: {len(elements)} elements, 1 to {ELEMENTS}"
        for number, element in enumerate(elements):
            yield from _text(f"{place}.elements[{number}]", element, SECTION)


def _section(place: str, block: Mapping[str, Any]) -> Iterator[str]:
    fields = block.get("fields", [])
    if "text" not in block and not fields:
        yield f"{place}: neither text nor fields"
    if "text" in block:
        yield from _text(f"{place}.text", block["text"], SECTION)
    if len(fields) > FIELDS:
        yield f"{place}: {len(fields)} fields, at most {FIELDS}"
    for number, field in enumerate(fields):
        yield from _text(f"{place}.fields[{number}]", field, FIELD)


def _text(place: str, value: Any, longest: int) -> Iterator[str]:
    if isinstance(value, dict) and value.get("type") == "plain_text":
        yield from _plain(place, value, longest)
    elif isinstance(value, dict) and value.get("type") == "mrkdwn":
        yield from _mrkdwn(place, value.get("text"), longest)
        if "emoji" in value:
            yield f"{place}: emoji is for plain_text only"
    else:
        yield f"{place}: no text object"


def _plain(place: str, value: Any, longest: int) -> Iterator[str]:
    if not isinstance(value, dict) or value.get("type") != "plain_text":
        yield f"{place}: must be plain_text"
        return
    if value.get("emoji") is not False:
        yield f"{place}: emoji must be false, else :smile: becomes one"
    yield from _length(place, value.get("text"), longest)


def _mrkdwn(place: str, text: Any, longest: int) -> Iterator[str]:
    yield from _length(place, text, longest)
    rest = _LINK.sub("", text) if isinstance(text, str) else ""
    if "<" in rest or ">" in rest:
        yield f"{place}: a bare < or >, which could be a mention: {rest[:60]!r}"
    if "&" in _ENTITY.sub("", rest):
        yield f"{place}: a bare &"


def _length(place: str, text: Any, longest: int) -> Iterator[str]:
    if not isinstance(text, str) or not text.strip():
        yield f"{place}: empty"
    elif len(text) > longest:
        yield f"{place}: {len(text)} characters, at most {longest}"


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in the blocks, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "text" and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
