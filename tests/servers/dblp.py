"""Simulated search of DBLP, whose numbers are texts and which leaves out what is empty."""

import json
from collections.abc import Sequence
from datetime import timedelta

from digestbot.sources.dblp import DblpOptions, read_page
from tests.servers.web import Reply, Request
from tests.sources.conformance import Kind, Work, page_of

PAGE = 3


def answer(request: Request, works: Sequence[Work]) -> Reply:
    """Answer ``?q=venue:Ex.: year:2026:&f=…``."""
    years = [word for word in request.query["q"].split() if word.startswith("year:")]
    found = [work for work in works if not years or f"year:{work.day.year}:" in years]
    start = int(request.query["f"])
    page = page_of(found, start, PAGE)
    hits: dict[str, object] = {
        "@total": str(len(found)),
        "@sent": str(len(page)),
        "@first": str(start),
    }
    if page:
        hits["hit"] = [{"@id": str(work.number), "info": info(work)} for work in page]
    body = {"result": {"status": {"@code": "200", "text": "OK"}, "hits": hits}}
    return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def info(work: Work) -> dict[str, object]:
    """Return *work* as the API lists it."""
    names = [f"{given} {family} 0001" for given, family in work.authors]
    return {
        "authors": {"author": [{"@pid": "1/2", "text": name} for name in names]},
        "title": f"{work.title}.",
        "venue": "Ex.",
        "volume": "7",
        "year": str(work.day.year),
        "type": "Journal Articles",
        "key": f"journals/ex/{work.number}",
        "doi": work.doi.upper(),
        "ee": f"https://doi.org/{work.doi}",
        "url": f"https://dblp.org/rec/journals/ex/{work.number}",
    }


def hit(work: Work) -> str:
    """Return *work* as the API lists it in XML."""
    people = "".join(f"<author>{given} {family} 0001</author>" for given, family in work.authors)
    known = {name: value for name, value in info(work).items() if isinstance(value, str)}
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in known.items())
    return f"<hit><info><authors>{people}</authors>{fields}</info></hit>"


KIND = Kind(
    options=DblpOptions,
    answer=answer,
    read=read_page,
    error=Reply(body=b'{"result": {"status": {"@code": "500", "text": "Internal Server Error"}}}'),
    # Each paper counts as of the first day of its year.
    required={"venue": "Ex.", "backfill": timedelta(days=365)},
    has_abstracts=False,
    first={},
    old=timedelta(days=400),
)
