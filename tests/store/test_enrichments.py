"""Fill in empty fields: no other field changes, nothing is announced, twice is like once."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.model import Author, DocumentType, FetchedPaper
from digestbot.store import Completion, ServiceState, Store, enrichments, open_store

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PAPER = FetchedPaper(id="doi:10.1016/x", title="Heat", abstract="", url="https://doi.org/10.1016/x")
NAMES = ("abstract", "authors", "doi", "journal_ref", "document_type")


def values(tag: str) -> dict[str, Any]:
    return {
        "abstract": f"Abstract {tag}.",
        "authors": (Author(name=f"Ada {tag}"),),
        "doi": f"10.1016/{tag}",
        "journal_ref": f"Journal {tag}",
        "document_type": DocumentType.CORRECTION if tag == "a" else DocumentType.NEWS,
    }


def ingest(store: Store, paper: FetchedPaper) -> None:
    store.papers.ingest("j", [paper], {}, NOW, lacks_fields=lambda _: True)


def completion(found: FetchedPaper, *fields: str) -> Completion:
    return Completion(
        paper_id=PAPER.id,
        version=1,
        found=found,
        origins=dict.fromkeys(fields, "crossref"),
        next_at=None,
        is_answered=True,
    )


some_fields = st.sets(st.sampled_from(NAMES))


@given(has=some_fields, found=some_fields)
def test_empty_fields_are_filled_in_and_others_stay(has: set[str], found: set[str]) -> None:
    with open_store("sqlite://") as store:
        ingest(store, replace(PAPER, **{name: values("a")[name] for name in has}))
        before, head = store.papers.get(PAPER.id), store.papers.head()
        given_ = FetchedPaper(id="", title="", abstract="", url="")
        given_ = replace(given_, **{name: values("b")[name] for name in found})
        change = completion(given_, *found)
        assert store.papers.complete([change], NOW) == bool(found - has)
        after = store.papers.get(PAPER.id)
        assert store.papers.complete([change], NOW) == 0
        assert store.papers.get(PAPER.id) == after
        assert (store.papers.head(), store.papers.count()) == (head, 1)
        assert before is not None
        assert after is not None
        for name in NAMES:
            is_filled = name in found - has
            expected = values("b")[name] if is_filled else getattr(before, name)
            assert getattr(after, name) == expected
        assert set(store.enrichments.origins(PAPER.id, 1)) == found - has


def test_the_words_of_a_late_abstract_are_stored(store: Store) -> None:
    ingest(store, PAPER)
    store.papers.complete([completion(replace(PAPER, abstract="Cold $\\alpha$"), "abstract")], NOW)
    paper = store.papers.get(PAPER.id)
    assert paper is not None
    assert (paper.abstract, paper.abstract_raw) == ("Cold α", "Cold $\\alpha$")
    assert "cold" in (paper.abstract_words or "")


def test_the_fields_and_the_mark_are_one_transaction(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that dies between the two leaves neither; the next one completes the paper."""

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    ingest(store, PAPER)
    change = completion(replace(PAPER, abstract="Cold."), "abstract")
    with monkeypatch.context() as patched:
        patched.setattr(enrichments, "mark", die)
        with pytest.raises(RuntimeError, match="killed"):
            store.papers.complete([change], NOW)
    before = store.papers.get(PAPER.id)
    assert before is not None
    assert before.abstract == ""
    assert store.enrichments.waiting() == {"j": 1}
    assert store.papers.complete([change], NOW) == 1
    assert store.enrichments.waiting() == {}


def test_only_new_papers_that_lack_fields_are_queued(store: Store) -> None:
    papers = [
        PAPER,
        replace(PAPER, id="doi:10.1016/old", backlog=True),
        replace(PAPER, id="doi:10.1016/full", abstract="Full."),
    ]
    lacks = {"lacks_fields": lambda paper: not paper.abstract}
    for _ in range(2):
        store.papers.ingest("j", papers, {}, NOW, **lacks)  # type: ignore[arg-type]
    assert [each.paper.id for each in store.papers.incomplete(["j"], NOW, limit=9)] == [PAPER.id]
    assert store.papers.incomplete(["other"], NOW, limit=9) == ()


def test_a_failure_keeps_the_time_of_the_last_success(store: Store) -> None:
    good = ServiceState(name="crossref", last_ok_at=NOW, failed_at=None, last_error=None)
    bad = ServiceState(name="crossref", last_ok_at=None, failed_at=NOW, last_error="503")
    store.enrichments.record_services([good])
    store.enrichments.record_services([bad])
    assert store.enrichments.services() == (replace(bad, last_ok_at=NOW),)
