"""
Paper ids: arXiv's two schemes, DOIs, and hashes for papers of feeds.

An ``id`` has a scheme and no version: ``arxiv:2603.20941``, ``arxiv:math/0309136``,
``doi:10.1000/xyz``, ``feed:<hash>``. Begin at `parse_paper_id`.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from digestbot import taxonomy
from digestbot.errors import InvalidPaperId

MAX_LENGTH = 2048
"""Longest accepted text in characters; the longest URL that all browsers support."""

_ANY_CASE = re.IGNORECASE | re.ASCII  # without ASCII the Kelvin sign would match "k"
_VERSION = r"(?:v(?P<version>[1-9][0-9]{0,3}))?"
_NEW = re.compile(
    rf"(?P<yy>[0-9]{{2}})(?P<mm>[0-9]{{2}})\.(?P<number>[0-9]{{1,6}}){_VERSION}", _ANY_CASE
)
_OLD = re.compile(
    rf"(?P<archive>[a-z]+(?:-[a-z]+)?)(?:\.[a-z]{{2,}}(?:-[a-z]+)?)?"
    rf"/(?P<yy>[0-9]{{2}})(?P<mm>[0-9]{{2}})(?P<number>[0-9]{{3}}){_VERSION}",
    _ANY_CASE,
)
_DIGITS = re.compile(
    r"arxiv:(?P<old>[a-z-]+/)?(?P<yy>[0-9]{2})(?P<mm>[0-9]{2})\.?(?P<number>[0-9]{3,6})"
)
_WITHOUT_LEADING_ZERO = re.compile(r"[7-9][0-9]{2}\.[0-9]{1,4}")
_DOI = re.compile(r"10\.[0-9]{4,9}(?:\.[0-9]+)*/[^\s\x00-\x1f\x7f]+")
_ARXIV_DOI = "10.48550/arxiv."
_FEED = re.compile(r"feed:[0-9a-z]{8,64}")
_PREFIX = re.compile(r"^(?:oai:arxiv\.org:|arxiv:|doi:)\s*", _ANY_CASE)
_STAMP_SUFFIX = re.compile(r"\s+\[[A-Za-z.-]+\].*", re.S)
"""Suffix of the id in arXiv's stamp: ``[cs.DC] 21 Mar 2026``."""
_LOOKS_LIKE_URL = re.compile(r"https?://|(?:[a-z0-9-]+\.)*(?:arxiv|ar5iv|doi)\.org/", _ANY_CASE)
_PAGES = re.compile(r"/(?:abs|pdf|html|ps|e-print|src|format|tb)/(?P<id>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperId:
    """Paper id, with the version if one is given."""

    id: str
    version: int | None


def parse_paper_id(text: str) -> PaperId:
    """
    Parse the paper id in *text*, with its version if it has one.

    Accepts both schemes of arXiv, ``2603.20941v2`` (since 2007-04) and ``math.GT/0309136``, bare,
    after ``arXiv:`` or ``oai:arXiv.org:``, or inside an abs, pdf or html URL (arXiv help,
    "Understanding the arXiv identifier"). The subject class of old ids is dropped. Accepts DOIs,
    bare, after ``doi:`` or in a doi.org URL; a DOI issued by arXiv (10.48550/arXiv.…) becomes the
    arXiv id.

    Args:
        text: Input of a user or feed; surrounding whitespace is ignored.

    Raises:
        InvalidPaperId: *text* has no identifier, or one that arXiv cannot have issued.
    """
    if match := _NEW.fullmatch(text):  # most ids of arXiv's services, in a third of the time
        return _new(match, text)
    bare = _unwrapped(_bounded(text))
    if _FEED.fullmatch(bare):
        return PaperId(id=bare, version=None)
    if bare.startswith("10."):
        return _from_doi(bare)
    return _from_arxiv(bare, text)


def normalise_doi(text: str) -> str:
    """
    Return the bare DOI in lower case: DOIs are case-insensitive (DOI Handbook 2.4).

    Args:
        text: ``10.1000/XYZ``, also after ``doi:`` or in a doi.org URL.

    Raises:
        InvalidPaperId: *text* is not a DOI.
    """
    bare = _unwrapped(_bounded(text)).rstrip(".,;")
    if not _DOI.fullmatch(bare):
        raise InvalidPaperId(f'"{_shown(text)}" is not a DOI; write one like 10.1000/xyz')
    return bare.lower()


# bioRxiv and medRxiv share 10.1101 with the journals of Cold Spring Harbor.
_PREPRINT = re.compile(
    r"arxiv:|doi:(?:10\.1101/(?:\d{4}\.\d\d\.\d\d\.)?\d{6,8}|10\.64898/|10\.48550/|10\.21203/rs\.|"
    r"10\.26434/chemrxiv|10\.3123[46]/|10\.31219/|10\.31222/|10\.20944/preprints|10\.2139/ssrn|"
    r"10\.36227/techrxiv|10\.22541/|10\.1590/scielopreprints)"
)


def is_preprint(paper_id: str) -> bool:
    """Return True for the id of a preprint: arXiv's, or a DOI of another server."""
    return _PREPRINT.match(paper_id) is not None


def is_publication(paper_id: str) -> bool:
    """Return True for the DOI of a journal or book, as an id."""
    return paper_id.startswith("doi:") and not is_preprint(paper_id)


def arxiv_url(paper_id: str, version: int | None = None) -> str:
    """Return the abs page of the arXiv paper; without *version*, of the newest."""
    return _page("abs", paper_id, version)


def arxiv_pdf_url(paper_id: str, version: int | None = None) -> str:
    """Return the PDF of the arXiv paper; without *version*, of the newest."""
    return _page("pdf", paper_id, version)


def arxiv_order(paper_id: str) -> tuple[int, int, int]:
    """
    Return (year, month, number) of the arXiv paper: newer announcements have greater values.

    arXiv assigns ids at the announcement, in order; as text, 9107 would follow 0704.

    Raises:
        InvalidPaperId: *paper_id* is not an arXiv id.
    """
    digits = _DIGITS.fullmatch(paper_id)
    if digits is None:
        raise InvalidPaperId(f'"{_shown(paper_id)}" is not an arXiv id')
    year = int(digits["yy"])
    is_old = digits["old"] is not None and year >= 91
    return year + (1900 if is_old else 2000), int(digits["mm"]), int(digits["number"])


def _bounded(text: str) -> str:
    if len(text) > MAX_LENGTH:
        raise InvalidPaperId(f'"{_shown(text)}" is longer than any paper id')
    return text.strip()


def _unwrapped(text: str) -> str:
    """Strip the URL, prefix or stamp around an identifier."""
    if _LOOKS_LIKE_URL.match(text):
        return _from_url(text)
    bare = _STAMP_SUFFIX.sub("", _PREFIX.sub("", text, count=1))
    # Real feeds contain "doi:https://doi.org/10.…".
    return _from_url(bare) if _LOOKS_LIKE_URL.match(bare) else bare


def _from_url(text: str) -> str:
    try:
        url = urlsplit(text if "://" in text else f"https://{text}")
        host = (url.hostname or "").lower()
    except ValueError as error:  # a URL like http://[::1
        raise InvalidPaperId(f'"{_shown(text)}" is not a valid URL') from error
    path = unquote(url.path)
    if host in {"doi.org", "dx.doi.org", "www.doi.org"}:
        return path.removeprefix("/")
    page = _PAGES.fullmatch(path)
    if page and re.search(r"(?:^|\.)(?:arxiv|ar5iv)\.org$", host):
        return re.sub(r"\.pdf$", "", page["id"].rstrip("/"), flags=re.IGNORECASE)
    return text


def _from_doi(text: str) -> PaperId:
    doi = normalise_doi(text)
    if not doi.startswith(_ARXIV_DOI):
        return PaperId(id=f"doi:{doi}", version=None)
    return _from_arxiv(doi.removeprefix(_ARXIV_DOI), text)


def _from_arxiv(bare: str, text: str) -> PaperId:
    if match := _NEW.fullmatch(bare):
        return _new(match, text)
    if match := _OLD.fullmatch(bare):
        return _old(match, text)
    if _WITHOUT_LEADING_ZERO.fullmatch(bare):
        raise InvalidPaperId(
            f'"{_shown(text)}" is not a paper id; if YAML read it as a number, quote it: "0{bare}"'
        )
    raise InvalidPaperId(
        f'"{_shown(text)}" is not a paper id; write one like arxiv:2603.20941 or doi:10.1000/xyz'
    )


def _new(match: re.Match[str], text: str) -> PaperId:
    yy, month, number = int(match["yy"]), int(match["mm"]), match["number"]
    if not 1 <= month <= 12 or (yy, month) < (7, 4) or int(number) == 0:
        raise InvalidPaperId(f'arXiv never issued the id "{_shown(text)}"')
    digits = 5 if yy >= 15 else 4
    if len(number) < digits:
        raise InvalidPaperId(
            f'"{_shown(text)}" is too short: ids of that month have {digits} digits after the dot; '
            f'if YAML read it as a number, quote it: "{match["yy"]}{match["mm"]}.'
            f'{number.ljust(digits, "0")}"'
        )
    if yy < 15 and len(number) > digits:
        raise InvalidPaperId(
            f'"{_shown(text)}" has too many digits: ids before 2015 have four after the dot'
        )
    return _arxiv(f"{match['yy']}{match['mm']}.{number}", match)


def _old(match: re.Match[str], text: str) -> PaperId:
    archive, yy, month = match["archive"].lower(), int(match["yy"]), int(match["mm"])
    year = yy + (1900 if yy >= 91 else 2000)
    if not 1 <= month <= 12 or not (1991, 7) <= (year, month) <= (2007, 3):
        raise InvalidPaperId(
            f'arXiv never issued the id "{_shown(text)}": ids of this form run from 9107 to 0703'
        )
    if archive not in taxonomy.archives() or match["number"] == "000":
        raise InvalidPaperId(
            f'"{_shown(text)}" is not a paper id: arXiv has no archive "{archive}"'
        )
    return _arxiv(f"{archive}/{match['yy']}{match['mm']}{match['number']}", match)


def _arxiv(number: str, match: re.Match[str]) -> PaperId:
    version = match["version"]
    return PaperId(id=f"arxiv:{number}", version=int(version) if version else None)


def _page(kind: str, paper_id: str, version: int | None) -> str:
    if not paper_id.startswith("arxiv:"):
        raise InvalidPaperId(f'"{_shown(paper_id)}" is not an arXiv id')
    suffix = f"v{version}" if version else ""
    return f"https://arxiv.org/{kind}/{paper_id.removeprefix('arxiv:')}{suffix}"


def _shown(text: str) -> str:
    """Return *text* on one short line, for a message."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
