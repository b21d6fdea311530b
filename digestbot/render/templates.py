"""
The Jinja environments: ours and the owner's templates, in a sandbox.

``*.html.j2`` is escaped by itself, everything else is plain text and is not. A file of the owner's
folder takes the place of ours of that name, and may extend it: ``{% extends
"digestbot/mail.html.j2" %}``. What a theme lays out in its own way lies in a folder of its name.
Begin at `load_templates`.
"""

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateSyntaxError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from digestbot.errors import RenderError

COLUMNS = 72
"""The width of plain text, so that it can be quoted twice within 78 (RFC 5322 2.1.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """All templates of one owner, compiled when first used and then kept."""

    html: Environment
    text: Environment

    def render(self, name: str, facts: Mapping[str, object], theme: str = "") -> str:
        """
        What the template *name* makes of *facts*; the one in the folder *theme*, if there is one.

        Raises:
            RenderError: It is missing, or fails; the message has its name and line.
        """
        environment = self.html if name.endswith(".html.j2") else self.text
        try:
            return environment.select_template([f"{theme}/{name}", name]).render(facts)
        except Exception as error:  # whatever a template of the owner's can do wrong
            raise RenderError(f"template {_place(name, error)}: {_reason(error)}") from error


def load_templates(owner_folder: Path | None = None) -> Templates:
    """The templates of digestbot, those in *owner_folder* before them."""
    ours = FileSystemLoader(our_folder())
    loaders: list[BaseLoader] = [ours, PrefixLoader({"digestbot": ours})]
    if owner_folder is not None:
        loaders.insert(0, FileSystemLoader(owner_folder))
    loader = ChoiceLoader(loaders)
    return Templates(html=_environment(loader, html=True), text=_environment(loader, html=False))


def our_folder() -> Path:
    """Where the templates lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    packaged = package / "templates"
    return packaged if packaged.is_dir() else package.parent / "templates"


def _environment(loader: BaseLoader, *, html: bool) -> Environment:
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["breaks"] = breaks
    environment.filters["fill"] = fill
    return environment


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
