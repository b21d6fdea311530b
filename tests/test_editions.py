"""Selection of papers: one case per rule, then properties."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from digestbot.editions import MAX_WAITS, add_coverage, select
from digestbot.model import Announcement, AnnounceType, EditionPaper, Match, Overflow, Verdict
from tests.factories import NOW, make_announcement, make_coverage, make_edition_paper, make_paper

Candidate = tuple[Announcement, Verdict]


def candidate(
    id: str = "arxiv:2611.00001",  # noqa: A002 - the name of the field
    *,
    version: int = 1,
    score: float = 1.0,
    matched: bool = True,
    term: str = "serverless",
    age_days: float = 0,
    **announcement: Any,
) -> Candidate:
    when = NOW - timedelta(days=age_days)
    paper = make_paper(id=id, version=version, published=when, updated=when)
    hit = Match(field="title", term=term, text=term, start=0, end=len(term))
    verdict = Verdict(matched=matched, score=score, matches=(hit,))
    return make_announcement(paper=paper, **announcement), verdict


def ids(entries: Sequence[Any]) -> list[str]:
    return [entry.paper.id for entry in entries]


def test_only_matching_papers_are_selected() -> None:
    selection = select([candidate("arxiv:1", matched=False), candidate("arxiv:2")], limit=9)
    assert ids(selection.included) == ["arxiv:2"]
    assert selection.listed == ()


def test_papers_rank_by_score_then_date_then_id() -> None:
    candidates = [
        candidate("arxiv:4", score=1, age_days=1),
        candidate("arxiv:3", score=1, age_days=0),
        candidate("arxiv:2", score=1, age_days=1),
        candidate("arxiv:1", score=5, age_days=9),
    ]
    order = ["arxiv:1", "arxiv:3", "arxiv:2", "arxiv:4"]
    assert ids(select(candidates, limit=9).included) == order


def test_undated_papers_rank_by_when_they_were_seen() -> None:
    undated = make_paper(id="arxiv:9", published=None, updated=None)
    seen = make_announcement(paper=undated, seen_at=NOW - timedelta(days=1))
    candidates = [
        candidate("arxiv:1", age_days=2),
        (seen, Verdict(matched=True, score=1.0, matches=())),
        candidate("arxiv:2", age_days=0),
    ]
    assert ids(select(candidates, limit=9).included) == ["arxiv:2", "arxiv:9", "arxiv:1"]


def test_a_date_ahead_ranks_as_if_of_today() -> None:
    """A journal's issue may be dated weeks ahead."""
    candidates = [candidate("arxiv:2", age_days=-30), candidate("arxiv:1", age_days=0)]
    assert ids(select(candidates, limit=9).included) == ["arxiv:1", "arxiv:2"]


def test_papers_beyond_the_limit_keep_their_order() -> None:
    candidates = [candidate(f"arxiv:{n}", score=n) for n in range(5)]
    selection = select(candidates, limit=2)
    assert ids(selection.included) == ["arxiv:4", "arxiv:3"]
    assert ids(selection.listed) == ["arxiv:2", "arxiv:1", "arxiv:0"]


def waited(paper_id: str, **facts: Any) -> EditionPaper:
    return make_edition_paper(paper=make_paper(id=paper_id), matches=(), **{"waits": 1, **facts})


def test_papers_beyond_the_limit_wait_for_the_next_edition() -> None:
    candidates = [candidate("arxiv:1", score=5), candidate("arxiv:2", score=1)]
    selection = select(
        candidates,
        limit=2,
        carried=[waited("arxiv:3", score=3.0), waited("arxiv:4", score=0.5, waits=2)],
        overflow=Overflow.NEXT,
    )
    assert [(e.paper.id, e.waits) for e in selection.included] == [("arxiv:1", 0), ("arxiv:3", 0)]
    assert [(e.paper.id, e.waits) for e in selection.waiting] == [("arxiv:2", 1), ("arxiv:4", 3)]
    assert selection.listed == ()


def test_a_paper_that_has_waited_long_enough_is_listed() -> None:
    carried = [waited("arxiv:3", score=0.1, waits=MAX_WAITS)]
    selection = select([candidate()], limit=1, carried=carried, overflow=Overflow.NEXT)
    assert (ids(selection.listed), selection.waiting) == (["arxiv:3"], ())


