"""
Read the citation sentences that publishers put into the descriptions of their feeds.

ScienceDirect writes "Publication date: … Source: … Author(s): …", Wiley "Journal, EarlyView.",
PubMed a whole reference with PMID and DOI. They are fields, not an abstract. Begin at
`parse_description`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from digestbot.sources.author_lists import split_authors
from digestbot.sources.dates import Moment, parse_date

MAX_LINE = 2_000
"""Characters of a line that may be a citation; abstracts are longer."""
MAX_LINES = 200

_LABELED = re.compile(
    r"(?P<label>publication date|available online|published online|published|source|"
    r"author(?:s|\(s\))?|doi|pmid|keywords?|journal|type)\s?:\s?(?P<value>.*)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"(?:graphical )?(?:abstract|summary)\b[:.]?\s?", re.IGNORECASE)
_BARE_HEADING = re.compile(r"(?:graphical )?(?:abstract|summary)[:.]?", re.IGNORECASE)
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s|;,<>\"]{1,200}")
_PARTS = (
    r"vol(?:ume|\.)?|issues?|iss\.|no\.|pages?|pp?\.|article(?: number)?|art\.|early ?view|"
    r"early access|ahead of print|online ahead of print|online first|advance access|"
    r"article in press|accepted (?:article|manuscript)|in press|published online|just accepted"
)
_CITATION = re.compile(
    rf"(?P<journal>[^,;\[\]]{{2,200}}), (?:{_PARTS})(?![a-z])[^\n]{{0,400}}", re.IGNORECASE
)
_VOLUME_FIRST = re.compile(
    r"(?:volume|vol\.) ?\w{1,10}, (?:issue|no\.|page)[^\n]{0,300}", re.IGNORECASE
)
_BRACKETED = re.compile(
    r"\[(?P<journal>[^\[\]\d]{2,80}) [\w\s,().-]{1,60}\](?: published (?P<date>[^\n]{6,40}))?\.?",
    re.IGNORECASE,
)
_MEDLINE = re.compile(
    r"(?P<journal>[^.\d][^.]{1,120}(?:\. ?[^.\d]{1,40}){0,3})\. "
    r"(?P<date>\d{4} [A-Z][a-z]{2} \d{1,2}|"
    r"\d{4}(?: [A-Z][a-z]{2}(?:-[A-Z][a-z]{2})?)?)[;:.][^\n]{0,600}"
)
_NATURE_DATE = re.compile(r"published online: (?P<date>\d{1,2} \w{3,9} \d{4})", re.IGNORECASE)
_SENTENCE = re.compile(r"[a-z]{2}\. [A-Z]|\b(?:the|is|are|was|were|we|of|in|with|that)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Fields found in the description of an entry."""

    abstract: str
    """Without citation lines and headings; empty if nothing is left."""
    authors: tuple[str, ...] = ()
    journal: str | None = None
    doi: str | None = None
    published: Moment | None = None


def parse_description(text: str) -> Description:
    """
    Return the fields in *text*, whose lines are paragraphs without tags.

    A line counts as a citation only as a whole, so that an abstract that mentions a volume stays.
    """
    found = Description(abstract="")
    kept: list[str] = []
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for line in lines[:MAX_LINES]:
        parsed = _parsed(line, found) if len(line) <= MAX_LINE else None
        if parsed is None:
            kept.append(line)
        else:
            found = parsed
    if found != Description(abstract="") and not found.authors and kept:
        found, kept = _with_author_line(found, kept, lines)
    return replace(found, abstract=_without_heading([*kept, *lines[MAX_LINES:]]))


def _parsed(line: str, found: Description) -> Description | None:
    """Return *found* with the fields of *line*, or None if it is prose."""
    labeled = _LABELED.fullmatch(line)
    if labeled:
        return _LABELS[labeled["label"].lower()](labeled["value"].strip(), found)
    for read in (_dated, _bracketed, _medline, _citation):
        if (parsed := read(line, found)) is not None:
            return parsed
    return None


def _date(value: str, found: Description) -> Description:
    return replace(found, published=parse_date(re.sub("(?i)available online ", "", value)))


