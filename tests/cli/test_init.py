"""`init`: a first config that holds."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Bot


def test_the_defaults_pass_check(bot: Bot) -> None:
    called = bot("init", "--yes")
    assert (called.code, called.out) == (0, "config.yaml\n")
    assert "digestbot check" in called.err
    assert bot("check").code == 0


def test_answers_come_from_questions(bot: Bot) -> None:
    called = bot("init", stdin="cs.OS, math.NA\ngpu, C++ #1\nreader@example.org\n")
    assert called.code == 0
    text = Path("config.yaml").read_text()
    for answer in ("cs.OS", "math.NA", "gpu", "C++ #1", "reader@example.org"):
        assert answer in text
    assert bot("check").code == 0


def test_quotes_around_a_phrase_are_no_part_of_it(bot: Bot) -> None:
    bot("init", "--yes", "--keywords", 'gpu, "mixture of experts", “cold start”')
    assert "- mixture of experts\n" in Path("config.yaml").read_text()
    assert "- cold start\n" in Path("config.yaml").read_text()


@pytest.mark.parametrize(
    ("machine", "written"),
    [("Asia/Tokyo", "Asia/Tokyo"), ("Etc/UTC", "UTC"), ("No/Where", "UTC"), ("", "UTC")],
)
def test_the_zone_is_that_of_the_machine(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, machine: str, written: str
) -> None:
    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: machine)
    bot("init", "--yes")
    assert f"\ntimezone: {written} " in Path("config.yaml").read_text()
    assert bot("check").code == 0


def test_empty_answers_are_the_defaults(bot: Bot) -> None:
    bot("init", stdin="\n\n\n")
    asked = Path("config.yaml").read_text()
    bot("init", "--yes", "--force")
    assert Path("config.yaml").read_text() == asked


def test_what_is_given_as_an_option_is_not_asked_for(bot: Bot) -> None:
    called = bot(
        "init", "--categories", "q-bio", "--keywords", "enzyme", "--email", "a@example.org"
    )
    assert called.code == 0
    assert "q-bio" in Path("config.yaml").read_text()


def test_a_wrong_answer_is_asked_for_again(bot: Bot) -> None:
    called = bot("init", stdin="cs.ZZ\ncs.DC\n\nnobody\nreader@example.org\n")
    assert called.code == 0
    assert 'arXiv has no category "cs.ZZ"' in called.err
    assert '"nobody"' in called.err
    assert bot("check").code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--categories", "cs.ZZ"), 'arXiv has no category "cs.ZZ"'),
        (("--email", "nobody"), '"nobody"'),
    ],
)
def test_a_wrong_option_writes_nothing(bot: Bot, options: tuple[str, str], words: str) -> None:
    called = bot("init", "--yes", *options)
    assert called.code == 2
    assert words in called.err
    assert not Path("config.yaml").exists()


def test_json_stays_json_while_it_asks(bot: Bot) -> None:
    called = bot("init", "--json", stdin="\n\n\n")
    assert json.loads(called.out) == {"config": "config.yaml"}


def test_nothing_is_written_over(bot: Bot) -> None:
    Path("config.yaml").write_text("mine: true\n")
    called = bot("init", "--yes")
    assert called.code == 2
    assert "config.yaml is there already; --force writes over it" in called.err
    assert Path("config.yaml").read_text() == "mine: true\n"


def test_another_place_can_be_named(bot: Bot) -> None:
    assert bot("init", "--yes", "--config", "sub/mine.yaml").code == 0
    assert bot("check", "--config", "sub/mine.yaml").code == 0


def test_a_place_that_cannot_be_written_to_is_said(bot: Bot) -> None:
    Path("taken").write_text("a file")
    called = bot("init", "--yes", "--config", "taken/config.yaml")
    assert called.code == 2
    assert "cannot write taken/config.yaml" in called.err


def test_who_answers_no_more_has_interrupted(bot: Bot) -> None:
    called = bot("init", stdin="")
    assert (called.code, called.err.endswith("interrupted\n")) == (130, True)
    assert not Path("config.yaml").exists()
