"""
Jinja templates, the packaged ones and the operator's, in a sandbox.

``*.html.j2`` is autoescaped, everything else is plain text. A file in the operator's folder
replaces the packaged file of that name and may extend it: ``{% extends
"digestbot/mail/paper.html.j2" %}``. A theme's variants are in a folder of its name. Begin at
`load_templates`.
"""

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    nodes,
)
from jinja2.exceptions import TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from digestbot.errors import RenderError
from digestbot.render.cache import BoundedCache
from digestbot.render.styles import StyleSheet, read_styles

COLUMNS = 72
"""Width of plain text: it can be quoted twice and stay within 78 (RFC 5322 2.1.1)."""
PAPERS_MAX = 16_384
"""Cached papers: a day of arXiv with the highlights of many readers, about 100 MB."""
PARTS_MAX = 4_096
STYLES = "mail/style.css"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One compiled template."""

    name: str
    template: Template
    reads: frozenset[str] | None
    """Attributes of `edition` that it reads; None if its source does not tell. If they are equal,
    so is the text."""
    shows: frozenset[str] = frozenset()
    """Attributes that it only shows or tests for presence. With a `placeholder` instead, the text
    is the same for all editions."""

    def render(self, facts: Mapping[str, object]) -> str:
        """
        Render the template with *facts*.

        Raises:
            RenderError: The template fails; the message has its name and line.
        """
        try:
            return self.template.render(facts)
        except Exception as error:  # an operator's template can fail in any way
            raise _explained(self.name, error) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The packaged and the operator's templates, compiled on first use."""

    html: Environment
    text: Environment
    styles: StyleSheet
    layouts: dict[tuple[str, str], Layout] = field(default_factory=dict, repr=False)
    papers: BoundedCache = field(default_factory=lambda: BoundedCache(PAPERS_MAX), repr=False)
    """Papers rendered with these templates."""
    parts: BoundedCache = field(default_factory=lambda: BoundedCache(PARTS_MAX), repr=False)
    """Other parts of mails rendered with these templates."""

    def layout(self, name: str, theme: str = "") -> Layout:
        """
        Return the template *name*, preferably from the folder *theme*.

        Raises:
            RenderError: It is missing or cannot be compiled; the message has its name and line.
        """
        found = self.layouts.get((theme, name))
        if found is None:
            found = self.layouts[theme, name] = self._load(name, theme)
        return found

    def render(self, name: str, facts: Mapping[str, object], theme: str = "") -> str:
        """Render the template *name* with *facts*; see `layout` and `Layout.render`."""
        return self.layout(name, theme).render(facts)

    def _load(self, name: str, theme: str) -> Layout:
        environment = self.html if name.endswith(".html.j2") else self.text
        try:
            template = environment.select_template([f"{theme}/{name}", name])
            usage = _usage(environment, cast(str, template.name))
        except Exception as error:  # an operator's template can fail in any way
            raise _explained(name, error) from error
        if usage is None:
            return Layout(name=name, template=template, reads=None)
        return Layout(
            name=name, template=template, reads=usage.reads, shows=usage.reads - usage.computes
        )


def load_templates(operator_folder: Path | None = None) -> Templates:
    """
    Load the packaged templates, overridden by those in *operator_folder*.

    Raises:
        RenderError: The style sheet cannot be read.
    """
    packaged = FileSystemLoader(packaged_folder())
    loaders: list[BaseLoader] = [packaged, PrefixLoader({"digestbot": packaged})]
    if operator_folder is not None:
        loaders.insert(0, FileSystemLoader(operator_folder))
    loader = ChoiceLoader(loaders)
    text = _with_filters(_Text(loader=loader, **_OPTIONS))
    try:
        styles = read_styles(loader.get_source(text, STYLES)[0])
    except (OSError, UnicodeDecodeError, TemplateNotFound) as error:
        raise _explained(STYLES, error) from error
    html = _with_filters(_Html(loader=loader, autoescape=True, **_OPTIONS))
    html.styles = styles
    return Templates(html=html, text=text, styles=styles)


