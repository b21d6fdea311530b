"""
The command line: a table of commands, each imported only when called.

``digestbot --help`` is printed from the table without importing click or any command, to be fast.
To add a command, write a module with a ``command`` and add one line here.
"""

import gc
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, str] = {
    "demo": "Build a sample digest of real papers, offline.",
    "init": "Write a commented config.yaml from a few questions.",
    "check": "Validate the config and its filters; --connect also tests every server.",
    "fetch": "Fetch new papers now.",
    "preview": "Show the next edition without sending it.",
    "explain": "Explain why a paper is in a digest or not.",
    "backtest": "Show what a filter would have matched, by day and by term.",
    "run": "Fetch, make due editions and deliver, then exit.",
    "serve": "Fetch, make editions and deliver on schedule, until SIGTERM.",
    "status": "Show sources, digests, the queue, recent errors and next runs.",
    "editions": "List or show past editions.",
    "deliveries": "List deliveries; show, retry, release or cancel them.",
    "subscribers": "List subscribers; add, remove, import or export them.",
    "suppressions": "List suppressed addresses; add, remove, import or export them.",
    "bounces": "Process bounces and complaints.",
    "schema": "Print the JSON Schema of the config, for editors.",
}

_HELP = """\
Usage: digestbot [OPTIONS] COMMAND [ARGS]...

  New scientific papers that match your filters, by email and in Slack.

Options:
  --config FILE  Config file; default: ./config.yaml.
  -v, --verbose  Log more; repeat for debug output.
  -q, --quiet    Show errors only.
  --json         Print results as JSON.
  --version      Show the version and exit.
  -h, --help     Show this message and exit.

Commands:
{commands}

  Exit codes: 0 success, 1 something failed (the rest continued), 2 invalid usage or config.
"""


def help_text() -> str:
    """Return the text of ``digestbot --help``."""
    width = max(map(len, COMMANDS))
    lines = (f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    return _HELP.format(commands="\n".join(lines))


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

    if isinstance(sys.stdout, TextIOWrapper):
        # On Windows, pipes use a code page without ✓: escape it instead of crashing.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run_reporting_errors(digestbot, args)
    gc.freeze()  # the process ends: one last collection of everything would free nothing earlier
    sys.exit(code)
