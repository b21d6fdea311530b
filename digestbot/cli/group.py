"""The click group that loads commands from the table."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from digestbot import __version__
from digestbot.cli.app import App, with_global_options
from digestbot.cli.commands import COMMANDS, help_text
from digestbot.cli.error_reporting import pipe_closed


class Commands(click.Group):
    """Group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order, most useful first for a new user."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, with the global options added."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"digestbot.cli.{cmd_name}")
        loaded: click.Command = module.command
        return with_global_options(loaded)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as click does; suggest the closest name for a typo."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = get_close_matches(name, COMMANDS, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else "; see 'digestbot --help'"
            ctx.fail(f'unknown command "{name}"{hint}')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke as click does, but treat a closed pipe as success (click exits with 1)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return pipe_closed()

    def get_help(self, ctx: click.Context) -> str:
        """Return the text that the fast path prints."""
        return help_text().rstrip()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--config", metavar="FILE", help="Config file; default: ./config.yaml.")
@click.option("-v", "--verbose", count=True, help="Log more; repeat for debug output.")
@click.option("-q", "--quiet", is_flag=True, help="Show results and errors only.")
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def digestbot(
    ctx: click.Context, config: str | None, verbose: int, quiet: bool, as_json: bool
) -> None:
    """New scientific papers that match your filters, by email and in Slack."""
    app = ctx.ensure_object(App)
    app.config_option, app.verbosity, app.as_json = config, -1 if quiet else verbose, as_json
