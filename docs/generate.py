"""
The generated parts of the docs: ``docs/commands.md`` from the commands' own help.

Run by ``make docs``; a test compares the file with what this gives.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from digestbot.cli import COMMANDS
from digestbot.cli.group import digestbot

HEAD = """\
# Commands

Written by `make docs` from `digestbot COMMAND --help`.

The config is `./config.yaml`, else the one in your own folder (`~/.config/digestbot/config.yaml`;
on macOS `~/Library/Application Support/digestbot`, on Windows `%APPDATA%\\digestbot`), or the one
that `--config FILE` names. `--config`, `-v`, `-q` and `--json` may stand before the command's name
or after it. Facts go to standard output, everything else to standard error. Exit codes: 0 all well;
1 something failed and the rest went on (which, is on standard error); 2 bad usage or config.

Completion for your shell (bash; zsh and fish likewise):
`eval "$(_DIGESTBOT_COMPLETE=bash_source digestbot)"` in `~/.bashrc`.
"""


def help_texts(command: click.Command, ctx: click.Context, depth: int) -> Iterator[str]:
    """The section of *command*, then those of its own commands."""
    yield f"{'#' * depth} {ctx.command_path}\n\n```text\n{command.get_help(ctx)}\n```\n"
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            child_ctx = click.Context(child, info_name=name, parent=ctx, terminal_width=80)
            yield from help_texts(child, child_ctx, depth + 1)


def commands_page() -> str:
    """The whole page."""
    root = digestbot.make_context("digestbot", ["--help"], resilient_parsing=True)
    sections = [HEAD]
    for name in COMMANDS:
        command = digestbot.get_command(root, name)
        if command is None:
            raise LookupError(name)
        ctx = click.Context(command, info_name=name, parent=root, terminal_width=80)
        sections += help_texts(command, ctx, 2)
    return "\n".join(sections)


if __name__ == "__main__":
    (Path(__file__).parent / "commands.md").write_text(commands_page(), encoding="utf-8")
