"""
Conditions: what stands under one key of a filter → the atom that it means.

A reader raises `Mistake`, or an `InvalidValue` of the ground; it knows neither the YAML around it
nor the place. Begin at `READERS`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from difflib import get_close_matches

from digestbot.filters.authors import parse_name
from digestbot.filters.patterns import check_pattern
from digestbot.filters.tree import (
    TEXT_FIELDS,
    Atom,
    AuthorIs,
    CategoryIs,
    DoiIs,
    Exact,
    IdIs,
    Path,
    Regex,
    SourceIs,
    TypeIs,
    Words,
)
from digestbot.ids import normalise_doi, parse_paper_id
from digestbot.model import AnnounceType
from digestbot.taxonomy import expand, meant, named, suggest
from digestbot.text import plain, words

MAX_TERM = 500
MAX_PATTERN = 1000
MAX_QUERY = 2000
MAX_SLIP = 60
"""Characters of a word for which a similar one is looked for."""
LARGEST = 1e9
"""Of weights and scores: far from where sums of floats lose their small parts."""

Reader = Callable[[str, str, float, Path], Atom]
"""From the text, its key, its weight and its place."""


class Mistake(Exception):
    """One mistake of one condition; whoever knows the place adds it."""


def text_of_value(key: str, value: object) -> str:
    """The text of a value; what YAML made of unquoted words is told of, not guessed at."""
    if isinstance(value, bool):
        raise Mistake(f"YAML reads this as {str(value).lower()}; quote it to have the word")
    if isinstance(value, float) and key in ("id", "doi"):
        raise Mistake("YAML reads this as a number, which loses its last zeros; quote it")
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise Mistake("YAML reads this as a number; quote it")
    if isinstance(value, (int, float)):
        return str(value) if abs(value) < LARGEST else f"{value:.15g}"
    if not isinstance(value, str):
        raise Mistake(f"{key or 'a condition'} needs words, not {_kind(value)}")
    limit = {"regex": MAX_PATTERN, "query": MAX_QUERY}.get(key, MAX_TERM)
    if len(value) > limit:
        raise Mistake(f"longer than {limit} characters")
    return value.strip() if key != "regex" else value


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, date):
        return "a date; quote it"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def words_in(*fields: str) -> Reader:
    def read(text: str, key: str, weight: float, path: Path) -> Atom:
        is_prefix = text.endswith("*")
        folded = tuple(word.text for word in words(plain(text.removesuffix("*"), one_line=True)))
        if not folded:
            raise Mistake(f"{quoted(text)} has no word to look for")
        if "*" in text.removesuffix("*") or text.endswith(" *"):
            raise Mistake('"*" stands only at the end of the last word; or use regex')
        return Words(
            term=text,
            label=key,
            weight=weight,
            path=path,
            fields=fields,
            words=folded,
            is_prefix=is_prefix,
        )

    return read


def _exact(text: str, key: str, weight: float, path: Path) -> Atom:
    if not text:
        raise Mistake("exact is empty")
    return Exact(term=text, label=key, weight=weight, path=path, fields=TEXT_FIELDS)


def _regex(text: str, key: str, weight: float, path: Path) -> Atom:
    if problem := check_pattern(text):
        raise Mistake(f"not an RE2 expression: {problem}")
    return Regex(term=text, label=key, weight=weight, path=path, fields=TEXT_FIELDS)


def _author(text: str, key: str, weight: float, path: Path) -> Atom:
    name = parse_name(text)
    if not name.family:
        raise Mistake(f"{quoted(text)} is no name")
    return AuthorIs(term=text, label=key, weight=weight, path=path, name=name)


def _category(text: str, key: str, weight: float, path: Path) -> Atom:
    is_primary = key == "primary"
    return CategoryIs(
        term=text, label=key, weight=weight, path=path, codes=_codes(text), is_primary=is_primary
    )


def _codes(text: str) -> frozenset[str]:
    """
    What a category stands for.

    Outside arXiv's taxonomy anything may be one ("neuroscience" on bioRxiv), unless it has the look
    of an arXiv code, or is close to one: then it is a slip. The English name of a category stands
    for its codes and for itself ("genomics" is one of bioRxiv's, too).
    """
    if codes := expand(text):
        return codes
    if codes := named(text):
        return codes | {text.casefold()}
    near = suggest(text) if len(text) <= MAX_SLIP else None
    looks_like_code = "*" in text or _LOOKS_LIKE_CODE.fullmatch(text)
    if not text or looks_like_code or (near and " " not in text and text.lower() not in _FOREIGN):
        hint = meant(near) if near else ""
        raise Mistake(f"unknown category {quoted(text)}{hint}")
    return frozenset({text.casefold()})


_LOOKS_LIKE_CODE = re.compile(r"[a-z-]+\.[A-Za-z-]*")
"""As ``cs.XX`` does; ACM's ``J.3`` and MSC's ``14J60`` do not."""
_FOREIGN = frozenset({"biophysics"})
"""Categories of other servers that look like slips of arXiv's."""


def _type(text: str, key: str, weight: float, path: Path) -> Atom:
    try:
        type_ = AnnounceType(text.lower())
    except ValueError:
        hint = did_you_mean(text, tuple(AnnounceType))
        raise Mistake(f"unknown announce type {quoted(text)}{hint}") from None
    return TypeIs(term=text, label=key, weight=weight, path=path, type=type_)


def _source(text: str, key: str, weight: float, path: Path) -> Atom:
    if not text:
        raise Mistake("source is empty")
    return SourceIs(term=text, label=key, weight=weight, path=path)


def _id(text: str, key: str, weight: float, path: Path) -> Atom:
    paper_id = parse_paper_id(text).id
    return IdIs(term=text, label=key, weight=weight, path=path, paper_id=paper_id)


def _doi(text: str, key: str, weight: float, path: Path) -> Atom:
    return DoiIs(term=text, label=key, weight=weight, path=path, doi=normalise_doi(text))


READERS: Mapping[str, Reader] = {
    "": words_in(*TEXT_FIELDS),
    "title": words_in("title"),
    "abstract": words_in("abstract"),
    "comment": words_in("comment"),
    "journal": words_in("journal"),
    "author": _author,
    "category": _category,
    "primary": _category,
    "type": _type,
    "source": _source,
    "id": _id,
    "doi": _doi,
    "exact": _exact,
    "regex": _regex,
}


def quoted(text: object) -> str:
    """A value on one short line, in quotes."""
    try:
        shown = " ".join(str(text).split())
    except ValueError:  # an integer of more than 4,300 digits
        shown = "a number"
    return f'"{shown[:60]}…"' if len(shown) > 60 else f'"{shown}"'


def did_you_mean(text: str, known: tuple[str, ...]) -> str:
    """What was probably meant, or all that could be; to stand behind a mistake."""
    names = [name for name in known if name]
    # Comparing takes time with the square of the length, and no slip is that long.
    near = get_close_matches(text, names, n=1) if len(text) <= MAX_SLIP else []
    return f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(names)}"
