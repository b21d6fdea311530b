"""
Find spellings that a filter's terms miss, by trying them on real papers.

Candidates come from tables, from joining and splitting words, and from abbreviations that the
papers define. The matcher decides: a spelling counts only with papers that have it and that no term
of the filter finds. Begin at `missed_spellings`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from digestbot.backtest import Bits, match_filters
from digestbot.filters import Filter
from digestbot.filters.conditions import ConditionError, words_in
from digestbot.filters.tree import Words
from digestbot.model import Announcement

if TYPE_CHECKING:
    from digestbot.filters.index import Batch

MIN_PAPERS = 2
"""Papers with a spelling; a single one may be a typo."""
MIN_DEFINITIONS = 3
"""Papers that define an abbreviation, almost always for the same phrase."""
MAX_OTHER_MEANINGS = 0.1
"""Share of the definitions of an abbreviation that stand for another phrase."""

_PARTS: tuple[tuple[str, str, int], ...] = (
    ("our", "or", 6), ("ise", "ize", 6), ("isa", "iza", 8), ("ising", "izing", 8),
    ("lyse", "lyze", 6), ("ogue", "og", 6), ("aem", "em", 5), ("oem", "em", 6), ("oed", "ed", 5),
    ("oest", "est", 6), ("paed", "ped", 6), ("sulph", "sulf", 5), ("artefact", "artifact", 8),
    ("grey", "gray", 4), ("mould", "mold", 5), ("alumini", "alumin", 8), ("leuc", "leuk", 6),
    ("sceptic", "skeptic", 7), ("ageing", "aging", 5), ("dgement", "dgment", 8),
    ("lling", "ling", 8), ("lled", "led", 8), ("fibre", "fiber", 5), ("centre", "center", 6),
    ("metre", "meter", 5), ("programme", "program", 7), ("defence", "defense", 7),
    ("licence", "license", 7),
)  # fmt: skip
"""Two spellings of a part of a word, and the length from which words are tried."""
_LETTERS: tuple[tuple[str, str], ...] = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ø", "oe"))
_TRANSCRIBED: tuple[tuple[str, str], ...] = (("ae", "a"), ("oe", "o"), ("ue", "u"))
"""Umlauts as in "Schroedinger"; tried in names only."""
_WORDS: tuple[tuple[str, str], ...] = (
    ("1D", "one-dimensional"), ("2D", "two-dimensional"), ("3D", "three-dimensional"),
    ("disc", "disk"), ("discs", "disks"), ("vs", "versus"),
)  # fmt: skip
_GREEK = dict(zip(
    (
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
        "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
    ),
    "αβγδεζηθικλμνξπρστφχψω",
    strict=True,
))  # fmt: skip
_HALF = 4
"""Shortest half of a word that is split, in letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A spelling that a term does not find."""

    atom: Words
    spelling: str
    papers: int
    """Papers with it that no term of the filter finds."""


def missed_spellings(
    terms: Mapping[Words, Bits], covered: Bits, pool: "Batch"
) -> tuple[Missed, ...]:
    """
    Return spellings of *terms* that papers in *pool* have and that the filter misses.

    Args:
        terms: The terms, with the papers that each one hits.
        covered: Papers that any condition of the filter hits.
        pool: Papers to try them on.
    """
    used = [atom for atom, hits in terms.items() if hits and not atom.is_prefix]
    abbreviations = _abbreviations(pool)
    known = frozenset(pool.vocabulary())
    tried = [
        (atom, each, variant)
        for atom in used
        for each in dict.fromkeys([*spellings(atom.term, known), *abbreviations.of(atom.term)])
        if (variant := _variant(atom, each)) and known.issuperset(variant.words)
    ]
    found = match_filters([Filter(root=variant) for _, _, variant in tried], pool)
    missed = [
        Missed(atom=atom, spelling=each, papers=(bits & ~covered).bit_count())
        for (atom, each, _), bits in zip(tried, found, strict=True)
    ]
    return tuple(each for each in missed if each.papers >= MIN_PAPERS)


def _variant(atom: Words, term: str) -> Words | None:
    """Return *atom* with another term, or None if the term has no words or the same."""
    try:
        found = words_in(*atom.fields)(term, atom.label, 1.0, ())
    except ConditionError:
        return None
    if not isinstance(found, Words) or found.words == atom.words:
        return None
    return replace(found, term=term)


def spellings(term: str, known: Collection[str] = ()) -> Iterator[str]:
    """Yield candidates for other spellings of *term*; a word is split into *known* halves."""
    for one, other in (*_WORDS, *((other, one) for one, other in _WORDS)):
        if found := re.search(rf"(?<!\w){one}(?!\w)", term, re.IGNORECASE):
            yield f"{term[: found.start()]}{other}{term[found.end() :]}"
    parts = re.split(r"([\s-]+)", term)
    for place, word in enumerate(parts):
        for other in (*_of_word(word), *_halves(word, known)) if place % 2 == 0 else ():
            yield "".join([*parts[:place], other, *parts[place + 1 :]])
        if place % 2:
            yield "".join([*parts[:place], *(part.lower() for part in parts[place + 1 :])])


def _of_word(word: str) -> Iterator[str]:
    low = word.lower()
    for one, other, size in _PARTS:
        for wanted, written in ((one, other), (other, one)):
            if len(word) >= size - len(one) + len(wanted) and wanted in low:
                yield low.replace(wanted, written)
    for sign, letters in _LETTERS:
        if sign in low:
            yield low.replace(sign, letters)
    for letters, sign in _TRANSCRIBED if word[:1].isupper() and not word.isupper() else ():
        if letters in low:
            yield word.replace(letters, sign)
    for name, sign in _GREEK.items():
        if low in (name, sign):
            yield sign if low == name else name


def _halves(word: str, known: Collection[str]) -> Iterator[str]:
    """Yield *word* in two words, both of which are known."""
    low = word.lower()
    for place in range(_HALF, len(low) - _HALF + 1):
        if low[:place] in known and low[place:] in known:
            yield f"{low[:place]} {low[place:]}"


@lru_cache(maxsize=1)
def _abbreviations(pool: "Batch") -> "_Abbreviations":
    """Return the abbreviations in *pool*; the filters of a config share one."""
    return _Abbreviations(pool.announcements)


class _Abbreviations:
    """Abbreviations as papers define them: "large language models (LLMs)"."""

    def __init__(self, announced: Iterable[Announcement]) -> None:
        self._short: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._long: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._written: dict[str, str] = {}
        for announcement in announced:
            paper = announcement.paper
            pairs = set(definitions(f"{paper.title}. {paper.abstract}"))
            for phrase, abbreviation in pairs:
                self._short[_key(phrase)][abbreviation] += 1
                self._long[abbreviation][_key(phrase)] += 1
                self._written.setdefault(_key(phrase), phrase.lower())

    def of(self, term: str) -> Iterator[str]:
        """Yield the abbreviations of a phrase, or the phrase of an abbreviation."""
        for abbreviation in self._short.get(_key(term), ()):
            if self._phrase(abbreviation) == _key(term):
                yield abbreviation
        if phrase := self._phrase(term):
            yield self._written[phrase]

    def _phrase(self, abbreviation: str) -> str | None:
        """Return what *abbreviation* stands for, if that is clear."""
        phrases = self._long.get(abbreviation)
        if not phrases or phrases.total() < MIN_DEFINITIONS:
            return None
        phrase, count = phrases.most_common(1)[0]
        return phrase if count >= phrases.total() * (1 - MAX_OTHER_MEANINGS) else None


_DEFINITION = re.compile(r"\(([A-Z][A-Za-z]*[A-Z])s?\)")
_LOOK_BACK = 120
"""Characters before an abbreviation that have its phrase."""


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each phrase that *text* abbreviates by its initials, with the abbreviation."""
    for match in _DEFINITION.finditer(text):
        written = text[max(0, match.start() - _LOOK_BACK) : match.start()]
        before = re.split(r"[\s-]+", written.strip())
        capitals = "".join(letter for letter in match[1] if letter.isupper())
        for initials in dict.fromkeys((match[1].upper(), capitals)):
            phrase = before[-len(initials) :]
            if len(initials) >= 3 and [word[:1].upper() for word in phrase] == list(initials):
                yield " ".join(phrase), match[1]


def _key(phrase: str) -> str:
    """Return the words of *phrase* in lower case, the last one in the singular."""
    return re.sub(r"(?<=[a-rt-z])s$", "", " ".join(re.findall(r"\w+", phrase.lower())))
