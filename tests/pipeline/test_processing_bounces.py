"""Refusals and bounces recorded with their delivery; tests/cli/test_bounces.py has whole mails."""

from pathlib import Path

import pytest

from digestbot.config import Config, load_config
from digestbot.errors import DeliveryError, PermanentFailure, TransientFailure
from digestbot.model import BounceKind, Delivery
from digestbot.pipeline.processing_bounces import (
    Bounced,
    BounceReader,
    can_verify_bounces,
    read_bounces,
    record_refusal,
)
from digestbot.store import Store
from tests.pipeline.conftest import HEAD
from tests.pipeline.test_killing import fill
from tests.store.samples import NOW, register

DIGEST = "  d: {deliver: [{folder: out}]}\n"
TOKENS = 'smtp: {envelope_from: "b+{token}@example.org", secret: pl4nted-sixteen-letters}\n'


@pytest.fixture
def delivery(store: Store) -> Delivery:
    """A delivery that is being sent."""
    register(store)
    fill(store, 1, readers=1)
    (leased,) = store.outbox.claim(NOW, lease_s=60, limit=1)
    return leased


def config(folder: Path, top: str = "") -> Config:
    (folder / "config.yaml").write_text(top + HEAD + DIGEST)
    return load_config(folder / "config.yaml", {})


@pytest.mark.parametrize(
    ("error", "is_suppressed", "kinds"),
    [
        (
            PermanentFailure("no such user", code="550 5.1.1", suppress=True),
            True,
            [BounceKind.HARD],
        ),
        (PermanentFailure("too large", code="552 5.3.4"), False, []),
        (TransientFailure("greylisted", code="450 4.2.0"), False, []),
    ],
)
def test_only_refusals_of_the_recipient_count(
    store: Store,
    delivery: Delivery,
    error: DeliveryError,
    is_suppressed: bool,
    kinds: list[BounceKind],
) -> None:
    record_refusal(store, delivery, error, NOW)
    assert store.subscriptions.is_suppressed(delivery.destination.address) is is_suppressed
    assert [bounce.kind for bounce in store.bounces.of_delivery(delivery.id)] == kinds


def test_a_refusal_counts_once_per_attempt(store: Store, delivery: Delivery) -> None:
    error = PermanentFailure("no such user", code="550 5.1.1", suppress=True)
    for _ in range(2):
        record_refusal(store, delivery, error, NOW)
    assert len(store.bounces.of_delivery(delivery.id)) == 1


@pytest.mark.parametrize("raw", [b"", b"Subject: hello\n\nworld\n", b"\xff\x00" * 100])
def test_mail_that_is_not_a_bounce_changes_nothing(
    store: Store, tmp_path: Path, raw: bytes
) -> None:
    reader = BounceReader(store, config(tmp_path, TOKENS), lambda: NOW)
    assert reader.read(raw) is False
    assert reader.result() == Bounced(unknown=1)


def test_bounces_need_signed_tokens(tmp_path: Path) -> None:
    assert can_verify_bounces(config(tmp_path, TOKENS))
    assert not can_verify_bounces(config(tmp_path, "smtp: {security: none}\n"))


def test_without_a_mailbox_nothing_is_read(store: Store, tmp_path: Path) -> None:
    assert read_bounces(store, config(tmp_path), clock=lambda: NOW) == Bounced()


def test_the_summary_names_what_was_found() -> None:
    done = Bounced(kinds=(BounceKind.SOFT, BounceKind.COMPLAINT), suppressed=1, unknown=2)
    assert done.summary == "1 soft, 1 complaint, 1 suppressed, 2 not ours"
    assert Bounced().summary == "nothing"
