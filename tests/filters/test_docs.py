"""docs/filters.md: every block is a valid filter that matches as documented."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from digestbot.filters import evaluate, parse_filter
from digestbot.filters.parser import KEYS
from digestbot.model import Announcement, AnnounceType, Author, DocumentType
from tests.factories import make_announcement, make_paper

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def papers(block: str, verb: str) -> list[Announcement]:
    """Return the papers in the block's comments: a title, or fields in braces."""
    lines = re.findall(rf"^# {verb}: (.*)$", block, flags=re.MULTILINE)
    return [announced(yaml(line) if line.startswith("{") else {"title": line}) for line in lines]


def announced(fields: dict[str, Any]) -> Announcement:
    facts: dict[str, Any] = {
        "title": "",
        "abstract": "",
        "comment": None,
        "authors": (),
        "categories": (),
    }
    facts |= {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
    facts["authors"] = tuple(Author(name=name) for name in facts["authors"])
    announced_as = {key: facts.pop(key) for key in ("type", "source") if key in facts}
    if "type" in announced_as:
        announced_as["type"] = AnnounceType(announced_as["type"])
    if "document" in facts:
        facts["document_type"] = DocumentType(facts.pop("document"))
    return make_announcement(paper=make_paper(**facts), **announced_as)


def yaml(text: str) -> Any:
    return YAML(typ="safe").load(text)


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_match_and_miss_as_documented(block: str) -> None:
    filter_ = parse_filter(yaml(block))
    assert all(evaluate(filter_, paper).matched for paper in papers(block, "matches"))
    assert not any(evaluate(filter_, paper).matched for paper in papers(block, "misses"))


def test_every_block_has_a_match_and_a_miss() -> None:
    incomplete = [
        block for block in BLOCKS if "# matches: " not in block or "# misses: " not in block
    ]
    assert [yaml(block) for block in incomplete] == [
        {"any": ["serverless", "cold start"], "examples": {"match": [EXAMPLE], "skip": [OTHER]}}
    ]


EXAMPLE, OTHER = "arxiv:2603.20941", "arxiv:2603.20831"


def test_every_condition_has_an_example() -> None:
    text = "\n".join(BLOCKS)
    for key in (*KEYS, "min_score", "examples"):
        assert re.search(rf"\b{key}:", text), key
