"""docs/filters.md: every block is a filter, and finds what it says it finds."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from digestbot.filters import evaluate, parse_filter
from digestbot.filters.parser import KEYS
from digestbot.model import Announcement, AnnounceType, Author
from tests.factories import make_announcement, make_paper

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def papers(block: str, verb: str) -> list[Announcement]:
    """What the comments of the block describe: a title alone, or in braces what the paper has."""
    lines = re.findall(rf"^# {verb}: (.*)$", block, flags=re.MULTILINE)
    return [announced(yaml(line) if line.startswith("{") else {"title": line}) for line in lines]


def announced(told: dict[str, Any]) -> Announcement:
    facts: dict[str, Any] = {
        "title": "",
        "abstract": "",
        "comment": None,
        "authors": (),
        "categories": (),
    }
    facts |= {key: tuple(v) if isinstance(v, list) else v for key, v in told.items()}
    facts["authors"] = tuple(Author(name=name) for name in facts["authors"])
    beside = {key: facts.pop(key) for key in ("type", "source") if key in facts}
    if "type" in beside:
        beside["type"] = AnnounceType(beside["type"])
    return make_announcement(paper=make_paper(**facts), **beside)


def yaml(text: str) -> Any:
    return YAML(typ="safe").load(text)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_of_the_page_does_what_it_says(block: str) -> None:
    filter_ = parse_filter(yaml(block))
    assert all(evaluate(filter_, paper).matched for paper in papers(block, "matches"))
    assert not any(evaluate(filter_, paper).matched for paper in papers(block, "misses"))


def test_every_block_says_what_it_finds_and_what_not() -> None:
    silent = [block for block in BLOCKS if "# matches: " not in block or "# misses: " not in block]
    assert [yaml(block) for block in silent] == [
        {"any": ["serverless", "cold start"], "examples": {"match": [EXAMPLE], "skip": [OTHER]}}
    ]


EXAMPLE, OTHER = "arxiv:2603.20941", "arxiv:2603.20831"


def test_every_condition_has_an_example() -> None:
    text = "\n".join(BLOCKS)
    for key in (*KEYS, "min_score", "examples"):
        assert re.search(rf"\b{key}:", text), key
