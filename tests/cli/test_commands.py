"""The table of commands and the main help text."""

from pathlib import Path

from digestbot import cli
from digestbot.cli.commands import COMMANDS, help_text

FOLDER = Path(cli.__file__).parent
SHARED = {"__init__", "app", "commands", "error_reporting", "group", "live_preview", "logs"}
"""Modules that are not commands."""


def test_every_command_module_is_in_the_table() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - SHARED == set(COMMANDS)


def test_help_lists_every_command_aligned() -> None:
    lines = help_text().splitlines()
    width = max(map(len, COMMANDS))
    for name, summary in COMMANDS.items():
        assert f"  {name:<{width}}  {summary}" in lines
    assert all(len(line) <= 100 for line in lines)


def test_summaries_are_sentences() -> None:
    assert all(text[0].isupper() and text.endswith(".") for text in COMMANDS.values())
