"""
Shared parts of all commands: global options, config, store and terminal output.

Global options are accepted before or after the command's name; the later one wins.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from digestbot.atomic_files import write_atomically
from digestbot.errors import UsageError
from digestbot.secret import masked

if TYPE_CHECKING:
    from rich.console import Console

    from digestbot.config import Config
    from digestbot.store import Store


_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def utc_now() -> datetime:
    """Return the current time; every command gets its clock from here."""
    return datetime.now(UTC)


@dataclass(slots=True)
class App:
    """State of one invocation, passed to the command as click's ``obj``."""

    config_option: str | None = None
    verbosity: int = 0
    as_json: bool = False
    clock: Callable[[], datetime] = utc_now
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def config_path(self) -> Path:
        """Return where the config is, or would be."""
        from digestbot.config import find_config

        return find_config(self.config_option, self.environ, Path.cwd())

    def config(self) -> "Config":
        """
        Load and validate the config.

        Raises:
            ConfigError: The config is invalid; has all problems at once.
        """
        from digestbot.config import load_config

        self.set_up_logging()
        config = load_config(self.config_path(), self.environ)
        os.umask(config.umask)
        return config

    @property
    def is_at_terminal(self) -> bool:
        """True if a user at a terminal can end a command that keeps running."""
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

    @contextmanager
    def sending_store(self, config: "Config") -> "Iterator[Store]":
        """
        Open the config's store to send from it.

        Raises:
            StoreCopied: Its file was copied while another process used it.
        """
        from digestbot.store import current_process

        with self.store(config) as store, store.processes.using(current_process(), self.clock):
            yield store

    def set_up_logging(self) -> None:
        """Log to stderr: warnings by default, info with -v, debug with -vv."""
        from digestbot.cli.logs import set_up

        set_up(self.verbosity)

    def say(self, text: str) -> None:
        """Print a note on stderr, unless quiet; stdout is for results."""
        if self.verbosity >= 0:
            click.echo(text, err=True)

    def show(self, facts: Any, as_text: Callable[[], str | None]) -> None:
        """Print *facts* with ``--json``, else the result of *as_text*; mask secrets."""
        if self.as_json:
            print_json(
                json.dumps(_masked(facts), ensure_ascii=False, indent=2, default=_jsonable) + "\n"
            )
        elif (text := as_text()) is not None:
            click.echo(masked(text))

    def report(self, facts: Any, as_text: Callable[[], str | None]) -> None:
        """Show what an unattended command did, as `show` does; with -q nothing, for cron."""
        if self.as_json or self.verbosity >= 0:
            self.show(facts, as_text)

    def console(self) -> "Console":
        """Return a console on stderr for progress; plain in a pipe."""
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    def wants_progress(self) -> bool:
        """Return True on a terminal, unless -q, -v or --json was given."""
        return sys.stderr.isatty() and self.verbosity == 0 and not self.as_json


def print_form(text: str, form: str) -> None:
    """Print one form of an edition, with a final line break."""
    text = text if text.endswith("\n") else f"{text}\n"
    if form in {"text", "subject"}:
        click.echo(text, nl=False)
    elif form in {"json", "slack"}:
        print_json(text)
    else:
        print_document(text)


def print_document(text: str) -> None:
    """Print the content of a file, such as HTML or CSV: always UTF-8, as its readers expect."""
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None or _is_unicode() or sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    sys.stdout.flush()
    binary.write(text.encode())
    binary.flush()


def print_json(text: str) -> None:
    """Print JSON; outside UTF-8 in ASCII, which every encoding has."""
    if not _is_unicode():
        text = _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    click.echo(text, nl=False)


def _is_unicode() -> bool:
    return (sys.stdout.encoding or "utf-8").lower().replace("_", "-").startswith(("utf-8", "utf8"))


def _masked(facts: Any) -> Any:
    """Mask secrets in the texts of *facts*, not in its keys and numbers."""
    match facts:
        case str():
            return masked(facts)
        case Mapping():
            return {key: _masked(value) for key, value in facts.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(value) for value in facts]
    return facts


def _jsonable(value: object) -> object:
    """Convert *value* for JSON: times to UTC ISO 8601 with Z, other types to text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return masked(str(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Format a plain table with left-aligned columns."""
    cells = [tuple(columns), *(tuple("" if c is None else str(c) for c in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines)


@contextmanager
def open_text(file: Path) -> Iterator[TextIO]:
    """
    Open a UTF-8 file, or a copy of standard input for ``-``, so that it can be read twice.

    Raises:
        UsageError: The file cannot be read, or is not UTF-8.
    """
    try:
        with _open_bytes(file) as raw, TextIOWrapper(raw, "utf-8-sig", newline="") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not UTF-8; save the file as UTF-8") from error


def _open_bytes(file: Path) -> BinaryIO:
    if str(file) == "-":
        from shutil import copyfileobj
        from tempfile import TemporaryFile

        copy = TemporaryFile()  # noqa: SIM115  # the caller closes it
        copyfileobj(sys.stdin.buffer, copy)
        return copy
    try:
        return file.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def columns_text(used: Sequence[str], ignored: Sequence[str]) -> str:
    """Say which columns of a CSV were read."""
    columns = f"columns: {', '.join(used)}"
    return f"{columns}; ignored: {', '.join(ignored)}" if ignored else columns


def write_text(file: Path, text: str) -> None:
    """
    Write *text* to a file, as UTF-8.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        write_atomically(file, text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def check_known(store: "Store", config: "Config", digest: str | None) -> None:
    """
    Check that *digest*, if given, is in the config or in the store.

    A digest that was removed from the config still has its editions in the store.

    Raises:
        UsageError: It is in neither.
    """
    from digestbot.config import find_digest

    if digest is not None and store.digests.find(digest) is None:
        find_digest(config, digest)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return *number* with its noun: ``1 paper``, ``2 papers``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def program() -> str:
    """Return how the user calls digestbot: by name if it is on PATH, else by path."""
    from shutil import which

    script, on_path = Path(sys.argv[0]), which("digestbot")
    is_ours = script.stem == "digestbot" and script.exists()
    if not is_ours or (on_path is not None and script.samefile(on_path)):
        return "digestbot"
    return str(script)


def local(moment: datetime | None, config: "Config") -> str:
    """Format a time in the config's time zone, to the minute; a dash if missing."""
    return "-" if moment is None else f"{moment.astimezone(config.timezone):%Y-%m-%d %H:%M}"


def percent(share: float | None) -> str:
    """Format a share as ``7%``; a dash if it is unknown."""
    if share is None:
        return "-"
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"


def with_global_options(command: click.Command) -> click.Command:
    """Add the global options to *command* and its subcommands."""
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
            help="Config file; default: ./config.yaml.",
        ),
        click.Option(
            ["-v", "--verbose", "global_verbose"],
            count=True,
            expose_value=False,
            callback=_set("verbosity"),
            help="Log more; repeat for debug output.",
        ),
        click.Option(
            ["-q", "--quiet", "global_quiet"],
            flag_value=-1,
            default=None,
            type=int,
            expose_value=False,
            callback=_set("verbosity"),
            help="Show results and errors only.",
        ),
        click.Option(
            ["--json", "global_json"],
            is_flag=True,
            expose_value=False,
            callback=_set("as_json"),
            help="Print results as JSON.",
        ),
    ]


def _set(attribute: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a click callback that stores a given value in the App's *attribute*."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value:
            setattr(ctx.ensure_object(App), attribute, value)
        return value

    return callback
