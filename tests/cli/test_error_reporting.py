"""Exceptions become messages and exit codes."""

import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import click
import pytest

from digestbot.cli.app import App
from digestbot.cli.error_reporting import run_reporting_errors
from digestbot.errors import (
    ConfigError,
    DigestbotError,
    InvalidValue,
    MissingExtra,
    Problem,
    SourceLate,
    UsageError,
)
from tests.factories import NOW

ROOT = Path(__file__).parents[2]


def command_that(error: BaseException) -> click.Command:
    """Return a command that raises *error*."""

    @click.command()
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("no digest 'x'"), 2, "no digest 'x'\n"),
        (InvalidValue("no identifier"), 2, "no identifier\n"),
        (
            ConfigError([Problem(file="c.yaml", line=n, column=1, message="odd") for n in (1, 2)]),
            2,
            "c.yaml:1:1: odd\nc.yaml:2:1: odd\n",
        ),
        (SourceLate("arxiv: not now"), 1, "digestbot: arxiv: not now\n"),
        (DigestbotError("gone"), 1, "digestbot: gone\n"),
        (
            MissingExtra("PostgreSQL", "postgres"),
            1,
            "digestbot: PostgreSQL needs an extra: pip install 'digestbot[postgres]'\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_error_class_decides_the_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    assert run_reporting_errors(command_that(error), []) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.lstrip("\n") == message


def test_bug_prints_one_line_and_writes_a_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run_reporting_errors(command_that(ZeroDivisionError("by zero")), []) == 1
    (file,) = tmp_path.iterdir()
    line = capsys.readouterr().err
    assert line == (
        "digestbot: unexpected ZeroDivisionError (a bug); sent deliveries stay recorded. "
        f"Please report it with {file}\n"
    )
    assert file.read_text().rstrip().endswith("ZeroDivisionError: by zero")


def test_full_disk_is_reported_plainly() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "digestbot", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "digestbot: no space left on the device; free some space and run it again\n"
    )


def test_app_passes_its_clock_to_the_command() -> None:
    seen: list[datetime] = []

    @click.command()
    @click.pass_obj
    def command(app: App) -> int:
        seen.append(app.clock())
        return 0

    assert run_reporting_errors(command, [], App(clock=lambda: NOW)) == 0
    assert seen == [NOW]
