"""The state of the bot, and the lines about what needs attention."""

from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from digestbot.config import Config, load_config
from digestbot.demo import CONFIG, SEED
from digestbot.model import DeliveryState
from digestbot.pipeline import make_editions
from digestbot.render import load_templates
from digestbot.sources.arxiv_atom import parse
from digestbot.status import gather
from digestbot.store import PassStatus, Store
from digestbot.syncing import sync_config
from tests.factories import NOW

SECOND = timedelta(seconds=1)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Load the demo's config: one source and one digest, delivered to a folder."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return load_config(path, {})


def end_pass(store: Store, status: PassStatus, error: str | None = None) -> None:
    """Record one pass over the source, with the papers of the bundled page."""
    entries = parse((files("digestbot") / SEED).read_bytes()).entries
    pass_id = store.sources.begin_pass("arxiv-systems", NOW)
    ingested = store.papers.ingest("arxiv-systems", entries, {}, NOW)
    store.sources.end_pass(
        pass_id,
        status=status,
        pages=1,
        entries=len(entries),
        new=ingested.new,
        error=error,
        note=None,
        next_try_at=None,
        now=NOW,
    )


def test_new_digest_is_due_and_has_no_problems(store: Store, config: Config) -> None:
    status = gather(store, config, NOW)
    (digest,) = status.digests
    assert (digest.state, digest.next_due_at, digest.subscribers) == (None, NOW, 1)
    assert (status.papers, status.problems) == (0, ())


def test_failed_source_needs_attention(store: Store, config: Config) -> None:
    end_pass(store, PassStatus.REFUSED, "arxiv-systems: answered 403")
    assert gather(store, config, NOW).problems == ("source arxiv-systems: refused: answered 403",)


def test_papers_after_the_cursor_are_pending(store: Store, config: Config) -> None:
    end_pass(store, PassStatus.OK)
    assert gather(store, config, NOW).digests[0].waiting == 15
    sync_config(store, config, NOW)
    make_editions(store, config, load_templates(None), now=NOW)
    status = gather(store, config, NOW)
    assert (status.digests[0].waiting, status.problems) == (0, ())


def test_digest_without_recipients_needs_attention(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.partition("    deliver:")[0])
    assert gather(store, load_config(path, {}), NOW).problems == ("digest systems: no recipients",)


HOUR = timedelta(hours=1)
ADVICE = "is a cron job or 'digestbot serve' running?"


def test_missed_slot_needs_attention_after_two_hours(store: Store, config: Config) -> None:
    end_pass(store, PassStatus.OK)
    sync_config(store, config, NOW)
    make_editions(store, config, load_templates(None), now=NOW)
    due = gather(store, config, NOW).digests[0].next_due_at
    assert due is not None
    assert gather(store, config, due + 2 * HOUR - SECOND).problems == ()
    overdue = f"digest systems: overdue since 2026-11-24 09:00; {ADVICE}"  # in Berlin
    assert gather(store, config, due + 2 * HOUR).problems == (overdue,)
    patient = replace(config, overdue=5 * HOUR)
    assert gather(store, patient, due + 5 * HOUR - SECOND).problems == ()
    assert gather(store, patient, due + 5 * HOUR).problems == (overdue,)


def test_an_edited_schedule_does_not_hide_a_stopped_service(
    store: Store, config: Config, tmp_path: Path
) -> None:
    end_pass(store, PassStatus.OK)
    sync_config(store, config, NOW)
    make_editions(store, config, load_templates(None), now=NOW)
    due = gather(store, config, NOW).digests[0].next_due_at
    assert due is not None
    path = tmp_path / "config.yaml"
    path.write_text(path.read_text().replace("weekdays 09:00", '"30 * * * *"'))
    edited = load_config(path, {})
    assert gather(store, edited, due + 2 * HOUR).problems == ()
    assert gather(store, edited, due + 2.5 * HOUR).problems == (
        f"digest systems: overdue since 2026-11-24 09:30; {ADVICE}",
    )


def test_repeated_faults_share_a_line(store: Store, tmp_path: Path) -> None:
    digests = "".join(f"  d{n:02}: {{deliver: [{{folder: out}}]}}\n" for n in range(1, 14))
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.partition("digests:")[0] + "digests:\n" + digests)
    config = load_config(path, {})
    end_pass(store, PassStatus.OK)
    sync_config(store, config, NOW)
    for name in config.digests:
        store.digests.set_error(name, "disk full")
    later = NOW + timedelta(hours=30)
    named = "13 digests (d01, d02, d03, d04, d05 and 8 more)"
    assert gather(store, config, later).problems == (
        f"{named}: disk full",
        f"{named}: overdue since 2026-11-23 09:00; {ADVICE}",
    )


def test_deliveries_in_progress_need_attention(store: Store, config: Config) -> None:
    end_pass(store, PassStatus.OK)
    sync_config(store, config, NOW)
    make_editions(store, config, load_templates(None), now=NOW)
    store.outbox.claim(NOW, lease_s=60, limit=1)
    status = gather(store, config, NOW)
    assert status.deliveries[DeliveryState.SENDING] == 1
    assert status.problems == (
        "1 delivery in progress; if no worker is running, the next run takes over after 2 minutes",
    )
