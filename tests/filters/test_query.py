"""arXiv's query syntax: meaning and errors; reasons are in the table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import InvalidFilter
from digestbot.filters import check_filter, evaluate, explain, format_explanation, parse_filter
from digestbot.filters.query import parse_query
from digestbot.filters.tree import Node, Path
from digestbot.model import Author
from tests.factories import make_announcement, make_paper
from tests.filters.tables import table

CASES = [pytest.param(*row[:2], id=f"{row[0]}: {row[2]}") for row in table("queries.tsv")]


@pytest.mark.parametrize(("query", "expected"), CASES)
def test_a_query_has_a_description_or_an_error(query: str, expected: str) -> None:
    found, errors = check_filter({"query": query})
    text = f"! {errors[0]}" if found is None else found.describe()
    assert text == expected
    assert all(error.path == ("query",) for error in errors)


def matches(query: str, **paper: Any) -> bool:
    fields = {"title": "", "abstract": "", "comment": None, "authors": (), "categories": ()} | paper
    return evaluate(
        parse_filter({"query": query}), make_announcement(paper=make_paper(**fields))
    ).matched


@pytest.mark.parametrize(
    ("query", "paper", "found"),
    [
        ("all:x", {"title": "x"}, True),
        ("all:x", {"abstract": "x"}, True),
        ("all:x", {"comment": "x"}, True),
        ("all:x", {"journal_ref": "x"}, True),
        ("all:stoica", {"authors": (Author(name="Ion Stoica"),)}, True),
        ("all:stoica_i", {"authors": (Author(name="Ion Stoica"),)}, True),
        ("all:sto*", {"authors": (Author(name="Ion Stoica"),)}, True),
        ("all:cs.DC", {"categories": ("cs.DC",)}, True),
        ("all:cs.NA", {"categories": ("math.NA",)}, True),
        ("all:math", {"categories": ("math.NA",)}, False),
        ("all:2611.01234", {"id": "arxiv:2611.01234"}, True),
        ("all:x", {"title": "y"}, False),
        ("au:smith_j", {"authors": (Author(name="John Smith"),)}, True),
        ("au:smith_j", {"authors": (Author(name="Anna Smith"),)}, False),
        ("au:del_maestro", {"authors": (Author(name="Adrian Del Maestro"),)}, True),
        ("au:stoica_ion", {"authors": (Author(name="Ion Stoica"),)}, True),
        ("au:maes*", {"authors": (Author(name="A. Nobody"), Author(name="A. Maestro"))}, True),
        ("au:maes*", {"authors": (Author(name="A. Nobody"),)}, False),
        ("au:ion_sto*", {"authors": (Author(name="Ion"), Author(name="Stoica"))}, False),
    ],
)
def test_a_query_matches_papers(query: str, paper: Any, found: bool) -> None:
    assert matches(query, **paper) is found


@pytest.mark.parametrize(
    ("bounds", "moment", "found"),
    [
        ("202603010000 TO 202603312359", (2026, 3, 1, 0, 0, 0), True),
        ("202603010000 TO 202603312359", (2026, 2, 28, 23, 59, 59), False),
        ("202603010000 TO 202603312359", (2026, 3, 31, 23, 59, 59), True),
        ("202603010000 TO 202603312359", (2026, 4, 1, 0, 0, 0), False),
        ("20260301 TO 20260301", (2026, 3, 1, 23, 59, 59), True),
        ("20260301 TO 20260301", (2026, 3, 2, 0, 0, 0), False),
        ("20260301000000 TO 20260301000001", (2026, 3, 1, 0, 0, 1), True),
        ("20260301000000 TO 20260301000001", (2026, 3, 1, 0, 0, 2), False),
        ("* TO 20260301", (1991, 8, 1, 0, 0, 0), True),
        ("20260301 TO *", (2030, 1, 1, 0, 0, 0), True),
        ("20260301 TO 99991231", (2030, 1, 1, 0, 0, 0), True),
    ],
)
def test_date_ranges_are_in_gmt_and_inclusive(
    bounds: str, moment: tuple[int, ...], found: bool
) -> None:
    when = datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]
    later = when + timedelta(days=4000)
    assert matches(f"submittedDate:[{bounds}]", published=when, updated=later) is found
    assert matches(f"lastUpdatedDate:[{bounds}]", published=later, updated=when) is found


def test_a_paper_without_a_date_is_in_no_range() -> None:
    assert not matches("submittedDate:[* TO *]", published=None, updated=None)
    assert matches("all:x ANDNOT submittedDate:[20200101 TO *]", title="x", published=None)


def test_a_query_combines_with_other_conditions() -> None:
    data = {"any": [{"query": ["ti:a OR abs:b", "co:c"], "weight": 2}], "none": "d"}
    filter_ = parse_filter(data)
    assert filter_.describe() == "(title: a or abstract: b or comment: c) and not d"
    paper = make_paper(title="a", abstract="b", comment=None)
    assert evaluate(filter_, make_announcement(paper=paper)).score == 6


def test_explain_shows_the_tree() -> None:
    filter_ = parse_filter({"query": "ti:gpu OR ti:tpu ANDNOT au:smith"})
    paper = make_paper(title="On GPUs", authors=(Author(name="Ann Smith"),))
    assert format_explanation(explain(filter_, make_announcement(paper=paper))) == "\n".join(
        [
            "✗ all of these",
            "  ✓ at least one of these",
            "    ✓ title: gpu: “GPUs” in the title",
            "    ✗ title: tpu: no hit",
            "  ✗ excluded by none: author: smith",
            "    ✗ author: smith: “Ann Smith” in the authors, which excludes the paper",
        ]
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("x" * 2001, "longer than 2000 characters"),
        ('ti:"' + "x" * 501 + '"', "at character 4: longer than 500 characters"),
        ("(" * 33 + "x" + ")" * 33, "at character 33: nested deeper than 32 levels"),
        ("(" * 1000 + "x" + ")" * 999, "at character 1: this bracket is not closed"),
        ("(" * 1999, "this bracket is not closed"),
        ("x" + " OR x AND x" * 50, "AND and OR alternate more than 32 times; split the query"),
        (" OR ".join(["x"] * 330), ""),
    ],
)
def test_a_query_has_limits(query: str, message: str) -> None:
    found, errors = check_filter({"query": query})
    if message:
        assert message in str(errors[0])
    else:
        assert found is not None


def test_the_terms_of_queries_count_as_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counted(text: str, weight: float, path: Path) -> Node:
        read.append(text)
        return parse_query(text, weight, path)

    monkeypatch.setattr("digestbot.filters.query.parse_query", counted)
    long = " OR ".join(["ti:x"] * 200)
    assert check_filter({"query": [long] * 9})[1] == ()
    read.clear()
    errors = check_filter({"query": [long] * 1000})[1]
    assert [str(error) for error in errors] == [
        "more than 2000 conditions in one filter; split the digest"
    ]
    assert len(read) == 6  # 1,000 for the list itself, then 200 for each


PIECES = st.sampled_from(
    ["ti:", "au:", "all:", "cat:", "x", "y z", '"', "(", ")", "[", "]", " ", " AND ", " OR ",
     " ANDNOT ", " NOT ", "*", "submittedDate:[20260101 TO *]", "cs.DC", "_", "%22", "+", "é", ":"]
)  # fmt: skip
QUERIES = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=40)


@given(QUERIES)
def test_any_text_is_a_query_or_one_error(query: str) -> None:
    found, errors = check_filter({"query": query})
    assert (found is None) == (len(errors) == 1)
    assert all(str(error) and "\n" not in str(error) for error in errors)
    if found is not None:
        evaluate(found, make_announcement())


TERM = st.sampled_from(["ti:a", "ti:b", "abs:a", "co:c"])
CHAIN = st.lists(st.sampled_from(["AND", "OR", "ANDNOT"]), max_size=6)
TITLE = st.sets(st.sampled_from("ab")).map(" ".join)


@given(CHAIN, st.data(), TITLE, TITLE)
def test_operators_are_read_from_left_to_right(
    operators: list[str], data: st.DataObject, title: str, abstract: str
) -> None:
    terms = [data.draw(TERM) for _ in range(len(operators) + 1)]
    paper = {"title": title, "abstract": abstract}
    holds = matches(terms[0], **paper)
    query = terms[0]
    for operator, term in zip(operators, terms[1:], strict=True):
        query += f" {operator} {term}"
        other = matches(term, **paper)
        holds = (holds or other) if operator == "OR" else holds and other is (operator == "AND")
    assert matches(query, **paper) is holds


@pytest.mark.parametrize("text", ["search_query=+", "search_query=", "%20", " "])
def test_a_query_that_decodes_to_blank_is_empty(text: str) -> None:
    with pytest.raises(InvalidFilter, match="the query is empty"):
        parse_filter({"query": text})
