"""
YAML 1.2 text → a tree with places; knows nothing of what the keys mean.

ruamel.yaml only parses. Composing is done here, from its events, because three things must be known
while the tree grows: every double key, the size that aliases would unfold to (a few hundred bytes
can stand for gigabytes) and the depth. Begin at `read_yaml`.
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
"""Values in the file with its aliases unfolded: some thousand digests."""
MAX_DEPTH = 64
"""Twice what a filter may have, and its way down."""
MAX_DIGITS = 300
"""A longer number is text: no key takes it, and reading it takes quadratic time."""

# YAML 1.2.2, section 10.3.2 (core schema): no yes/no, no octal by a leading 0, no sexagesimals.
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read_yaml(text: str, file: str) -> tuple[Node, list[Problem]]:
    """
    The tree of *text*, and what is wrong with it that does not stop the reading (double keys …).

    Raises:
        ConfigError: No YAML, more than one document, or one that is too large or too deep.
    """
    try:
        return _Reader(text, file).document()
    except ReaderError as error:
        line, column = _line_and_column(text, error.position)
        raise _stop(file, line, column, "a control character, which YAML does not allow") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _stop(file, line, column, f"not YAML: {_in_words(error)}") from error
    except YAMLError as error:
        raise _stop(file, 1, 1, "not YAML") from error


def resolve(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means: null, a truth value, a number, or else its text."""
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
    return float(text.replace(".", "")) if _NO_FINITE.fullmatch(text) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A node, and what it would unfold to."""

    node: Node
    size: int
    depth: int


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, text: str, file: str) -> None:
        self._events: Iterator[Any] = YAML(typ="safe", pure=True).parse(StringIO(text))
        self._file = file
        self._problems: list[Problem] = []
        self._anchors: dict[str, _Measured | None] = {}

    def document(self) -> tuple[Node, list[Problem]]:
        """The one document; an empty text is an empty scalar."""
        root: _Measured | None = None
        for event in self._events:
            if isinstance(event, events.DocumentStartEvent):
                if root is not None:
                    raise self._stop(event, 'a second document; a config has one, without "---"')
                root = self._node(next(self._events), 1)
        return (root.node if root else Scalar(line=1, column=1, value=None)), self._problems

    def _node(self, event: Any, depth: int) -> _Measured:
        if isinstance(event, events.AliasEvent):
            return self._alias(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = None
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            self._note(event, 'a tag ("!…") means nothing here; put the text in quotes')
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
        # The name is not shown: a password that begins with a star would be one.
        if event.anchor not in self._anchors:
            raise self._stop(event, "an alias of nothing; a text that begins with * needs quotes")
        found = self._anchors[event.anchor]
        if found is None:
            raise self._stop(event, "an alias of what it stands in")
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
        """The key as it is written (``on`` and ``2024`` are texts); None if it is none."""
        self._node(event, depth + 1)
        if isinstance(event, events.ScalarEvent):
            return Scalar(**_mark(event), value=event.value)
        self._note(event, "a key must be a text")
        return None

    def _is_first(self, event: Any, key: Scalar, keys: dict[str, Scalar]) -> bool:
        if key.value == "<<":
            self._note(event, 'YAML 1.2 has no merge key "<<"; give a whole value an alias instead')
            return False
        before = keys.get(str(key.value))
        if before is not None:
            self._note(event, f'duplicate key "{_clipped(key.value)}"; first at line {before.line}')
        return before is None

    def _grown(self, event: Any, size: int, part: _Measured) -> int:
        if size + part.size > MAX_NODES:
            raise self._stop(event, f"more than {MAX_NODES:,} values, with the aliases unfolded")
        return size + part.size

    def _note(self, event: Any, message: str) -> None:
        self._problems.append(Problem(file=self._file, **_mark(event), message=message))

    def _stop(self, event: Any, message: str) -> ConfigError:
        return _stop(self._file, **_mark(event), message=message)


def _scalar(event: Any) -> Scalar:
    is_plain = event.implicit[0] and event.tag is None  # "! 3" is a text (YAML 1.2.2, 6.9.1)
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


def _in_words(error: MarkedYAMLError) -> str:
    """The parser's words, less the names that it quotes: they may be part of a secret."""
    said = re.sub(r"'[^'\s\\]{2,}'", "'…'", error.problem or error.context or "")
    if "alias" in (error.context or ""):
        return 'a text that begins with "*" needs quotes'
    if "escape" in said:
        return "a backslash in double quotes begins an escape; use single quotes"
    if "mapping values" in said:
        return f"{said}; a text with a colon needs quotes"
    if "cannot start any token" in said:
        return f"{said}; put the text in quotes, and indent with blanks"
    if "but got '{'" in said:
        return f'{said}; within brackets "${{…}}" needs quotes'
    return said.replace("\x00", "the end of the file")


def _clipped(text: object) -> str:
    return str(text)[:60]
