"""The paper behind an item: its id, and every name it may return under."""

import pytest

from digestbot.model import FetchedPaper
from digestbot.sources.identity import (
    Names,
    canonical_url,
    first_doi,
    identify,
    in_feed,
    papers_in,
)

FEED = "https://journal.example/feed"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("10.1234/ABC.1", ["doi:10.1234/abc.1"]),
        ("doi:10.1234/abc.1", ["doi:10.1234/abc.1"]),
        ("info:doi/10.1234/abc.1", ["doi:10.1234/abc.1"]),
        ("urn:doi:10.1234/abc.1", ["doi:10.1234/abc.1"]),
        ("https://doi.org/10.1234/abc.1", ["doi:10.1234/abc.1"]),
        ("https://onlinelibrary.example/doi/10.1002/e.1?af=R", ["doi:10.1002/e.1"]),
        ("https://pubs.example/doi/abs/10.1021/acs.x.5b0", ["doi:10.1021/acs.x.5b0"]),
        ("https://pubs.example/doi/full/10.1021/acs.x.5b0/suppl_file", ["doi:10.1021/acs.x.5b0"]),
        ("https://link.example/article/10.1007/s1-2#Sec1", ["doi:10.1007/s1-2"]),
        ("https://x.example/a?doi=10.1234/abc", ["doi:10.1234/abc"]),
        ("https://x.example/a%2Fb/10.1234%2Fabc", ["doi:10.1234/abc"]),
        (
            "https://www.biorxiv.example/content/10.1101/2026.09.03.123456v1.full?rss=1",
            ["doi:10.1101/2026.09.03.123456"],
        ),
        ("https://arxiv.org/abs/2603.20941v2", ["arxiv:2603.20941"]),
        ("https://papers.cool/arxiv/2603.20941", ["arxiv:2603.20941"]),
        ("https://huggingface.co/papers/2603.20941", ["arxiv:2603.20941"]),
        ("https://www.alphaxiv.org/abs/2603.20941v1", ["arxiv:2603.20941"]),
        ("https://rsshub.example/arxiv/2603.20941", ["arxiv:2603.20941"]),
        ("oai:arXiv.org:2603.20941v1", ["arxiv:2603.20941"]),
        ("https://evil-arxiv.org/abs/2603.20941", []),
        ("https://shop.example/items/2603.20941", []),
        ("2603.20941", []),
        ("1", []),
        ("pmid:40000001", []),
        ("hwp:resource-id:joe;10/1/1", []),
        ("https://[bad", []),
        ("", []),
    ],
)
def test_identifiers_name_papers(text: str, ids: list[str]) -> None:
    assert [paper.id for paper in papers_in(text)] == ids


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://x.example/a", "https://x.example/a"),
        ("https://www.x.example/a/", "https://x.example/a"),
        ("https://x.example/a?utm_source=rss&b=1", "https://x.example/a?b=1"),
        ("https://x.example/a?b=1&c=2", "https://x.example/a?c=2&b=1"),
        ("https://x.example/a#top", "https://X.example/a"),
        ("http://x.example:80/a", "https://x.example:443/a"),
        ("https://x.example/a?fbclid=1&b=2", "https://x.example/a?b=2"),
        ("https://x.example/a?af=R", "https://x.example/a"),
        ("https://x.example/a?rss=1", "https://x.example/a"),
        ("https://x.example/a;jsessionid=AB12?b=1", "https://x.example/a?b=1"),
        ("https://x.example/a b|c", "https://x.example/a%20b%7Cc"),
        ("https://x.example/%7Ebee/a", "https://x.example/~bee/a"),
        ("https://x.example", "https://x.example/"),
        (" https://x.example/a ", "https://x.example/a"),
        ("https://x.example/a?", "https://x.example/a"),
        ("https://x.example/S1?dgcid=rss_sd_all", "https://x.example/S1"),
    ],
)
def test_equal_addresses_compare_equal(one: str, other: str) -> None:
    assert canonical_url(one) == canonical_url(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://x.example/a?id=1", "https://x.example/a?id=2"),
        ("https://x.example/a", "https://x.example/A"),
        ("urn:uuid:1", "urn:uuid:2"),
        ("https://x.example/%E9", "https://x.example/%E8"),
        ("https://x.example/a%2525", "https://x.example/a%25"),
        ("https://x.example/a\ud800", "https://x.example/a"),
    ],
)
def test_different_addresses_differ(one: str, other: str) -> None:
    assert canonical_url(one) != canonical_url(other)


