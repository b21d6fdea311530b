"""Simulated daily papers of Hugging Face: one list per day."""

import json
from collections.abc import Sequence

from digestbot.sources.huggingface import HuggingfaceOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, page_of


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``?date=…&limit=…&p=…``."""
    found = [work for work in works if work.day.date().isoformat() == request.query["date"]]
    limit = int(request.query["limit"])
    page = page_of(found, int(request.query.get("p", "0")) * limit, limit)
    body = json.dumps([entry(work) for work in page]).encode()
    return Reply(body=body, headers={"Content-Type": "application/json"})


def arxiv_id(work: Work) -> str:
    """``2611.00007``."""
    return f"2611.{work.number:05}"


def entry(work: Work) -> dict[str, object]:
    """Return *work* as the API lists it."""
    day = f"{work.day.date().isoformat()}T00:00:00.000Z"
    names = [f"{given} {family}" for given, family in work.authors]
    return {
        "paper": {
            "id": arxiv_id(work),
            "authors": [{"_id": "6a2c", "name": name, "hidden": False} for name in names],
            "publishedAt": day,
            "submittedOnDailyAt": day,
            "title": work.title,
            "summary": work.abstract,
            "upvotes": 0,
        },
        "publishedAt": day,
        "title": work.title,
        "summary": work.abstract,
    }


KIND = Kind(
    options=HuggingfaceOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"error": "Invalid date"}'),
    empty=b"[]",
    id_of=lambda work: f"arxiv:{arxiv_id(work)}",
)
