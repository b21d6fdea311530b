"""Simulated E-utilities of PubMed: esearch with history, then efetch."""

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape

from digestbot.sources.feed_text import without_controls
from digestbot.sources.pubmed import PubmedOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, between, page_of

PAGE = 3
DOCTYPE = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">'
)


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``/esearch.fcgi``, whose ``WebEnv`` holds the days, and ``/efetch.fcgi``."""
    query = request.query
    if request.path.endswith("esearch.fcgi"):
        days = f"{query['mindate']}_{query['maxdate']}".replace("/", "-")
        found = between(works, *days.split("_"))
        result = {"count": str(len(found)), "retmax": "0", "querykey": "1", "webenv": days}
        body = {"header": {"type": "esearch"}, "esearchresult": result}
        return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    found = between(works, *query["WebEnv"].split("_"))
    page = page_of(found, int(query["retstart"]), int(query["retmax"]))
    return Reply(body=article_set(page), headers={"Content-Type": "text/xml"})


def article_set(works: Sequence[Work]) -> bytes:
    """Return *works* as efetch serves them, without line breaks."""
    articles = "".join(map(article, works))
    text = f'<?xml version="1.0" ?>\n{DOCTYPE}\n<PubmedArticleSet>{articles}</PubmedArticleSet>'
    return text.encode()


def article(work: Work) -> str:
    """Return *work* as one ``PubmedArticle``."""
    authors = "".join(
        f"<Author><LastName>{_xml(family)}</LastName><ForeName>{_xml(given)}</ForeName></Author>"
        for given, family in work.authors
    )
    day = f"<Year>{work.day.year}</Year><Month>{work.day.month}</Month><Day>{work.day.day}</Day>"
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="1">{work.number}</PMID><Article>'
        f"<Journal><JournalIssue><PubDate><MedlineDate>2026 Nov-Dec</MedlineDate></PubDate>"
        f"</JournalIssue><Title>Journal of Examples</Title></Journal>"
        f"<ArticleTitle>{_xml(work.title)}.</ArticleTitle>"
        f'<ELocationID EIdType="doi" ValidYN="Y">{work.doi}</ELocationID>'
        f"<Abstract><AbstractText>{_xml(work.abstract)}</AbstractText></Abstract>"
        f"<AuthorList>{authors}</AuthorList></Article></MedlineCitation><PubmedData><History>"
        f'<PubMedPubDate PubStatus="entrez">{day}</PubMedPubDate></History></PubmedData>'
        f"</PubmedArticle>"
    )


def _xml(text: str) -> str:
    return escape(without_controls(text))


KIND = Kind(
    options=PubmedOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"error":"API rate limit exceeded","count":"11"}'),
    required={"query": "organoids[tiab]", "page_size": PAGE},
)
