"""``digestbot bounces``: what came back of the mails."""

import sys
from pathlib import Path

import click

from digestbot.bounces import MAX_BYTES, MaildirBox, read_files
from digestbot.cli.app import App
from digestbot.config import Config
from digestbot.errors import DigestbotError, MailboxError, UsageError
from digestbot.pipeline import Bounced, read_bounces
from digestbot.pipeline.processing_bounces import BounceReader, can_verify_bounces
from digestbot.store import Store

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: a mail server that pipes a mail to us keeps it and comes again."""


@click.command("bounces", short_help="Read returned mails.")
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True, path_type=Path))
@click.pass_obj
def command(app: App, files: tuple[Path, ...]) -> int:
    """
    Read returned mails: dead addresses are suppressed, who complains is unsubscribed, too.

    FILES are mails, mbox files or folders in Maildir form; - is one mail on standard input, for a
    line such as "|digestbot --config /etc/digestbot/config.yaml bounces -" in /etc/aliases, which
    leaves with 75 if the mail is to be tried again. Without FILES, looks into the mailbox that
    the config names (bounces:). What is no bounce of ours changes nothing.
    """
    if Path("-") in files:
        return _piped(app, files)
    config = app.config()
    _check(config, files)
    with app.store(config) as store:
        if not files:
            done = read_bounces(store, config, clock=app.clock)
        else:
            done = _from_files(app, store, config, files)
    app.show(done.facts, lambda: done.summary)
    if done.error:
        click.echo(f"bounces: {done.error}", err=True)
    return 1 if done.error else 0


def _check(config: Config, files: tuple[Path, ...]) -> None:
    """
    Raises:
        UsageError: There is nothing to look into, or no bounce that could be believed.
    """
    if not files and config.bounces is None:
        raise UsageError('name files, or a mailbox as "bounces" in the config')
    if not can_verify_bounces(config):
        raise UsageError(
            'bounces are believed only by a signed token: set "smtp.envelope_from" with {token} '
            'and "smtp.secret" in the config'
        )


def _piped(app: App, files: tuple[Path, ...]) -> int:
    """One mail by a pipe; whatever keeps us from reading it now may pass."""
    if len(files) > 1:
        raise UsageError("- is one mail on standard input: name no other file beside it")
    raw = sys.stdin.buffer.read(MAX_BYTES)
    while sys.stdin.buffer.read(MAX_BYTES):
        pass  # a mail server that cannot write all of it would take us for broken
    try:
        config = app.config()
        _check(config, files)
        with app.store(config) as store:
            reader = BounceReader(store, config, app.clock)
            reader.read(_without_from_line(raw))
    except DigestbotError as error:
        click.echo(f"digestbot: {error}", err=True)
        return TRY_AGAIN
    done = reader.result()
    app.show(done.facts, lambda: done.summary)
    return 0


def _without_from_line(raw: bytes) -> bytes:
    """Some mail servers put the envelope's sender before a mail that they pipe, as in an mbox."""
    return raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw


def _from_files(app: App, store: Store, config: Config, files: tuple[Path, ...]) -> Bounced:
    """Every file in turn; one that cannot be read is told of, and stops no other."""
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
