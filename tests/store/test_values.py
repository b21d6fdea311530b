"""JSON forms of values, and their properties."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from digestbot.model import (
    Author,
    BatchState,
    CategoryCoverage,
    Channel,
    ChannelAnswer,
    Match,
)
from digestbot.store.values import (
    EditionSummary,
    authors_from_json,
    authors_to_json,
    coverage_from_json,
    coverage_to_json,
    matches_from_json,
    matches_to_json,
)
from tests.factories import VERIFIED_AT, make_batch, make_coverage
from tests.store.samples import DAY, NOW


@given(st.lists(st.tuples(st.text(), st.lists(st.text(), max_size=3)), max_size=5))
def test_authors_round_trip_json(authors: list[tuple[str, list[str]]]) -> None:
    values = tuple(Author(name=name, affiliations=tuple(places)) for name, places in authors)
    assert authors_from_json(authors_to_json(values)) == values


def test_authors_without_affiliation_are_plain_names() -> None:
    assert authors_to_json([Author(name="A"), Author(name="B", affiliations=("X", "Y"))]) == [
        "A",
        ["B", "X", "Y"],
    ]


def test_matches_round_trip_json() -> None:
    matches = (
        Match(field="title", term="serverless", text="Serverless", start=0, end=10),
        Match(field="author", term="Ion Stoica", text="I. Stoica", start=3, end=12),
    )
    assert matches_from_json(matches_to_json(matches)) == matches


UNSURE = make_batch(
    state=BatchState.PARTIAL,
    misplaced=2,
    asked_again_at=VERIFIED_AT,
    answers=(ChannelAnswer(channel=Channel.API, lacks=3),),
)


def test_coverage_round_trips_json() -> None:
    full = replace(
        make_coverage(note="one category is missing", batches=(make_batch(), UNSURE)),
        first_at=NOW,
        last_at=NOW + DAY,
        categories=(CategoryCoverage(category="cs.DC", announced=7, matched=2),),
    )
    coverage = (full, make_coverage(as_of=None))
    assert coverage_from_json(coverage_to_json(coverage)) == coverage


def test_edition_summary_is_named_after_its_digest() -> None:
    summary = EditionSummary(
        id=1,
        digest="systems",
        number=12,
        slot="2026-11-23",
        title="Systems for ML",
        created_at=NOW,
        from_seq=0,
        to_seq=1,
        papers=1,
        omitted=0,
        considered=1,
    )
    assert summary.name == "systems/12"
