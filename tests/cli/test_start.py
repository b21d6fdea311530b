"""What starting costs, pinned by the modules that are loaded rather than by a stop-watch."""

import subprocess
import sys
from pathlib import Path

import pytest

from digestbot.cli import COMMANDS, help_text
from tests.cli.conftest import Bot

ROOT = Path(__file__).parents[2]
HEAVY = {
    "apscheduler", "alembic", "asyncio", "click", "feedparser", "httpx", "jinja2", "lxml", "numpy",
    "psycopg", "pydantic", "pylatexenc", "re2", "rich", "ruamel", "slack_sdk", "sqlalchemy",
    "starlette", "importlib.metadata",
}  # fmt: skip


def modules_after(code: str) -> set[str]:
    """The modules that are loaded after *code* ran in a fresh Python."""
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n"
    script += "print('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    loaded = modules_after("from digestbot.cli import main; main(['--help'])")
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("digestbot")} == {
        "digestbot",
        "digestbot.cli",
    }


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not modules_after("import digestbot") & HEAVY


@pytest.mark.parametrize("command", ["subscribers", "deliveries", "editions"])
def test_help_of_a_command_loads_no_other_command(command: str) -> None:
    loaded = modules_after(f"from digestbot.cli import main; main(['{command}', '--help'])")
    others = {f"digestbot.cli.{name}" for name in COMMANDS} - {f"digestbot.cli.{command}"}
    assert not loaded & others


def test_quick_help_and_click_say_the_same(bot: Bot) -> None:
    called = bot("-v", "--help")
    assert called.code == 0
    assert called.out == help_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(bot: Bot, command: str) -> None:
    called = bot(command, "--help")
    assert called.code == 0
    assert "--json" in called.out
    assert COMMANDS[command].split()[0].lower() in called.out.lower()


def test_a_slip_in_a_command_gets_a_suggestion(bot: Bot) -> None:
    called = bot("chekc")
    assert called.code == 2
    assert 'unknown command "chekc"; did you mean "check"?' in called.err


def test_an_unknown_option_is_bad_usage(bot: Bot) -> None:
    assert bot("status", "--no-such").code == 2
