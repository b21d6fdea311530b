"""Simulated bioRxiv API, as in api.biorxiv.org/details/biorxiv/help."""

import json
from collections.abc import Sequence

from digestbot.sources.biorxiv import BiorxivOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, between, page_of

PAGE = 3


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``/biorxiv/FROM/TO/CURSOR/json``."""
    server, first, last, cursor, _ = request.path.strip("/").split("/")[-5:]
    found = between(works, first, last)
    page = page_of(found, int(cursor), PAGE)
    message = {"status": "ok", "cursor": int(cursor), "count": len(page), "total": str(len(found))}
    body = {
        "messages": [message if page else {"status": "no posts found"}],
        "collection": [entry(work, server) for work in page],
    }
    return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def entry(work: Work, server: str = "biorxiv") -> dict[str, str]:
    """Return *work* as the API lists it."""
    return {
        "doi": work.doi,
        "title": work.title,
        "authors": "; ".join(f"{family}, {given[:1]}." for given, family in work.authors),
        "date": work.day.date().isoformat(),
        "version": "1",
        "type": "new results",
        "category": "cell biology",
        "abstract": work.abstract,
        "published": "NA",
        "server": server,
    }


KIND = Kind(
    options=BiorxivOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"messages":[{"status":"Error: invalid interval"}],"collection":[]}'),
)
