"""``digestbot deliveries``: look at the outbox and mend it."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from digestbot.cli.app import App, check_known, local, table
from digestbot.config import Config
from digestbot.errors import DigestbotError, LedgerError, UsageError
from digestbot.model import Delivery, DeliveryState
from digestbot.status import FAILED
from digestbot.store import AWAITING_OPERATOR, from_line, to_line

NUMBER = click.IntRange(1, 2**63 - 1)
"""What a database can count to."""


@click.group(
    "deliveries", short_help="Look at deliveries and mend them.", invoke_without_command=True
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Look at deliveries and mend them; without a command, list them."""
    if ctx.invoked_subcommand is None:
        ctx.exit(ctx.invoke(list_deliveries, states=(), digest=None, limit=50))


@command.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in DeliveryState]),
    help="Only these; may be given more than once.",
)
@click.option("--digest", help="Only of this digest.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@click.pass_obj
def list_deliveries(app: App, states: tuple[str, ...], digest: str | None, limit: int) -> int:
    """The newest deliveries first."""
    config = app.config()
    chosen = tuple(map(DeliveryState, states)) or None
    with app.store(config, read_only=True) as store:
        check_known(store, config, digest)
        found = store.outbox.list(states=chosen, digest=digest, limit=limit)
    app.show([_facts(d) for d in found], lambda: _table(found, config))
    return 0


def _table(found: tuple[Delivery, ...], config: Config) -> str:
    if not found:
        return "no delivery"
    rows = [
        (
            d.id,
            d.edition_name,
            d.state,
            d.attempts,
            local(d.sent_at or d.next_at, config),
            d.destination,
            d.last_error,
        )
        for d in found
    ]
    return table(("ID", "EDITION", "STATE", "TRIES", "SENT/NEXT", "TO", "LAST ERROR"), rows)


def _facts(d: Delivery) -> dict[str, object]:
    return {
        "id": d.id,
        "edition": d.edition_name,
        "kind": d.destination.kind,
        "address": d.destination.address,
        "state": d.state,
        "attempts": d.attempts,
        "message_id": d.message_id,
        "created_at": d.created_at,
        "next_at": d.next_at,
        "sent_at": d.sent_at,
        "error": d.last_error,
        "code": d.last_code,
    }


@command.command("show")
@click.argument("number", type=NUMBER)
@click.pass_obj
def show_delivery(app: App, number: int) -> int:
    """One delivery with its history."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        delivery = store.outbox.get(number)
        if delivery is None:
            raise DigestbotError(f"there is no delivery {number}")
        attempts = store.outbox.attempts(number)
        bounces = store.bounces.of_delivery(number)
        receipt = store.outbox.receipt(number)
    tries = [
        {"attempt": a.attempt, "at": a.at, "outcome": a.outcome, "code": a.code, "error": a.error}
        for a in attempts
    ]
    returned = [{"at": b.at, "kind": b.kind, "code": b.code, "detail": b.detail} for b in bounces]
    facts = {**_facts(delivery), "receipt": receipt, "tries": tries, "bounces": returned}

    def words() -> str:
        lines = [
            f"{key:<12}{local(value, config) if isinstance(value, datetime) else value}"
            for key, value in _facts(delivery).items()
            if value is not None
        ]
        lines += [f"{'receipt':<12}{receipt}"] if receipt else []
        lines += [f"{local(a.at, config)}  {a.outcome}  {a.error or ''}".rstrip() for a in attempts]
        lines += [
            f"{local(b.at, config)}  came back  {b.kind} {b.code or ''} {b.detail}".rstrip()
            for b in bounces
        ]
        return "\n".join(lines)

    app.show(facts, words)
    return 0


@command.command("release")
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.pass_obj
def release(app: App, numbers: tuple[int, ...]) -> int:
    """Queue deliveries that wait for you, quarantined or held: all, or those with these numbers."""
    config = app.config()
    with app.store(config) as store:
        found = store.outbox.list(states=AWAITING_OPERATOR, limit=1_000_000)
        ids = numbers or tuple(d.id for d in found)
        released = store.outbox.requeue(ids, app.clock(), states=AWAITING_OPERATOR)
    app.show({"queued": released}, lambda: f"{released} queued again")
    if released < len(ids):
        app.say(f"{len(ids) - released} left as they are: neither held nor quarantined; see 'list'")
    return 0 if released == len(ids) else 1


@command.command("cancel")
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.option("--held", "every", is_flag=True, help="All that are held.")
@click.pass_obj
def cancel(app: App, numbers: tuple[int, ...], every: bool) -> int:
    """Drop deliveries that are not sent yet; nothing sends them then but 'deliveries retry'."""
    if bool(numbers) == every:
        raise UsageError("name deliveries, or say --held")
    config = app.config()
    with app.store(config) as store:
        if every:
            found = store.outbox.list(states=(DeliveryState.HELD,), limit=1_000_000)
            numbers = tuple(d.id for d in found)
        cancelled = sum(store.outbox.cancel(number, "by your word") for number in numbers)
    app.show({"cancelled": cancelled}, lambda: f"{cancelled} cancelled")
    if cancelled < len(numbers):
        app.say(f"{len(numbers) - cancelled} left as they are: sent, on their way or unknown")
    return 0 if cancelled == len(numbers) else 1


@command.command("export")
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False, path_type=Path))
@click.pass_obj
def export_ledger(app: App, file: Path) -> int:
    """
    Write the ledger: what was offered and sent to whom, and who gets what; - for standard output.

    For another machine, which sends nothing twice after 'deliveries import'. Stop the bot first.
    """
    config = app.config()
    with app.store(config, read_only=True) as store:
        lines = (f"{to_line(name, row)}\n" for name, row in store.ledger.export_rows())
        if str(file) == "-":
            for line in lines:
                click.echo(line, nl=False)
            return 0
        count = _write_private(file, lines)
    app.show({"rows": count - 1}, lambda: f"{count - 1} rows written to {file}")
    return 0


def _write_private(file: Path, lines: Iterable[str]) -> int:
    """
    *lines* to a file that only its owner may read, whole or not at all; gives how many.

    Raises:
        UsageError: It cannot be written.
    """
    part = file.with_name(f".{file.name}.part")
    count = 0
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:  # noqa: PTH123 - of a descriptor
            for count, line in enumerate(lines, start=1):  # noqa: B007 - the last one counts
                out.write(line)
        part.replace(file)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


@command.command("import")
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False, path_type=Path))
@click.pass_obj
def import_ledger(app: App, file: Path) -> int:
    """
    Take in a ledger of 'deliveries export', before this machine fetches: all of it or nothing.

    What was not done when it was exported is held: 'deliveries release' sends it from here.
    """
    config = app.config()
    with app.store(config) as store:
        try:
            added = store.ledger.import_rows(_rows(file))
        except LedgerError as error:
            raise UsageError(f"{file}:{error.number}: {error}") from error
    app.show({"added": added}, lambda: f"{added} rows taken in")
    return 0


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    The rows of a ledger's file, line by line: it may be larger than the memory.

    Raises:
        UsageError: It cannot be read, or a line is none of a ledger.
    """
    number = 0
    try:
        with nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                yield from_line(line)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:  # of UTF-8, of JSON
        raise UsageError(f"{file}:{number}: no line of a ledger: {error}") from error


@command.command("retry")
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that status tells of as failed.")
@click.pass_obj
def retry(app: App, numbers: tuple[int, ...], every: bool) -> int:
    """Queue deliveries again; the next 'digestbot run' or 'serve' sends them."""
    if bool(numbers) == every:
        raise UsageError("name deliveries, or say --all")
    config = app.config()
    with app.store(config) as store:
        if every:
            found = store.outbox.list(states=FAILED, limit=1_000_000)
            numbers = tuple(d.id for d in found)
        queued = store.outbox.requeue(numbers, app.clock())
    app.show({"queued": queued}, lambda: f"{queued} queued again")
    if queued < len(numbers):
        left = len(numbers) - queued
        app.say(f"{left} left as they are: sent, waiting or unknown to the store; see 'list'")
    return 0 if every or queued == len(numbers) else 1
