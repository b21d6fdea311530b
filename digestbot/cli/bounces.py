"""``digestbot bounces``: process bounces and complaints."""

import sys
from pathlib import Path

import click

from digestbot.bounces.mailboxes import MaildirBox, read_files
from digestbot.bounces.parsing import MAX_BYTES
from digestbot.cli.app import App
from digestbot.config import Config
from digestbot.errors import DigestbotError, MailboxError, UsageError
from digestbot.pipeline import Bounced, read_bounces
from digestbot.pipeline.processing_bounces import BounceReader, can_verify_bounces
from digestbot.store import Store

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a mail server that pipes a message to us keeps it and retries."""


@click.command("bounces", short_help="Process bounces and complaints.")
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True, path_type=Path))
@click.pass_obj
def command(app: App, files: tuple[Path, ...]) -> int:
    """
    Process bounces and complaints: suppress invalid addresses, unsubscribe readers who complain.

    FILES are messages, mbox files or Maildir folders. Without FILES, reads the mailbox from the
    config (bounces:). Messages that are not bounces of this bot are ignored.

    Use - to read one message from standard input, for example in /etc/aliases:

    \b
      bounces: "|digestbot --config /etc/digestbot/config.yaml bounces -"

    It then exits with 75 if the mail server should retry.
    """
    if Path("-") in files:
        return _piped(app, files)
    config = app.config()
    _check(config, files)
    with app.store(config) as store:
        if not files:
            bounced = read_bounces(store, config, clock=app.clock)
        else:
            bounced = _from_files(app, store, config, files)
    app.show(bounced.facts, lambda: bounced.summary)
    if bounced.error:
        click.echo(f"bounces: {bounced.error}", err=True)
    return 1 if bounced.error else 0


def _check(config: Config, files: tuple[Path, ...]) -> None:
    """
    Check that there is something to read, and that bounces can be verified.

    Raises:
        UsageError: Neither files nor a mailbox are given, or the config has no signed return path.
    """
    if not files and config.bounces is None:
        raise UsageError('name files, or set "bounces" in the config to a mailbox')
    if not can_verify_bounces(config):
        raise UsageError(
            'bounces need a signed return path: set "smtp.envelope_from" (with {token}) '
            'and "smtp.secret" in the config'
        )


def _piped(app: App, files: tuple[Path, ...]) -> int:
    """Process one piped message; any failure is temporary, so the mail server retries."""
    if len(files) > 1:
        raise UsageError(
            "- reads one message from standard input and cannot be combined with files"
        )
    raw = sys.stdin.buffer.read(MAX_BYTES)
    while sys.stdin.buffer.read(MAX_BYTES):
        pass  # drain the pipe: a mail server that cannot write all of it reports a failure
    try:
        config = app.config()
        _check(config, files)
        with app.store(config) as store:
            reader = BounceReader(store, config, app.clock)
            reader.read(_without_from_line(raw))
    except DigestbotError as error:
        click.echo(f"digestbot: {error}", err=True)
        return TRY_AGAIN
    bounced = reader.result()
    app.show(bounced.facts, lambda: bounced.summary)
    return 0


def _without_from_line(raw: bytes) -> bytes:
    """Drop the mbox "From " line that some mail servers add to a piped message."""
    return raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw


def _from_files(app: App, store: Store, config: Config, files: tuple[Path, ...]) -> Bounced:
    """Process each file; report unreadable ones and continue with the rest."""
    reader, errors = BounceReader(store, config, app.clock), []
    for file in files:
        try:
            if file.is_dir():
                reader.read_all(MaildirBox(file))
            else:
                for raw in read_files(file):
                    reader.read(raw)
        except MailboxError as error:
            errors.append(str(error))
    return reader.result("; ".join(errors) or None)
