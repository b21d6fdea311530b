"""
Parse the value under one key of a filter into an atom.

A reader raises `ConditionError`, or an `InvalidValue` from another module; the caller adds the
place. Begin at `READERS`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from difflib import get_close_matches

from digestbot.filters.authors import readings
from digestbot.filters.patterns import check_pattern
from digestbot.filters.tree import (
    TEXT_FIELDS,
    Atom,
    AuthorIs,
    CategoryIs,
    DocumentIs,
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
from digestbot.model import AnnounceType, DocumentType
from digestbot.taxonomy import expand, meant, named, suggest
from digestbot.text import bare, canonical_words, plain

MAX_TERM = 500
MAX_PATTERN = 1000
MAX_QUERY = 2000
MAX_SIMILAR = 60
"""Longest text, in characters, for which a "did you mean" is computed."""
LARGEST = 1e9
"""Largest weight or score; far below where sums of floats lose their small parts."""

Reader = Callable[[str, str, float, Path], Atom]
"""Takes the text, its key, its weight and its path."""


class ConditionError(Exception):
    """An error in one condition; the caller adds the place."""


def text_of_value(key: str, value: object) -> str:
    """Return the text of a value; refuse what YAML has changed, such as unquoted true."""
    if isinstance(value, bool):
        word = str(value).lower()
        raise ConditionError(
            f'YAML reads {word} as a boolean; to search for the word, write "{word}"'
        )
    if type(value) is float and key in ("id", "doi"):
        raise ConditionError(
            "YAML reads this as a number and drops its trailing zeros; put it in quotes"
        )
    if type(value) is int and abs(value) >= LARGEST:
        raise ConditionError("YAML reads this as a number; put it in quotes")
    if type(value) is float and abs(value) >= LARGEST:
        return f"{value:.15g}"
    if isinstance(value, (int, float)):
        return str(value)  # a number of the config is text as written, such as "007"
    if value is None:
        what = key or "a condition"
        raise ConditionError(f'{what} is empty; to search for the word null, write "null"')
    if not isinstance(value, str):
        raise ConditionError(f"{key or 'a condition'} must be text, not {_kind(value)}")
    limit = {"regex": MAX_PATTERN, "query": MAX_QUERY}.get(key, MAX_TERM)
    if len(value) > limit:
        raise ConditionError(f"longer than {limit} characters")
    return value.strip() if key != "regex" else value


def _kind(value: object) -> str:
    if isinstance(value, date):
        return "a date; put it in quotes"
    return "a mapping" if isinstance(value, Mapping) else "a list"


STAR_OF_NAME = re.compile(r"(?<!\w)(?:\w|\w+_)\*(?=\W)")
"""The star of "A* search", "C*-algebra" and "M_* relation", which is part of the name."""


def words_in(*fields: str) -> Reader:
    def read(text: str, key: str, weight: float, path: Path) -> Atom:
        is_prefix = text.endswith("*")
        folded = tuple(
            word.text for word in canonical_words(plain(text.removesuffix("*"), one_line=True))
        )
        if is_prefix and folded:
            folded = (*folded[:-1], bare(folded[-1]) or folded[-1])
        if not folded:
            raise ConditionError(f"{quoted(text)} has no letters or digits to search for")
        if "*" in STAR_OF_NAME.sub("", text.removesuffix("*")) or text.endswith(" *"):
            raise ConditionError(
                '"*" is allowed only at the end of the last word; use regex for other patterns'
            )
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
        raise ConditionError("exact is empty; write the text to find, or remove it")
    return Exact(term=text, label=key, weight=weight, path=path, fields=TEXT_FIELDS)


def _regex(text: str, key: str, weight: float, path: Path) -> Atom:
    if problem := check_pattern(text):
        raise ConditionError(f"invalid RE2 expression: {problem}")
    return Regex(term=text, label=key, weight=weight, path=path, fields=TEXT_FIELDS)


def _author(text: str, key: str, weight: float, path: Path) -> Atom:
    if not readings(text):
        raise ConditionError(
            f'{quoted(text)} is not a name; write one like "Ion Stoica" or "Stoica, I."'
        )
    return AuthorIs(term=text, label=key, weight=weight, path=path, name=text)


def _category(text: str, key: str, weight: float, path: Path) -> Atom:
    is_primary = key == "primary"
    return CategoryIs(
        term=text, label=key, weight=weight, path=path, codes=_codes(text), is_primary=is_primary
    )


def _codes(text: str) -> frozenset[str]:
    """
    Return the codes that a category stands for.

    The English name of a category stands for its codes and for itself, as other servers may use the
    same name ("genomics" on bioRxiv). Any other text is accepted as another server's category
    ("neuroscience"), unless it looks like an arXiv code or a typo of one.
    """
    if codes := expand(text):
        return codes
    if codes := named(text):
        return codes | {text.casefold()}
    near = suggest(text) if len(text) <= MAX_SIMILAR else None
    looks_like_code = "*" in text or _LOOKS_LIKE_CODE.fullmatch(text)
    if not text or looks_like_code or (near and " " not in text and text.lower() not in _FOREIGN):
        hint = meant(near) if near else f"; arXiv's categories: {TAXONOMY_URL}"
        raise ConditionError(f"unknown category {quoted(text)}{hint}")
    return frozenset({text.casefold()})


_LOOKS_LIKE_CODE = re.compile(r"[a-z-]+\.[A-Za-z-]*")
"""Matches ``cs.XX``, but neither ACM's ``J.3`` nor MSC's ``14J60``."""
_FOREIGN = frozenset({"biophysics"})
"""Other servers' categories that look like typos of arXiv's."""
TAXONOMY_URL = "https://arxiv.org/category_taxonomy"


def _type(text: str, key: str, weight: float, path: Path) -> Atom:
    try:
        type_ = AnnounceType(text.lower())
    except ValueError:
        hint = did_you_mean(text, tuple(AnnounceType))
        raise ConditionError(f"unknown announce type {quoted(text)}{hint}") from None
    return TypeIs(term=text, label=key, weight=weight, path=path, type=type_)


def _document(text: str, key: str, weight: float, path: Path) -> Atom:
    try:
        type_ = DocumentType(text.lower().replace(" ", "-"))
    except ValueError:
        hint = did_you_mean(text, tuple(DocumentType))
        raise ConditionError(f"unknown document type {quoted(text)}{hint}") from None
    return DocumentIs(term=text, label=key, weight=weight, path=path, type=type_)


def _source(text: str, key: str, weight: float, path: Path) -> Atom:
    if not text:
        raise ConditionError("source is empty; name a source from the config")
    return SourceIs(term=text, label=key, weight=weight, path=path)


def _id(text: str, key: str, weight: float, path: Path) -> Atom:
    paper_id = parse_paper_id(text).id
    return IdIs(term=text, label=key, weight=weight, path=path, paper_id=paper_id)


def _doi(text: str, key: str, weight: float, path: Path) -> Atom:
    return DoiIs(term=text, label=key, weight=weight, path=path, doi=normalise_doi(text))


READERS: Mapping[str, Reader] = {
    "": words_in(*TEXT_FIELDS),
    "text": lambda text, _, weight, path: words_in(*TEXT_FIELDS)(text, "", weight, path),
    "title": words_in("title"),
    "abstract": words_in("abstract"),
    "comment": words_in("comment"),
    "journal": words_in("journal"),
    "author": _author,
    "category": _category,
    "primary": _category,
    "type": _type,
    "document": _document,
    "source": _source,
    "id": _id,
    "doi": _doi,
    "exact": _exact,
    "regex": _regex,
}


def quoted(text: object) -> str:
    """Return *text* in quotes on one line, shortened."""
    try:
        plain = "".join(sign if sign.isprintable() else " " for sign in str(text))
        shown = " ".join(plain.split())
    except ValueError:  # an integer of more than 4,300 digits
        shown = "a number"
    return f'"{shown[:60]}…"' if len(shown) > 60 else f'"{shown}"'


def did_you_mean(text: str, known: tuple[str, ...]) -> str:
    """Return a hint to append to an error: the closest known value, or all of them."""
    names = [name for name in known if name]
    # Comparison time grows with the square of the length, and no typo is that long.
    near = get_close_matches(text, names, n=1) if len(text) <= MAX_SIMILAR else []
    return f'; did you mean "{near[0]}"?' if near else f"; choose one of {', '.join(names)}"
