"""Field tags of other search tools, and terms that only look like one."""

import pytest

from digestbot.filters.databases import find_tag, without_tags


@pytest.mark.parametrize(
    ("text", "tool", "tag", "term", "field"),
    [
        ("cancer[tiab]", "PubMed", "[tiab]", "cancer", ""),
        ("cancer [Title/Abstract]", "PubMed", "[Title/Abstract]", "cancer", ""),
        ("cancer[ti]", "PubMed", "[ti]", "cancer", "title"),
        ('"heart attack"[MeSH Terms]', "PubMed", "[MeSH Terms]", "heart attack", ""),
        ("neoplasms[mesh:noexp]", "PubMed", "[mesh:noexp]", "neoplasms", ""),
        ("Smith J[au]", "PubMed", "[au]", "Smith J", "author"),
        ("TITLE-ABS-KEY ( graphene )", "Scopus", "TITLE-ABS-KEY (", "graphene", ""),
        ("AUTHLASTNAME(Smith)", "Scopus", "AUTHLASTNAME(", "Smith", "author"),
        ('TS=("deep learning")', "Web of Science", "TS=", "deep learning", ""),
        ("TI = graphene", "Web of Science", "TI =", "graphene", "title"),
        ("SO=Nature", "Web of Science", "SO=", "Nature", "journal"),
        ("heart failure.ti,ab.", "Ovid", ".ti,ab.", "heart failure", ""),
        ("heart.ti,ab", "Ovid", ".ti,ab", "heart", ""),
        ("Smith J.au.", "Ovid", ".au.", "Smith J", "author"),
        ("exp Heart Failure/", "Ovid", "exp Heart Failure/", "Heart Failure", ""),
    ],
)
def test_a_tag_is_recognized(text: str, tool: str, tag: str, term: str, field: str) -> None:
    found = find_tag(text)
    assert found is not None
    assert (found.tool, found.tag, found.term, found.field) == (tool, tag, term, field)


@pytest.mark.parametrize(
    "text",
    ["[CII]", "[Au/Fe]", "p(x)", "T=0", "ABS braking", "e.g. ti", "and/or", "St. Paul", "TI"],
)
def test_a_term_is_not_a_tag(text: str) -> None:
    assert find_tag(text) is None


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("cancer[ti]", "ti:cancer"),
        ("a[ti] OR b[au]", "ti:a OR au:b"),
        ("TITLE(a) AND NOT ABS(b)", "ti:a ANDNOT abs:b"),
        ("TI=a NOT TI=(b)", "ti:a ANDNOT ti:b"),
    ],
)
def test_tags_become_prefixes(text: str, query: str) -> None:
    assert without_tags(text) == query


def test_many_tags_are_not_translated() -> None:
    assert without_tags(" OR ".join(["a[ti]"] * 21)) == ""
