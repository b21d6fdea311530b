"""Simulated Europe PMC search, as in europepmc.org/RestfulWebService."""

import json
import re
from collections.abc import Sequence
from typing import Any

from digestbot.sources.europepmc import EuropepmcOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, between, page_of

PAGE = 3


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``/search``; the cursor holds the number of the first work."""
    days = re.search(r"FIRST_IDATE:\[(\S+) TO (\S+)\]", request.query["query"])
    found = between(works, days[1], days[2]) if days else []
    mark = request.query["cursorMark"]
    start = 0 if mark == "*" else int(mark.split("-")[1])
    page = page_of(found, start, PAGE)
    body: dict[str, Any] = {
        "hitCount": len(found),
        "resultList": {"result": [result(work) for work in page]},
    }
    if found:
        body["nextCursorMark"] = f"x-{start + PAGE}" if page else mark
    return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def result(work: Work) -> dict[str, Any]:
    """Return *work* as the API lists it."""
    day = work.day.date().isoformat()
    return {
        "id": str(work.number),
        "source": "MED",
        "pmid": str(work.number),
        "doi": work.doi,
        "title": f"{work.title}.",
        "authorList": {
            "author": [
                {"fullName": f"{family} {given[:1]}", "firstName": given, "lastName": family}
                for given, family in work.authors
            ]
        },
        "journalInfo": {"volume": "1", "journal": {"title": "Journal of Examples"}},
        "abstractText": work.abstract,
        "pubTypeList": {"pubType": ["Journal Article"]},
        "firstIndexDate": day,
        "firstPublicationDate": day,
    }


KIND = Kind(
    options=EuropepmcOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"errCode":404,"errMsg":"Invalid search query"}'),
    required={"query": "organoid"},
)
