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
from digestbot.config.yaml_errors import (
    CONTROL_ESCAPE,
    Before,
    explain,
    line_and_column,
    odd_indentation,
)
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


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def read_yaml(text: str, file: str) -> tuple[Node, list[Problem]]:
    """
    Return the tree of *text* and minor problems, such as duplicate keys.

    Raises:
        ConfigError: Invalid YAML, more than one document, or a document too large or too deep.
    """
    if odd := odd_indentation(text):
        raise ConfigError(
            [Problem(file=file, line=at, column=column, message=why) for at, column, why in odd]
        )
    reader = _Reader(text, file)
    try:
        return reader.document()
    except ReaderError as error:
        line, column = line_and_column(text, error.position)
        raise _stop(file, line, column, "control characters are not allowed in YAML") from error
    except MarkedYAMLError as error:
        raise _stop(file, *explain(text, error, reader.before())) from error
    except YAMLError as error:
        raise _stop(file, 1, 1, "invalid YAML") from error


class WrittenInt(int):
    """A whole number whose text is not its shortest form, such as ``007``."""

    written: str

    def __str__(self) -> str:
        return self.written


class WrittenFloat(float):
    """A number with its text: ``3.10`` and ``1e5`` are also terms of a filter."""

    written: str

    def __str__(self) -> str:
        return self.written


def resolve(text: str) -> str | int | float | bool | None:
    """
    Return the value of an unquoted scalar: null, truth value, number or text.

    ``str()`` of a number is its text as written.
    """
    found = _resolved(text)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return found
    if isinstance(found, int) and str(found) == text:
        return found
    number = WrittenInt(found) if isinstance(found, int) else WrittenFloat(found)
    number.written = text
    return number


def _resolved(text: str) -> str | int | float | bool | None:
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
        self._events = self._recorded(YAML(typ="safe", pure=True).parse(StringIO(text)))
        self._last: Any = None
        self._brackets: list[Any] = []
        self._closed: Any = None
        self._text = text
        self._file = file
        self._problems: list[Problem] = []
        self._anchors: dict[str, _Measured | None] = {}

    def before(self) -> Before:
        """Return what was read last, to explain an error after it."""
        return Before(event=self._last, bracket=self._closed)

    def _recorded(self, found: Iterator[Any]) -> Iterator[Any]:
        """Yield each event, and keep the last one and the brackets that it closes."""
        for event in found:
            self._last, self._closed = event, None
            if isinstance(event, events.CollectionStartEvent):
                self._brackets.append(event.start_mark if event.flow_style else None)
            elif isinstance(event, events.CollectionEndEvent):
                self._closed = self._brackets.pop()
            yield event

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
        if event.tag not in (None, "!", "tag:yaml.org,2002:str") and not _local_tag(event):
            self._note(event, 'tags ("!…") are not supported; put the text in quotes')
        found = self._measured(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = found
        return found

    def _measured(self, event: Any, depth: int) -> _Measured:
        if isinstance(event, events.ScalarEvent):
            return _Measured(node=self._scalar(event), size=1, depth=0)
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

    def _scalar(self, event: Any) -> Scalar:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if tag := _local_tag(event):
            text = tag[:-1] if tag.endswith(",") else f"{tag} {event.value}".strip()
            return Scalar(line=line, column=column, value=text, tag=tag)
        is_plain = event.implicit[0] and event.tag is None  # "! 3" is text (YAML 1.2.2, 6.9.1)
        value = resolve(event.value) if is_plain else event.value
        is_suspect = event.style == '"' and _CONTROL.search(event.value)
        escaped = self._escaped(event) if is_suspect else None
        return Scalar(line=line, column=column, value=value, escaped=escaped)

    def _escaped(self, event: Any) -> str | None:
        """Return the text between the quotes as written, if it has such an escape."""
        written = self._text[event.start_mark.index : event.end_mark.index].strip('"')
        return written if CONTROL_ESCAPE.search(written) else None

    def _key(self, event: Any, depth: int) -> Scalar | None:
        """Return a scalar key as written: ``on`` and ``2024`` are text."""
        self._node(event, depth + 1)
        if isinstance(event, events.ScalarEvent):
            mark = event.start_mark
            return Scalar(line=mark.line + 1, column=mark.column + 1, value=event.value)
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


def _local_tag(event: Any) -> str | None:
    """Return the tag ``!survey`` of a text, which probably lacks its quotes."""
    is_text = isinstance(event, events.ScalarEvent) and not event.style
    return str(event.tag) if is_text and re.match("![^!]", event.tag or "") else None


def _mark(event: Any) -> dict[str, int]:
    return {"line": event.start_mark.line + 1, "column": event.start_mark.column + 1}


def _depth(parts: list[_Measured]) -> int:
    return 1 + max((part.depth for part in parts), default=0)


def _stop(file: str, line: int, column: int, message: str) -> ConfigError:
    return ConfigError([Problem(file=file, line=line, column=column, message=message)])


def _clipped(text: object) -> str:
    return str(text)[:60]
