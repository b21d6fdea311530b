"""Queries in URLs of arXiv; the oracle for a query without one is the text itself."""

import pytest

from digestbot.filters.arxiv_urls import UnreadableUrl, query_of
from digestbot.filters.query import parse_query

SEARCH = "https://arxiv.org/search"
ADVANCED = f"{SEARCH}/advanced?advanced=&terms-0-operator=AND&terms-0-term=gpu&terms-0-field=title"


@pytest.mark.parametrize(
    ("url", "query"),
    [
        (
            "http://export.arxiv.org/api/query?search_query=ti:gpu+AND+cat:cs.DC",
            "ti:gpu AND cat:cs.DC",
        ),
        (f"{SEARCH}/?query=gpu&searchtype=all&source=header", "all:gpu"),
        (f"{SEARCH}/?query=graph+neural&searchtype=title", "ti:graph AND ti:neural"),
        (
            f"{SEARCH}/?query=%22cold+start%22+gpu&searchtype=abstract",
            'abs:"cold start" AND abs:gpu',
        ),
        (f"{SEARCH}/?query=Stoica%2C+Ion&searchtype=author", 'au:"Ion Stoica"'),
        (
            f"{SEARCH}/?query=Stoica%2C+I%3B+Zaharia&searchtype=author",
            'au:"I Stoica" AND au:"Zaharia"',
        ),
        (f"{SEARCH}/?query=ICML&searchtype=comments", "co:ICML"),
        (f"{SEARCH}/cs?query=gpu&searchtype=title", "ti:gpu AND cat:cs.*"),
        (f"{SEARCH}/quant-ph?query=a+b", "(all:a AND all:b) AND cat:quant-ph*"),
        ("arxiv.org/search/?query=gpu", "all:gpu"),
        (ADVANCED, "ti:gpu"),
        (
            f"{ADVANCED}&terms-1-operator=NOT&terms-1-term=survey&terms-1-field=title",
            "ti:gpu ANDNOT ti:survey",
        ),
        (f"{ADVANCED}&terms-1-operator=OR&terms-1-term=&terms-1-field=title", "ti:gpu"),
        (f"{ADVANCED}&classification-computer_science=y", "ti:gpu AND cat:cs.*"),
        (
            f"{ADVANCED}&classification-statistics=y&classification-physics=y"
            "&classification-physics_archives=hep-th",
            "ti:gpu AND (cat:stat.* OR cat:hep-th*)",
        ),
        ("https://arxiv.org/list/cs.DC/recent", "cat:cs.DC"),
        ("ti:gpu", "ti:gpu"),
        ("au:del_maestro+AND+ti:x", "au:del_maestro AND ti:x"),
    ],
)
def test_the_query_of_a_url(url: str, query: str) -> None:
    assert query_of(url) == query
    assert parse_query(query, 1.0, ()).describe()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"{SEARCH}/", "this URL of arXiv has no query; copy the one of the page of results"),
        (
            f"{SEARCH}/advanced",
            "this URL of arXiv has no query; copy the one of the page of results",
        ),
        (
            f"{SEARCH}/?query=x&searchtype=orcid",
            'a search in the field "orcid" cannot be repeated here; use all, title, author, '
            "abstract, comments, journal_ref, paper_id, cross_list_category",
        ),
    ],
)
def test_a_url_without_a_usable_query(url: str, message: str) -> None:
    with pytest.raises(UnreadableUrl) as caught:
        query_of(url)
    assert str(caught.value) == message


def test_all_of_physics_is_a_list_of_archives() -> None:
    found = query_of(f"{ADVANCED}&classification-physics=y&classification-physics_archives=all")
    assert "cat:hep-th" in found
    assert parse_query(found, 1.0, ()).describe()
