"""
Explain the YAML parser's errors: where the mistake is, and what to write.

The parser reports where it stopped, often lines after the mistake. Pure functions; begin at
`explain`.
"""

import re
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.error import MarkedYAMLError

from digestbot.config.error_messages import SECRET_KEYS
from digestbot.config.positions import Scalar, Steps
from digestbot.filters.flow_style import flow_style
from digestbot.filters.parser import KEYS

Found = tuple[int, int, str]
"""Line and column, counted from 1, and a message."""

_INDENTATION = re.compile(
    "^[ \t]*(?:-[ ]+)*-?([\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff])", re.MULTILINE
)
"""Spaces that YAML reads as text, where a line's indentation should be."""
_SECRET = re.compile(rf"\b(?:{'|'.join(sorted(SECRET_KEYS))})\b[\"']?\s*:")
CONTROL_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:[0abtnvferNLP\t]|x[01][0-9a-fA-F]))")
"""An escape in double quotes that stands for a control character (YAML 1.2.2, 5.7)."""
_START = re.compile(r"\s*(?:- +)*(?:[\w.-]+:\s+)?(?:- +)*")
"""Everything on a line before its value."""
MAX_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Last event that the parser read before an error."""

    event: Any
    """Event of the parser, or None."""
    bracket: Any
    """Mark of the opening bracket, if *event* closes one."""


def odd_indentation(text: str) -> list[Found]:
    """Return the lines that are indented with no-break or other special spaces."""
    found = []
    for match in list(_INDENTATION.finditer(text))[:MAX_LINES]:
        line, column = line_and_column(text, match.start(1))
        kind = (
            "no-break space" if match[1] == "\u00a0" else f"special space (U+{ord(match[1]):04X})"
        )
        found.append((line, column, f"{kind} in the indentation; use ordinary spaces"))
    return found


def escaped(node: Scalar, steps: Steps) -> str | None:
    """Return a message about an escape that stands for a control character in *node*."""
    written = node.escaped or ""
    is_term = is_about_papers(steps)
    if not is_term and steps[-1:] == ("title",):
        return None  # a text for readers, which `digestbot init` may have written
    for found in CONTROL_ESCAPE.finditer(written):
        is_space = found[1] in ("\\t", "\\n")
        if is_space and not (is_term and re.match(r"[^\W_]", written[found.end() :])):
            continue
        what = f'"{found[1]}" in double quotes is {_NAMES.get(found[1], "a control character")}'
        if not is_term or steps[-1] == "query":
            return f"{what}; use single quotes"
        value = {steps[-1]: written} if isinstance(steps[-1], str) else written
        return f"{what}; use single quotes; write {flow_style(value)}"
    return None


_NAMES = {
    "\\b": "a backspace",
    "\\t": "a tab",
    "\\n": "a line break",
    "\\r": "a line break",
    "\\a": "a bell",
    "\\v": "a vertical tab",
    "\\f": "a form feed",
    "\\e": "an escape sign",
}


def tagged(node: Scalar, steps: Steps) -> str | None:
    """Return a message about a text with a tag; a filter refuses ``!survey`` by itself."""
    if node.tag is None or is_about_papers(steps):
        return None
    return 'tags ("!…") are not supported; put the text in quotes'


def is_about_papers(steps: Steps) -> bool:
    """Return True for what selects papers: the value may be shown."""
    return "filter" in steps or steps[-1:] == ("query",)


def explain(text: str, error: MarkedYAMLError, before: Before) -> Found:
    """Return the place and the explanation of *error* in *text*."""
    source = _Source(text, error, before)
    for explanation in (
        _quote, _escape, _apostrophe, _after_quote, _after_bracket, _colon, _indented_key, _tab,
        _first_sign, _no_space, _open_bracket, _list_after_key, _misaligned,
    ):  # fmt: skip
        if found := explanation(source):
            return found
    return (*source.at(source.mark), f"invalid YAML: {_message_of(error)}")


class _Source:
    """The text around an error."""

    def __init__(self, text: str, error: MarkedYAMLError, before: Before) -> None:
        self.lines = text.split("\n")
        self.problem = error.problem or error.context or ""
        self.context = error.context or ""
        self.mark = error.problem_mark or error.context_mark
        self.start = error.context_mark
        self.event = before.event
        self.bracket = before.bracket

    def at(self, mark: Any, shift: int = 0) -> tuple[int, int]:
        """Return line and column of *mark*, counted from 1."""
        return (mark.line + 1, mark.column + 1 + shift) if mark else (1, 1)

    def line(self, mark: Any) -> str:
        return self.lines[mark.line].rstrip("\r") if mark and mark.line < len(self.lines) else ""

    def rest(self, mark: Any) -> str:
        """Return the value at *mark*: to the end of its line or of its list in brackets."""
        line = self.line(mark)
        rest = re.sub(r"\s+#.*$", "", line[mark.column :])
        if re.search(r"[\[{]", line[: mark.column]):
            rest = re.split(r"[\]},]", rest)[0]
        return rest.strip()

    def hint(self, mark: Any, value: object) -> str:
        """Return ``; write …``, unless the line may hold a secret."""
        near = "\n".join(self.lines[max(0, mark.line - 1) : mark.line + 1])
        is_config = any(re.match(r"(?:sources|digests)\s*:", line) for line in self.lines)
        if not is_config or _SECRET.search(near):
            return ""
        key = re.fullmatch(r"\s*(?:- +)*([a-z_]+):\s+", self.line(mark)[: mark.column])
        return f"; write {flow_style({key[1]: value} if key else value)}"

    def is_quoted(self) -> bool:
        return getattr(self.event, "style", None) in ("'", '"')


def _quote(source: _Source) -> Found | None:
    """Find a quote that is not closed, or only by the next one."""
    if "end of stream" in source.problem and "quoted" in source.context:
        return _open_quote(source, source.start)
    if not (source.is_quoted() and "<scalar>" in source.problem):
        return None
    first, last = source.event.start_mark, source.event.end_mark
    closing = source.line(last)[: last.column - 1]
    if last.line > first.line or closing.endswith((" ", ",")):
        return _open_quote(source, first)
    return None


def _open_quote(source: _Source, mark: Any) -> Found:
    hint = source.hint(mark, source.rest(mark).strip("\"' "))
    return (*source.at(mark), f"this quote is not closed{hint}")


def _escape(source: _Source) -> Found | None:
    if "escape" not in source.problem:
        return None
    text = re.match(r'"((?:[^"\\]|\\.)*)"', source.line(source.start)[source.start.column :])
    message = "a backslash in double quotes begins an escape; use single quotes"
    hint = source.hint(source.start, text[1]) if text else ""
    column = source.line(source.mark).rfind("\\", 0, source.mark.column)
    return (source.mark.line + 1, column + 1, f"{message}{hint}")


def _apostrophe(source: _Source) -> Found | None:
    """Find an apostrophe in single quotes: ``'Crohn's disease'``."""
    if not (source.is_quoted() and source.event.style == "'" and "<scalar>" in source.problem):
        return None
    first, last = source.event.start_mark, source.event.end_mark
    if not re.match(r"\w", source.line(last)[last.column :]):
        return None
    whole = source.rest(first).strip("'")
    message = "an apostrophe ends a text in single quotes"
    return (*source.at(last, -1), f"{message}{source.hint(first, whole)}")