def packaged_folder() -> Path:
    """Return the folder of the packaged templates, in a wheel or a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


_OPTIONS: Mapping[str, Any] = {
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    # Parts of a mail are rendered at different times and must match, so templates are reloaded
    # together, with the config.
    "auto_reload": False,
}


class _Text(ImmutableSandboxedEnvironment):
    """Plain text."""


class _Html(ImmutableSandboxedEnvironment):
    """HTML, with classes inlined as styles before a template is compiled."""

    styles: StyleSheet

    def preprocess(self, source: str, name: str | None = None, filename: str | None = None) -> str:
        return self.styles.inline(super().preprocess(source, name, filename))


E = TypeVar("E", bound=Environment)


def _with_filters(environment: E) -> E:
    environment.filters["breaks"] = breaks
    environment.filters["fill"] = fill
    return environment


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    """Attributes of the variable `edition` that a template uses."""

    reads: frozenset[str]
    computes: frozenset[str]
    """Values used for more than display or a test for presence."""


def _usage(environment: Environment, name: str) -> _Usage | None:
    """
    Analyze the template *name* and those it extends or includes.

    Returns None if the source does not tell, for example if it assigns `edition` to a variable.
    """
    loader = environment.loader
    if loader is None:
        return None
    tree = environment.parse(loader.get_source(environment, name)[0], name)
    attributes = [node for node in tree.find_all(nodes.Getattr) if _is_edition(node.node)]
    if len(attributes) != sum(_is_edition(node) for node in tree.find_all(nodes.Name)):
        return None
    shown = set(_shown(tree))  # nodes hash by identity
    reads = {node.attr for node in attributes}
    computes = {node.attr for node in attributes if node not in shown}
    others: list[nodes.Extends | nodes.Include] = [
        *tree.find_all(nodes.Extends),
        *tree.find_all(nodes.Include),
    ]
    for other in others:
        named = other.template
        if not isinstance(named, nodes.Const) or not isinstance(named.value, str):
            return None
        usage = _usage(environment, named.value)
        if usage is None:
            return None
        reads |= usage.reads
        computes |= usage.computes
    return _Usage(reads=frozenset(reads), computes=frozenset(computes))


def _shown(tree: nodes.Template) -> Iterator[nodes.Node]:
    """
    Yield nodes of *tree* that are only shown or tested for presence.

    Such as ``{{ x }}``, ``{% if x %}`` and ``{{ ("X " ~ x) | fill }}``.
    """
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            yield from _concatenated(node)
    for branch in tree.find_all(nodes.If):
        yield branch.test
    for call in tree.find_all(nodes.Filter):
        if call.name == "fill" and call.node is not None:
            yield from _concatenated(call.node)


_MESSAGES = {"_", "gettext", "ngettext"}


def _concatenated(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield *node* and what its text contains unchanged: ``x ~ y``, ``_("%(x)s", x=x)``."""
    yield node
    if isinstance(node, nodes.Concat):
        for part in node.nodes:
            yield from _concatenated(part)
    elif isinstance(node, nodes.Call) and _is_message(node.node):
        for fact in node.kwargs:
            yield from _concatenated(fact.value)