def _source(value: str, found: Description) -> Description:
    if re.fullmatch(r"\S{0,200}\.\S{1,200}", value):  # a file or an address
        return found
    journal = re.split(rf",? (?:{_PARTS})(?![a-z])", value, maxsplit=1, flags=re.IGNORECASE)[0]
    return replace(found, journal=journal.strip(" ,.") or None)


def _authors(value: str, found: Description) -> Description:
    return replace(found, authors=tuple(split_authors(value)))


def _doi(value: str, found: Description) -> Description:
    doi = _DOI.search(value)
    return replace(found, doi=found.doi or (doi[0].rstrip(".") if doi else None))


def _ignored(_: str, found: Description) -> Description:
    return found


_LABELS: Mapping[str, Callable[[str, Description], Description]] = {
    "publication date": _date, "available online": _date, "published online": _date,
    "published": _date, "source": _source, "journal": _source, "author": _authors,
    "authors": _authors, "author(s)": _authors, "doi": _doi, "pmid": _doi, "keyword": _ignored,
    "keywords": _ignored, "type": _ignored,
}  # fmt: skip


def _dated(line: str, found: Description) -> Description | None:
    """ScienceDirect: "Available online 3 September 2026"."""
    match = re.fullmatch(r"(?:available|published) online (?P<date>.{6,40})", line, re.IGNORECASE)
    published = parse_date(match["date"].rstrip(".")) if match else None
    return replace(found, published=published) if published else None


def _bracketed(line: str, found: Description) -> Description | None:
    """Parse APS's form: "[Phys. Rev. Lett. 136, 101001] Published Thu Sep 03, 2026"."""
    match = _BRACKETED.fullmatch(line)
    if match is None or not any(map(str.isdigit, line)):
        return None
    published = parse_date(match["date"].rstrip(".")) if match["date"] else found.published
    return replace(found, journal=match["journal"].strip(), published=published)


def _citation(line: str, found: Description) -> Description | None:
    """Wiley, Nature, IEEE: "Journal, Volume 1, Issue 2, Page 3-4, September 2026."."""
    if _VOLUME_FIRST.fullmatch(line):
        return _doi(line, found)
    match = _CITATION.fullmatch(line)
    if match is None or len(match["journal"].split()) > 15:
        return None
    rest = re.sub(_PARTS, "", line[match.end("journal") :], flags=re.IGNORECASE)
    if _SENTENCE.search(rest):
        return None
    date = _NATURE_DATE.search(line)
    published = parse_date(date["date"]) if date else found.published
    return _doi(line, replace(found, journal=match["journal"].strip(), published=published))


def _medline(line: str, found: Description) -> Description | None:
    """PubMed: "Example J. 2026 Sep 3. doi: 10.1234/x. Online ahead of print."."""
    match = _MEDLINE.fullmatch(line)
    if match is None or ("doi" not in line.lower() and ";" not in line):
        return None
    year, *rest = match["date"].split()
    published = parse_date(f"{rest[1]} {rest[0]} {year}") if len(rest) == 2 else found.published
    return _doi(line, replace(found, journal=match["journal"], published=published))


def _with_author_line(
    found: Description, kept: list[str], lines: list[str]
) -> tuple[Description, list[str]]:
    """Take the line before the first citation as authors, if it is a list of names."""
    at = next(index for index, line in enumerate(lines) if line not in kept)
    if at == 0 or lines[at - 1] not in kept:
        return found, kept
    line = lines[at - 1]
    names = split_authors(line)
    if not names or not all(map(_is_name, names)) or _BARE_HEADING.fullmatch(line):
        return found, kept
    return replace(found, authors=tuple(names)), [each for each in kept if each != line]


def _is_name(name: str) -> bool:
    words = name.split()
    return 2 <= len(words) <= 6 and not _SENTENCE.search(name) and not name.endswith((".", "?"))


def _without_heading(lines: list[str]) -> str:
    """Drop the heading "Abstract", alone on its line or before the text."""
    text = [line for line in lines if not _BARE_HEADING.fullmatch(line)]
    if text:
        heading = _HEADING.match(text[0])
        is_heading = heading and (heading[0].isupper() or heading[0].rstrip()[-1:] in ":.")
        if heading and (is_heading or text[0][heading.end() : heading.end() + 1].isupper()):
            text[0] = text[0][heading.end() :]
    return "\n".join(text)
