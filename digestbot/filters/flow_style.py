"""Write a value as one line of YAML, for suggestions in error messages."""

import re
from collections.abc import Mapping, Sequence

_PLAIN = re.compile(r"[^\W\d_](?:[^\W_]|[ .+*/()'-])*(?<! )")
"""Text that needs no quotes, even within brackets."""
_OTHER_VALUES = frozenset({"true", "false", "null"})


def flow_style(value: object) -> str:
    """Return *value*, made of mappings, lists, numbers and text, as YAML without outer braces."""
    if isinstance(value, Mapping) and len(value) == 1:
        return _inner(value)[1:-1]
    return _inner(value)


def _inner(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_inner(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_inner, value)) + "]"
    if isinstance(value, (int, float)):
        return str(value)
    return _scalar("".join(sign if sign.isprintable() else " " for sign in str(value)))


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _OTHER_VALUES:
        return text
    if "'" in text and not re.search(r'["\\]', text):
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"
