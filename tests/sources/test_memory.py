"""Memory of a source: fingerprints and recent papers."""

from dataclasses import replace

from digestbot.model import AnnounceType, FetchedPaper
from digestbot.sources.memory import REMEMBERED, RecentPapers, best_types, fingerprint


def papers(count: int, *, prefix: str = "http") -> list[FetchedPaper]:
    return [
        FetchedPaper(id=f"feed:{prefix}{n}", title=f"Paper {n}", abstract="", url="https://x/")
        for n in range(count)
    ]


def recent(found: list[FetchedPaper]) -> RecentPapers:
    return RecentPapers.read({}).with_papers(found)


def test_fingerprints_hide_the_text_and_tell_texts_apart() -> None:
    assert fingerprint("https://me:secret@x.example") != fingerprint("https://x.example")
    assert "secret" not in fingerprint("https://me:secret@x.example")


def test_the_best_type_and_the_latest_text_count() -> None:
    one, other = papers(2)
    cross = replace(one, type=AnnounceType.CROSS, title="Corrected")
    second = replace(one, version=2, type=AnnounceType.REPLACE)
    found = best_types([one, other, cross, second])
    assert found == (replace(one, title="Corrected"), other, second)


def test_recent_papers_survive_the_memory() -> None:
    known = recent(papers(20))
    assert RecentPapers.read(known.written()) == known


def test_only_the_newest_papers_are_remembered() -> None:
    known = recent(papers(2 * REMEMBERED))
    assert len(known.ids) == REMEMBERED
    newer = known.with_papers(papers(1, prefix="new"))
    assert newer.ids[1:] == known.ids[:-1]


def test_papers_are_renamed_if_most_ids_changed() -> None:
    moved = papers(20, prefix="https")
    assert recent(papers(20)).renamed(moved) == {paper.id for paper in moved}


def test_a_few_new_ids_with_known_titles_are_new_papers() -> None:
    assert recent(papers(20)).renamed([*papers(20), *papers(2, prefix="https")]) == set()


def test_an_empty_memory_renames_no_papers() -> None:
    assert RecentPapers.read({}).renamed(papers(3)) == set()
