"""
Warnings about valid filters: terms that never match, match far too often, or are redundant.

Some warnings follow from the filter alone; others need enough papers from the log as evidence. Each
warning says what to do. Pure functions; begin at `lint_filter`, and `lint_sources` for conditions
on fields that a source does not have.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import reduce
from itertools import combinations
from operator import or_
from typing import TYPE_CHECKING

from digestbot.backtest import Bits, ConditionMatches, match_conditions, match_filters
from digestbot.filters import Filter, hits, parse_filter
from digestbot.filters.authors import readings
from digestbot.filters.flow_style import flow_style
from digestbot.filters.parser import DEFAULT_WITHIN, MAX_NEAR_TERMS
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
    Path,
    Regex,
    SourceIs,
    TypeIs,
    Words,
    atoms,
)
from digestbot.model import Announcement, Paper
from digestbot.spellings import missed_spellings
from digestbot.text import NOTE, bare, forms, plain, words

if TYPE_CHECKING:
    from digestbot.filters.index import Batch

ENOUGH = 500
"""Minimum number of papers for warnings about how often conditions hit."""
BROAD = 0.25
"""Share of all papers above which a single term is too broad."""
SIMILARITY = 0.85
"""Minimum similarity of two words for one to count as a typo of the other."""
MAX_TYPO = 40
"""Longest word, in characters, for which a similar one is searched."""
SINGLE_VALUED = (CategoryIs, TypeIs, DocumentIs, SourceIs, IdIs)
"""Conditions on properties of which a paper has one value."""
KEY_MAX = 8
"""Longest prefix, in characters, by which conditions are indexed."""
ENOUGH_OF_SOURCE = 20
"""Minimum number of papers of a source for a warning that it lacks a field."""
SHOWN_TERMS = 5
"""Most conditions to warn about one by one for the same reason."""
FIELD_NAMES = {
    "abstract": "abstracts", "author": "authors", "category": "categories",
    "primary": "primary categories", "comment": "comments", "journal": "journals", "doi": "DOIs",
    "published": "dates", "updated": "dates",
}  # fmt: skip
"""Fields that a source may lack, and what to call them."""
GIVEN_BY_AUTHORS = frozenset({"comment", "journal", "doi"})
"""Fields that most papers on arXiv lack by chance; they are never reported for arXiv."""
RARE = (AuthorIs, IdIs, DoiIs, DateIn)
"""Conditions on rare papers, for which a lack of hits is normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintWarning:
    """A part of a filter that is probably a mistake."""

    path: Path
    """Its place in the filter's YAML; empty for the whole filter."""
    message: str


def lint_filter(filter_: Filter, pool: "Batch | None") -> tuple[LintWarning, ...]:
    """Return the warnings about *filter_* in YAML order; *pool* has papers to test it on."""
    found = [
        *_redundant_conditions(filter_.root, counts=filter_.min_score is not None),
        *_contradictions(filter_.root),
        *_exclusive_values(filter_.root),
    ]
    if pool is not None and len(pool) >= ENOUGH:
        found += _unusual_matches(filter_, pool)
    return tuple(sorted(dict.fromkeys(found), key=lambda warning: tuple(map(str, warning.path))))


def _redundant_conditions(node: Node, *, counts: bool) -> Iterator[LintWarning]:
    """
    Find conditions made redundant by another one in the same group.

    If hits count towards a min_score (*counts*), only excluding conditions can be redundant.
    """
    if not isinstance(node, (AllOf, AnyOf, NoneOf)):
        return
    if isinstance(node, NoneOf) or not counts:
        yield from _redundant_in(node)
    for child in node.children:
        yield from _redundant_conditions(child, counts=counts and not isinstance(node, NoneOf))


def _redundant_in(group: AllOf | AnyOf | NoneOf) -> Iterator[LintWarning]:
    is_all = isinstance(group, AllOf)
    of_one, of_other = (_as_wide, _as_narrow) if is_all else (_as_narrow, _as_wide)
    others = _Keyed(group.children, of_other)
    for place, one in enumerate(group.children):
        for other_place in others.sharing(of_one(one)):
            other = group.children[other_place]
            pair = (one, other) if is_all else (other, one)
            if one is not other and _covers(*pair, is_before=other_place < place):
                yield _redundant(group, one, other)
                break


