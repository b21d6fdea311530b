"""
Print the tables of docs/filters.md: ``DIGESTBOT_CORPUS=… python -m tests.filter_table``.

The first table has the papers that common terms find now and found before, by the code of the
commit that ``tests/data/hits_before.tsv`` names. The second one has the precision of the rules: in
``tests/data/new_hits.tsv`` each passage of a sample of new hits was judged by reading it.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from digestbot.filters.index import Batch, Index
from digestbot.filters.parser import parse_filter
from digestbot.model import Announcement
from tests.filter_hits import papers

DATA = Path(__file__).parent / "data"
BEFORE, NEW_HITS = DATA / "hits_before.tsv", DATA / "new_hits.tsv"
FIELDS = {
    "physics": ("gravitational wave", "polarization", "semi-conductor", "Maxwell equations", "T_c"),
    "astronomy": ("gamma-ray", "H-alpha", "H_0", "Lambda-CDM", "light curve"),
    "chemistry": ("CO2", "H_2", "aluminium", "sulphur", "nano-particle"),
    "biology": ("co-evolution", "bio-marker", "gene expression", "ageing", "single-cell"),
    "medicine": ("Alzheimer disease", "COVID-19", "tumour", "follow-up", "X ray"),
    "mathematics": ("Newton method", "Lagrange multiplier", "non-linear", "sub-space", "L^2"),
    "computer science": ("pre-training", "behaviour", "k-means", "ResNet", "Qwen"),
    "economics": ("decision-making", "labour", "Nash equilibrium", "trade-off", "organisation"),
}
"""Common terms of each field, in one of the ways in which authors write them."""

RULES = (
    "joined, hyphenated, separate",
    "Greek letters",
    "sub- and superscripts",
    "British and American spelling",
    "genitive 's",
    "a final plus",
    "names with a version",
)
"""What finds more papers than before; numbered from 1 in ``new_hits.tsv``."""

CHUNK = 2000
"""Papers matched at once."""


def hit_table(announcements: Sequence[Announcement]) -> Iterator[str]:
    """Yield the lines of the table of terms, counted in *announcements*."""
    before, now = dict(rows_of(BEFORE)), _counts(announcements)
    yield "| field | term | before | now |"
    yield "|---|---|--:|--:|"
    for field, terms in FIELDS.items():
        for term in terms:
            yield f"| {field} | `{term}` | {int(before[term]):,} | {now[term]:,} |"


def precision_table() -> Iterator[str]:
    """Yield the lines of the table of rules, from the verdicts in ``new_hits.tsv``."""
    rows = rows_of(NEW_HITS)
    yield "| rule | terms | new hits read | right |"
    yield "|---|--:|--:|--:|"
    for number, name in enumerate(RULES, start=1):
        verdicts = [verdict for rule, *_, verdict in rows if rule == f"{number}"]
        terms = {term for rule, term, *_ in rows if rule == f"{number}"}
        right = verdicts.count("right") / len(verdicts)
        yield f"| {name} | {len(terms)} | {len(verdicts)} | {right:.0%} |"


def _counts(announcements: Sequence[Announcement]) -> Counter[str]:
    """Count the papers that each term finds."""
    terms = [term for row in FIELDS.values() for term in row]
    index = Index()
    for key, term in enumerate(terms):
        index.put(key, parse_filter(term))
    found: Counter[str] = Counter()
    for start in range(0, len(announcements), CHUNK):
        batch = Batch.of(announcements[start : start + CHUNK])
        for key, matched in index.match(batch).by_key():
            found[terms[key]] += len(matched)
    return found


def rows_of(table: Path) -> list[list[str]]:
    """Read the rows of a file of *tests/data*, without its comments."""
    lines = table.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def main() -> None:
    announcements = papers(Path(os.environ["DIGESTBOT_CORPUS"]))
    for line in (*hit_table(announcements), "", *precision_table()):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
