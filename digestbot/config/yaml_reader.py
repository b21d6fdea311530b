"""
Read YAML 1.2 into a tree with lines and columns, whatever its keys mean.

ruamel.yaml only parses. The tree is composed here, from its events, because three things must be
checked while it grows: duplicate keys, the size after expanding aliases (a few hundred bytes can
expand to gigabytes) and the depth. Begin at `read_yaml`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from digestbot.config.positions import Entries, Items, Node, Scalar
from digestbot.errors import ConfigError, Problem

MAX_NODES = 100_000
"""Values in the file after expanding aliases; enough for some thousand digests."""
MAX_DEPTH = 64
"""Twice the depth of a filter, plus the levels above it."""
MAX_DIGITS = 300
"""Digits of a number; a longer one is read as text, since converting it takes quadratic time."""

# YAML 1.2.2, section 10.3.2 (core schema): no yes/no, no octal by a leading 0, no sexagesimals.
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read_yaml(text: str, file: str) -> tuple[Node, list[Problem]]:
    """
    Return the tree of *text* and minor problems, such as duplicate keys.

    Raises:
        ConfigError: Invalid YAML, more than one document, or a document too large or too deep.
    """
    try:
        return _Reader(text, file).document()
    except ReaderError as error:
        line, column = _line_and_column(text, error.position)
        raise _stop(file, line, column, "control characters are not allowed in YAML") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _stop(file, line, column, f"invalid YAML: {_message_of(error)}") from error
    except YAMLError as error:
        raise _stop(file, 1, 1, "invalid YAML") from error


def resolve(text: str) -> str | int | float | bool | None:
    """Return the value of an unquoted scalar: null, truth value, number or text."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _OTHER_INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _NOT_FINITE.fullmatch(text) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A node with its size and depth after expanding aliases."""

    node: Node
    size: int
    depth: int


class _Reader:
    """Composes a tree from the events of one text."""

    def __init__(self, text: str, file: str) -> None:
        self._events: Iterator[Any] = YAML(typ="safe", pure=True).parse(StringIO(text))
        self._file = file
        self._problems: list[Problem] = []
        self._anchors: dict[str, _Measured | None] = {}

    def document(self) -> tuple[Node, list[Problem]]:
        """Return the only document; an empty text is a null scalar."""
        root: _Measured | None = None
        for event in self._events:
            if isinstance(event, events.DocumentStartEvent):
                if root is not None:
                    raise self._stop(event, 'a second document ("---"); a config has only one')
                root = self._node(next(self._events), 1)
        return (root.node if root else Scalar(line=1, column=1, value=None)), self._problems

    def _node(self, event: Any, depth: int) -> _Measured:
        if isinstance(event, events.AliasEvent):
            return self._alias(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = None
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            self._note(event, 'tags ("!…") are not supported; put the text in quotes')
        found = self._measured(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = found
        return found

    def _measured(self, event: Any, depth: int) -> _Measured:
        if isinstance(event, events.ScalarEvent):
            return _Measured(node=_scalar(event), size=1, depth=0)
        if depth > MAX_DEPTH:
            raise self._stop(event, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, events.SequenceStartEvent):
            return self._items(event, depth)
        return self._entries(event, depth)

    def _alias(self, event: Any, depth: int) -> _Measured:
        # The name is not shown: an unquoted password that begins with "*" looks like an alias.
        if event.anchor not in self._anchors:
            raise self._stop(event, 'undefined alias; text that begins with "*" needs quotes')
        found = self._anchors[event.anchor]
        if found is None:
            raise self._stop(event, "the alias refers to a value that contains it")
        if depth + found.depth > MAX_DEPTH:
            raise self._stop(event, f"nested more than {MAX_DEPTH} levels deep")
        return found

    def _items(self, start: Any, depth: int) -> _Measured:
        parts: list[_Measured] = []
        size = 1
        while not isinstance(event := next(self._events), events.SequenceEndEvent):
            parts.append(self._node(event, depth + 1))
            size = self._grown(event, size, parts[-1])
        node = Items(**_mark(start), nodes=tuple(part.node for part in parts))
        return _Measured(node=node, size=size, depth=_depth(parts))

    def _entries(self, start: Any, depth: int) -> _Measured:
        keys: dict[str, Scalar] = {}
        parts: list[_Measured] = []
        size = 1
        while not isinstance(event := next(self._events), events.MappingEndEvent):
            key = self._key(event, depth)
            value_event = next(self._events)
            value = self._node(value_event, depth + 1)
            size = self._grown(value_event, size, value)
            if key is not None and self._is_first(event, key, keys):
                keys[str(key.value)] = key
                parts.append(value)
        nodes = tuple(part.node for part in parts)
        node = Entries(**_mark(start), keys=tuple(keys.values()), nodes=nodes)
        return _Measured(node=node, size=size, depth=_depth(parts))

    def _key(self, event: Any, depth: int) -> Scalar | None:
        """Return a scalar key as written: ``on`` and ``2024`` are text."""
        self._node(event, depth + 1)
        if isinstance(event, events.ScalarEvent):
            return Scalar(**_mark(event), value=event.value)
        self._note(event, "a key must be text")
        return None

    def _is_first(self, event: Any, key: Scalar, keys: dict[str, Scalar]) -> bool:
        if key.value == "<<":
            self._note(
                event, 'merge keys ("<<") are not supported; use an alias for the whole value'
            )
            return False
        before = keys.get(str(key.value))
        if before is not None:
            self._note(event, f'duplicate key "{_clipped(key.value)}"; first at line {before.line}')
        return before is None

    def _grown(self, event: Any, size: int, part: _Measured) -> int:
        if size + part.size > MAX_NODES:
            raise self._stop(event, f"more than {MAX_NODES:,} values, after expanding aliases")
        return size + part.size

    def _note(self, event: Any, message: str) -> None:
        self._problems.append(Problem(file=self._file, **_mark(event), message=message))

    def _stop(self, event: Any, message: str) -> ConfigError:
        return _stop(self._file, **_mark(event), message=message)


def _scalar(event: Any) -> Scalar:
    is_plain = event.implicit[0] and event.tag is None  # "! 3" is text (YAML 1.2.2, 6.9.1)
    value = resolve(event.value) if is_plain else event.value
    return Scalar(**_mark(event), value=value)


def _mark(event: Any) -> dict[str, int]:
    return {"line": event.start_mark.line + 1, "column": event.start_mark.column + 1}


def _depth(parts: list[_Measured]) -> int:
    return 1 + max((part.depth for part in parts), default=0)


def _stop(file: str, line: int, column: int, message: str) -> ConfigError:
    return ConfigError([Problem(file=file, line=line, column=column, message=message)])


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def _message_of(error: MarkedYAMLError) -> str:
    """Return the parser's message with quoted names masked: they may be part of a secret."""
    message = re.sub(r"'[^'\s\\]{2,}'", "'…'", error.problem or error.context or "")
    if "alias" in (error.context or ""):
        return 'text that begins with "*" needs quotes'
    if "escape" in message:
        return "a backslash in double quotes begins an escape; use single quotes"
    if "mapping values" in message:
        return f"{message}; text with a colon needs quotes"
    if "cannot start any token" in message:
        return f"{message}; put the text in quotes, and indent with spaces"
    if "but got '{'" in message:
        return f'{message}; within brackets "${{…}}" needs quotes'
    return message.replace("\x00", "the end of the file")


def _clipped(text: object) -> str:
    return str(text)[:60]
