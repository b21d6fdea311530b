"""PubMed: search and history, large searches, labelled abstracts, partial dates, books."""

import json
from datetime import date, timedelta

import pytest

from digestbot.errors import BadAnswer
from digestbot.model import DocumentType, FetchedPaper
from digestbot.secret import Secret
from digestbot.sources.pubmed import MAX_SERVED, PubmedOptions, read_page
from digestbot.sources.web_api import Window
from tests.servers.pubmed import DOCTYPE, article
from tests.sources.conformance import NOW, make_works

WINDOW = Window(floor=NOW - timedelta(days=7), since=NOW, until=NOW)
OPTIONS = PubmedOptions(query="organoids[tiab]", page_size=500)
FETCH = json.dumps({"history": "env", "key": "1", "count": 1, "days": []})


def paper(*changes: tuple[str, str]) -> FetchedPaper:
    """Return the one paper of an answer, in which parts of the text are replaced."""
    text = article(make_works(1)[0])
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    body = f"{DOCTYPE}<PubmedArticleSet>{text}</PubmedArticleSet>".encode()
    return read_page(body, FETCH).records[0].paper


def searched(count: int, cursor: str, **more: object) -> str | None:
    result = {"count": str(count), "querykey": "1", "webenv": "env", **more}
    return read_page(json.dumps({"esearchresult": result}).encode(), cursor).cursor


def test_a_search_is_followed_by_its_records() -> None:
    search = OPTIONS.request(WINDOW, "")
    assert search.url == "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/esearch.fcgi"
    days = tuple(search.params[name] for name in ("datetype", "mindate", "maxdate"))
    assert days == ("crdt", "2026/11/16", "2026/11/24")
    cursor = searched(1200, search.cursor)
    starts = []
    while cursor:
        fetch = OPTIONS.request(WINDOW, cursor)
        assert fetch.url.endswith("/efetch.fcgi")
        assert (fetch.params["WebEnv"], fetch.params["query_key"]) == ("env", "1")
        starts.append(fetch.params["retstart"])
        page = read_page(b"<PubmedArticleSet></PubmedArticleSet>", fetch.cursor)
        assert page.total == 1200
        cursor = page.cursor
    assert starts == ["0", "500", "1000"]


def test_a_search_without_results_ends() -> None:
    assert searched(0, OPTIONS.request(WINDOW, "").cursor, webenv="", querykey="") is None


def test_large_searches_are_split_into_days() -> None:
    """Each day is read once, in order, however many records it takes to get below the limit."""
    per_day, served = 4000, []
    cursor: str | None = ""
    for _ in range(200):
        request = OPTIONS.request(WINDOW, cursor or "")
        if "mindate" in request.params:
            first, last = (
                date.fromisoformat(request.params[name].replace("/", "-"))
                for name in ("mindate", "maxdate")
            )
            count = ((last - first).days + 1) * per_day
            if count <= MAX_SERVED:
                served += [first + timedelta(days=n) for n in range((last - first).days + 1)]
            cursor = searched(count, request.cursor)
        else:
            page = read_page(b"<PubmedArticleSet></PubmedArticleSet>", request.cursor)
            cursor = page.cursor
        if cursor is None:
            break
    assert served == [date(2026, 11, 16) + timedelta(days=n) for n in range(9)]
    assert page.total == 9 * per_day


def test_a_day_beyond_the_limit_is_read_as_far_as_served() -> None:
    """The total tells the pass that records are missing."""
    window = Window(floor=NOW, since=NOW, until=NOW - timedelta(days=1))
    cursor = searched(30_000, OPTIONS.request(window, "").cursor)
    starts = []
    while cursor:
        request = OPTIONS.request(window, cursor)
        starts.append(int(request.params["retstart"]))
        page = read_page(b"<PubmedArticleSet></PubmedArticleSet>", request.cursor)
        cursor = page.cursor
    assert max(starts) == 9500
    assert page.total == 30_000