class _Keyed:
    """
    Conditions indexed by keys, to avoid comparing all pairs of a filter with thousands.

    If one condition is within another, `_as_narrow` of the first and `_as_wide` of the second share
    a key.
    """

    def __init__(self, nodes: Sequence[Node], keys: Callable[[Node], Iterable[Hashable]]) -> None:
        self._places: defaultdict[Hashable, list[int]] = defaultdict(list)
        for place, node in enumerate(nodes):
            for key in keys(node):
                self._places[key].append(place)

    def sharing(self, keys: Iterable[Hashable]) -> list[int]:
        """Return the sorted indexes of the conditions that have one of *keys*."""
        return sorted({place for key in keys for place in self._places.get(key, ())})


def _as_wide(node: Node) -> Iterable[Hashable]:
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return ()
    if isinstance(node, CategoryIs):
        return node.codes
    if isinstance(node, AuthorIs):
        return readings(node.name)
    if not isinstance(node, Words):
        return (_bare(node),)
    if node.is_prefix and len(node.words) == 1:
        return (f"{node.words[0][:KEY_MAX]}*",)
    return forms(node.words[0])


def _as_narrow(node: Node) -> Iterable[Hashable]:
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return ()
    if isinstance(node, CategoryIs):
        return tuple(node.codes)[:1]
    if isinstance(node, AuthorIs):
        return readings(node.name)[:1]
    if not isinstance(node, Words):
        return (_bare(node),)
    prefixes = (f"{word[:end]}*" for word in node.words for end in range(1, KEY_MAX + 1))
    return {*node.words, *prefixes}


def _redundant(group: Node, one: Node, other: Node) -> LintWarning:
    covered = "every paper" if isinstance(group, AllOf) else "only papers"
    reason = f'it hits {covered} that "{other.describe()}" hits'
    message = f'"{one.describe()}" is redundant: {reason}; remove one of them'
    return LintWarning(path=one.path, message=message)


def _covers(wide: Node, narrow: Node, *, is_before: bool) -> bool:
    """Return True if *wide* hits every paper that *narrow* hits; of equals, the first one does."""
    if isinstance(wide, (AllOf, AnyOf, NoneOf)) or isinstance(narrow, (AllOf, AnyOf, NoneOf)):
        return False
    if wide.weight != narrow.weight:
        return False
    if _is_within(narrow, wide):
        return is_before or not _is_within(wide, narrow)
    return False


def _is_within(narrow: Atom, wide: Atom) -> bool:
    if isinstance(narrow, Words) and isinstance(wide, Words):
        return set(narrow.fields) <= set(wide.fields) and _has_phrase(narrow, wide)
    if isinstance(narrow, CategoryIs) and isinstance(wide, CategoryIs):
        return narrow.is_primary == wide.is_primary and narrow.codes <= wide.codes
    if isinstance(narrow, AuthorIs) and isinstance(wide, AuthorIs):
        return set(readings(narrow.name)) <= set(readings(wide.name))
    return _bare(narrow) == _bare(wide)


def _has_phrase(narrow: Words, wide: Words) -> bool:
    """Return True if *narrow* contains the words of *wide*, in any form, as a phrase."""
    size = len(wide.words)
    return any(
        all(_word_within(narrow, i + k, wide, k) for k in range(size))
        for i in range(len(narrow.words) - size + 1)
    )


def _word_within(narrow: Words, i: int, wide: Words, k: int) -> bool:
    """Return True if the word of *wide* matches everything that the word of *narrow* does."""
    is_prefix = narrow.is_prefix and i == len(narrow.words) - 1
    found = {narrow.words[i]} if is_prefix else forms(narrow.words[i])
    if wide.is_prefix and k == len(wide.words) - 1:
        return all(word.startswith(wide.words[k]) for word in found)
    return not is_prefix and found <= forms(wide.words[k])


def _contradictions(root: Node) -> Iterator[LintWarning]:
    """Find conditions that the same filter includes and excludes."""
    if not isinstance(root, AllOf):
        return
    excluded = [
        child
        for group in root.children
        if isinstance(group, NoneOf)
        for child in group.children
        if not isinstance(child, (AllOf, AnyOf, NoneOf))
    ]
    wides = _Keyed(excluded, _as_wide)
    for atom, negated in atoms(root):
        if not negated and any(
            _is_within(atom, excluded[place]) for place in wides.sharing(_as_narrow(atom))
        ):
            message = f'"{atom.describe()}" is both included and excluded, so it never matches'
            yield LintWarning(path=atom.path, message=f"{message}; remove one of them")


