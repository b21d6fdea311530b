"""
The obvious evaluator: one filter, one announcement, condition by condition.

Small and slow on purpose. Any faster engine has to give what this gives.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from digestbot.filters.authors import may_be
from digestbot.filters.parser import Filter
from digestbot.filters.patterns import compiled
from digestbot.filters.tree import (
    AllOf,
    AnyOf,
    Atom,
    AuthorIs,
    CategoryIs,
    DateIn,
    DoiIs,
    Exact,
    IdIs,
    Near,
    Node,
    NoneOf,
    Regex,
    SourceIs,
    TypeIs,
    Words,
)
from digestbot.model import Announcement, Match, Paper, Verdict
from digestbot.text import Word, forms, plain, words

TITLE_FACTOR = 2.0
"""A hit in the title counts so many times its weight."""


def evaluate(filter_: Filter, announcement: Announcement) -> Verdict:
    """
    What *filter_* says of *announcement*.

    The score is the sum of the weights of the atoms that hold and do not stand under a not; a hit
    in the title counts double. Each atom reports its first hit in each field.
    """
    matches: list[Match] = []
    score = 0.0
    for atom, found in _positive_hits(filter_.root, announcement):
        matches += found
        score += atom.weight * (TITLE_FACTOR if any(m.field == "title" for m in found) else 1.0)
    enough = filter_.min_score is None or score >= filter_.min_score
    matched = enough and holds(filter_.root, announcement)
    return Verdict(matched=matched, score=score, matches=tuple(matches))


def holds(node: Node, announcement: Announcement) -> bool:
    """Whether the condition is true of the announcement."""
    match node:
        case AllOf(children=children):
            return all(holds(child, announcement) for child in children)
        case AnyOf(children=children):
            return any(holds(child, announcement) for child in children)
        case NoneOf(children=children):
            return not any(holds(child, announcement) for child in children)
        case _:
            return bool(hits(node, announcement))


def _positive_hits(
    node: Node, announcement: Announcement
) -> Iterator[tuple[Atom, tuple[Match, ...]]]:
    """The atoms that hold, without those below a not, each with its hits."""
    if isinstance(node, NoneOf):
        return
    if isinstance(node, (AllOf, AnyOf)):
        for child in node.children:
            yield from _positive_hits(child, announcement)
    elif found := hits(node, announcement):
        yield node, found


def hits(atom: Atom, announcement: Announcement) -> tuple[Match, ...]:
    """Where *atom* holds: its first hit in each field; empty if it does not."""
    paper = announcement.paper
    match atom:
        case Words() | Exact() | Regex():
            return tuple(match for field in atom.fields for match in _in_field(atom, field, paper))
        case Near():
            return tuple(
                match
                for field in atom.fields
                for match in _near_in_field(atom, field, text_of(paper, field))
            )
        case AuthorIs():
            names = (author.name for author in paper.authors)
            return _first(_whole("author", atom, name) for name in names if may_be(atom.name, name))
        case CategoryIs():
            return _first(
                _whole("category", atom, code)
                for code in _categories(paper, atom)
                if code in atom.codes or code.casefold() in atom.codes
            )
        case TypeIs():
            return _told("type", atom, str(announcement.type), announcement.type is atom.type)
        case SourceIs():
            source = announcement.source
            return _told("source", atom, source, source == atom.term)
        case IdIs():
            return _told("id", atom, paper.id, paper.id == atom.paper_id)
        case DoiIs():
            doi = (paper.doi or "").lower()
            return _told("doi", atom, doi, doi == atom.doi or paper.id == f"doi:{atom.doi}")
        case DateIn():
            moment = paper.published if atom.field == "published" else paper.updated
            return () if moment is None else _dated(atom, moment)


def text_of(paper: Paper, field: str) -> str:
    """The displayed text of a field; empty if the paper has none."""
    match field:
        case "title":
            return paper.title
        case "abstract":
            return paper.abstract
        case "comment":
            return _plain(paper.comment or "")
        case "journal":
            return _plain(paper.journal_ref or "")
    raise LookupError(field)


@lru_cache(maxsize=1024)
def _plain(raw: str) -> str:
    return plain(raw, one_line=True)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[Word, ...]:
    return words(text)


@lru_cache(maxsize=4096)
def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(word.text for word in _words(text))


def _categories(paper: Paper, atom: CategoryIs) -> tuple[str, ...]:
    if atom.is_primary:
        return (paper.primary_category,) if paper.primary_category else ()
    return paper.categories


def _in_field(atom: Words | Exact | Regex, field: str, paper: Paper) -> tuple[Match, ...]:
    """The first hit; among authors each name is a text of its own."""
    texts = tuple(a.name for a in paper.authors) if field == "author" else (text_of(paper, field),)
    return _first(_at(atom, field, text) for text in texts)


def _at(atom: Words | Exact | Regex, field: str, text: str) -> Match | None:
    match atom:
        case Words():
            span = _row_of_words(atom, text)
        case Exact():
            span = _as_written(atom.term, text)
        case Regex():
            span = _pattern(atom.term, text)
    if span is None:
        return None
    start, end = span
    return Match(field=field, term=atom.in_words(), text=text[start:end], start=start, end=end)


def _row_of_words(atom: Words, text: str) -> tuple[int, int] | None:
    found = _words(text)
    place = next(_rows(atom, text), None)
    return None if place is None else _span(found, place, len(atom.words))


def _rows(atom: Words, text: str) -> Iterator[int]:
    """The places in the words of *text* where the words of *atom* begin."""
    if not _may_stand_in(atom, _vocabulary(text)):
        return
    found = _words(text)
    size = len(atom.words)
    for i in range(len(found) - size + 1):
        if all(_is_word(atom, k, word.text) for k, word in enumerate(found[i : i + size])):
            yield i


def _span(found: Sequence[Word], place: int, size: int) -> tuple[int, int]:
    return found[place].start, found[place + size - 1].end


def _near_in_field(atom: Near, field: str, text: str) -> Iterator[Match]:
    """A match for each term, in the first window that holds them all."""
    rows = [tuple(_rows(term, text)) for term in atom.terms]
    sizes = [len(term.words) for term in atom.terms]
    places = _window(rows, sizes, atom.within)
    if places is None:
        return
    spans = {_span(_words(text), place, n) for place, n in zip(places, sizes, strict=True)}
    for start, end in sorted(spans):
        yield Match(field=field, term=atom.in_words(), text=text[start:end], start=start, end=end)


def _window(
    rows: Sequence[Sequence[int]], sizes: Sequence[int], within: int
) -> tuple[int, ...] | None:
    """
    Of each term the place that is in the first window of *within* words; None if there is none.

    The window that begins with a hit holds, if any, the next hit of each term: a term's hits are
    all of one length, so a later one never ends sooner.
    """
    for first in sorted({place for places in rows for place in places}):
        nexts = [bisect_left(places, first) for places in rows]
        if any(k == len(places) for k, places in zip(nexts, rows, strict=True)):
            return None
        chosen = tuple(places[k] for k, places in zip(nexts, rows, strict=True))
        if all(place + n - first <= within for place, n in zip(chosen, sizes, strict=True)):
            return chosen
    return None


def _may_stand_in(atom: Words, vocabulary: frozenset[str]) -> bool:
    """Whether each of its words is somewhere; nearly every term ends here."""
    whole = atom.words[:-1] if atom.is_prefix else atom.words
    return not any(forms(word).isdisjoint(vocabulary) for word in whole)


def _is_word(atom: Words, place: int, word: str) -> bool:
    wanted = atom.words[place]
    if atom.is_prefix and place == len(atom.words) - 1:
        return word.startswith(wanted)
    return word in forms(wanted)


def _as_written(term: str, text: str) -> tuple[int, int] | None:
    """The first place where *term* stands and neither neighbour goes on with its word."""
    start = text.find(term)
    while start >= 0:
        end = start + len(term)
        if not _goes_on(text, start - 1, term[0]) and not _ends_later(text, end, term[-1]):
            return start, end
        start = text.find(term, start + 1)
    return None


def _goes_on(text: str, place: int, edge: str) -> bool:
    """Whether the character at *place* and the term's own *edge* are of one word."""
    return 0 <= place < len(text) and text[place].isalnum() and edge.isalnum()


