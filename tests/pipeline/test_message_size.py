"""Attachments that a mail server takes no message with: left out, and the mail says so."""

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from random import Random

import pytest

from digestbot.config import Config, load_config
from digestbot.model import DeliveryState
from digestbot.pipeline import Delivered, deliver, make_editions
from digestbot.render import load_templates
from digestbot.store import Store
from digestbot.syncing import sync_config
from tests.pipeline.conftest import HEAD, MONDAY, paper
from tests.servers.smtp import SmtpServer

DIGEST = """\
  d:
    schedule: daily 09:00
    sources: [a]
    filter: {any: [serverless]}
    attach: [bibtex, ris]
    deliver: [{email: [one@example.org, two@example.org]}]
"""
LONG = 300_000
"""Characters of a title, which the attachments have in full."""


def filled(store: Store, tmp_path: Path, server: SmtpServer) -> Config:
    """Queue an edition of one paper with a long title and a good one."""
    smtp = f"smtp: {{host: 127.0.0.1, port: {server.port}, security: none}}\n"
    (tmp_path / "config.yaml").write_text(smtp + HEAD + DIGEST)
    config = load_config(tmp_path / "config.yaml", {})
    long = paper(1, "serverless " * (LONG // 11))
    store.papers.ingest("a", [long, paper(2, "Serverless and good")], {}, MONDAY)
    sync_config(store, config, MONDAY)
    (made,) = make_editions(store, config, load_templates(None), now=MONDAY)
    assert made.error is None
    return config


def run(store: Store, config: Config) -> Delivered:
    return asyncio.run(deliver(store, config, clock=lambda: MONDAY, random=Random(1)))


def read(server: SmtpServer) -> EmailMessage:
    message = message_from_bytes(server.messages[0].content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize(("limit", "kept"), [(10_000_000, 2), (600_000, 1), (100_000, 0)])
def test_only_what_does_not_fit_is_left_out(
    limit: int, kept: int, store: Store, tmp_path: Path
) -> None:
    with SmtpServer(size_limit=limit) as server:
        config = filled(store, tmp_path, server)
        assert run(store, config) == Delivered(sent=2)
        mail = read(server)
    names = [part.get_filename() for part in mail.iter_attachments() if part.get_filename()]
    assert len(names) == kept
    text = mail.get_body(("plain",))
    assert text is not None
    assert "Serverless and good" in text.get_content()
    parts = [part for part in mail.iter_parts() if part.get_content_type() == "text/plain"]
    notices = [part.get_content() for part in parts if kept < 2]
    assert len(notices) == (kept < 2)
    for name in {"d-1.bib", "d-1.ris"} - set(names):
        assert name in notices[0]


@pytest.mark.parametrize(
    "reply", ["552 5.3.4 too big", "552 Message size exceeds maximum permitted"]
)
def test_message_refused_for_its_size_is_rebuilt(reply: str, store: Store, tmp_path: Path) -> None:
    with SmtpServer(faults=[("DOT", reply)]) as server:
        config = filled(store, tmp_path, server)
        assert run(store, config) == Delivered(sent=2)
        assert len(server.messages) == 2
    assert {each.attempts for each in store.outbox.list()} == {1}


def test_message_too_large_without_attachments_is_given_up(store: Store, tmp_path: Path) -> None:
    with SmtpServer(size_limit=1_000) as server:
        config = filled(store, tmp_path, server)
        done = run(store, config)
    assert (done.sent, done.dead) == (0, 2)
    assert "accepts at most 1000" in done.errors[0]
    assert {each.state for each in store.outbox.list()} == {DeliveryState.DEAD}
    assert not store.subscriptions.is_suppressed("one@example.org")