def test_a_paper_that_waits_is_merged_with_its_new_version() -> None:
    update = candidate("arxiv:1", version=2, score=1, type=AnnounceType.REPLACE, source="b")
    carried = waited("arxiv:1", score=3.0, seen_at=NOW - timedelta(days=1))
    (entry,) = select([update], limit=1, carried=[carried]).included
    assert (entry.paper.version, entry.type, entry.score) == (2, AnnounceType.NEW, 3.0)
    assert (entry.source, entry.seen_at) == (carried.source, carried.seen_at)


def test_coverage_of_two_windows_adds_up() -> None:
    earlier = make_coverage(announced=5, matched=0, omitted=0, status="late")
    latest = make_coverage(announced=8, matched=2, omitted=1)
    other = make_coverage(source="new", announced=1)
    (both, alone) = add_coverage([earlier], [latest, other])
    assert (both.announced, both.matched, both.omitted, both.status) == (13, 2, 1, "ok")
    assert both.categories[0].announced == 122
    assert alone == other


def test_announcements_that_are_no_news_are_omitted() -> None:
    candidates = [
        candidate("arxiv:1", version=1, seq=1),
        candidate("arxiv:1", version=2, seq=2, type=AnnounceType.REPLACE),
    ]
    (entry,) = select(candidates, limit=9, already={1}).included
    assert entry.paper.version == 2
    assert entry.type is AnnounceType.REPLACE
    assert select(candidates, limit=9, already={1, 2}).included == ()


def test_versions_merge_and_a_new_paper_stays_new() -> None:
    candidates = [
        candidate(version=1, score=7, seq=3, source="api", seen_at=NOW, term="old"),
        candidate(version=2, score=2, seq=9, type=AnnounceType.REPLACE, source="feed", term="new"),
    ]
    (entry,) = select(candidates, limit=9).included
    assert entry.paper.version == 2
    assert entry.type is AnnounceType.NEW
    assert entry.source == "api"
    assert entry.score == 7
    assert entry.seq == 9
    assert [match.term for match in entry.matches] == ["new"]


def test_sources_merge_into_the_first_to_announce() -> None:
    candidates = [
        candidate(type=AnnounceType.CROSS, source="late", seq=1, seen_at=NOW),
        candidate(source="early", seq=2, seen_at=NOW - timedelta(hours=1)),
        candidate(type=AnnounceType.REPLACE_CROSS, source="last", seq=3, seen_at=NOW),
    ]
    (entry,) = select(candidates, limit=9).included
    assert (entry.source, entry.type) == ("early", AnnounceType.NEW)
    assert entry.seen_at == NOW - timedelta(hours=1)


def test_types_rank_from_new_to_replace_cross() -> None:
    for better, worse in zip(AnnounceType, list(AnnounceType)[1:], strict=False):
        (entry,) = select([candidate(type=worse), candidate(type=better)], limit=1).included
        assert entry.type is better


CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.sampled_from([f"arxiv:{n}" for n in range(4)]),
        version=st.integers(1, 3),
        score=st.sampled_from([0.0, 1.0, 2.5]),
        matched=st.booleans(),
        age_days=st.integers(0, 2),
        type=st.sampled_from(AnnounceType),
        source=st.sampled_from(["a", "b"]),
        seen_at=st.integers(0, 2).map(lambda h: NOW - timedelta(hours=h)),
    ),
    max_size=12,
).map(
    lambda several: [
        (make_announcement(**_fields(announcement) | {"seq": seq}), verdict)
        for seq, (announcement, verdict) in enumerate(several, start=1)
    ]
)


def _fields(announcement: Announcement) -> dict[str, Any]:
    names = ("paper", "type", "source", "seen_at")
    return {name: getattr(announcement, name) for name in names}


ALREADY = st.sets(st.integers(1, 12))


@given(CANDIDATES, st.integers(0, 5), ALREADY, st.randoms())
def test_the_order_of_the_input_does_not_matter(
    candidates: list[Candidate], limit: int, already: set[int], random: Random
) -> None:
    shuffled = random.sample(candidates, len(candidates))
    assert select(candidates, limit=limit, already=already) == select(
        shuffled, limit=limit, already=already
    )


@given(CANDIDATES, st.integers(0, 5), ALREADY)
def test_every_matching_paper_occurs_once(
    candidates: list[Candidate], limit: int, already: set[int]
) -> None:
    selection = select(candidates, limit=limit, already=already)
    found = ids(selection.included + selection.listed)
    expected = {
        announcement.paper.id
        for announcement, verdict in candidates
        if verdict.matched and announcement.seq not in already
    }
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert len(selection.included) == min(limit, len(expected))
    scores = [entry.score for entry in selection.included + selection.listed]
    assert scores == sorted(scores, reverse=True)