def test_ignored_words_are_noted() -> None:
    result = {"count": "0", "errorlist": {"phrasesnotfound": ["abcXYZ"], "fieldsnotfound": []}}
    page = read_page(json.dumps({"esearchresult": result}).encode(), "")
    assert page.note == "PubMed ignores a part of the query: abcXYZ"


@pytest.mark.parametrize(
    ("body", "cursor", "message"),
    [
        (b'{"error":"API rate limit exceeded"}', "", "API rate limit exceeded"),
        (b'{"esearchresult":{"ERROR":"Invalid db name"}}', "", "Invalid db name"),
        (b'{"esearchresult":{"count":"5"}}', "", "without a history"),
        (b"<eFetchResult><ERROR>Unable to obtain query #1</ERROR></eFetchResult>", FETCH, "Unable"),
        (b"<html><body>x</body></html>", FETCH, "not a set of articles"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><PubmedArticleSet/>", FETCH, "declares entities"),
        (b"<PubmedArticleSet><PubmedArticle>", FETCH, "not well-formed XML"),
    ],
)
def test_errors_are_told(body: bytes, cursor: str, message: str) -> None:
    with pytest.raises(BadAnswer, match=message):
        read_page(body, cursor)


def test_labelled_parts_of_an_abstract_are_paragraphs() -> None:
    found = paper(
        (
            "<AbstractText>We study the matter. The bound is tight.</AbstractText>",
            '<AbstractText Label="AIMS" NlmCategory="OBJECTIVE">To test\n  H<sub>2</sub>O.'
            '</AbstractText><AbstractText Label="RESULTS">p &lt; 0.05 <i>in vivo</i>.'
            "</AbstractText><AbstractText>Free.</AbstractText>",
        )
    )
    assert found.abstract == "AIMS: To test H₂O.\nRESULTS: p < 0.05 in vivo.\nFree."


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ("<ArticleDate><Year>2026</Year><Month>03</Month><Day>9</Day></ArticleDate>", "2026-03-09"),
        ("<ArticleDate><Year>2026</Year><Month>03</Month></ArticleDate>", "2026-11-19"),
        ("", "2026-11-19"),
    ],
)
def test_a_partial_date_gives_way_to_the_day_of_entry(dates: str, day: str) -> None:
    """The issue of the test article is of "2026 Nov-Dec"; it entered PubMed on the 19th."""
    found = paper(("</Article>", f"{dates}</Article>"))
    assert found.published is not None
    assert (found.published.date().isoformat(), found.published_is_date) == (day, True)


@pytest.mark.parametrize(
    ("issue", "day"),
    [
        ("<Year>2026</Year><Month>Jun</Month><Day>12</Day>", "2026-06-12"),
        ("<Year>2026</Year><Month>Jun</Month>", "2026-11-19"),
        ("<Year>2026</Year><Season>Summer</Season>", "2026-11-19"),
        ("<Year>2026</Year>", "2026-11-19"),
    ],
)
def test_the_day_of_an_issue_counts_if_it_is_known(issue: str, day: str) -> None:
    found = paper(("<MedlineDate>2026 Nov-Dec</MedlineDate>", issue))
    assert found.published is not None
    assert found.published.date().isoformat() == day


def test_markup_and_formulas_in_titles() -> None:
    math = (
        '<mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:msup><mml:mi>x</mml:mi>'
        "<mml:mn>2</mml:mn></mml:msup></mml:math>"
    )
    title = f"<sup>99m</sup>Tc in <i>Vibrio</i>: {math} &amp; a &lt; b"
    found = paper(("Serverless Study 1", title))
    assert found.title.startswith("⁹⁹ᵐTc in Vibrio: ")
    assert found.title.endswith(" & a < b")
    assert "mml" not in found.title
    assert "x" in found.title


def test_translated_titles_lose_their_brackets() -> None:
    assert paper(("Serverless Study 1.", "[Eine Studie].")).title == "Eine Studie"


