"""
The Jinja environments: ours and the owner's templates, in a sandbox.

``*.html.j2`` is escaped by itself, everything else is plain text and is not. A file of the owner's
folder takes the place of ours of that name, and may extend it: ``{% extends
"digestbot/mail/paper.html.j2" %}``. What a theme lays out in its own way lies in a folder of its
name. Begin at `load_templates`.
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
"""The width of plain text, so that it can be quoted twice within 78 (RFC 5322 2.1.1)."""
PAPERS_MAX = 16_384
"""BoundedCache at most: a day of arXiv with the marks of many readers, some 100 MB."""
PARTS_MAX = 4_096
STYLES = "mail/style.css"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One template, found and compiled."""

    name: str
    template: Template
    reads: frozenset[str] | None
    """What it asks of `edition`, so that equal facts give an equal text; None if that cannot be
    told from its source."""
    shows: frozenset[str] = frozenset()
    """Those of them that it only shows, or asks whether they are there: with a `blank` in their
    place the text is the same for all."""

    def render(self, facts: Mapping[str, object]) -> str:
        """
        What it makes of *facts*.

        Raises:
            RenderError: It fails; the message has its name and line.
        """
        try:
            return self.template.render(facts)
        except Exception as error:  # whatever a template of the owner's can do wrong
            raise _explained(self.name, error) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """All templates of one owner as they were when loaded, each compiled when first used."""

    html: Environment
    text: Environment
    styles: StyleSheet
    layouts: dict[tuple[str, str], Layout] = field(default_factory=dict, repr=False)
    papers: BoundedCache = field(default_factory=lambda: BoundedCache(PAPERS_MAX), repr=False)
    """The papers that these templates have rendered."""
    parts: BoundedCache = field(default_factory=lambda: BoundedCache(PARTS_MAX), repr=False)
    """What else of a mail they have made."""

    def layout(self, name: str, theme: str = "") -> Layout:
        """
        The template *name*; the one in the folder *theme*, if there is one.

        Raises:
            RenderError: It is missing or cannot be compiled; the message has its name and line.
        """
        found = self.layouts.get((theme, name))
        if found is None:
            found = self.layouts[theme, name] = self._load(name, theme)
        return found

    def render(self, name: str, facts: Mapping[str, object], theme: str = "") -> str:
        """What the template *name* makes of *facts*; see `layout` and `Layout.render`."""
        return self.layout(name, theme).render(facts)

    def _load(self, name: str, theme: str) -> Layout:
        environment = self.html if name.endswith(".html.j2") else self.text
        try:
            template = environment.select_template([f"{theme}/{name}", name])
            asked = _asked(environment, cast(str, template.name))
        except Exception as error:  # whatever a template of the owner's can do wrong
            raise _explained(name, error) from error
        if asked is None:
            return Layout(name=name, template=template, reads=None)
        reads, used = asked
        return Layout(name=name, template=template, reads=reads, shows=reads - used)


def load_templates(owner_folder: Path | None = None) -> Templates:
    """
    The templates of digestbot, those in *owner_folder* before them.

    Raises:
        RenderError: The style sheet cannot be read.
    """
    ours = FileSystemLoader(our_folder())
    loaders: list[BaseLoader] = [ours, PrefixLoader({"digestbot": ours})]
    if owner_folder is not None:
        loaders.insert(0, FileSystemLoader(owner_folder))
    loader = ChoiceLoader(loaders)
    text = _prepared(_Text(loader=loader, **_MANNERS))
    try:
        styles = read_styles(loader.get_source(text, STYLES)[0])
    except (OSError, UnicodeDecodeError, TemplateNotFound) as error:
        raise _explained(STYLES, error) from error
    html = _prepared(_Html(loader=loader, autoescape=True, **_MANNERS))
    html.styles = styles
    return Templates(html=html, text=text, styles=styles)


