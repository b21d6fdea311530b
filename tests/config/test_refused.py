"""
Each mistake of users of other tools is refused at its place, with what to write instead.

The table has the filter or config, the place, the whole message and the reason. What a message
suggests is typed in and accepted.
"""

from collections import defaultdict
from pathlib import Path

import pytest

from digestbot.config import load_config
from digestbot.config.interpolation import interpolate
from digestbot.config.yaml_reader import read_yaml
from digestbot.errors import ConfigError, InvalidFilter
from digestbot.filters import check_filter
from digestbot.filters.foreign import foreign_syntax
from digestbot.filters.query import source_query
from tests.filters.tables import table
from tests.filters.test_index_corpus import real_papers

HEAD = """\
sources: {a: {kind: arxiv, categories: [cs.DC]}}
digests:
  d:
    filter:"""
SIGNS = str.maketrans({"⏎": "\n", "⇥": "\t", "␣": "\u00a0"})
ROWS = table("refused.tsv")
CASES = defaultdict[str, list[str]](list)
for cell, where, message, _ in ROWS:
    CASES[cell].append(f"{where}: {message}")
SUGGESTIONS = sorted(
    {row[2].rpartition("write ")[2] for row in ROWS if "write " in row[2]}
    - {"any:", "all:", "none:", "title:", "author:", "abstract:"}
)
"""Everything after "write", except the keys that replace another key."""


def config(cell: str) -> str:
    text = cell.translate(SIGNS) + "\n"
    return text if text.startswith("sources:") else HEAD + text


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    return [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]


@pytest.mark.parametrize("cell", CASES)
def test_a_mistake_is_refused_at_its_place(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config(cell), encoding="utf-8")
    told = [line for line in mistakes(path) if 'missing key "digests"' not in line]
    assert told == CASES[cell]


def test_there_are_at_least_a_hundred_cases() -> None:
    assert len(ROWS) >= 180
    assert len({row[0] for row in ROWS}) >= 150


@pytest.mark.parametrize("suggestion", SUGGESTIONS)
def test_a_suggestion_is_accepted_when_typed(suggestion: str, tmp_path: Path) -> None:
    root, problems = read_yaml(suggestion, "suggestion")
    data = interpolate(root, {}, tmp_path).data
    assert not problems
    if isinstance(data, dict) and "categories" in data:
        return
    found, errors = check_filter(data)
    assert errors == ()
    assert found is not None
    if isinstance(data, dict) and "query" in data:
        assert source_query(str(data["query"])) == data["query"]


def test_no_row_suggests_what_it_refuses() -> None:
    for cell, _, message, _ in ROWS:
        suggestion = message.rpartition("write ")[2]
        assert suggestion not in {cell.strip(), cell.strip().removeprefix("⏎      - ")}


LOOK_ALIKES = [pytest.param(*row[:2], id=f"{row[0]}: {row[1]}") for row in table("look_alikes.tsv")]


@pytest.mark.parametrize(("key", "text"), LOOK_ALIKES)
def test_a_term_that_looks_like_syntax_is_accepted(key: str, text: str) -> None:
    found, errors = check_filter({key: text} if key != "-" else text)
    assert [str(error) for error in errors] == []
    assert found is not None


@pytest.mark.corpus
def test_terms_of_real_configs_are_accepted(corpus: Path) -> None:
    """All keywords of other people's configs, except lists in one text."""
    lines = (corpus / "keywords.txt").read_text(encoding="utf-8").splitlines()
    refused = [error for line in lines for error in _errors(line.rsplit("\t", 1)[0])]
    assert len(lines) > 2900
    assert {str(error).partition(" (to keep")[0].rpartition('" ')[2] for error in refused} == {
        "is one phrase here"
    }
    assert len(refused) < 30


@pytest.mark.corpus
def test_titles_and_authors_of_papers_are_accepted(corpus: Path) -> None:
    """A pasted title is refused about once in a thousand, for commas or brackets."""
    papers = [one.paper for one in real_papers(corpus, 5000)]
    titles = [foreign_syntax(paper.title, "title", ()) for paper in papers]
    names = {author.name for paper in papers for author in paper.authors}
    assert len(list(filter(None, titles))) <= len(titles) / 500
    assert len([name for name in names if foreign_syntax(name, "author", ())]) <= len(names) / 5000


def _errors(term: str) -> tuple[InvalidFilter, ...]:
    return check_filter({"any": [term]})[1] if term.strip("* ") else ()