def _exclusive_values(node: Node) -> Iterator[LintWarning]:
    """Find two values under "all" for a property of which a paper has only one."""
    if not isinstance(node, (AllOf, AnyOf, NoneOf)):
        return
    if isinstance(node, AllOf):
        single = [child for child in node.children if isinstance(child, SINGLE_VALUED)]
        for one, other in combinations(single, 2):
            if _are_exclusive(one, other):
                what = f'"{other.describe()}" and "{one.describe()}" cannot both hold'
                yield LintWarning(
                    path=other.path, message=f"{what}; to accept either, list them under any"
                )
    for child in node.children:
        yield from _exclusive_values(child)


def _are_exclusive(one: Node, other: Node) -> bool:
    match one, other:
        case CategoryIs(is_primary=True), CategoryIs(is_primary=True):
            return one.codes.isdisjoint(other.codes)
        case TypeIs(), TypeIs():
            return one.type is not other.type
        case DocumentIs(), DocumentIs():
            return one.type is not other.type
        case SourceIs(), SourceIs():
            return one.term != other.term
        case IdIs(), IdIs():
            return one.paper_id != other.paper_id
    return False


def _bare(atom: Atom) -> Atom:
    """Reduce an atom to its meaning; the spelling counts only where it is the meaning."""
    term = atom.term if isinstance(atom, (Exact, Regex, SourceIs)) else ""
    return replace(atom, weight=1.0, label="", term=term, path=())


def _unusual_matches(filter_: Filter, pool: "Batch") -> Iterator[LintWarning]:
    matches = match_conditions(filter_, pool)
    count = len(pool)
    if matches.hits and matches.matched == (1 << count) - 1:
        message = f"matches all of the {count} papers tested; add conditions, or remove the filter"
        yield LintWarning(path=(), message=message)
    if matches.hits and not matches.matched:
        hint = "run 'digestbot explain' on a paper that should match"
        yield LintWarning(path=(), message=f"matches none of the {count} papers tested; {hint}")
    yield from _missed_spellings(matches, pool)
    unused = [atom for atom in matches.alone if not matches.hits[atom]]
    for atom, advice in _advised([atom for atom in unused if not isinstance(atom, RARE)], pool):
        message = f'"{atom.describe()}" hits none of the {count} papers tested; {advice}'
        yield LintWarning(path=atom.path, message=message)
    for atom, alone in matches.alone.items():
        yield from _too_broad(atom, alone, count)


def _missed_spellings(matches: ConditionMatches, pool: "Batch") -> Iterator[LintWarning]:
    """Find spellings of terms that papers have and that the filter does not find."""
    wanted = {atom: matches.hits[atom] for atom in matches.alone}
    terms = {atom: bits for atom, bits in wanted.items() if isinstance(atom, Words)}
    covered = reduce(or_, wanted.values(), 0)
    for missed in missed_spellings(terms, covered, pool):
        atom = missed.atom
        message = f'"{atom.describe()}" misses {missed.papers} of the {len(pool)} papers tested'
        reason = f'they write "{missed.spelling}"; {_both(atom, missed.spelling)}'
        yield LintWarning(path=atom.path, message=f"{message}: {reason}")