def our_folder() -> Path:
    """Where the templates lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    packaged = package / "templates"
    return packaged if packaged.is_dir() else package.parent / "templates"


_MANNERS: Mapping[str, Any] = {
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    # A mail's pieces are made at different times and must fit together: they are read anew when
    # the config is.
    "auto_reload": False,
}


class _Text(ImmutableSandboxedEnvironment):
    """Plain text."""


class _Html(ImmutableSandboxedEnvironment):
    """HTML, whose classes become styles before a template is compiled."""

    styles: StyleSheet

    def preprocess(self, source: str, name: str | None = None, filename: str | None = None) -> str:
        return self.styles.inlined(super().preprocess(source, name, filename))


E = TypeVar("E", bound=Environment)


def _prepared(environment: E) -> E:
    environment.filters["breaks"] = breaks
    environment.filters["fill"] = fill
    return environment


def _asked(environment: Environment, name: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """
    What the template *name*, and those it extends or includes, ask of the value `edition`, and
    what of it they need for more than to show it; None if that cannot be told.
    """
    loader = environment.loader
    if loader is None:
        return None
    tree = environment.parse(loader.get_source(environment, name)[0], name)
    asked = [node for node in tree.find_all(nodes.Getattr) if _is_edition(node.node)]
    if len(asked) != sum(_is_edition(node) for node in tree.find_all(nodes.Name)):
        return None
    shown = {id(node) for node in _shown(tree)}
    reads = {node.attr for node in asked}
    used = {node.attr for node in asked if id(node) not in shown}
    for other in (*tree.find_all(nodes.Extends), *tree.find_all(nodes.Include)):
        named: object = getattr(other, "template", None)
        if not isinstance(named, nodes.Const) or not isinstance(named.value, str):
            return None
        theirs = _asked(environment, named.value)
        if theirs is None:
            return None
        reads |= theirs[0]
        used |= theirs[1]
    return frozenset(reads), frozenset(used)


def _shown(tree: nodes.Template) -> Iterator[nodes.Node]:
    """What stands by itself in *tree*: ``{{ x }}``, ``{% if x %}``, ``{{ ("X " ~ x) | fill }}``."""
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            yield from _put_together(node)
    for branch in tree.find_all(nodes.If):
        yield branch.test
    for each in tree.find_all(nodes.Filter):
        if each.name == "fill" and each.node is not None:
            yield from _put_together(each.node)


_MESSAGES = {"_", "gettext", "ngettext"}


def _put_together(node: nodes.Node) -> Iterator[nodes.Node]:
    """*node*, and what comes into its text as it is: ``x ~ y``, ``_("%(x)s", x=x)``."""
    yield node
    if isinstance(node, nodes.Concat):
        for each in node.nodes:
            yield from _put_together(each)
    elif isinstance(node, nodes.Call) and getattr(node.node, "name", "") in _MESSAGES:
        for fact in node.kwargs:
            yield from _put_together(fact.value)


def _is_edition(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "edition"


def breaks(text: str) -> Markup:
    """*text* escaped for HTML, its line breaks shown."""
    return Markup("<br>").join(escape(part) for part in text.split("\n"))


def fill(text: str, indent: int = 0, first: str = "") -> str:
    """
    *text* in lines of at most 72 columns, each indented; *first* stands before the first.

    A column is what a terminal gives a letter: two for a Chinese one, none for an accent. A text
    with a blank in it is filled when that is written, see `Blank`.
    """
    if "\x01" in text and _NAME.search(text):
        return f"\x02{indent}\x03{first}\x03{text}\x02"
    width = COLUMNS - max(indent, len(first))
    if len(text) <= width and not indent and not first and text.isascii() and "\n" not in text:
        return " ".join(text.split())
    lay_out = _wrapped_ascii if text.isascii() else _wrapped
    filled = [row for part in text.split("\n") for row in lay_out(part.split(), width)]
    if not indent and not first:
        return "\n".join(filled)
    body = textwrap.indent("\n".join(filled), " " * indent)
    return first.ljust(indent) + body[indent:] if first else body


def blank(name: str) -> str:
    """What stands in a text where the fact *name* of each edition is written in."""
    return f"\x01{name}\x01"


def parted(text: str) -> list[str]:
    """*text* before, at and after each of its blanks: those stand at the odd places."""
    return _BLANK.split(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """A place where a fact is to be written, by itself or within a text that is to be filled."""

    parts: tuple[str, ...]
    """Texts and, at the odd places, names of facts."""
    indent: int
    first: str
    is_filled: bool

    @classmethod
    def of(cls, part: str) -> "Blank":
        """That of an odd place which `parted` gave."""
        if part[0] == "\x01":
            return cls(parts=("", part[1:-1], ""), indent=0, first="", is_filled=False)
        indent, first, text = part[1:-1].split("\x03", 2)
        parts = tuple(_NAME.split(text))
        return cls(parts=parts, indent=int(indent), first=first, is_filled=True)

    @property
    def name(self) -> str:
        """The fact that stands there by itself; none if it is filled."""
        return "" if self.is_filled else self.parts[1]

    def written(self, facts: Mapping[str, str]) -> str:
        """What comes to stand there."""
        if len(self.parts) == 3:
            text = self.parts[0] + facts[self.parts[1]] + self.parts[2]
        else:
            named = enumerate(self.parts)
            text = "".join(facts[part] if at % 2 else part for at, part in named)
        return fill(text, self.indent, self.first) if self.is_filled else text


_NAME = re.compile("\x01([a-z_]+)\x01")
_BLANK = re.compile("(\x01[a-z_]+\x01|\x02[^\x02]*\x02)")


def _wrapped_ascii(words: list[str], width: int) -> Iterator[str]:
    """What `_wrapped` does, where each letter has one column."""
    text = " ".join(words)
    at = 0
    while len(text) - at > width:
        blank = text.rfind(" ", at, at + width + 1)
        end = blank if blank > at else at + width
        yield text[at:end]
        at = end + 1 if blank > at else end
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
    """*word* in parts that fit into *width* columns; nearly always itself."""
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
    """The deepest line of a template in *traceback*: Jinja puts the templates' own lines there."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.endswith(name.rpartition("/")[2]):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _reason(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)) or type(error).__name__
