"""A digest offers every paper once, whatever its sources, their order and repetitions."""

from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.config import Config, load_config
from digestbot.errors import UsageError
from digestbot.model import AnnounceType, BatchOutcome, Channel, ChannelCheck, Form
from digestbot.pipeline import make_editions, next_edition
from digestbot.pipeline.messages import freeze, text_of
from digestbot.render import load_templates
from digestbot.store import Store, open_store
from digestbot.syncing import sync_config
from tests.pipeline.conftest import DAY, HEAD, MONDAY, LoadConfig, Make, answered, paper

BOTH = "  d: {schedule: daily 09:00, filter: {any: [serverless]}, deliver: [{folder: out}]}\n"
ONLY_B = "  d: {schedule: daily 09:00, sources: [b], deliver: [{folder: out}]}\n"


def offered(store: Store, digest: str = "d") -> list[list[str]]:
    """List the papers of each edition, oldest edition first."""
    summaries = sorted(store.editions.list(digest, limit=100), key=lambda s: s.number)
    editions = [store.editions.get(digest, s.number) for s in summaries]
    return [[p.paper.id for p in edition.papers] for edition in editions if edition]


def test_a_paper_from_two_sources_is_offered_once(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured(BOTH)
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    make(config, MONDAY)
    store.papers.ingest("b", [paper(1), paper(2)], {}, MONDAY + DAY)
    make(config, MONDAY + DAY)
    assert offered(store) == [["arxiv:2611.00001"], ["arxiv:2611.00002"]]


def test_a_digest_takes_a_paper_when_its_own_source_has_it(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured(ONLY_B)
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    make(config, MONDAY)
    store.papers.ingest("b", [paper(1)], {}, MONDAY + DAY)
    make(config, MONDAY + DAY)
    assert offered(store) == [["arxiv:2611.00001"]]


def test_papers_beyond_the_limit_are_listed_once(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured("  d: {limit: 2, deliver: [{folder: out}]}\n")
    store.papers.ingest("a", [paper(n) for n in range(1, 6)], {}, MONDAY)
    (made,) = make(config, MONDAY)
    assert (made.papers, made.omitted) == (2, 3)
    edition = store.editions.get("d", 1)
    assert edition is not None
    assert len(edition.more) == 3
    store.papers.ingest("b", [paper(n) for n in range(1, 6)], {}, MONDAY + DAY)
    assert make(config, MONDAY + DAY)[0].edition is None


def test_replacements_go_only_to_digests_that_list_them(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured(
        "  d: {deliver: [{folder: out}]}\n  r: {types: [new, replace], deliver: [{folder: out}]}\n"
    )
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    make(config, MONDAY)
    store.papers.ingest("a", [paper(1, version=2, type=AnnounceType.REPLACE)], {}, MONDAY + DAY)
    made = {m.digest: m.edition for m in make(config, MONDAY + DAY)}
    assert made == {"d": None, "r": "r/2"}


def test_a_missed_week_is_caught_up_in_one_edition(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured(BOTH)
    make(config, MONDAY)
    for day in range(1, 8):
        store.papers.ingest("a", [paper(day)], {}, MONDAY + day * DAY)
    made = make(config, MONDAY + 8 * DAY, force=False)
    assert [m.papers for m in made] == [7]
    assert not make(config, MONDAY + 8 * DAY, force=False), "and is not due again"


def test_a_clock_that_ran_ahead_delays_no_edition(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured(BOTH)
    store.papers.ingest("a", [paper(1)], {}, MONDAY + 365 * DAY)
    make(config, MONDAY + 365 * DAY, force=False)
    store.papers.ingest("a", [paper(2)], {}, MONDAY)
    assert not make(config, MONDAY - DAY / 24, force=False)
    assert [m.papers for m in make(config, MONDAY, force=False)] == [1]
    assert offered(store) == [["arxiv:2611.00001"], ["arxiv:2611.00002"]]


def test_a_slot_repeated_by_a_clock_set_back_is_made_once(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured(BOTH)
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    make(config, MONDAY - DAY, force=False)
    store.papers.ingest("a", [paper(2)], {}, MONDAY)
    assert make(config, MONDAY, force=False)[0].edition == "d/2"
    store.papers.ingest("a", [paper(3)], {}, MONDAY)
    assert not make(config, MONDAY - DAY / 24, force=False)
    (repeated,) = make(config, MONDAY, force=False)
    assert (repeated.edition, repeated.note) == (None, "this slot has its edition already")
    assert not make(config, MONDAY, force=False)
    assert make(config, MONDAY + DAY, force=False)[0].edition == "d/3"
    assert offered(store) == [[f"arxiv:2611.0000{n}"] for n in (1, 2, 3)]


def test_a_new_time_zone_reschedules_the_digest(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    make(configured(BOTH), MONDAY, force=False)
    path = configured(BOTH).path
    path.write_text(path.read_text().replace("timezone: UTC", "timezone: America/New_York"))
    config = load_config(path, {})
    make(config, MONDAY + DAY / 24, force=False)
    state = store.digests.state("d")
    assert state.next_due_at == config.digests["d"].schedule.next_after(MONDAY + DAY / 24)


def test_a_new_digest_starts_a_week_back(store: Store, configured: LoadConfig, make: Make) -> None:
    store.papers.ingest("a", [paper(1)], {}, MONDAY - 30 * DAY)
    store.papers.ingest("a", [paper(2)], {}, MONDAY - 2 * DAY)
    make(configured(BOTH), MONDAY)
    assert offered(store) == [["arxiv:2611.00002"]]


def test_backlog_is_never_offered(store: Store, configured: LoadConfig, make: Make) -> None:
    store.papers.ingest("a", [paper(1, backlog=True), paper(2)], {}, MONDAY)
    make(configured(BOTH), MONDAY)
    assert offered(store) == [["arxiv:2611.00002"]]


def test_an_empty_day_is_skipped_or_sent_as_configured(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured(
        "  d: {deliver: [{folder: out}]}\n  s: {when_empty: send, deliver: [{folder: out}]}\n"
    )
    answered(store, "a", "b")
    made = {m.digest: (m.edition, m.deliveries) for m in make(config, MONDAY)}
    assert made == {"d": (None, 0), "s": ("s/1", 1)}


@pytest.mark.parametrize("status", ["never", "late", "refused", "broken"])
def test_a_digest_stays_due_while_no_source_answers(
    store: Store, configured: LoadConfig, make: Make, status: str
) -> None:
    config = configured(BOTH)
    if status != "never":
        answered(store, "a", "b", status=status)
    (made,) = make(config, MONDAY, force=False)
    assert (made.edition, made.note) == (None, "its sources do not answer; it stays due")
    answered(store, "a")
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    (made,) = make(config, MONDAY, force=False)
    assert made.papers == 1


def test_one_answering_source_is_enough_for_an_empty_day(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    answered(store, "a", status="late")
    answered(store, "b")
    config = configured(BOTH)
    assert [m.note for m in make(config, MONDAY, force=False)] == [None]
    assert not make(config, MONDAY, force=False)


def test_a_broken_template_delays_its_digest_only(
    store: Store, configured: LoadConfig, tmp_path: Path
) -> None:
    config = configured(BOTH)
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail/paper.html.j2").write_text("{{ no_such_name }}")
    broken = load_templates(tmp_path)
    sync_config(store, config, MONDAY)
    (made,) = make_editions(store, config, broken, now=MONDAY)
    assert "mail/paper.html.j2" in (made.error or "")
    assert store.digests.state("d").last_error == made.error
    assert not store.outbox.list(limit=10)
    (made,) = make_editions(store, config, load_templates(None), now=MONDAY + DAY)
    assert (made.error, made.papers) == (None, 1)
    assert store.digests.state("d").last_error is None


def test_an_hour_repeated_by_the_clock_change_is_one_slot(
    store: Store, configured: LoadConfig, make: Make, tmp_path: Path
) -> None:
    """Berlin, 25 October 2026: 02:30 is at 00:30 and at 01:30 UTC."""
    config = configured('  d: {schedule: "30 2 * * *", when_empty: send, deliver: []}\n')
    path = tmp_path / "config.yaml"
    path.write_text(path.read_text().replace("timezone: UTC", "timezone: Europe/Berlin"))
    config = load_config(path, {})
    answered(store, "a", "b")
    first = datetime.fromisoformat("2026-10-25T00:30:00+00:00")
    second = datetime.fromisoformat("2026-10-25T01:30:00+00:00")
    assert len(make(config, first, force=False)) == 1
    assert not make(config, second, force=False)


def test_coverage_counts_announcements_per_source(store: Store, configured: LoadConfig) -> None:
    config = configured("  d: {filter: {any: [serverless]}, limit: 1, deliver: [{folder: out}]}\n")
    both = ("cs.DC", "cs.LG")
    papers = [paper(1, categories=both), paper(2, title="Else"), paper(3)]
    store.papers.ingest("a", papers, {}, MONDAY)
    store.papers.ingest("a", [paper(4, title="Else", categories=both)], {}, MONDAY + DAY)
    edition, _ = next_edition(store, config.digests["d"], None, now=MONDAY + DAY)
    assert edition.considered == 4
    a, b = edition.coverage
    assert (a.source, a.announced, a.matched, a.omitted, a.status) == ("a", 4, 2, 1, "never")
    assert (a.first_at, a.last_at) == (MONDAY, MONDAY + DAY)
    assert [(c.category, c.announced, c.matched) for c in a.categories] == [
        ("cs.DC", 4, 2),
        ("cs.LG", 2, 1),
    ]
    assert (b.source, b.announced, b.first_at, b.categories) == ("b", 0, None, ())


def test_a_replacement_carries_the_version_before_it(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured("  d: {types: [new, replace], deliver: [{folder: out}]}\n")
    store.papers.ingest("a", [paper(1), paper(1, version=2, title="Second")], {}, MONDAY)
    make(config, MONDAY)
    third = paper(1, version=3, title="Third", type=AnnounceType.REPLACE)
    unknown = paper(2, version=2, type=AnnounceType.REPLACE)
    store.papers.ingest("a", [third, unknown, paper(3)], {}, MONDAY + DAY)
    state = store.digests.find("d")
    edition, _ = next_edition(store, config.digests["d"], state, now=MONDAY + DAY)
    previous = {entry.paper.id: entry.previous for entry in edition.papers}
    assert {key: paper.title for key, paper in previous.items() if paper} == {
        "arxiv:2611.00001": "Second"
    }
    make(config, MONDAY + DAY)
    kept = store.editions.get("d", 2)
    assert kept is not None
    assert kept.papers == edition.papers


def test_an_unknown_digest_is_an_error_listing_the_others(
    store: Store, configured: LoadConfig
) -> None:
    with pytest.raises(UsageError, match=r'no digest "x" in the config; it has: d'):
        make_editions(store, configured(BOTH), load_templates(None), now=MONDAY, names=["x"])


steps = st.lists(
    st.tuples(st.sampled_from("ab"), st.sets(st.integers(1, 12), max_size=6), st.booleans()),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(steps=steps)
def test_every_paper_is_offered_exactly_once(
    steps: list[tuple[str, set[int], bool]], tmp_path: Path
) -> None:
    config = _config(tmp_path)
    announced: set[str] = set()
    with open_store("sqlite://") as store:
        templates = load_templates(None)
        now = MONDAY
        sync_config(store, config, now)
        for source, numbers, is_made in steps:
            now += DAY / 4
            store.papers.ingest(source, [paper(n) for n in sorted(numbers)], {}, now)
            announced |= {f"arxiv:2611.{n:05}" for n in numbers}
            if is_made:
                make_editions(store, config, templates, now=now, force=True)
        make_editions(store, config, templates, now=now + DAY, force=True)
        in_editions = [name for edition in offered(store) for name in edition]
    assert sorted(in_editions) == sorted(announced)


def _config(folder: Path) -> Config:
    path = folder / "config.yaml"
    path.write_text(HEAD + "  d: {deliver: [{folder: out}]}\n")
    return load_config(path, {})


NARROW = (
    "  d: {title: D, schedule: daily 09:00, filter: {any: [erasure]}, deliver: [{folder: out}]}\n"
)
WIDE = NARROW.replace("[erasure]", "[erasure, serverless]")


def test_a_catch_up_has_what_an_earlier_filter_left_out_once(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    store.papers.ingest("a", [paper(1), paper(2, "Erasure Codes")], {}, MONDAY - 9 * DAY)
    store.papers.ingest("a", [paper(3), paper(4, "Erasure Again")], {}, MONDAY)
    make(configured(NARROW), MONDAY - 5 * DAY)
    make(configured(NARROW), MONDAY)
    since = MONDAY - DAY
    assert make(configured(WIDE), MONDAY + DAY)[0].edition is None
    (made,) = make(configured(WIDE), MONDAY + DAY, missed_since=since)
    assert made.papers == 1
    assert offered(store)[-1] == ["arxiv:2611.00003"]
    edition = store.editions.get("d", int(str(made.edition).partition("/")[2]))
    assert edition is not None
    assert edition.title == "D (catch-up)"
    again = make(configured(WIDE), MONDAY + DAY, missed_since=since)
    assert [(m.edition, m.note) for m in again] == [(None, "nothing missed since 2026-11-22")]
    later = make(configured(WIDE), MONDAY + 2 * DAY, missed_since=MONDAY - 10 * DAY)
    assert [m.papers for m in later] == [1]
    assert offered(store)[-1] == ["arxiv:2611.00001"]


def test_a_catch_up_includes_what_waits_and_is_never_empty(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    sends_empty = WIDE.replace("title: D", "title: D, when_empty: send")
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    make(configured(NARROW), MONDAY)
    store.papers.ingest("a", [paper(2)], {}, MONDAY + DAY)
    answered(store, "a", "b", at=MONDAY + DAY)
    config = configured(sends_empty)
    (made,) = make(config, MONDAY + DAY, missed_since=MONDAY - DAY)
    assert made.papers == 2
    assert make(config, MONDAY + DAY, missed_since=MONDAY - DAY)[0].edition is None
    assert make(config, MONDAY + 2 * DAY, force=False)[0].papers == 0


def test_two_catch_ups_at_once_repeat_nothing(
    store: Store, configured: LoadConfig, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.papers.ingest("a", [paper(1)], {}, MONDAY)
    make(configured(NARROW), MONDAY)
    config = configured(WIDE)
    path = "digestbot.pipeline.making_editions.freeze"

    def other_first(*args: object) -> object:
        monkeypatch.setattr(path, freeze)
        make(config, MONDAY + DAY, missed_since=MONDAY - DAY)
        return freeze(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(path, other_first)
    (made,) = make(config, MONDAY + DAY, missed_since=MONDAY - DAY)
    assert made.edition is None
    assert offered(store) == [["arxiv:2611.00001"]]


def test_edition_keeps_the_batches_of_its_window(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    """They are frozen as of then; a batch that is verified later is not changed in it."""
    config = configured("  d: {filter: {any: [serverless]}, deliver: [{folder: out}]}\n")
    day = MONDAY.date()

    def serve(number: int, channel: Channel, day: date, at: datetime) -> None:
        complete = ChannelCheck(
            channel=channel, announced_on=day, outcome=BatchOutcome.COMPLETE, at=at
        )
        announced = [paper(number, announced_on=day)]
        store.papers.ingest("a", announced, {}, at, channel=channel, checks=[complete])

    serve(1, Channel.OAI, day, MONDAY)
    make(config, MONDAY)
    serve(1, Channel.RSS, day, MONDAY)
    serve(2, Channel.OAI, day + DAY, MONDAY + DAY)
    serve(2, Channel.RSS, day + DAY, MONDAY + DAY)
    make(config, MONDAY + DAY)
    first, second = (store.editions.get("d", number) for number in (1, 2))
    assert first is not None
    assert second is not None
    (one,), (two,) = first.coverage[0].batches, second.coverage[0].batches
    assert (one.day, one.papers, one.is_verified) == (day, 1, False)
    assert (two.day, two.papers, two.is_verified) == (day + DAY, 1, True)
    assert first.coverage[1].batches == ()
    text = store.editions.rendition(second.id or 0, Form.TEXT)
    words = " ".join(text_of(text or "").split())
    assert "Tue 24 Nov, verified at 09:00 UTC against two channels" in words


def test_editions_are_made_even_if_batches_cannot_be_read(
    store: Store, configured: LoadConfig, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured("  d: {deliver: [{folder: out}]}\n")
    store.papers.ingest("a", [paper(1)], {}, MONDAY)

    def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr("digestbot.pipeline.making_editions.recent_batches", fail)
    assert make(config, MONDAY)[0].papers == 1