def _after_quote(source: _Source) -> Found | None:
    """Find text after a closing quote: ``"deep learning" OR "drug design"``."""
    if not (source.is_quoted() and re.search("<scalar>|'&'|'!'|'\\*'", source.problem)):
        return None
    first = source.event.start_mark
    whole = source.rest(first)
    from digestbot.filters.foreign import foreign_syntax

    meant = foreign_syntax(whole, "", ())
    if meant and source.hint(first, whole):
        return (*source.at(source.mark), f"text after a closing quote; write {_written(meant)}")
    message = "text after a closing quote; put quotes around all of it"
    return (*source.at(source.mark), f"{message}{source.hint(first, whole)}")


def _written(message: str) -> str:
    return message.rpartition("write ")[2]


def _after_bracket(source: _Source) -> Found | None:
    """Find text after a closing bracket: ``[CII] line``."""
    is_after = source.bracket and source.bracket.line == source.mark.line
    if not is_after or "<block end>" not in source.problem:
        return None
    whole = re.sub(r"\s+#.*$", "", source.line(source.bracket)[source.bracket.column :]).strip()
    message = "text after a closing bracket; put quotes around all of it"
    return (*source.at(source.mark), f"{message}{source.hint(source.bracket, whole)}")


def _colon(source: _Source) -> Found | None:
    """Find a colon in a text without quotes: ``title: LLM: a survey``."""
    is_inside = "got ':'" in source.problem and source.start.line == source.mark.line
    if "mapping values" not in source.problem and not is_inside:
        return None
    line = source.line(source.mark)
    start = _START.match(line)
    column = start.end() if start else 0
    if is_inside:
        column = max(line.rfind(sign, 0, source.mark.column) for sign in "[{,") + 1
        column += len(line[column:]) - len(line[column:].lstrip())
    if column > source.mark.column or not line[column : source.mark.column].strip():
        return None
    value = _At(line=source.mark.line, column=column)
    rest = source.rest(value)
    key = re.match(rf"({'|'.join(filter(None, KEYS))}):\s+(.*)", rest)
    hint = source.hint(value, {key[1]: key[2]} if key else rest)
    return (*source.at(source.mark), f"text with a colon needs quotes{hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """A place, counted from 0 like the parser's marks."""

    line: int
    column: int


def _indented_key(source: _Source) -> Found | None:
    """Find a key that is indented below a value."""
    if "mapping values" not in source.problem:
        return None
    column = len(source.line(source.mark)) - len(source.line(source.mark).lstrip())
    message = "this key is indented below a value; indent it like the key above"
    return source.mark.line + 1, column + 1, message


def _tab(source: _Source) -> Found | None:
    if "'\\t'" not in source.problem:
        return None
    in_front = source.line(source.mark)[: source.mark.column]
    message = (
        "a tab in the indentation; use spaces"
        if not in_front.strip()
        else "a tab before the text; use a space"
    )
    return (*source.at(source.mark), message)


def _first_sign(source: _Source) -> Found | None:
    """Find a value that begins with a sign that YAML reserves."""
    found = re.search(r"found character '(.)' that cannot start", source.problem)
    if not found:
        return None
    rest = source.rest(source.mark)
    is_author = "author" in source.line(source.mark)[: source.mark.column]
    from digestbot.filters.foreign import foreign_syntax

    meant = foreign_syntax(rest, "author", ()) if is_author else None
    if meant and source.hint(source.mark, rest):
        return (*source.at(source.mark), meant)
    message = f'text that begins with "{found[1]}" needs quotes'
    return (*source.at(source.mark), f"{message}{source.hint(source.mark, rest)}")


def _no_space(source: _Source) -> Found | None:
    """Find a line without a key: ``title:gpu`` or ``-gpu`` among keys."""
    if "expected ':'" not in source.problem or source.start is None:
        return None
    line = source.line(source.start)[source.start.column :].strip()
    place = source.at(source.start)
    if found := re.fullmatch(r"([a-z_]+):(\S.*)", line):
        hint = source.hint(source.start, {found[1]: found[2].strip("\"'")})
        return (*place, f"a colon after a key needs a space{hint}")
    if re.match(r"-\w", line):
        hint = "; write - " + flow_style(line[1:]) if source.hint(source.start, "") else ""
        return (*place, f'"-" before an item of a list needs a space{hint}')
    return (*place, 'this line has no key; write "key: value", or "- value" for an item of a list')


def _open_bracket(source: _Source) -> Found | None:
    """Find a bracket that is not closed."""
    if not re.search(r"expected ',' or '[\]}]'", source.problem) or "'{'" in source.problem:
        return None
    if source.start.line == source.mark.line:
        return None
    message = (
        f"this bracket is not closed, or a comma is missing before line {source.mark.line + 1}"
    )
    return (*source.at(source.start), message)


def _list_after_key(source: _Source) -> Found | None:
    if "sequence entries" not in source.problem:
        return None
    items = [
        item.strip() for item in re.split(r"(?:^|\s)-\s", source.rest(source.mark)) if item.strip()
    ]
    message = "a list after a key needs brackets"
    return (*source.at(source.mark), f"{message}{source.hint(source.mark, items)}")


def _misaligned(source: _Source) -> Found | None:
    if "expected <block end>" not in source.problem:
        return None
    return (*source.at(source.mark), "wrong indentation; align this line with the ones above")


def _message_of(error: MarkedYAMLError) -> str:
    """Return the parser's message with quoted names masked: they may be part of a secret."""
    message = re.sub(r"'[^'\s\\]{2,}'", "'…'", error.problem or error.context or "")
    if "alias" in (error.context or ""):
        return 'text that begins with "*" needs quotes'
    if "but got '{'" in message:
        return f'{message}; within brackets "${{…}}" needs quotes'
    return message.replace("\x00", "the end of the file")


def line_and_column(text: str, position: int) -> tuple[int, int]:
    """Return the place of a character, counted from 1."""
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
