"""
Draw new hits of a rule, to be judged: ``DIGESTBOT_CORPUS=… python -m tests.new_hits RULE``.

A hit is new if plain words and plurals would not find the paper. Its rule is the one that explains
how the passage differs from the term. Terms come in turn, each with its hits in random order; the
order depends only on the seed. ``tests/data/new_hits.tsv`` has the verdicts.
"""

import argparse
import os
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from digestbot.filters.evaluate import hits
from digestbot.filters.index import Batch, Index
from digestbot.filters.parser import parse_filter
from digestbot.filters.tree import atoms
from digestbot.model import Announcement
from digestbot.text import words
from digestbot.text.plurals import plural_forms
from digestbot.text.symbols import SUBSCRIPTS, SUPERSCRIPTS
from tests.filter_hits import papers
from tests.filter_table import CHUNK, rows_of

TERMS = Path(__file__).parent / "data" / "sampled_terms.tsv"
SEED = 12
COUNT = 50
CONTEXT = 60
"""Characters shown on either side of a passage."""

_GREEK = re.compile("[\u0370-\u03ff\U0001d6a8-\U0001d7cb]")
_SCRIPTS = re.compile(f"[_^{re.escape(''.join((*SUBSCRIPTS.values(), *SUPERSCRIPTS.values())))}]")
_VERSION = re.compile(r"v?\d", re.IGNORECASE)
_GENITIVE = re.compile(r"['’]s?\b|s['’]")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHit:
    """The first passage in a paper that a term finds, with the text around it."""

    term: str
    paper: str
    before: str
    text: str
    after: str


def rule_of(term: str, text: str, after: str) -> int:
    """Return the number of the rule by which *term* finds *text*, followed by *after*."""
    has_version = _VERSION.match(after) and not term[-1:].isdigit()
    if bool(_GREEK.search(text)) != bool(_GREEK.search(term)):
        return 2
    if has_version and term.isalpha():
        return 7
    if _SCRIPTS.search(text) or _SCRIPTS.search(term):
        return 3
    if has_version:
        return 7
    if ("+" in text) != ("+" in term) or after.startswith("+"):
        return 6
    if bool(_GENITIVE.search(text)) != bool(_GENITIVE.search(term)):
        return 5
    if re.search(r"\d", text) and not re.search(r"\d", term):
        return 7
    return 1 if _letters(term) == _letters(text) else 4


def _letters(text: str) -> str:
    return re.sub(r"\W|_", "", text.lower()).rstrip("es")


def is_plain_hit(term: str, announcement: Announcement) -> bool:
    """Return True if the words of *term*, or their plurals, are in the title or the abstract."""
    wanted = [plural_forms(word.text) for word in words(term)]
    paper = announcement.paper
    return any(
        _has(wanted, [w.text for w in words(text)]) for text in (paper.title, paper.abstract)
    )


def _has(wanted: Sequence[frozenset[str]], found: Sequence[str]) -> bool:
    return any(
        all(word in forms for word, forms in zip(found[start:], wanted, strict=False))
        for start in range(len(found) - len(wanted) + 1)
    )


def new_hits(
    terms: Sequence[str], rule: int, announcements: Sequence[Announcement]
) -> dict[str, list[NewHit]]:
    """Return the new hits of each term by *rule*, in the order of *announcements*."""
    index = Index()
    for key, term in enumerate(terms):
        index.put(key, parse_filter({"text": term}))
    found: dict[str, list[NewHit]] = {term: [] for term in terms}
    for start in range(0, len(announcements), CHUNK):
        batch = Batch.of(announcements[start : start + CHUNK])
        for key, matched in index.match(batch).by_key():
            term = terms[key]
            found[term] += (hit for one in matched if (hit := _new_hit(term, rule, one)))
    return found


def _new_hit(term: str, rule: int, announcement: Announcement) -> NewHit | None:
    if is_plain_hit(term, announcement):
        return None
    paper = announcement.paper
    match = next(
        match
        for atom, _ in atoms(parse_filter({"text": term}).root)
        for match in hits(atom, announcement)
    )
    text = paper.title if match.field == "title" else paper.abstract
    hit = NewHit(
        term=term,
        paper=paper.id,
        before=text[max(0, match.start - CONTEXT) : match.start],
        text=match.text,
        after=text[match.end : match.end + CONTEXT],
    )
    return hit if rule_of(term, hit.text, hit.after) == rule else None


def drawn(found: Mapping[str, Sequence[NewHit]], count: int, seed: int) -> Iterator[NewHit]:
    """Yield *count* hits: one of each term in turn, terms and hits in random order."""
    rng = random.Random(seed)
    rows = [rng.sample(hits, len(hits)) for _, hits in sorted(found.items())]
    rng.shuffle(rows)
    turns = (row[turn] for turn in range(count) for row in rows if turn < len(row))
    for _, hit in zip(range(count), turns, strict=False):
        yield hit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rule", type=int, choices=range(1, 8))
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    terms = [term for rule, term in rows_of(TERMS) if rule == f"{given.rule}"]
    found = new_hits(terms, given.rule, papers(Path(os.environ["DIGESTBOT_CORPUS"])))
    for hit in drawn(found, given.count, given.seed):
        passage = f"{hit.before}«{hit.text}»{hit.after}".replace("\n", " ")
        sys.stdout.write(f"{given.rule}\t{hit.term}\t{hit.paper}\t{passage}\n")


if __name__ == "__main__":
    main()
