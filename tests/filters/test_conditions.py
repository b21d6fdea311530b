"""Terms, categories and whole filters; results and reasons are in the tables."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from digestbot.filters import check_filter, evaluate, parse_filter
from digestbot.model import Author
from tests.factories import make_announcement, make_paper
from tests.filters.tables import table


def cases(name: str) -> list[Any]:
    return [pytest.param(*row[:3], id=f"{row[0]} = {row[1]}: {row[3]}") for row in table(name)]


def matches(filter_: object, **paper: Any) -> bool:
    fields = {"title": "", "abstract": "", "comment": None, "authors": ()} | paper
    made = make_announcement(paper=make_paper(**fields))
    return evaluate(parse_filter(filter_), made).matched


@pytest.mark.parametrize(("term", "text", "found"), cases("terms.tsv"))
def test_terms_match_words(term: str, text: str, found: str) -> None:
    assert matches({"title": term}, title=text) is (found == "yes")
    assert matches(term, abstract=text) is (found == "yes")


@pytest.mark.parametrize(("wanted", "codes", "found"), cases("categories.tsv"))
def test_categories_match_codes(wanted: str, codes: str, found: str) -> None:
    assert matches({"category": wanted}, categories=tuple(codes.split())) is (found == "yes")
    for code in codes.split()[1:]:
        assert matches({"primary": wanted}, primary_category=code) is (found == "yes")


@pytest.mark.parametrize(("filter_", "paper", "found"), cases("filters.tsv"))
def test_filters_match_papers(filter_: str, paper: str, found: str) -> None:
    yaml = YAML(typ="safe")
    fields = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in yaml.load(paper).items()
    }
    fields["authors"] = tuple(Author(name=name) for name in fields.get("authors", ()))
    data = yaml.load(filter_)
    assert check_filter(data)[1] == ()
    assert matches(data, **fields) is (found == "yes")


def test_the_tables_have_no_duplicates() -> None:
    names = ("terms", "categories", "filters", "near", "queries", "authors")
    rows = [(name, *row[:-1]) for name in names for row in table(f"{name}.tsv")]
    assert len(rows) >= 300
    assert len(rows) == len(set(rows))