def test_a_doi_shared_by_different_items_is_dropped() -> None:
    items = [
        Names(
            guid=f"j-{n}",
            links=(f"https://x.example/{n}",),
            identifiers=("10.1234/journal",),
            title=f"T{n}",
        )
        for n in range(3)
    ]
    found = identify(items, FEED)
    assert len({each.paper.id for each in found}) == 3
    assert all(each.doi is None for each in found)


def test_an_item_listed_twice_is_one_paper() -> None:
    item = Names(guid="j-1", links=("https://x.example/1",), title="T")
    one, other = identify([item, item], FEED)
    assert one == other


def test_only_global_names_leave_the_feed() -> None:
    (one,) = identify([Names(guid="1", title="T")], FEED)
    (other,) = identify([Names(guid="1", title="T")], "https://other.example/feed")
    assert one.paper.id != other.paper.id
    (first,) = identify([Names(guid="https://x.example/1", title="T")], FEED)
    (second,) = identify([Names(guid="http://x.example/1", title="T")], "https://o.example")
    assert first.paper.id == second.paper.id


def test_an_arxiv_id_comes_first_and_keeps_its_version() -> None:
    names = Names(guid="10.1234/x", links=("https://arxiv.org/abs/2603.20941v3",), title="T")
    (found,) = identify([names], FEED)
    assert (found.paper.id, found.paper.version, found.doi) == ("arxiv:2603.20941", 3, "10.1234/x")


@pytest.mark.parametrize(
    ("text", "doi"),
    [
        ("10.1234/exj.1 10.1234/exj.2", "10.1234/exj.1"),
        ("https://doi.org/10.1234/EXJ.3", "10.1234/EXJ.3"),
        ("see 10.1234/exj.4", "10.1234/exj.4"),
        ("none", None),
        (None, None),
    ],
)
def test_a_field_has_one_doi(text: str | None, doi: str | None) -> None:
    assert first_doi(text) == doi


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("10.48550/arXiv.2603.20941", ["arxiv:2603.20941"]),
        ("doi:10.48550/ARXIV.math/0309136", ["arxiv:math/0309136"]),
        ("https://mirror.example/doi/10.48550/arXiv.2603.20941", ["arxiv:2603.20941"]),
        ("10.48550/arXiv.recipes", []),
    ],
)
def test_dois_of_arxiv_are_arxiv_ids(text: str, ids: list[str]) -> None:
    assert [paper.id for paper in papers_in(text)] == ids


def test_names_that_hold_in_one_feed_are_scoped_by_it() -> None:
    aliases = ("doi:10.5555/x", "url://x.example/1", "guid:1", "link://x.example", "work:abc")
    paper = FetchedPaper(id="doi:10.5555/x", title="A", abstract="", url="", aliases=aliases)
    one, other = (in_feed(paper, f"https://{name}.example/").aliases for name in "ab")
    assert set(one) & set(other) == {"doi:10.5555/x", "url://x.example/1", "work:abc"}
    assert len(one) == len(aliases)


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("pmid:123", "pmid:123"),
        ("https://pubmed.ncbi.nlm.nih.gov/31234567/?utm_source=rss", "pmid:31234567"),
        ("http://www.ncbi.nlm.nih.gov/pubmed/31234567", "pmid:31234567"),
        ("https://europepmc.org/article/MED/31234567", "pmid:31234567"),
        ("https://pmc.ncbi.nlm.nih.gov/articles/PMC7654321/", "pmcid:7654321"),
        ("https://www.ncbi.nlm.nih.gov/pmc/articles/PMC7654321/pdf/x.pdf", "pmcid:7654321"),
        ("https://europepmc.org/article/PMC/PMC7654321", "pmcid:7654321"),
    ],
)
def test_pubmed_ids_are_names(text: str, alias: str) -> None:
    (identity,) = identify([Names(guid=text, title="T")], "https://x.example")
    assert alias in identity.aliases


def test_other_numbers_are_no_pubmed_ids() -> None:
    for text in ("31234567", "https://x.example/pubmed/31234567", "https://europepmc.org/search"):
        (identity,) = identify([Names(guid=text, title="T")], "https://x.example")
        assert not any(alias.startswith(("pmid:", "pmcid:")) for alias in identity.aliases)
