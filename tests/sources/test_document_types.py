"""Items that are not papers, and papers whose titles only sound so."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.model import NOTICES, DocumentType
from digestbot.sources.document_types import arxiv_document_type, document_type
from tests.filters.tables import table
from tests.growth import is_linear

ROWS = table("document_types.tsv")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_title_says_what_an_item_is(row: list[str]) -> None:
    title, expected, _ = row
    assert document_type(title) == expected
    if expected != "paper":
        assert document_type(title.upper()) == expected


def test_the_table_has_every_type() -> None:
    assert {row[1] for row in ROWS} == set(DocumentType)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Editorial"], "editorial"),
        (["Article", " Published  Erratum "], "correction"),
        (["Research Article"], "paper"),
        (["x" * 10_000], "paper"),
        ([], "paper"),
    ],
)
def test_the_publishers_name_counts_too(names: list[str], expected: str) -> None:
    assert document_type("A lattice of gold", names) == expected
    assert document_type("RETRACTED: A lattice of gold", names) is DocumentType.RETRACTION


WITHDRAWN = [
    "This paper has been withdrawn by the author due to a crucial error in equation 1",
    "Withdrawn",
    "Paper withdrawn",
    "This submission has been withdrawn by arXiv administrators",
    "12 pages. This paper has been withdrawn",
    "The paper is withdrawn from the arXiv",
    "The reason for withdrawal is a mistake",
    "The authors have withdrawn this manuscript",
]
PRESENT = [
    "",
    "12 pages, 3 figures",
    "An earlier version of this paper was withdrawn from ICML",
    "withdrawn from ICML, now at NeurIPS",
    "Replaces the withdrawn submission 2603.00001",
    "We study funds that are withdrawn by depositors",
    "Data withdrawn by patients is removed",
]


@pytest.mark.parametrize("text", WITHDRAWN)
def test_arxiv_says_withdrawn_in_the_comment(text: str) -> None:
    assert arxiv_document_type("T", text, "We study it.") is DocumentType.WITHDRAWAL


@pytest.mark.parametrize("text", PRESENT)
def test_other_words_about_withdrawing_mean_nothing(text: str) -> None:
    assert arxiv_document_type("T", text, text) is DocumentType.PAPER


def test_an_abstract_may_say_it_at_its_beginning_only() -> None:
    text = "This paper has been withdrawn\n by the authors."
    assert arxiv_document_type("T", None, text) is DocumentType.WITHDRAWAL
    assert arxiv_document_type("T", None, f"We study it. {text}") is DocumentType.PAPER


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_arxivs_titles_are_read_like_all_others(row: list[str]) -> None:
    found = document_type(row[0])
    is_trusted = found in NOTICES or found is DocumentType.CORRECTION
    assert arxiv_document_type(row[0], None, "") is (found if is_trusted else DocumentType.PAPER)


def test_arxiv_has_no_covers() -> None:
    assert arxiv_document_type("Editorial: On games", None, "") is DocumentType.PAPER
    assert arxiv_document_type("Erratum to: On games", None, "") is DocumentType.CORRECTION


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_a_document(title: str, comment: str) -> None:
    assert document_type(title) in DocumentType
    assert arxiv_document_type(title, comment, comment) in DocumentType


@pytest.mark.parametrize(
    "unit",
    ["editorial ", "retracted", "cover ", "this paper ", "has been ", "index ", "[", "a ", "ieee "],
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    def read(text: str) -> None:
        document_type(text)
        arxiv_document_type(text, text, text)

    assert is_linear(lambda size: (unit * size)[:size], read, 50_000)


@pytest.mark.corpus
def test_titles_of_arxiv_are_papers(corpus: Path) -> None:
    """Read by eye: of 35,553 titles one is an "Editor's Choice", which stays a paper."""
    path = corpus / "papers" / "arxiv-papers-A.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        titles = [" ".join(json.loads(line)["title"].split()) for line in lines]
    assert len(titles) > 10_000
    assert [t for t in titles if document_type(t) is not DocumentType.PAPER] == []
