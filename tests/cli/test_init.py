"""`init`: a first config that passes `check`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Bot


def test_default_config_passes_check(bot: Bot) -> None:
    called = bot("init", "--yes")
    assert (called.code, called.out) == (0, "config.yaml\n")
    assert called.err == "next: run 'digestbot check', then 'digestbot preview my-field'\n"
    assert bot("check").code == 0


def test_answers_are_written_to_the_config(bot: Bot) -> None:
    called = bot("init", stdin="cs.OS, math.NA\ngpu, C++ #1\nreader@example.org\n")
    assert called.code == 0
    text = Path("config.yaml").read_text()
    for answer in ("cs.OS", "math.NA", "gpu", "C++ #1", "reader@example.org"):
        assert answer in text
    assert bot("check").code == 0


def test_quotes_around_phrases_are_dropped(bot: Bot) -> None:
    bot("init", "--yes", "--keywords", 'gpu, "mixture of experts", “cold start”')
    assert "- mixture of experts\n" in Path("config.yaml").read_text()
    assert "- cold start\n" in Path("config.yaml").read_text()


def test_keywords_that_check_refuses_are_refused(bot: Bot) -> None:
    called = bot("init", "--yes", "--keywords", "gpu, cloud AND energy")
    assert called.code == 2
    assert "write all: [cloud, energy]" in called.err
    assert not Path("config.yaml").exists()


@pytest.mark.parametrize(
    ("machine", "written"),
    [("Asia/Tokyo", "Asia/Tokyo"), ("Etc/UTC", "UTC"), ("No/Where", "UTC"), ("", "UTC")],
)
def test_timezone_defaults_to_the_machine(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, machine: str, written: str
) -> None:
    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: machine)
    bot("init", "--yes")
    assert f"\ntimezone: {written} " in Path("config.yaml").read_text()
    assert bot("check").code == 0


def test_empty_answers_use_the_defaults(bot: Bot) -> None:
    bot("init", stdin="\n\n\n")
    asked = Path("config.yaml").read_text()
    bot("init", "--yes", "--force")
    assert Path("config.yaml").read_text() == asked


def test_options_replace_questions(bot: Bot) -> None:
    called = bot(
        "init", "--categories", "q-bio", "--keywords", "enzyme", "--email", "a@example.org"
    )
    assert called.code == 0
    assert "q-bio" in Path("config.yaml").read_text()


def test_invalid_answer_is_asked_again(bot: Bot) -> None:
    called = bot("init", stdin="cs.ZZ\ncs.DC\n\ninvalid\nreader@example.org\n")
    assert called.code == 0
    assert 'arXiv has no category "cs.ZZ"' in called.err
    assert '"invalid"' in called.err
    assert bot("check").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--categories", "cs.ZZ"), 'arXiv has no category "cs.ZZ"'),
        (("--email", "invalid"), '"invalid"'),
    ],
)
def test_invalid_option_writes_nothing(bot: Bot, options: tuple[str, str], message: str) -> None:
    called = bot("init", "--yes", *options)
    assert called.code == 2
    assert message in called.err
    assert not Path("config.yaml").exists()


def test_questions_do_not_mix_with_json(bot: Bot) -> None:
    called = bot("init", "--json", stdin="\n\n\n")
    assert json.loads(called.out) == {"config": "config.yaml"}


def test_existing_config_is_not_overwritten(bot: Bot) -> None:
    Path("config.yaml").write_text("mine: true\n")
    called = bot("init", "--yes")
    assert called.code == 2
    assert called.err == "config.yaml already exists; use --force to overwrite\n"
    assert Path("config.yaml").read_text() == "mine: true\n"


def test_config_option_sets_the_path(bot: Bot) -> None:
    assert bot("init", "--yes", "--config", "sub/mine.yaml").code == 0
    assert bot("check", "--config", "sub/mine.yaml").code == 0


def test_unwritable_path_is_reported(bot: Bot) -> None:
    Path("taken").write_text("a file")
    called = bot("init", "--yes", "--config", "taken/config.yaml")
    assert called.code == 2
    assert "cannot write taken/config.yaml" in called.err


def test_end_of_input_interrupts(bot: Bot) -> None:
    called = bot("init", stdin="")
    assert (called.code, called.err.endswith("interrupted\n")) == (130, True)
    assert not Path("config.yaml").exists()
