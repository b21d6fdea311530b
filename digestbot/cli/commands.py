"""
The table of commands, and the text of ``digestbot --help`` made of it.

The help is printed without importing click or any command, to be fast. To add a command, write a
module in this package with a ``command``, and add one line here.
"""

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
    "coverage": "Show which of arXiv's batches were announced and verified.",
    "papers": "Show the ids and names of a paper; merge or split papers.",
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
  -q, --quiet    Show results and errors only.
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
