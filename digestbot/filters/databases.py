"""
Recognize field tags of other search tools, such as PubMed's ``[tiab]``.

Each tag names one of our fields, so that an error can say what to write here. Begin at
`find_tag`; `FIELDS` and the expressions below it are the whole table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

FIELDS: Mapping[str, str] = {
    **dict.fromkeys(("ti", "title", "intitle", "allintitle"), "title"),
    **dict.fromkeys(("ab", "abs", "abstract"), "abstract"),
    **dict.fromkeys(("au", "1au", "author", "auth", "author-name", "authlastname"), "author"),
    **dict.fromkeys(("authors", "inauthor", "fau", "lastau"), "author"),
    **dict.fromkeys(("jn", "ta", "journal", "so", "srctitle"), "journal"),
}
"""Our key for a tag in lower case; any other tag means title or abstract."""
PREFIXES: Mapping[str, tuple[str, ...]] = {
    "": ("ti", "abs"),
    "title": ("ti",),
    "abstract": ("abs",),
    "author": ("au",),
    "journal": ("jr",),
}
"""arXiv's prefixes for each of our keys."""

MAX_TAGS = 20
"""Tags that a suggestion translates."""
_WORD = r'(?!(?:AND|OR|NOT)\b)[^\s()\[\]"“”]+'
_TERM = rf'(?<!\w)(?:"[^"]*"|“[^”]*”|{_WORD}(?: {_WORD})*)'
_PUBMED = (
    r"tiab|ti|ab|au|1au|fau|lastau|mh|mesh|majr|tw|ta|pt|la|dp|nm|all|title/abstract|title"
    r"|abstract|author|journal|mesh terms?|mesh major topic|text word|all fields|publication type"
)
_OVID = r"ti|ab|tw|kw|kf|mp|au|jn|hw|sh|nm|ot|rs|pt"
_SCOPUS = (
    r"TITLE-ABS-KEY-AUTH|TITLE-ABS-KEY|TITLE-ABS|TITLE|ABS|KEY|AUTHKEY|INDEXTERMS|AUTHOR-NAME"
    r"|AUTHLASTNAME|AUTHFIRST|AUTH|SRCTITLE|ALL"
)
_WOS = r"(?<![\w-])(?P<tag>(?P<field>TS|TI|AB|AU|SO|AK|KP)\s?=)\s*"
_TAGS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("PubMed", re.compile(
        rf"(?P<term>{_TERM})\s?(?P<tag>\[(?P<field>{_PUBMED})(?::noexp)?\])", re.IGNORECASE
    )),
    ("Scopus", re.compile(rf"(?<![\w-])(?P<tag>(?P<field>{_SCOPUS})\s?\()(?P<term>[^()]*)\)?")),
    ("Web of Science", re.compile(rf"{_WOS}\((?P<term>[^()]*)\)")),
    ("Web of Science", re.compile(rf"{_WOS}(?P<term>{_TERM})")),
    ("Ovid", re.compile(
        rf"(?P<term>{_TERM})(?P<tag>\.(?P<field>{_OVID})"
        rf"(?:(?:,(?:{_OVID}))+\.?|\.))(?=[\s)]|$)"
    )),
)  # fmt: skip
_HEADING = re.compile(
    r"^(?P<tag>(?:exp )?)(?P<term>[A-Z][\w ,-]*[\w-])/(?=$|\s(?:and|or|AND|OR)\s)"
)
"""Ovid's subject headings: ``exp Neoplasms/``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A term with a field tag of another search tool."""

    tool: str
    tag: str
    """The tag as written, such as ``[tiab]``."""
    term: str
    """The text that it applies to, without quotes."""
    field: str
    """Our key for its field; empty for title or abstract."""
    place: int
    """Where the tag begins, counted from 0."""
    start: int
    """Where the tag or its term begins, whichever comes first."""
    end: int

    def as_query(self) -> str:
        """Return the term in arXiv's syntax: ``ti:cancer OR abs:cancer``."""
        word = self.term if re.fullmatch(r"[\w*-]+", self.term) else f'"{self.term}"'
        return " OR ".join(f"{prefix}:{word}" for prefix in PREFIXES[self.field])


def find_tag(text: str) -> Tag | None:
    """Return the first field tag in *text*, with its term."""
    tags = [tag for tool, pattern in _TAGS for tag in _found(tool, pattern, text)]
    return min(tags, key=lambda tag: tag.place, default=None) or _heading(text)


def without_tags(text: str) -> str:
    """Return *text* in arXiv's syntax, with a prefix for each tag; empty if it is too long."""
    for _ in range(MAX_TAGS):
        tag = find_tag(text)
        if tag is None:
            return re.sub(r"\b(?:AND\s+)?NOT\b", "ANDNOT", text)
        is_all = not text[: tag.start].strip() and not text[tag.end :].strip()
        query = tag.as_query() if is_all or " OR " not in tag.as_query() else f"({tag.as_query()})"
        text = f"{text[: tag.start]}{query}{text[tag.end :]}"
    return ""


def _found(tool: str, pattern: re.Pattern[str], text: str) -> list[Tag]:
    return [
        Tag(
            tool=tool,
            tag=match["tag"],
            term=_bare(match["term"]),
            field=FIELDS.get(match["field"].lower(), "") if "," not in match["tag"] else "",
            place=match.start("tag"),
            start=match.start(),
            end=match.end(),
        )
        for match in pattern.finditer(text)
        if _bare(match["term"])
    ]


def _heading(text: str) -> Tag | None:
    match = _HEADING.search(text)
    if match is None:
        return None
    term, end = match["term"], match.end()
    return Tag(tool="Ovid", tag=match[0], term=term, field="", place=0, start=0, end=end)


def _bare(term: str) -> str:
    """Return the words of *term*: without quotes, and without operators and what follows them."""
    first = re.split(r"\s(?:AND|OR|NOT)\s", term)[0]
    return " ".join(re.sub(r'["“”()\[\]]', " ", first).split())