def _is_message(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name in _MESSAGES


def _is_edition(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "edition"


def breaks(text: str) -> Markup:
    """Escape *text* for HTML and show its line breaks."""
    return Markup("<br>").join(escape(part) for part in text.split("\n"))


def fill(text: str, indent: int = 0, first: str = "") -> str:
    """
    Wrap *text* at 72 columns and indent it, with *first* before it.

    Columns are those of a terminal: two for a Chinese letter, none for an accent. Text with a
    placeholder is wrapped once that has its value, see `Placeholder`.
    """
    if "\x01" in text and _FACT.search(text):
        return f"\x02{indent}\x03{first}\x03{text}\x02"
    width = COLUMNS - max(indent, len(first))
    if len(text) <= width and not indent and not first and text.isascii() and "\n" not in text:
        return " ".join(text.split())
    wrap = _wrapped_ascii if text.isascii() else _wrapped
    lines = [row for part in text.split("\n") for row in wrap(part.split(), width)]
    if not indent and not first:
        return "\n".join(lines)
    body = textwrap.indent("\n".join(lines), " " * indent)
    return first.ljust(indent) + body[indent:] if first else body


def placeholder(name: str) -> str:
    """Return the mark that each edition replaces by its fact *name*."""
    return f"\x01{name}\x01"


def split_placeholders(text: str) -> list[str]:
    """Split *text* at its placeholders, which get the odd indexes."""
    return _PLACEHOLDER.split(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """Place of a fact, alone or in a paragraph to be wrapped."""

    parts: tuple[str, ...]
    """Texts; at odd indexes, names of facts."""
    indent: int
    first: str
    is_wrapped: bool

    @classmethod
    def parse(cls, part: str) -> "Placeholder":
        """Parse a part at an odd index of `split_placeholders`."""
        if part[0] == "\x01":
            return cls(parts=("", part[1:-1], ""), indent=0, first="", is_wrapped=False)
        indent, first, text = part[1:-1].split("\x03", 2)
        parts = tuple(_FACT.split(text))
        return cls(parts=parts, indent=int(indent), first=first, is_wrapped=True)

    @property
    def name(self) -> str:
        """Name of the fact if it is written alone, else empty."""
        return "" if self.is_wrapped else self.parts[1]

    def render(self, facts: Mapping[str, str]) -> str:
        """Return the text with *facts* filled in."""
        if len(self.parts) == 3:
            text = self.parts[0] + facts[self.parts[1]] + self.parts[2]
        else:
            named = enumerate(self.parts)
            text = "".join(facts[part] if at % 2 else part for at, part in named)
        return fill(text, self.indent, self.first) if self.is_wrapped else text


_FACT = re.compile("\x01([a-z_]+)\x01")
_PLACEHOLDER = re.compile("(\x01[a-z_]+\x01|\x02[^\x02]*\x02)")


def _wrapped_ascii(words: list[str], width: int) -> Iterator[str]:
    """Wrap ASCII, faster than `_wrapped`."""
    text = " ".join(words)
    at = 0
    while len(text) - at > width:
        space = text.rfind(" ", at, at + width + 1)
        end = space if space > at else at + width
        yield text[at:end]
        at = end + 1 if space > at else end
    yield text[at:]


def _wrapped(words: list[str], width: int) -> Iterator[str]:
    row: list[str] = []
    left = width
    for word in words:
        columns = len(word) if word.isascii() else _width(word)
        for part in (word,) if columns <= width else _broken(word, width):
            columns = len(part) if part.isascii() else _width(part)
            if row and columns >= left:
                yield " ".join(row)
                row, left = [], width
            left -= columns + 1 if row else columns
            row.append(part)
    yield " ".join(row)


def _broken(word: str, width: int) -> Iterator[str]:
    """Break *word* into parts of at most *width* columns."""
    part = ""
    used = 0
    for letter in word:
        columns = _width(letter)
        if used + columns > width:
            yield part
            part, used = "", 0
        part += letter
        used += columns
    yield part


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_columns(letter) for letter in text)


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _explained(name: str, error: Exception) -> RenderError:
    return RenderError(f"template {_place(name, error)}: {_reason(error)}")


def _place(name: str, error: Exception) -> str:
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name or name}:{error.lineno}"
    line = _last_line(error.__traceback__, name)
    return f"{name}:{line}" if line else name


def _last_line(traceback: TracebackType | None, name: str) -> int | None:
    """Return the innermost line of the template in *traceback*."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.endswith(name.rpartition("/")[2]):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _reason(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)) or type(error).__name__
