"""
Webhooks that start a workflow of Slack's Workflow Builder: a flat JSON object of text variables.

They know no Block Kit: `payload` puts the whole message, as plain text, into the variable ``text``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

_PATHS: Final = ("/triggers/", "/workflows/")
_MRKDWN: Final = re.compile(
    r"<(?P<url>[^<>|]+)(?:\|(?P<label>[^<>]*))?>"
    r"|(?<![\w\u200b])[*_]+(?!\u200b)|(?<!\u200b)[*_]+(?![\w\u200b])"  # bold and italic
    r"|\u200b"  # around characters that are not markup
)


def starts_workflow(url: str) -> bool:
    """Return True if *url* starts a workflow instead of posting a message."""
    return urlsplit(url).path.startswith(_PATHS)


def payload(message: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables for *message*: only ``text``, with everything in its blocks."""
    blocks = "\n\n".join(filter(None, map(_block, message.get("blocks", ()))))
    return {"text": blocks or plain(message["text"])}


def plain(mrkdwn: str) -> str:
    """Return *mrkdwn* without markup, each link as its label and its URL."""
    text = _MRKDWN.sub(_without_markup, mrkdwn)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _without_markup(found: re.Match[str]) -> str:
    if not found["url"]:
        return ""
    label = _MRKDWN.sub(_without_markup, found["label"] or "")
    return f"{label} {found['url']}".strip()


def _block(block: Mapping[str, Any]) -> str:
    return "\n".join(map(_text, _texts(block)))


def _texts(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the text objects of a header, a section or a context block."""
    if "text" in block:
        yield block["text"]
    yield from block.get("fields", ())
    yield from (each for each in block.get("elements", ()) if isinstance(each.get("text"), str))


def _text(text: Mapping[str, Any]) -> str:
    return plain(text["text"]) if text["type"] == "mrkdwn" else str(text["text"])
