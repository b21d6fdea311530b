"""
The reference evaluator: one filter, one announcement, condition by condition.

Deliberately simple and slow; any faster engine must return the same results.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import accumulate

from digestbot.filters.authors import name_matches
from digestbot.filters.parser import Filter
from digestbot.filters.passages import Passage, passages
from digestbot.filters.patterns import compiled
from digestbot.filters.tree import (
    AllOf,
    AnyOf,
    Atom,
    AuthorIs,
    CategoryIs,
    DateIn,
    DocumentIs,
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
from digestbot.text import plain
from digestbot.text.symbols import without_scripts

TITLE_FACTOR = 2.0
"""Factor on the weight of a hit in the title."""


def evaluate(filter_: Filter, announcement: Announcement) -> Verdict:
    """
    Evaluate *filter_* on *announcement*.

    The score is the sum of the weights of the atoms that hold, except those below a "none"; a hit
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
    """Return True if the condition is true of the announcement."""
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
    """Yield the atoms that hold outside of negations, with their hits."""
    if isinstance(node, NoneOf):
        return
    if isinstance(node, (AllOf, AnyOf)):
        for child in node.children:
            yield from _positive_hits(child, announcement)
    elif found := hits(node, announcement):
        yield node, found


def hits(atom: Atom, announcement: Announcement) -> tuple[Match, ...]:
    """Return the first hit of *atom* in each field. Empty if it does not hold."""
    paper = announcement.paper
    match atom:
        case Words() | Exact() | Regex():
            return tuple(match for field in atom.fields for match in _in_field(atom, field, paper))
        case Near():
            return tuple(
                match
                for field in atom.fields
                for match in _near_in_field(atom, field, field_text(paper, field))
            )
        case AuthorIs():
            names = (author.name for author in paper.authors)
            return _first(
                _whole_match("author", atom, name)
                for name in names
                if name_matches(atom.name, name)
            )
        case CategoryIs():
            return _first(
                _whole_match("category", atom, code)
                for code in _categories(paper, atom)
                if code in atom.codes or code.casefold() in atom.codes
            )
        case TypeIs():
            return _match_if("type", atom, str(announcement.type), announcement.type is atom.type)
        case DocumentIs():
            found = paper.document_type
            return _match_if("document", atom, str(found), found is atom.type)
        case SourceIs():
            source = announcement.source
            return _match_if("source", atom, source, source == atom.term)
        case IdIs():
            return _match_if("id", atom, paper.id, paper.id == atom.paper_id)
        case DoiIs():
            doi = (paper.doi or "").lower()
            return _match_if("doi", atom, doi, doi == atom.doi or paper.id == f"doi:{atom.doi}")
        case DateIn():
            if atom.field == "published":
                return _date_match(atom, paper.published, paper.published_is_date)
            return _date_match(atom, paper.updated, paper.updated_is_date)


def field_text(paper: Paper, field: str) -> str:
    """Return the displayed text of a field. Empty if the paper lacks it."""
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


def _categories(paper: Paper, atom: CategoryIs) -> tuple[str, ...]:
    if atom.is_primary:
        return (paper.primary_category,) if paper.primary_category else ()
    return paper.categories


def _in_field(atom: Words | Exact | Regex, field: str, paper: Paper) -> tuple[Match, ...]:
    """Return the first hit in *field*; each author's name is searched separately."""
    texts = (
        tuple(a.name for a in paper.authors) if field == "author" else (field_text(paper, field),)
    )
    return _first(_find(atom, field, text) for text in texts)


def _find(atom: Words | Exact | Regex, field: str, text: str) -> Match | None:
    match atom:
        case Words():
            span = _phrase_span(atom, text)
        case Exact():
            span = _exact_span(atom.term, text)
        case Regex():
            span = _regex_span(atom.term, text)
    if span is None:
        return None
    start, end = span
    return Match(field=field, term=atom.describe(), text=text[start:end], start=start, end=end)


