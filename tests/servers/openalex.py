"""Simulated OpenAlex API, as in developers.openalex.org."""

import json
from collections.abc import Sequence
from typing import Any

from digestbot.sources.openalex import OpenalexOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, between, page_of

PAGE = 3


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``/works``; the cursor holds the number of the first work."""
    filters = dict(each.split(":", 1) for each in request.query["filter"].split(","))
    found = between(works, filters["from_publication_date"])
    start = 0 if request.query["cursor"] == "*" else int(request.query["cursor"].split("-")[1])
    is_last = start + PAGE >= len(found)
    body = {
        "meta": {
            "count": len(found),
            "page": None,
            "next_cursor": None if is_last else f"x-{start + PAGE}",
        },
        "results": [result(work) for work in page_of(found, start, PAGE)],
    }
    return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def result(work: Work) -> dict[str, Any]:
    """Return *work* as the API lists it."""
    index: dict[str, list[int]] = {}
    for place, word in enumerate(work.abstract.split()):
        index.setdefault(word, []).append(place)
    return {
        "id": f"https://openalex.org/W{work.number}",
        "doi": f"https://doi.org/{work.doi}",
        "title": work.title,
        "publication_date": work.day.date().isoformat(),
        "type": "article",
        "is_retracted": False,
        "authorships": [
            {"raw_author_name": f"{given} {family}", "raw_affiliation_strings": ["Uni"]}
            for given, family in work.authors
        ],
        "primary_location": {"landing_page_url": f"https://doi.org/{work.doi}", "source": None},
        "abstract_inverted_index": index,
    }


KIND = Kind(
    options=OpenalexOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"error":"Invalid query parameters error.","message":"bad cursor"}'),
    required={"filter": "type:article"},
)
