"""The click group behind the table of commands."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from digestbot import __version__
from digestbot.cli import COMMANDS, help_text
from digestbot.cli.app import App, with_global_options
from digestbot.cli.error_reporting import pipe_closed


class Commands(click.Group):
    """The group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its module loaded now, with the global options added to its own."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"digestbot.cli.{cmd_name}")
        loaded: click.Command = module.command
        return with_global_options(loaded)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a suggestion for a slip of the fingers."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; see 'digestbot --help'"
            ctx.fail(f"no command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it, but that a closed pipe is no failure: to click it is exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return pipe_closed()

    def get_help(self, ctx: click.Context) -> str:
        """The same text that the quick way prints."""
        return help_text().rstrip()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--config", metavar="FILE", help="The config; ./config.yaml by default.")
@click.option("-v", "--verbose", count=True, help="Log more; twice for everything.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors.")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def digestbot(
    ctx: click.Context, config: str | None, verbose: int, quiet: bool, as_json: bool
) -> None:
    """New scientific papers that match your filters, by e-mail and in Slack."""
    app = ctx.ensure_object(App)
    app.config_option, app.verbosity, app.as_json = config, -1 if quiet else verbose, as_json
