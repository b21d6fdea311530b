"""
Read the query in a URL of arXiv: of its API, its web search, its advanced search or a list.

Begin at `query_of`.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}|\+(?:AND|OR|ANDNOT|TO)\+")
_API = re.compile(r"search_query=([^&#]*)")
_WEB = re.compile(r"(?:https?://)?(?:www\.)?arxiv\.org/(search|list)(?:/|\?|$)", re.IGNORECASE)

_PREFIXES: Mapping[str, str] = {
    "all": "all",
    "title": "ti",
    "author": "au",
    "authors": "au",
    "abstract": "abs",
    "comments": "co",
    "journal_ref": "jr",
    "paper_id": "id",
    "cross_list_category": "cat",
}
"""Fields of the web search (``searchtype``, ``terms-0-field``), with the API's prefixes."""
_ARCHIVES: Mapping[str, str] = {
    "computer_science": "cs.*",
    "economics": "econ.*",
    "eess": "eess.*",
    "mathematics": "math.*",
    "q_biology": "q-bio.*",
    "q_finance": "q-fin.*",
    "statistics": "stat.*",
}
"""Groups of the advanced search (``classification-…=y``), as the values of ``cat:``."""


class UnreadableUrl(ValueError):
    """A URL of arXiv that has no query, or one that cannot be said in the API's syntax."""


def query_of(text: str) -> str:
    """
    Return the query in *text*, decoded; *text* itself if it is not a URL or a part of one.

    Raises:
        UnreadableUrl: A page of arXiv without a query, or a search in a field that the API lacks.
    """
    if _WEB.match(text.strip()) and not re.search(r"\s", text.strip()):
        return _of_page(text.strip())
    found = _API.search(text)
    bare = (found[1] if found else text).strip()
    if re.search(r"\s", bare) or not (found or _ENCODED.search(bare)):
        return bare
    return unquote_plus(bare).strip()


def _of_page(url: str) -> str:
    parts = urlsplit(url if "//" in url else f"https://{url}")
    fields = dict(parse_qsl(parts.query))
    path = unquote(parts.path).strip("/").split("/")
    if path[0] == "list" and len(path) > 1:
        return f"cat:{path[1]}"
    clauses = list(_advanced(fields)) if "advanced" in path or "advanced" in fields else []
    if not clauses and fields.get("query"):
        clauses = [("AND", _terms(fields.get("searchtype", "all"), fields["query"]))]
    if not clauses:
        raise UnreadableUrl("this URL of arXiv has no query; copy the one of the page of results")
    query = clauses[0][1]
    if len(clauses) == 1:
        query = query.removeprefix("(").removesuffix(")")
    for operator, clause in clauses[1:]:
        query = f"{query} {operator} {clause}"
    return _within(query, [*_groups(fields), *_archive(path)])


def _within(query: str, categories: list[str]) -> str:
    """Restrict *query* to any of *categories*."""
    if not categories:
        return query
    wanted = " OR ".join(f"cat:{category}" for category in categories)
    wanted = f"({wanted})" if len(categories) > 1 else wanted
    return f"({query}) AND {wanted}" if " " in query else f"{query} AND {wanted}"


def _advanced(fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the operator and the condition of each line of an advanced search."""
    number = 0
    while f"terms-{number}-term" in fields or f"terms-{number}-field" in fields:
        operator = fields.get(f"terms-{number}-operator", "AND")
        if term := fields.get(f"terms-{number}-term", "").strip():
            named = {"NOT": "ANDNOT"}.get(operator, operator)
            yield named, _terms(fields.get(f"terms-{number}-field", "all"), term)
        number += 1


def _terms(field: str, text: str) -> str:
    """Return a condition on each word or quoted phrase of *text*; all must hold."""
    if field not in _PREFIXES:
        known = ", ".join(name for name in _PREFIXES if name != "authors")
        raise UnreadableUrl(
            f'a search in the field "{field[:40]}" cannot be repeated here; use {known}'
        )
    prefix = _PREFIXES[field]
    if prefix == "au":
        names = [name.strip() for name in text.split(";") if name.strip()]
        clauses = [f'au:"{_natural(name)}"' for name in names]
    else:
        words = re.findall(r'"[^"]*"|[^\s"]+', text)
        clauses = [f"{prefix}:{_quoted(word)}" for word in words]
    return clauses[0] if len(clauses) == 1 else f"({' AND '.join(clauses)})"


def _natural(name: str) -> str:
    """Return "Stoica, Ion" as "Ion Stoica", the order of the API."""
    family, _, given = name.replace('"', " ").partition(",")
    return " ".join(f"{given} {family}".split())


def _quoted(word: str) -> str:
    return word if word[0] == '"' or re.fullmatch(r"[\w.*/-]+", word) else f'"{word}"'


def _groups(fields: Mapping[str, str]) -> Iterator[str]:
    for name, category in _ARCHIVES.items():
        if fields.get(f"classification-{name}") == "y":
            yield category
    if fields.get("classification-physics") == "y":
        archive = fields.get("classification-physics_archives", "all")
        yield from _PHYSICS if archive == "all" else [f"{archive}*"]


_PHYSICS = (
    *("astro-ph*", "cond-mat*", "gr-qc", "hep-ex", "hep-lat", "hep-ph", "hep-th", "math-ph"),
    *("nlin.*", "nucl-ex", "nucl-th", "physics.*", "quant-ph"),
)


def _archive(path: list[str]) -> list[str]:
    """Return the archive of ``/search/cs`` as a value of ``cat:``."""
    if len(path) < 2 or path[1] in ("", "advanced"):
        return []
    archive = {"cs": "cs.*", "math": "math.*", "physics": "physics.*", "stat": "stat.*"}
    return [archive.get(path[1], f"{path[1]}*")]