def test_authors_and_consortia() -> None:
    found = paper(
        (
            "</AuthorList>",
            "<Author><CollectiveName>XYZ Group</CollectiveName></Author><Author><LastName>Roy"
            "</LastName><ForeName>Cy</ForeName><Suffix>Jr</Suffix><AffiliationInfo><Affiliation>"
            "Uni X. cy@x.example</Affiliation></AffiliationInfo></Author></AuthorList>",
        )
    )
    assert [each.name for each in found.authors] == ["Ada Xu", "Bo Li", "XYZ Group", "Cy Roy Jr"]
    assert found.authors[3].affiliations == ("Uni X.",)


def test_the_doi_is_the_articles_not_one_of_a_reference() -> None:
    elsewhere = (
        "<ReferenceList><Reference><ArticleIdList><ArticleId IdType='doi'>10.5555/cited"
        "</ArticleId></ArticleIdList></Reference></ReferenceList><ArticleIdList>"
        "<ArticleId IdType='doi'>10.5555/own</ArticleId></ArticleIdList></PubmedData>"
    )
    mark = '<ELocationID EIdType="doi" ValidYN="Y">10.5555/work.1</ELocationID>'
    found = paper((mark, ""), ("</PubmedData>", elsewhere))
    assert found.doi == "10.5555/own"
    assert not [name for name in found.aliases if "cited" in name]


@pytest.mark.parametrize(
    ("name", "related", "type_", "about"),
    [
        ("Retraction Notice", "RetractionOf", DocumentType.RETRACTION, "doi:10.5555/y"),
        ("Published Erratum", "ErratumFor", DocumentType.CORRECTION, None),
        ("Journal Article", "RetractionIn", DocumentType.RETRACTION, None),
        ("Retracted Publication", "Cites", DocumentType.RETRACTION, None),
        ("Editorial", "Cites", DocumentType.EDITORIAL, None),
        ("Journal Article", "Cites", DocumentType.PAPER, None),
    ],
)
def test_types_are_told(name: str, related: str, type_: DocumentType, about: str | None) -> None:
    found = paper(
        (
            "</Article>",
            f"<PublicationTypeList><PublicationType>{name}</PublicationType></PublicationTypeList>"
            f'</Article><CommentsCorrectionsList><CommentsCorrections RefType="{related}">'
            "<RefSource>Gut. 2026;1:1. doi: 10.5555/Y.</RefSource></CommentsCorrections>"
            "</CommentsCorrectionsList>",
        )
    )
    assert (found.document_type, found.about) == (type_, about)


def test_books_are_read_too() -> None:
    book = (
        b"<PubmedArticleSet><PubmedBookArticle><BookDocument><PMID>7</PMID><ArticleIdList/><Book>"
        b"<BookTitle>GeneReviews</BookTitle><PubDate><Year>2026</Year></PubDate><AuthorList "
        b"Type='editors'><Author><LastName>Ed</LastName></Author></AuthorList></Book><ArticleTitle>"
        b"A chapter</ArticleTitle><AuthorList Type='authors'><Author><LastName>Xu</LastName>"
        b"</Author></AuthorList></BookDocument></PubmedBookArticle></PubmedArticleSet>"
    )
    found = read_page(book, FETCH).records[0].paper
    assert (found.title, found.journal_ref) == ("A chapter", "GeneReviews")
    assert [each.name for each in found.authors] == ["Xu"]
    assert found.published is None


def test_the_key_and_address_are_sent_but_not_shown() -> None:
    options = PubmedOptions(query="x", api_key=Secret("planted"), email="me@x.example")
    found = options.request(WINDOW, "")
    assert found.params["api_key"] == "planted"
    assert (found.params["tool"], found.params["email"]) == ("digestbot", "me@x.example")
    assert "planted" not in f"{found!r}{options!r}"
    assert options.interval_s == 1.0
    fast = PubmedOptions(query="x", api_key=Secret("planted"), interval=timedelta(0))
    assert fast.interval_s == 0.1