def _phrase_span(atom: Words, text: str) -> tuple[int, int] | None:
    first = next(passages(atom.words, text, is_prefix=atom.is_prefix), None)
    return None if first is None else (first.start, first.end)


def _near_in_field(atom: Near, field: str, text: str) -> Iterator[Match]:
    """Yield a match for each term in the first window that contains them all."""
    rows = [tuple(passages(term.words, text, is_prefix=term.is_prefix)) for term in atom.terms]
    chosen = _window(rows, atom.within)
    for start, end in sorted({(passage.start, passage.end) for passage in chosen}):
        yield Match(field=field, term=atom.describe(), text=text[start:end], start=start, end=end)


def _window(rows: Sequence[Sequence[Passage]], within: int) -> tuple[Passage, ...]:
    """
    Return a passage of each term in the first window of *within* words; empty if there is none.

    Of the passages that begin in or after a window's first word, the one that ends first is enough.
    """
    starts = [[passage.first for passage in row] for row in rows]
    ends_first = [_ends_first(row) for row in rows]
    for first in sorted({place for places in starts for place in places}):
        nexts = [bisect_left(places, first) for places in starts]
        if any(k == len(places) for k, places in zip(nexts, starts, strict=True)):
            return ()
        chosen = tuple(row[k] for k, row in zip(nexts, ends_first, strict=True))
        if all(passage.last - first < within for passage in chosen):
            return chosen
    return ()


def _ends_first(row: Sequence[Passage]) -> list[Passage]:
    """For each place in *row*, return the passage from there on that ends first."""

    def earlier(best: Passage, one: Passage) -> Passage:
        return one if one.last <= best.last else best

    return list(accumulate(reversed(row), earlier))[::-1]


def _exact_span(term: str, text: str) -> tuple[int, int] | None:
    """Return the first span of *term* as a whole word; ``CO2`` also finds CO₂."""
    term, text = without_scripts(term), without_scripts(text)
    start = text.find(term)
    while start >= 0:
        end = start + len(term)
        if not _continues(text, start - 1, term[0]) and not _continues_after(text, end, term[-1]):
            return start, end
        start = text.find(term, start + 1)
    return None


def _continues(text: str, place: int, edge: str) -> bool:
    """Return True if the character at *place* and the term's *edge* form one word."""
    return 0 <= place < len(text) and text[place].isalnum() and edge.isalnum()


def _continues_after(text: str, end: int, edge: str) -> bool:
    """Return True if the word continues after the term, also by signs: "C++" is not "C"."""
    signs = _SIGNS.match(text, end) if edge.isalnum() or edge in "+#＋＃⁺₊" else None
    return _continues(text, end, edge) or signs is not None


_SIGNS = re.compile("[+#＋＃⁺₊]++(?![^\\W_])")
"""Signs at the end of a word, as in `text.words`."""


def _regex_span(pattern: str, text: str) -> tuple[int, int] | None:
    found = compiled(pattern).search(text)
    return None if found is None else found.span()


def _whole_match(field: str, atom: Atom, text: str) -> Match:
    return Match(field=field, term=atom.describe(), text=text, start=0, end=len(text))


def _first(found: Iterator[Match | None]) -> tuple[Match, ...]:
    match = next(filter(None, found), None)
    return () if match is None else (match,)


def _match_if(field: str, atom: Atom, value: str, is_match: bool) -> tuple[Match, ...]:
    return (_whole_match(field, atom, value),) if is_match else ()


def _date_match(atom: DateIn, moment: datetime | None, is_date: bool) -> tuple[Match, ...]:
    """Match a moment in the range, or a day of which any part is in it."""
    if moment is None:
        return ()
    end = moment + (timedelta(days=1) if is_date else timedelta(microseconds=1))
    is_late = atom.since is None or atom.since < end
    is_early = atom.before is None or moment < atom.before
    shown = f"{moment:%Y-%m-%d}" if is_date else f"{moment:%Y-%m-%d %H:%M} UTC"
    return _match_if(atom.field, atom, shown, is_late and is_early)
