"""The config that `init` writes loads as it is, whatever the answers contain."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.config import load_config
from digestbot.config.initial import Answers, initial_config


@pytest.mark.parametrize(
    "answers",
    [
        Answers(),
        Answers(keywords=()),
        Answers(email="me@example.org", slack="#papers", timezone="Europe/Berlin"),
        Answers(title='Tail: "latency" # 99 %', keywords=("a: b", "#c", "- d", "[e]", "yes")),
    ],
)
def test_it_loads_unchanged(answers: Answers, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(initial_config(answers), encoding="utf-8")
    config = load_config(path, {"SLACK_BOT_TOKEN": "x"})
    (digest,) = config.digests.values()
    assert (digest.title, config.timezone.key) == (answers.title, answers.timezone)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="ab:#'\"\\\\ -[]{}%&*!|>?@`,\u00e9", min_size=1, max_size=20))
def test_any_title_survives(tmp_path: Path, title: str) -> None:
    if not title.strip():
        return
    path = tmp_path / "config.yaml"
    path.write_text(initial_config(Answers(title=title)), encoding="utf-8")
    (digest,) = load_config(path, {}).digests.values()
    assert digest.title == title