def _ends_later(text: str, end: int, edge: str) -> bool:
    """Whether the word goes on behind the term, or signs of a name follow: C++ is no C."""
    signs = _SIGNS.match(text, end) if edge.isalnum() or edge in "+#＋＃⁺₊" else None
    return _goes_on(text, end, edge) or signs is not None


_SIGNS = re.compile("[+#＋＃⁺₊]++(?![^\\W_])")
"""As in `text.words`: at a word's end."""


def _pattern(pattern: str, text: str) -> tuple[int, int] | None:
    found = compiled(pattern).search(text)
    return None if found is None else found.span()


def _whole(field: str, atom: Atom, text: str) -> Match:
    return Match(field=field, term=atom.in_words(), text=text, start=0, end=len(text))


def _first(found: Iterator[Match | None]) -> tuple[Match, ...]:
    match = next(filter(None, found), None)
    return () if match is None else (match,)


def _told(field: str, atom: Atom, value: str, is_so: bool) -> tuple[Match, ...]:
    return (_whole(field, atom, value),) if is_so else ()


def _dated(atom: DateIn, moment: datetime) -> tuple[Match, ...]:
    is_late = atom.since is None or atom.since <= moment
    is_early = atom.before is None or moment < atom.before
    return _told(atom.field, atom, f"{moment:%Y-%m-%d %H:%M} UTC", is_late and is_early)
