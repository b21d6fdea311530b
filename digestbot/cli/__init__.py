"""
The command line: a table of commands, each loaded only when it is called.

``digestbot --help`` is printed from the table and loads neither click nor a command, so it is there
at once. A new command is one module with a ``command`` and one line here.
"""

import gc
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, str] = {
    "demo": "Show a digest of real papers; no network, no set-up.",
    "init": "Write a commented config.yaml from a few questions.",
    "check": "Validate the config and its filters; --connect tries every server.",
    "fetch": "Fetch new papers now.",
    "preview": "Show what the next edition would be; sends nothing.",
    "explain": "Tell why a paper is in a digest or not.",
    "backtest": "Show what a filter would have brought, day by day and term by term.",
    "run": "One cycle: fetch, make the editions that are due, deliver; then exit.",
    "serve": "Stay and do all of it on schedule, until SIGTERM.",
    "status": "Sources, digests, queue, last errors, next runs.",
    "editions": "Look at past editions.",
    "deliveries": "Look at deliveries and mend them.",
    "subscribers": "List, add, remove, import and export readers.",
    "suppressions": "Addresses that must not be written to any more.",
    "bounces": "Read returned mails: dead addresses and complaints.",
    "schema": "Print the JSON Schema of the config, for editors.",
}

_HELP = """\
Usage: digestbot [OPTIONS] COMMAND [ARGS]...

  New scientific papers that match your filters, by e-mail and in Slack.

Options:
  --config FILE  The config; ./config.yaml by default.
  -v, --verbose  Log more; twice for everything.
  -q, --quiet    Only errors.
  --json         Print facts as JSON.
  --version      Show the version and exit.
  -h, --help     Show this message and exit.

Commands:
{commands}

  Exit codes: 0 all well, 1 something failed (the rest went on), 2 bad usage or config.
"""


def help_text() -> str:
    """What ``digestbot --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = (f"  {name:<{width}}  {words}" for name, words in COMMANDS.items())
    return _HELP.format(commands="\n".join(lines))


def main(args: "Sequence[str] | None" = None) -> None:
    """Run one command and leave with its exit code (`digestbot.cli.error_reporting` says which)."""
    if (sys.argv[1:] if args is None else list(args)) in (["--help"], ["-h"]):
        sys.stdout.write(help_text())
        sys.exit(0)
    # Imports make many objects and no garbage: collecting them all the time is a quarter of the CPU
    # time of a short command (tests/bench/bench_startup.py). mypy sets a similar threshold.
    gc.set_threshold(200_000, 30, 30)
    from digestbot.cli.error_reporting import run_reporting_errors
    from digestbot.cli.group import digestbot

    if isinstance(sys.stdout, TextIOWrapper):
        # Windows gives pipes its own code page, without ✓: better escaped than a crash.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run_reporting_errors(digestbot, args)
    gc.freeze()  # the process ends: one last collection of everything would free nothing earlier
    sys.exit(code)
