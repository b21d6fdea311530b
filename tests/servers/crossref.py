"""Simulated Crossref REST API, as in the swagger page of api.crossref.org."""

import json
from collections.abc import Sequence
from typing import Any

from digestbot.sources.crossref import CrossrefOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, between, page_of

PAGE = 3


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``/works``; the cursor holds the number of the first work."""
    filters = dict(each.split(":", 1) for each in request.query["filter"].split(","))
    found = between(works, filters["from-created-date"])
    start = 0 if request.query["cursor"] == "*" else int(request.query["cursor"].split("-")[1])
    message = {
        "total-results": len(found),
        "items": [item(work) for work in page_of(found, start, PAGE)],
        "next-cursor": f"x-{start + PAGE}",
    }
    body = {"status": "ok", "message-type": "work-list", "message": message}
    return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def item(work: Work) -> dict[str, Any]:
    """Return *work* as the API lists it."""
    day = work.day
    return {
        "DOI": work.doi.upper(),
        "type": "journal-article",
        "title": [work.title],
        "author": [{"given": given, "family": family} for given, family in work.authors],
        "container-title": ["Journal of Examples"],
        "issued": {"date-parts": [[day.year, day.month, day.day]]},
        "created": {"date-time": f"{day:%Y-%m-%dT%H:%M:%SZ}"},
        "abstract": f"<jats:title>Abstract</jats:title><jats:p>{work.abstract}</jats:p>",
        "relation": {"has-preprint": [{"id-type": "doi", "id": f"10.1101/{work.number}"}]},
        "update-to": [],
    }


KIND = Kind(
    options=CrossrefOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"status":"failed","message":[{"type":"x","message":"bad cursor"}]}'),
    required={"issn": ("2167-8359",)},
)
