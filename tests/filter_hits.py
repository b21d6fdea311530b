"""
Count the papers of the corpus that terms find: ``python -m tests.filter_hits [TERM…]``.

Prints one line per term with its hits; run it in two checkouts to compare them. ``--show N`` also
prints N passages per term that are not the term's own spelling.
"""

import argparse
import gzip
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

from digestbot.filters.evaluate import hits
from digestbot.filters.parser import parse_filter
from digestbot.filters.tree import atoms
from digestbot.model import Announcement
from digestbot.text import fold, plain
from tests.factories import make_announcement, make_paper

TERMS = (
    "pre-training", "pretraining", "gamma-ray", "behaviour", "optimisation", "modelling", "Qwen",
    "H_0", "Alzheimer disease", "Alzheimer's disease", "CO2", "PM2.5", "ResNet", "YOLO",
    "non linear",
    "TNF-alpha", "alpha-synuclein", "k-means", "[C II]", "[O III]", "H-alpha", "Lyα", "Lambda-CDM",
    "J/psi", "T_c", "R^2", "N_eff", "U-Net", "HEK-293", "C++", "Na+", "Bayes' theorem",
    "Newton method", "fine-tuning", "time series", "data set", "multi-agent", "real-time", "LLaMA",
    "BERT", "COVID", "beta decay", "mu", "sigma model", "chi-squared", "centre", "catalogue",
)  # fmt: skip
SEED = 5
FILES = ("arxiv-papers-A.jsonl.gz", "arxiv-papers-oai-A.jsonl.gz")


def papers(corpus: Path) -> list[Announcement]:
    """Read all papers of the corpus, in the form of the store."""
    found = []
    for name in FILES:
        with gzip.open(corpus / "papers" / name, "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                title, abstract = plain(row["title"], one_line=True), plain(row["abstract"])
                paper = make_paper(id=f"arxiv:{row['id']}", title=title, abstract=abstract)
                found.append(make_announcement(paper=paper))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("terms", nargs="*", default=TERMS)
    parser.add_argument("--show", type=int, default=0, help="passages to print per term")
    given = parser.parse_args()
    conditions = {term: atoms(parse_filter(term).root)[0][0] for term in given.terms}
    found: dict[str, list[tuple[str, str]]] = {term: [] for term in conditions}
    for announcement in papers(Path(os.environ["DIGESTBOT_CORPUS"])):
        paper = announcement.paper
        for term, atom in conditions.items():
            if matches := hits(atom, announcement):
                one = matches[0]
                text = paper.title if one.field == "title" else paper.abstract
                context = text[max(0, one.start - 30) : one.end + 30].replace("\n", " ")
                found[term].append((fold(one.text), f"{paper.id}: {context}"))
    for term, rows in found.items():
        spelled = Counter(text for text, _ in rows)
        common = ", ".join(f"{text} {count}" for text, count in spelled.most_common(6))
        sys.stdout.write(f"{term}\t{len(rows)}\t{common}\n")
        others = [context for text, context in rows if text != fold(term)]
        for context in random.Random(SEED).sample(others, min(given.show, len(others))):
            sys.stdout.write(f"    {context}\n")


if __name__ == "__main__":
    main()
