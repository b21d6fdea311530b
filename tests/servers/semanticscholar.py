"""Simulated bulk search of Semantic Scholar, whose pages continue with a token."""

import json
from collections.abc import Sequence

from digestbot.sources.semanticscholar import SemanticScholarOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, between, page_of

PAGE = 3


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``?query=…&publicationDateOrYear=FROM:&token=…``."""
    first, _, last = request.query["publicationDateOrYear"].partition(":")
    found = between(works, first, last or "9999")
    start = int(request.query.get("token", "T0")[1:])
    page = page_of(found, start, PAGE)
    # The total is approximate.
    body: dict[str, object] = {"total": len(found) + 1, "data": [entry(work) for work in page]}
    if start + PAGE < len(found):
        body["token"] = f"T{start + PAGE}"
    if not found:
        body = {"total": 0, "offset": 0}
    return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def entry(work: Work) -> dict[str, object]:
    """Return *work* as the API lists it."""
    return {
        "paperId": f"{work.number:040x}",
        "externalIds": {"DOI": work.doi.upper(), "CorpusId": work.number},
        "url": f"https://www.semanticscholar.org/paper/{work.number:040x}",
        "title": work.title,
        "abstract": work.abstract,
        "venue": "J. Ex.",
        "year": work.day.year,
        "publicationDate": work.day.date().isoformat(),
        "journal": {"name": "Journal of Examples", "volume": "3"},
        "openAccessPdf": {"url": "", "status": None},
        "publicationTypes": ["JournalArticle"],
        "fieldsOfStudy": ["Computer Science"],
        "authors": [
            {"authorId": str(number), "name": f"{given} {family}"}
            for number, (given, family) in enumerate(work.authors)
        ],
    }


KIND = Kind(
    options=SemanticScholarOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"message": "Too Many Requests.", "code": "429"}'),
    required={"query": "serverless"},
)
