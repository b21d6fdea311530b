"""The click group that imports commands on demand."""

import click
import pytest

from digestbot.cli.commands import COMMANDS, help_text
from digestbot.cli.group import digestbot
from tests.cli.conftest import Bot


def test_commands_are_listed_in_the_order_of_the_table() -> None:
    ctx = click.Context(digestbot)
    assert digestbot.list_commands(ctx) == list(COMMANDS)


def test_every_command_loads_with_global_options() -> None:
    ctx = click.Context(digestbot)
    for name in COMMANDS:
        command = digestbot.get_command(ctx, name)
        assert command is not None
        assert command.name == name
        assert {"global_config", "global_json"} <= {param.name for param in command.params}
    assert digestbot.get_command(ctx, "no-such") is None


def test_help_is_the_same_on_both_paths() -> None:
    assert digestbot.get_help(click.Context(digestbot)) == help_text().rstrip()


def test_unknown_command_suggests_the_closest_one(bot: Bot) -> None:
    called = bot("statsu")
    assert called.code == 2
    assert called.err.endswith('Error: unknown command "statsu"; did you mean "status"?\n')


def test_unknown_command_without_a_close_name_suggests_help(bot: Bot) -> None:
    called = bot("xyzzy")
    assert called.code == 2
    assert called.err.endswith("Error: unknown command \"xyzzy\"; see 'digestbot --help'\n")


def test_closed_pipe_exits_0(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digestbot.cli.group.pipe_closed", lambda: 0)

    def refuse(*args: object, **options: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("digestbot.cli.schema.json_schema", refuse)
    assert bot("schema").code == 0
