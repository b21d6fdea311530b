"""
Hugging Face's daily papers as a source: arXiv papers that readers picked, by the day of their list.

A paper is on the list of the day on which someone submitted it there, a day to weeks after its
announcement on arXiv; its own date is arXiv's. Lists grow during their day, so `overlap` reads the
latest again. The list is a choice of a few dozen papers a day; all others are missing.
Begin at `HuggingfaceOptions`; `read_page` parses a response.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from digestbot.errors import BadAnswer
from digestbot.sources.api_json import list_at, member, message_of, read_json, text_at
from digestbot.sources.web_api import (
    ApiPage,
    ApiRequest,
    ReadPage,
    Record,
    WebApiOptions,
    Window,
)

if TYPE_CHECKING:
    pass

_LIMITS = {"huggingface.co": 1.0}
PER_PAGE = 100
"""Papers requested at a time; most days have fewer."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingfaceOptions(WebApiOptions):
    """Hugging Face's daily papers."""

    url: str = "https://huggingface.co/api/daily_papers"
    """The API; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers."""
    overlap: timedelta = timedelta(days=3)
    """How far behind the newest known list to read again: lists grow during their day."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests; at least 1s for huggingface.co."""
    max_pages: int = 400
    """Limit of requests per pass; each is one day, or 100 papers of it."""

    def __post_init__(self) -> None:
        self.check_shared_keys()

    @property
    def limits(self) -> Mapping[str, float]:
        """See `WebApiOptions.limits`."""
        return _LIMITS

    @property
    def searched(self) -> str:
        """Empty: there is one list."""
        return ""

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the request for the day and page in *cursor*."""
        day, _, page = cursor.partition(" ")
        params = {"date": day or window.first_day, "limit": str(PER_PAGE)}
        return ApiRequest(url=self.url, params=params | ({"p": page} if page else {}))

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return partial(read_page, first=window.first_day, last=window.until.date().isoformat())


def read_page(body: bytes, cursor: str, /, *, first: str = "", last: str = "") -> ApiPage:
    """
    Return the papers of one day's list, or of a part of it.

    Args:
        body: The response.
        cursor: The day, and the number of the part if it is a later one; empty for *first*.
        first: First day of the pass.
        last: Last day of the pass.

    Raises:
        BadAnswer: It is something else.
    """
    found = read_json(body)
    are_papers = isinstance(found, list) and any(member(each, "paper") for each in found)
    if not are_papers and found != []:
        said = message_of(found) or "no list of papers"
        raise BadAnswer(f'Hugging Face answered with an error: "{said}"')
    records = [record for each in found if (record := _record(each)) is not None]
    day, _, part = (cursor or first).partition(" ")
    is_full = len(found) >= PER_PAGE
    return ApiPage(
        records=tuple(records),
        cursor=f"{day} {int(part or 0) + 1}" if is_full and day else _next_day(day, last),
        skipped=len(found) - len(records),
    )


def _next_day(day: str, last: str) -> str | None:
    if not day or day >= last:
        return None
    return (date.fromisoformat(day) + _DAY).isoformat()


def _record(entry: Any) -> Record | None:
    from digestbot.sources.api_papers import Facts, author, authors, paper_from
    from digestbot.sources.dates import parse_date

    listed: Any = member(entry, "paper")
    key = text_at(listed, "id")
    day = parse_date(text_at(listed, "submittedOnDailyAt"))
    page = f"https://huggingface.co/papers/{key}"
    paper = paper_from(
        Facts(
            guid=page,
            title=text_at(listed, "title") or text_at(entry, "title"),
            abstract=text_at(listed, "summary") or text_at(entry, "summary"),
            authors=authors(author(text_at(each, "name")) for each in list_at(listed, "authors")),
            identifiers=(f"arxiv:{key}",),
            links=(page,),
            published=parse_date(text_at(listed, "publishedAt")),
        )
    )
    if paper is None or not key:
        return None
    return Record(key=key, paper=paper, at=day.at if day else None)
