"""Batches: numbered words, facts, and words kept by the store."""

from dataclasses import replace

from digestbot.filters import parse_filter
from digestbot.filters.batch import FIELDS, Batch, fact
from digestbot.model import Author
from digestbot.text.canonical import RULES
from tests.factories import make_announcement, make_paper
from tests.filters.engine import index_of, pairs, titled


def test_stored_words_of_current_rules_are_used() -> None:
    index = index_of({1: parse_filter("kept"), 2: parse_filter("written")})
    paper = make_paper(title="written", abstract="", title_words=f"{RULES} kept")
    other = replace(paper, title_words="0/1.0 kept")
    announced = [make_announcement(paper=one) for one in (paper, other)]
    assert pairs(index.match(Batch.of(announced))) == [(1, 0), (2, 1)]


def test_a_text_ends_with_the_word_zero() -> None:
    batch = Batch.of([titled("a b"), titled("b")])
    stream = batch.stream(FIELDS["title"])
    words = [batch.vocabulary()[number] for number in stream.words.tolist()]
    assert words == ["a", "b", ".", "b", "."]
    assert stream.papers.tolist() == [0, 0, 0, 1, 1]


def test_a_stream_joins_the_fields_of_its_mask() -> None:
    batch = Batch.of([titled("a", comment="c", authors=(Author(name="D E"),))])
    stream = batch.stream(FIELDS["title"] | FIELDS["comment"] | FIELDS["author"])
    words = [batch.vocabulary()[number] for number in stream.words.tolist()]
    assert words == ["a", ".", "c", ".", "d", "e", "."]
    assert stream.fields.tolist() == [1, 1, 4, 4, 16, 16, 16]


def test_facts_hold_categories_in_both_cases() -> None:
    batch = Batch.of([titled("a", categories=("cs.DC",), primary_category="cs.DC")])
    for kind in ("category", "primary"):
        assert {fact(kind, "cs.DC"), fact(kind, "cs.dc")} <= set(batch.facts.texts)
    assert len(batch.fact_hashes) == len(batch.facts.texts)


def test_authors_are_listed_once_each() -> None:
    names = (Author(name="Ion Stoica"), Author(name="Ada Xu"))
    batch = Batch.of([titled("a", authors=names), titled("b", authors=names[:1])])
    assert batch.authors.texts == ("Ion Stoica", "Ada Xu")
    assert batch.authors.papers.tolist() == [0, 0, 1]
