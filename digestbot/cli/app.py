"""
What every command shares: the global options, the config, the store, the terminal.

Global options may stand before the command's name or after it; the later one wins.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digestbot.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from digestbot.config import Config
    from digestbot.store import Store


def utc_now() -> datetime:
    """The wall clock: the only place of the program that reads it."""
    return datetime.now(UTC)


@dataclass(slots=True)
class App:
    """The state of one call of the program, handed to its command as click's ``obj``."""

    config_option: str | None = None
    verbosity: int = 0
    as_json: bool = False
    clock: Callable[[], datetime] = utc_now
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def config_path(self) -> Path:
        """Where the config is, or would be."""
        from digestbot.config import find_config

        return find_config(self.config_option, self.environ, Path.cwd())

    def config(self) -> "Config":
        """
        The checked config.

        Raises:
            ConfigError: With all its problems at once.
        """
        from digestbot.config import load_config

        self.set_up_logging()
        return load_config(self.config_path(), self.environ)

    @property
    def is_at_terminal(self) -> bool:
        """Whether a person is there who can end what stays."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not self.as_json

    @contextmanager
    def store(self, config: "Config", *, read_only: bool = False) -> "Iterator[Store]":
        """Open the config's store, migrated to the newest schema; close it at the end."""
        from digestbot.store import open_store

        store = open_store(config.store, read_only=read_only)
        try:
            yield store
        finally:
            store.close()

    def set_up_logging(self) -> None:
        """Logs go to stderr: warnings by default, facts with -v, everything of ours with -vv."""
        from digestbot.cli.logs import set_up

        set_up(self.verbosity)

    def say(self, text: str) -> None:
        """A line for a person, on stderr, so that stdout holds facts only."""
        if self.verbosity >= 0:
            click.echo(text, err=True)

    def show(self, facts: Any, words: Callable[[], str | None]) -> None:
        """*facts* as JSON with ``--json``, else *words*, but nothing with ``--quiet``."""
        if self.as_json:
            click.echo(json.dumps(facts, ensure_ascii=False, indent=2, default=_jsonable))
            return
        text = words() if self.verbosity >= 0 else None
        if text is not None:
            click.echo(text)

    def console(self) -> "Console":
        """A terminal for tables and progress, on stderr; plain in a pipe."""
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    def wants_progress(self) -> bool:
        """Bars are for terminals, and only where nobody asked for silence or JSON."""
        return sys.stderr.isatty() and self.verbosity == 0 and not self.as_json


def _jsonable(value: object) -> object:
    """What JSON has no form for: times as UTC ISO 8601 with Z, everything else as its text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    return str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A plain table with aligned columns; the last one may be of any length."""
    cells = [tuple(columns), *(tuple("" if c is None else str(c) for c in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def read_text(file: Path) -> str:
    """
    What a file holds, or standard input for ``-``.

    Raises:
        UsageError: It cannot be read, or is not UTF-8.
    """
    try:
        if str(file) == "-":
            return sys.stdin.read()
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: save it as UTF-8") from error


def write_text(file: Path, text: str) -> None:
    """
    *text* to a file.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def check_known(store: "Store", config: "Config", digest: str | None) -> None:
    """
    That *digest*, if one is named, is in the config, or was and has left its editions.

    Raises:
        UsageError: It is not.
    """
    from digestbot.config import find_digest

    if digest is not None and store.digests.find(digest) is None:
        find_digest(config, digest)


def count(number: int, noun: str) -> str:
    """``1 paper``, ``2 papers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def program() -> str:
    """What a person types to call us again: the name, or the path where no PATH leads to us."""
    from shutil import which

    called, found = Path(sys.argv[0]), which("digestbot")
    is_ours = called.stem == "digestbot" and called.exists()
    if not is_ours or (found is not None and called.samefile(found)):
        return "digestbot"
    return str(called)


def local(moment: datetime | None, config: "Config") -> str:
    """A moment in the owner's time zone, to the minute; a dash for none."""
    return "-" if moment is None else f"{moment.astimezone(config.timezone):%Y-%m-%d %H:%M}"


def with_global_options(command: click.Command) -> click.Command:
    """*command* with the global options among its own; for a group, its commands likewise."""
    if not any(param.name == "global_config" for param in command.params):
        command.params.extend(_global_options())
    if isinstance(command, click.Group):
        for child in command.commands.values():
            with_global_options(child)
    return command


def _global_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--config", "global_config"],
            metavar="FILE",
            expose_value=False,
            callback=_set("config_option"),
            help="The config; ./config.yaml by default.",
        ),
        click.Option(
            ["-v", "--verbose", "global_verbose"],
            count=True,
            expose_value=False,
            callback=_set("verbosity"),
            help="Log more; twice for everything.",
        ),
        click.Option(
            ["-q", "--quiet", "global_quiet"],
            flag_value=-1,
            default=None,
            type=int,
            expose_value=False,
            callback=_set("verbosity"),
            help="Only errors.",
        ),
        click.Option(
            ["--json", "global_json"],
            is_flag=True,
            expose_value=False,
            callback=_set("as_json"),
            help="Print facts as JSON.",
        ),
    ]


def _set(attribute: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that stores a given value on the App and leaves it alone where none was given."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value:
            setattr(ctx.ensure_object(App), attribute, value)
        return value

    return callback
