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
from collections.abc import Callable, Iterator, Mapping
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
from digestbot.render.kept import Kept, T
from digestbot.render.styles import StyleSheet, read_styles

COLUMNS = 72
"""The width of plain text, so that it can be quoted twice within 78 (RFC 5322 2.1.1)."""
STYLES = "mail/style.css"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One template, found and compiled."""

    name: str
    template: Template
    reads: tuple[str, ...] | None
    """What it asks of `edition`, so that equal facts give an equal text; None if that cannot be
    told from its source."""

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
    kept: Kept = field(default_factory=Kept, repr=False)
    """What these templates have made and will be asked for again."""

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

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What *make* gives for this *key*, made once and then kept while it is in use."""
        return self.kept.once(key, make)

    def _load(self, name: str, theme: str) -> Layout:
        environment = self.html if name.endswith(".html.j2") else self.text
        try:
            template = environment.select_template([f"{theme}/{name}", name])
            reads = _reads(environment, cast(str, template.name))
        except Exception as error:  # whatever a template of the owner's can do wrong
            raise _explained(name, error) from error
        return Layout(name=name, template=template, reads=reads)


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


def _reads(environment: Environment, name: str) -> tuple[str, ...] | None:
    """What the template *name*, and those it extends or includes, ask of the value `edition`."""
    loader = environment.loader
    if loader is None:
        return None
    tree = environment.parse(loader.get_source(environment, name)[0], name)
    asked = [node for node in tree.find_all(nodes.Getattr) if _is_edition(node.node)]
    if len(asked) != sum(_is_edition(node) for node in tree.find_all(nodes.Name)):
        return None
    reads = {node.attr for node in asked}
    for other in (*tree.find_all(nodes.Extends), *tree.find_all(nodes.Include)):
        named: object = getattr(other, "template", None)
        if not isinstance(named, nodes.Const) or not isinstance(named.value, str):
            return None
        theirs = _reads(environment, named.value)
        if theirs is None:
            return None
        reads.update(theirs)
    return tuple(sorted(reads))


def _is_edition(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "edition"


def breaks(text: str) -> Markup:
    """*text* escaped for HTML, its line breaks shown."""
    return Markup("<br>").join(escape(part) for part in text.split("\n"))


def fill(text: str, indent: int = 0, first: str = "") -> str:
    """
    *text* in lines of at most 72 columns, each indented; *first* stands before the first.

    A column is what a terminal gives a letter: two for a Chinese one, none for an accent.
    """
    width = COLUMNS - max(indent, len(first))
    filled = [row for part in text.split("\n") for row in _wrapped(part.split(), width)]
    body = textwrap.indent("\n".join(filled), " " * indent)
    return first.ljust(indent) + body[indent:] if first else body


def _wrapped(words: list[str], width: int) -> Iterator[str]:
    row = ""
    for part in (part for word in words for part in _broken(word, width)):
        longer = f"{row} {part}" if row else part
        if row and _width(longer) > width:
            yield row
            row = part
        else:
            row = longer
    yield row


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
