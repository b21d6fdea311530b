"""OAI-PMH 2.0 as oaipmh.arxiv.org speaks it, with small pages: ListRecords and GetRecord."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime
from typing import Self
from xml.sax.saxutils import escape, quoteattr

from digestbot import taxonomy
from tests.simulated_arxiv.calendar import DAY
from tests.simulated_arxiv.model import State

PAGE = 25
"""Records of a page; arXiv has 3,500."""
FORMATS = ("arXiv", "arXivRaw")
_PHYSICS = frozenset({"hep-th", "hep-ph", "gr-qc", "quant-ph", "astro-ph", "math-ph", "cond-mat"})
_LIST_ARGUMENTS = frozenset({"verb", "metadataPrefix", "set", "from", "until"})


class OaiError(Exception):
    """Error of the protocol: its code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def respond(states: Sequence[State], query: Mapping[str, str], now: datetime, *, url: str) -> str:
    """Return the response to *query* with the records *states*."""
    try:
        body = _VERBS[query.get("verb", "")](states, query, now)
    except KeyError:
        body = error_element("badVerb", "unknown verb")
    except OaiError as error:
        body = error_element(error.code, str(error))
    return envelope(body, query, now, url=url)


def envelope(body: str, query: Mapping[str, str], now: datetime, *, url: str) -> str:
    """Return a whole response around *body*."""
    echoed = "" if "<error" in body else "".join(f" {k}={quoteattr(v)}" for k, v in query.items())
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/ \
http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd">
<responseDate>{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</responseDate>
<request{echoed}>{escape(url)}</request>
{body}</OAI-PMH>
"""


def error_element(code: str, message: str) -> str:
    """Return the element of an error."""
    return f'<error code="{code}">{escape(message)}</error>\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """Rest of a list: what was asked, and the records of the last day to skip."""

    prefix: str
    set: str
    begin: date
    until: date
    skip: int
    issued: date

    @classmethod
    def parse(cls, text: str, today: date) -> Self:
        try:
            prefix, set_, begin, until, skip, issued = text.split("|")
            token = cls(
                prefix=prefix,
                set=set_,
                begin=date.fromisoformat(begin),
                until=date.fromisoformat(until),
                skip=int(skip),
                issued=date.fromisoformat(issued),
            )
        except ValueError:
            raise OaiError("badResumptionToken", "the token is invalid") from None
        if token.issued != today:  # tokens expire at midnight UTC
            raise OaiError("badResumptionToken", "the token has expired")
        return token

    def __str__(self) -> str:
        parts = (self.prefix, self.set, self.begin, self.until, self.skip, self.issued)
        return "|".join(map(str, parts))


def _list_records(states: Sequence[State], query: Mapping[str, str], now: datetime) -> str:
    today = now.astimezone(UTC).date()
    token = _token_of(query, today)
    found = sorted(
        (s for s in states if token.begin <= s.datestamp <= token.until and _in(s, token.set)),
        key=lambda state: (state.datestamp, state.paper.id),
    )[token.skip :]
    if not found:
        raise OaiError("noRecordsMatch", "no records match")
    page, rest = found[:PAGE], found[PAGE:]
    body = "".join(_record(state, token.prefix) for state in page)
    return f"<ListRecords>\n{body}{_resumption(query, token, page, rest, states)}</ListRecords>\n"


def _resumption(
    query: Mapping[str, str],
    token: _Token,
    page: Sequence[State],
    rest: Sequence[State],
    states: Sequence[State],
) -> str:
    """Return the element for the rest of the list; an empty one ends a list of several pages."""
    if not rest:
        return "<resumptionToken/>\n" if "resumptionToken" in query else ""
    last = page[-1].datestamp
    skip = sum(state.datestamp == last for state in page)
    skip += token.skip if last == token.begin else 0
    following = _Token(
        prefix=token.prefix,
        set=token.set,
        begin=last,
        until=token.until,
        skip=skip,
        issued=token.issued,
    )
    return f"<resumptionToken>{following}</resumptionToken>\n"


def _token_of(query: Mapping[str, str], today: date) -> _Token:
    if "resumptionToken" in query:
        if query.keys() != {"verb", "resumptionToken"}:
            raise OaiError("badArgument", "resumptionToken is exclusive")
        return _Token.parse(query["resumptionToken"], today)
    if query.keys() - _LIST_ARGUMENTS:
        raise OaiError("badArgument", "unknown argument")
    return _Token(
        prefix=_checked_prefix(query),
        set=query.get("set", ""),
        begin=_date(query, "from", date(2005, 9, 16)),
        until=_date(query, "until", today + DAY),
        skip=0,
        issued=today,
    )


def _date(query: Mapping[str, str], name: str, default: date) -> date:
    text = query.get(name)
    try:
        if text is not None and len(text) != len("2026-11-23"):
            raise ValueError
        return default if text is None else date.fromisoformat(text)
    except ValueError:
        raise OaiError("badArgument", f"{name} must be a date, YYYY-MM-DD") from None


def _checked_prefix(query: Mapping[str, str]) -> str:
    prefix = query.get("metadataPrefix", "")
    if not prefix:
        raise OaiError("badArgument", "metadataPrefix is missing")
    if prefix not in FORMATS:
        raise OaiError("cannotDisseminateFormat", f"unknown format {prefix}")
    return prefix


def _get_record(states: Sequence[State], query: Mapping[str, str], now: datetime) -> str:
    prefix = _checked_prefix(query)
    identifier = query.get("identifier", "")
    for state in states:
        if identifier == f"oai:arXiv.org:{state.paper.id}":
            return f"<GetRecord>\n{_record(state, prefix)}</GetRecord>\n"
    raise OaiError("idDoesNotExist", f"{identifier} does not exist")


_VERBS = {"ListRecords": _list_records, "GetRecord": _get_record}


def sets_of(categories: Sequence[str]) -> list[str]:
    """Return the sets of a paper; one in a category with an alias is in the sets of both."""
    codes = [name for code in categories for name in sorted({code} | taxonomy.expand(code))]
    return list(dict.fromkeys(map(_set, codes)))


def _set(code: str) -> str:
    archive, _, name = code.partition(".")
    group = "physics" if archive in _PHYSICS else archive
    return ":".join(filter(None, (group, archive, name)))


def _in(state: State, wanted: str) -> bool:
    return not wanted or any(
        each == wanted or each.startswith(f"{wanted}:") for each in sets_of(state.categories)
    )


def _record(state: State, prefix: str) -> str:
    sets = "\n".join(f"    <setSpec>{each}</setSpec>" for each in sets_of(state.categories))
    metadata = _raw(state) if prefix == "arXivRaw" else _arxiv(state)
    return f"""<record>
  <header>
    <identifier>oai:arXiv.org:{state.paper.id}</identifier>
    <datestamp>{state.datestamp}</datestamp>
{sets}
  </header>
  <metadata>
{metadata}  </metadata>
</record>
"""


def _raw(state: State) -> str:
    paper = state.paper
    versions = "".join(
        f"""    <version version="v{number}">
      <date>{format_datetime(moment, usegmt=True)}</date>
      <size>12kb</size>
      <source_type>{"I" if _is_withdrawn(state, number) else "D"}</source_type>
    </version>
"""
        for number, moment in enumerate(paper.submitted[: state.version], 1)
    )
    return f"""  <arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/">
    <id>{paper.id}</id>
    <submitter>{escape(paper.authors[0])}</submitter>
{versions}    <title>{escape(paper.title)}</title>
    <authors>{escape(", ".join(paper.authors))}</authors>
    <categories>{" ".join(state.categories)}</categories>
{_optional(state)}    <abstract>{escape(paper.abstract)}</abstract>
  </arXivRaw>
"""


def _is_withdrawn(state: State, number: int) -> bool:
    return state.paper.is_withdrawn and number == len(state.paper.submitted)


def _arxiv(state: State) -> str:
    paper = state.paper
    authors = "".join(map(_author, paper.authors))
    updated = f"<updated>{paper.submitted[state.version - 1]:%Y-%m-%d}</updated>"
    return f"""  <arXiv xmlns="http://arxiv.org/OAI/arXiv/">
    <id>{paper.id}</id>
    <created>{paper.submitted[0]:%Y-%m-%d}</created>{updated if state.version > 1 else ""}
    <authors>{authors}</authors>
    <title>{escape(paper.title)}</title>
    <categories>{" ".join(state.categories)}</categories>
{_optional(state)}    <abstract>  {escape(paper.abstract)}
</abstract>
  </arXiv>
"""


def _author(name: str) -> str:
    given, _, family = name.rpartition(" ")
    names = f"<keyname>{escape(family)}</keyname><forenames>{escape(given)}</forenames>"
    return f"<author>{names}</author>"


def _optional(state: State) -> str:
    found = {"comments": state.comment, "journal-ref": state.journal_ref}
    licence = "    <license>http://creativecommons.org/licenses/by/4.0/</license>\n"
    return licence + "".join(
        f"    <{tag}>{escape(text)}</{tag}>\n" for tag, text in found.items() if text is not None
    )
