"""Spellings that terms miss: proposed only with papers that have them."""

from dataclasses import replace
from pathlib import Path

import pytest

from digestbot.backtest import match_conditions
from digestbot.filters import hits, parse_filter
from digestbot.filters.conditions import words_in
from digestbot.filters.index import Batch
from digestbot.filters.tree import Words
from digestbot.spellings import Missed, definitions, missed_spellings, spellings
from tests.factories import make_announcement, make_paper
from tests.filters.test_index_corpus import real_papers

TITLES = (
    *["A mixture of experts (MoE) in practice"] * 3,
    *["MoE routing"] * 4,
    *["Mixture of experts, again"] * 2,
    *["Three-dimensional scenes"] * 2,
    *["Reconstruction in 3D"] * 2,
    "One floppy disc",
    "Some floppy disk",
    *["Reading a hard drive"] * 2,
)


def batch(titles: tuple[str, ...] = TITLES) -> Batch:
    return Batch.of(
        make_announcement(
            seq=n, paper=make_paper(id=f"arxiv:2611.{n:05}", title=title, abstract="")
        )
        for n, title in enumerate(titles)
    )


def missed(data: object, pool: Batch) -> tuple[Missed, ...]:
    matches = match_conditions(parse_filter(data), pool)
    terms = {atom: bits for atom, bits in matches.hits.items() if isinstance(atom, Words)}
    covered = 0
    for bits in matches.hits.values():
        covered |= bits
    return missed_spellings(terms, covered, pool)


@pytest.mark.parametrize(
    ("data", "spelling", "papers"),
    [
        ("mixture of experts", "MoE", 4),
        ({"title": "Mixture-of-Experts"}, "MoE", 4),
        ("MoE", "mixture of experts", 2),
        ("3D", "three-dimensional", 2),
        ("three-dimensional", "3D", 2),
    ],
)
def test_a_spelling_comes_with_its_papers(data: object, spelling: str, papers: int) -> None:
    [found] = missed(data, batch())
    assert (found.spelling, found.papers) == (spelling, papers)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (["mixture of experts", "MoE"], "the filter has both"),
        ("floppy disc", "a single paper may have a typo"),
        ("hard drive", "no other spelling"),
        ("holographic", "no paper has the term itself"),
        ("mixture*", "a prefix has no spellings"),
    ],
)
def test_no_spelling_without_evidence(data: object, reason: str) -> None:
    assert missed(data, batch()) == (), reason


def test_an_ambiguous_abbreviation_is_no_spelling() -> None:
    titles = ("A mixture of experts (MoE)", "Ministry of Environment (MoE)") * 4
    assert missed("mixture of experts", batch((*titles, "MoE", "MoE"))) == ()


@pytest.mark.corpus
def test_missed_spellings_of_real_papers_are_true(corpus: Path) -> None:
    """Verify each count with the evaluator."""
    pool = Batch.of(real_papers(corpus, 1500))
    found = [
        each
        for term in ("LLM", "disc", "retrieval-augmented generation", "3D", "graph neural network")
        for each in missed(term, pool)
    ]
    assert found
    for each in found:
        variant = words_in(*each.atom.fields)(each.spelling, "", 1.0, ())
        count = sum(
            bool(hits(variant, row)) and not hits(each.atom, row) for row in pool.announcements
        )
        assert count == each.papers, each


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("behaviour", "behavior"),
        ("tumor", "tumour"),
        ("optimization", "optimisation"),
        ("grey matter", "gray matter"),
        ("sulfur", "sulphur"),
        ("pre-training", "pretraining"),
        ("data set", "dataset"),
        ("alpha decay", "α decay"),
        ("γ-ray", "gamma-ray"),
        ("Schrödinger", "schroedinger"),
        ("Schroedinger", "Schrodinger"),
        ("2D", "two-dimensional"),
        ("hard disk", "hard disc"),
    ],
)
def test_candidates_for_a_term(term: str, expected: str) -> None:
    assert expected in spellings(term)


def test_a_word_is_split_into_known_words() -> None:
    assert "work flow" in spellings("workflow", {"work", "flow"})
    assert "work flow" not in spellings("workflow", {"work"})
    assert "the rapist" not in spellings("therapist", {"the", "rapist"})


@pytest.mark.parametrize(
    ("term", "other"),
    [
        ("four", "for"),
        ("filling", "filing"),
        ("does", "dos"),
        ("hour", "hor"),
        ("ageless", "agless"),
    ],
)
def test_other_words_are_no_candidates(term: str, other: str) -> None:
    assert other not in spellings(term)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We use large language models (LLMs).", [("large language models", "LLM")]),
        ("A mixture-of-experts (MOE)", [("mixture of experts", "MOE")]),
        (
            "Convolutional neural network (CNN); a GAN (GAN)",
            [("Convolutional neural network", "CNN")],
        ),
        ("the deep network (DNN)", []),
        ("at CERN (LHC) and (AB)", []),
    ],
)
def test_definitions_match_their_initials(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(definitions(text)) == expected


def test_a_variant_keeps_the_fields_of_its_term() -> None:
    """The abstract has the other spelling, which a condition on the title cannot find."""
    pool = batch(("3D", "3D"))
    rows = [
        replace(row, paper=replace(row.paper, abstract="three-dimensional"))
        for row in batch(("x", "y")).announcements
    ]
    both = Batch.of([*pool.announcements, *rows])
    assert missed({"title": "3D"}, both) == ()
    assert len(missed("3D", both)) == 1
