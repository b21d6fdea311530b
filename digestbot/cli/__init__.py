"""The command line. `commands` is the table of commands, each imported only when called."""

import gc
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from digestbot.cli.commands import help_text

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(args: "Sequence[str] | None" = None) -> None:
    """Run one command and exit with its code (see `digestbot.cli.error_reporting`)."""
    if (sys.argv[1:] if args is None else list(args)) in (["--help"], ["-h"]):
        sys.stdout.write(help_text())
        sys.exit(0)
    # Imports make many objects and no garbage: collecting them all the time is a quarter of the CPU
    # time of a short command (tests/bench/bench_startup.py). mypy sets a similar threshold.
    gc.set_threshold(200_000, 30, 30)
    from digestbot.cli.error_reporting import run_reporting_errors
    from digestbot.cli.group import digestbot

    os.umask(0o077)  # new files are private, unless the config says otherwise
    if isinstance(sys.stdout, TextIOWrapper):
        # On Windows, pipes use a code page without ✓: escape it instead of crashing.
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, TextIOWrapper) and not sys.stdin.isatty():
        sys.stdin.reconfigure(encoding="utf-8")  # files that are piped in are UTF-8
    code = run_reporting_errors(digestbot, args)
    gc.freeze()  # the process ends: one last collection of everything would free nothing earlier
    sys.exit(code)
