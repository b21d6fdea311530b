"""Simulated API 2 of OpenReview: the notes of a venue, whatever their dates."""

import json
from collections.abc import Sequence
from datetime import timedelta

from digestbot.sources.openreview import OpenreviewOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, page_of

PAGE = 3
VENUE = "Ex.cc/2026/Conference"


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``/notes?content.venueid=…&offset=…``; a server may send fewer than the limit."""
    found = works if request.query["content.venueid"] == VENUE else []
    page = page_of(found, int(request.query["offset"]), PAGE)
    body = {"count": len(found), "notes": [note(work) for work in page]}
    return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def note(work: Work) -> dict[str, object]:
    """Return *work* as the API lists it: authors are texts in some notes, objects in others."""
    names = [f"{given} {family}" for given, family in work.authors]
    authors = [{"fullname": name} for name in names] if work.number % 2 else names
    at = int(work.day.timestamp() * 1000)
    content = {
        "title": work.title,
        "abstract": work.abstract,
        "authors": authors,
        "venue": "Ex 2026 Poster",
        "venueid": VENUE,
        "keywords": ["systems"],
        "pdf": "/pdf/0123456789abcdef.pdf",
    }
    return {
        "id": f"note{work.number}",
        "forum": f"note{work.number}",
        "cdate": at,
        "tcdate": at,
        "externalIds": [f"doi:{work.doi}"],
        "content": {name: {"value": value} for name, value in content.items()},
    }


KIND = Kind(
    options=OpenreviewOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"name": "ForbiddenError", "message": "no access", "status": 403}'),
    required={"venue": VENUE},
    first={"backfill": timedelta(days=7)},
)