def _both(atom: Words, other: str) -> str:
    """Say how to search for *other* as well as for *atom*."""
    if "query" in atom.path:
        prefix = {"title": "ti", "abstract": "abs", "comment": "co", "journal": "jr"}
        return f'add OR {prefix.get(atom.label, "all")}:"{other}" to it'
    both = [atom.term, other]
    return f"write {flow_style({atom.label: both} if atom.label else both)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    """A replacement for a term that hits nothing; made only if papers match it."""

    tried: tuple[Atom, ...]
    """Conditions, each of which must hit a paper."""
    advice: str


def _advised(unused: Sequence[Atom], pool: "Batch") -> Iterator[tuple[Atom, str]]:
    """Yield each condition that hits nothing with a suggestion that has been tried."""
    known = frozenset(pool.vocabulary())
    proposals: dict[Atom, list[_Proposal]] = {
        atom: list(_proposals(atom, known)) for atom in unused if isinstance(atom, Words)
    }
    tried = {one: 0 for each in proposals.values() for proposal in each for one in proposal.tried}
    found = match_filters([Filter(root=one) for one in tried], pool)
    counts = {one: bits.bit_count() for one, bits in zip(tried, found, strict=True)}
    for atom in unused:
        good = (
            proposal.advice
            for proposal in proposals.get(atom, ())
            if all(counts[one] for one in proposal.tried)
        )
        yield atom, next(good, None) or _other_advice(atom, pool)


def _other_advice(atom: Atom, pool: "Batch") -> str:
    """Suggest something for a condition without a tried replacement."""
    if isinstance(atom, Exact):
        form = _other_form(atom, pool)
        return f'they spell it "{form}"' if form else "check its spelling"
    if not isinstance(atom, Words):
        return "check that the sources and types of the digest include it"
    if len(atom.words) == 1:
        return "check its spelling"
    return "check its spelling, or use a shorter phrase"


def _proposals(atom: Words, known: Collection[str]) -> Iterator[_Proposal]:
    """Yield what *atom* may mean: a list in one text, a typo, words near each other."""
    items = [item for item in _SEPARATORS.split(atom.term) if words(plain(item))]
    if len(items) > 1:
        alone = [[word.text for word in words(plain(item))] for item in items]
        both = flow_style({atom.label: items} if atom.label else items)
        tried = tuple(_with_words(atom, each) for each in alone)
        yield _Proposal(tried=tried, advice=f"for a list, write {both}")
    for word in atom.words:
        near = _close_word(word, known) if forms(word).isdisjoint(known) else None
        if near:
            fixed = _with_words(atom, [near if each == word else each for each in atom.words])
            yield _Proposal(tried=(fixed,), advice=f'did you mean "{near}"?')
    distinct = list(dict.fromkeys(map(bare, atom.words)))
    if 2 <= len(distinct) <= MAX_NEAR_TERMS and not atom.is_prefix and not atom.label:
        terms = tuple(_with_words(atom, [word]) for word in distinct)
        near_each_other = Near(term="", fields=atom.fields, terms=terms, within=DEFAULT_WITHIN)
        advice = f"its words are never a phrase; write {flow_style({'near': distinct})}"
        yield _Proposal(tried=(near_each_other,), advice=advice)


_SEPARATORS = re.compile(r"\s*[,;/|]\s*(?:(?:and|or)\s+)?|\s+(?:and|or|&)\s+", re.IGNORECASE)


def _with_words(atom: Words, wanted: Sequence[str]) -> Words:
    return replace(atom, words=tuple(wanted), term=" ".join(wanted), path=())


def _close_word(word: str, known: Collection[str]) -> str | None:
    """Return a known word with the same first letter of which *word* may be a typo."""
    if len(word) > MAX_TYPO:
        return None
    lengths = range(len(word) - 2, len(word) + 3)
    alike = [
        other
        for other in known
        if other[:1] == word[0] and len(other) in lengths and NOTE not in other
    ]
    return next(iter(get_close_matches(word, sorted(alike), n=1, cutoff=SIMILARITY)), None)


def _other_form(atom: Exact, pool: "Batch") -> str | None:
    """Return another spelling of an ``exact`` text that occurs in *pool*."""
    from digestbot.filters.index import Index

    try:
        loose = parse_filter(atom.term)
    except ValueError:
        return None
    index = Index()
    index.put(0, loose)
    matches = (hits(other, row) for row in index.match(pool).of(0) for other in loose.atoms())
    return next((found[0].text for found in matches if found), None)


def _too_broad(atom: Atom, alone: Bits, total: int) -> Iterator[LintWarning]:
    if not isinstance(atom, Words):  # a category is broad on purpose
        return
    if (share := alone.bit_count() / total) > BROAD:
        message = f'"{atom.describe()}" alone matches {share:.0%} of the papers tested'
        hint = "restrict it to the title, or combine it with another condition"
        yield LintWarning(path=atom.path, message=f"{message}; {hint}")


def lacking_fields(announcements: Iterable[Announcement]) -> dict[str, frozenset[str]]:
    """Return the fields that no paper of a source has, by source, if there are enough papers."""
    papers: defaultdict[str, list[Paper]] = defaultdict(list)
    for row in announcements:
        papers[row.source].append(row.paper)
    lacking = {
        source: frozenset(FIELD_NAMES).difference(*map(_fields_of, rows))
        for source, rows in papers.items()
        if len(rows) >= ENOUGH_OF_SOURCE
    }
    return {source: fields for source, fields in lacking.items() if fields}


def _fields_of(paper: Paper) -> set[str]:
    is_arxiv = paper.id.startswith("arxiv:")
    values = {
        "abstract": paper.abstract,
        "author": paper.authors,
        "category": paper.categories,
        "primary": paper.primary_category,
        "comment": paper.comment,
        "journal": paper.journal_ref,
        "doi": paper.doi or paper.id.startswith("doi:"),
        "published": paper.published,
        "updated": paper.updated,
    }
    return {
        name for name, value in values.items() if value or (is_arxiv and name in GIVEN_BY_AUTHORS)
    }


def lint_sources(filter_: Filter, lacking: Mapping[str, frozenset[str]]) -> tuple[LintWarning, ...]:
    """
    Warn of conditions that cannot match in a source, as its papers have no such field.

    Excluding conditions are left out, and those that other conditions keep from the source.

    Args:
        filter_: The filter of a digest.
        lacking: From `lacking_fields`, for the sources of the digest.
    """
    idle: defaultdict[tuple[str, tuple[str, ...]], list[Atom]] = defaultdict(list)
    sources: defaultdict[tuple[Path, str], list[str]] = defaultdict(list)
    terms: dict[tuple[Path, str], Atom] = {}
    for source, fields in lacking.items():
        for term in _idle_terms(filter_.root, source, fields):
            key = (term.path, term.describe())
            terms.setdefault(key, term)
            sources[key].append(source)
    for key, term in terms.items():
        idle[_names(term), tuple(sources[key])].append(term)
    return tuple(
        warning
        for (names, its_sources), its_terms in idle.items()
        for warning in _idle(
            its_terms,
            names,
            its_sources,
            is_whole=not any(_can_match(filter_.root, each, lacking[each]) for each in its_sources),
        )
    )


def _idle(
    terms: Sequence[Atom], names: str, sources: Sequence[str], *, is_whole: bool
) -> Iterator[LintWarning]:
    whose, feeds = ("its", "feed has") if len(sources) == 1 else ("their", "feeds have")
    reason = f"cannot match in {', '.join(sources)}: {whose} {feeds} no {names}"
    if is_whole:
        reason += f", so none of {whose} papers can pass the filter"
    reason += "; add a condition that works there, such as a title"
    shown = terms if len(terms) <= SHOWN_TERMS else terms[:1]
    more = "" if shown is terms else f" and {len(terms) - 1} more"
    for term in shown:
        yield LintWarning(path=term.path, message=f'"{term.describe()}"{more} {reason}')


def _idle_terms(root: Node, source: str, lacking: frozenset[str]) -> list[Atom]:
    """Return one atom of each term that no paper of *source* can match."""
    terms: dict[tuple[Path, str], list[Atom]] = {}
    for atom in _live(root, source):
        terms.setdefault((atom.path, atom.term), []).append(atom)
    # A term of a query can be several atoms: "all: smith" searches the text and the authors.
    return [
        alike[0]
        for alike in terms.values()
        if not any(_can_match(each, source, lacking) for each in alike)
    ]


def _live(node: Node, source: str) -> Iterator[Atom]:
    """Yield the including atoms that matter for papers of *source*."""
    if isinstance(node, NoneOf) or _holds(node, source) is False:
        return
    if isinstance(node, (AllOf, AnyOf)):
        for child in node.children:
            yield from _live(child, source)
    else:
        yield node


def _holds(node: Node, source: str) -> bool | None:
    """Return what the ``source`` conditions alone decide; None if that is open."""
    if isinstance(node, SourceIs):
        return node.term == source
    if not isinstance(node, (AllOf, AnyOf, NoneOf)):
        return None
    results = {_holds(child, source) for child in node.children}
    decisive = not isinstance(node, AllOf)
    if decisive in results:
        return decisive != isinstance(node, NoneOf)
    if None in results:
        return None
    return decisive == isinstance(node, NoneOf)


def _can_match(node: Node, source: str, lacking: frozenset[str]) -> bool:
    """Return False if no paper of *source* passes *node*."""
    if isinstance(node, AnyOf):
        return any(_can_match(child, source, lacking) for child in node.children)
    if isinstance(node, AllOf):
        return all(_can_match(child, source, lacking) for child in node.children)
    if _holds(node, source) is False:
        return False
    return isinstance(node, NoneOf) or not _needs(node) or not _needs(node) <= lacking


def _needs(atom: Atom) -> frozenset[str]:
    """Return the fields of which a paper needs one to match *atom*; empty if it needs none."""
    match atom:
        case Words() | Near() | Exact() | Regex():
            return frozenset(atom.fields)
        case AuthorIs():
            return frozenset({"author"})
        case CategoryIs():
            return frozenset({"primary" if atom.is_primary else "category"})
        case DoiIs():
            return frozenset({"doi"})
        case DateIn():
            return frozenset({atom.field})
        case _:
            return frozenset()


def _names(atom: Atom) -> str:
    """List what *atom* searches, in words."""
    return " or ".join(dict.fromkeys(FIELD_NAMES[name] for name in sorted(_needs(atom))))
