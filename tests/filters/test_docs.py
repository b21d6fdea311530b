"""docs/filters.md: every block is a filter, and finds the titles that it says it finds."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from digestbot.filters import Filter, evaluate, parse_filter
from digestbot.filters.language import KEYS
from tests.factories import make_announcement, make_paper

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def titles(block: str, verb: str) -> list[str]:
    return re.findall(rf"^# {verb}: (.*)$", block, flags=re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_of_the_page_does_what_it_says(block: str) -> None:
    filter_ = parse_filter(YAML(typ="safe").load(block))
    assert all(matches(filter_, title) for title in titles(block, "matches"))
    assert not any(matches(filter_, title) for title in titles(block, "misses"))


def matches(filter_: Filter, title: str) -> bool:
    paper = make_paper(title=title, abstract="")
    return evaluate(filter_, make_announcement(paper=paper)).matched


def test_every_condition_has_an_example() -> None:
    text = "\n".join(BLOCKS)
    for key in (*KEYS, "min_score", "examples"):
        assert re.search(rf"\b{key}:", text), key
