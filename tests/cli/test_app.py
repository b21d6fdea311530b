"""Shared parts of all commands: output, files, tables and global options."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from digestbot.cli.app import App, count, open_text, program, table, with_global_options, write_text
from digestbot.errors import UsageError
from digestbot.secret import hide
from tests.cli.conftest import Bot, configure
from tests.factories import NOW

NOWHERE = "http://127.0.0.1:9/"


def text_of(file: Path) -> str:
    with open_text(file) as stream:
        return stream.read()


def test_show_prints_text_or_json_even_if_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"at": NOW, "names": frozenset({"a"}), "path": Path("x")}
    App().show(facts, lambda: "as text")
    App(verbosity=-1).show(facts, lambda: "as text")
    assert capsys.readouterr().out == "as text\nas text\n"
    App(as_json=True).show(facts, lambda: "as text")
    assert json.loads(capsys.readouterr().out) == {
        "at": "2026-11-23T08:00:00Z",
        "names": ["a"],
        "path": "x",
    }


def test_report_is_silent_if_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    App(verbosity=-1).report([], lambda: "as text")
    assert capsys.readouterr().out == ""
    App(verbosity=-1, as_json=True).report([], lambda: "as text")
    App().report([], lambda: "as text")
    assert capsys.readouterr().out == "[]\nas text\n"


def test_show_masks_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    hide(["s3cret"])
    facts = {"s3cret": ["of s3cret", ("s3cret", 1)], "path": Path("s3cret")}
    App(as_json=True).show(facts, lambda: None)
    App().show(facts, lambda: "not s3cret")
    out = capsys.readouterr().out
    assert json.loads(out.removesuffix("not ***\n")) == {
        "s3cret": ["of ***", ["***", 1]],
        "path": "***",
    }


def test_say_prints_to_stderr_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    App().say("note")
    App(verbosity=-1).say("more")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "note\n")


def test_json_and_verbosity_disable_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert App().wants_progress()
    assert not App(as_json=True).wants_progress()
    assert not App(verbosity=1).wants_progress()
    assert not App(verbosity=-1).wants_progress()


def test_table_aligns_columns() -> None:
    rows = [("a", 10, None), ("longer", 1, "x")]
    assert table(("NAME", "N", "NOTE"), rows).splitlines() == [
        "NAME    N   NOTE",
        "a       10",
        "longer  1   x",
    ]


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 deliveries"), (1, "1 delivery"), (2, "2 deliveries")]
)
def test_count_uses_the_plural(number: int, text: str) -> None:
    assert count(number, "delivery", "deliveries") == text
    assert count(2, "paper") == "2 papers"


def test_text_is_written_as_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    write_text(file, "Größe\n")
    assert text_of(file) == "Größe\n"
    file.write_bytes(b"\xef\xbb\xbfwith a byte order mark")
    assert text_of(file) == "with a byte order mark"


def test_unreadable_files_are_usage_errors(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    with pytest.raises(UsageError, match=r"cannot read .*x\.txt: No such file"):
        text_of(file)
    with pytest.raises(UsageError, match=r"cannot write .*: Is a directory"):
        write_text(tmp_path, "")
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"x\.txt: not UTF-8; save the file as UTF-8"):
        text_of(file)


def test_program_is_a_path_if_not_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "digestbot"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == str(script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "digestbot"


def test_later_global_option_wins() -> None:
    @click.group()
    def group() -> None: ...

    @group.command()
    @click.pass_obj
    def sub(app: App) -> None:
        click.echo(f"{app.config_option} {app.verbosity} {app.as_json}")

    args = ["--config", "a", "sub", "--config", "b", "-vv", "--json"]
    result = CliRunner().invoke(with_global_options(group), args, obj=App())
    assert result.output == "b 2 True\n"


def test_times_are_in_the_configured_zone(bot: Bot) -> None:
    from digestbot.cli.app import local

    configure(NOWHERE, top="timezone: Asia/Tokyo")
    config = App().config()
    assert local(datetime(2026, 11, 23, 8, 30, tzinfo=UTC), config) == "2026-11-23 17:30"
    assert local(None, config) == "-"
