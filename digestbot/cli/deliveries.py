"""``digestbot deliveries``: list, show, retry, release, cancel, export, import and adopt."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from digestbot.atomic_files import replacing
from digestbot.cli.app import App, check_known, count, local, print_json, table
from digestbot.config import Config
from digestbot.errors import DigestbotError, LedgerError, UsageError
from digestbot.model import Delivery, DeliveryState
from digestbot.status import FAILED
from digestbot.store import AWAITING_OPERATOR, from_line, to_line

NUMBER = click.IntRange(1, 2**63 - 1)
"""Delivery number, within the range of a database integer."""


@click.group(
    "deliveries",
    short_help="List deliveries; show, retry, release or cancel them.",
    invoke_without_command=True,
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List deliveries (the default); show, retry, release or cancel them."""
    if ctx.invoked_subcommand is None:
        ctx.exit(ctx.invoke(list_deliveries, states=(), digest=None, limit=50))


@command.command("list", short_help="List deliveries, newest first.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in DeliveryState]),
    help="Show only this state; may be repeated.",
)
@click.option("--digest", help="Show only this digest.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Number of deliveries to show.",
)
@click.pass_obj
def list_deliveries(app: App, states: tuple[str, ...], digest: str | None, limit: int) -> int:
    """List deliveries, newest first."""
    config = app.config()
    chosen = tuple(map(DeliveryState, states)) or None
    with app.store(config, read_only=True) as store:
        check_known(store, config, digest)
        found = store.outbox.list(states=chosen, digest=digest, limit=limit)
    app.show([_facts(d) for d in found], lambda: _table(found, config))
    return 0


def _table(found: tuple[Delivery, ...], config: Config) -> str:
    if not found:
        return "no deliveries yet"
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
    return table(("ID", "EDITION", "STATE", "ATTEMPTS", "SENT/NEXT", "TO", "LAST ERROR"), rows)


def _deliveries(number: int) -> str:
    return count(number, "delivery", "deliveries")


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


@command.command("show", short_help="Show one delivery with its history.")
@click.argument("number", type=NUMBER)
@click.pass_obj
def show_delivery(app: App, number: int) -> int:
    """Show delivery NUMBER with its history."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        delivery = store.outbox.get(number)
        if delivery is None:
            raise DigestbotError(
                f"no delivery {number}; 'digestbot deliveries list' shows all of them"
            )
        attempts = store.outbox.attempts(number)
        bounces = store.bounces.of_delivery(number)
        receipt = store.outbox.receipt(number)
    attempt_facts = [
        {"attempt": a.attempt, "at": a.at, "outcome": a.outcome, "code": a.code, "error": a.error}
        for a in attempts
    ]
    facts = {
        **_facts(delivery),
        "receipt": receipt,
        "tries": attempt_facts,
        "bounces": [
            {"at": b.at, "kind": b.kind, "code": b.code, "detail": b.detail} for b in bounces
        ],
    }

    def as_text() -> str:
        lines = [
            f"{key:<12}{local(value, config) if isinstance(value, datetime) else value}"
            for key, value in _facts(delivery).items()
            if value is not None
        ]
        lines += [f"{'receipt':<12}{receipt}"] if receipt else []
        lines += [f"{local(a.at, config)}  {a.outcome}  {a.error or ''}".rstrip() for a in attempts]
        lines += [
            f"{local(b.at, config)}  bounced  {b.kind} {b.code or ''} {b.detail}".rstrip()
            for b in bounces
        ]
        return "\n".join(lines)

    app.show(facts, as_text)
    return 0


@command.command("release", short_help="Queue held and quarantined deliveries.")
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.pass_obj
def release(app: App, numbers: tuple[int, ...]) -> int:
    """Queue held and quarantined deliveries again: the given NUMBERS, or all."""
    config = app.config()
    with app.store(config) as store:
        found = store.outbox.list(states=AWAITING_OPERATOR, limit=1_000_000)
        ids = numbers or tuple(d.id for d in found)
        released = store.outbox.requeue(ids, app.clock(), states=AWAITING_OPERATOR)
    app.show({"queued": released}, lambda: f"{_deliveries(released)} queued")
    if released < len(ids):
        unchanged = _deliveries(len(ids) - released)
        app.say(f"{unchanged} unchanged: not held or quarantined; see 'digestbot deliveries list'")
    return 0 if released == len(ids) else 1


@command.command("cancel", short_help="Cancel unsent deliveries.")
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.option("--held", "all_held", is_flag=True, help="Cancel all held deliveries.")
@click.pass_obj
def cancel(app: App, numbers: tuple[int, ...], all_held: bool) -> int:
    """Cancel unsent deliveries; 'deliveries retry' can queue them again."""
    if bool(numbers) == all_held:
        raise UsageError("give delivery numbers or --held, and not both")
    config = app.config()
    with app.store(config) as store:
        if all_held:
            found = store.outbox.list(states=(DeliveryState.HELD,), limit=1_000_000)
            numbers = tuple(d.id for d in found)
        cancelled = sum(
            store.outbox.cancel(number, "cancelled by the operator") for number in numbers
        )
    app.show({"cancelled": cancelled}, lambda: f"{_deliveries(cancelled)} cancelled")
    if cancelled < len(numbers):
        unchanged = _deliveries(len(numbers) - cancelled)
        app.say(f"{unchanged} unchanged: already sent, being sent, or unknown")
    return 0 if cancelled == len(numbers) else 1


@command.command("export", short_help="Export the record of everything sent, for another machine.")
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False, path_type=Path))
@click.pass_obj
def export_ledger(app: App, file: Path) -> int:
    """
    Export the ledger to FILE, or to standard output with -.

    The ledger holds subscriptions, editions and deliveries. After 'deliveries import' on another
    machine, the bot continues there and sends nothing twice. Stop the bot before exporting.
    """
    config = app.config()
    with app.store(config, read_only=True) as store:
        lines = (f"{to_line(name, row)}\n" for name, row in store.ledger.export_rows())
        if str(file) == "-":
            for line in lines:
                print_json(line)
            return 0
        rows = _write_lines(file, lines) - 1  # without the head
    app.show({"rows": rows}, lambda: f"{count(rows, 'row')} written to {file}")
    return 0


def _write_lines(file: Path, lines: Iterable[str]) -> int:
    """
    Write *lines* to *file* atomically; return their number.

    Raises:
        UsageError: The file cannot be written.
    """
    number = 0
    try:
        with replacing(file) as out:
            for number, line in enumerate(lines, start=1):  # noqa: B007 - the last is returned
                out.write(line.encode())
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    return number


@command.command("import", short_help="Import a ledger from another machine.")
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False, path_type=Path))
@click.pass_obj
def import_ledger(app: App, file: Path) -> int:
    """
    Import a ledger from 'deliveries export'; do this before the first fetch.

    The import is all or nothing. Deliveries that were unsent at the export are held; 'deliveries
    release' sends them.
    """
    config = app.config()
    with app.store(config) as store:
        try:
            added = store.ledger.import_rows(_rows(file))
        except LedgerError as error:
            raise UsageError(f"{file}:{error.number}: {error}") from error
    app.show({"added": added}, lambda: f"{count(added, 'row')} imported")
    return 0


@command.command("adopt", short_help="Accept a store that was copied while in use.")
@click.pass_obj
def adopt(app: App) -> int:
    """
    Accept a SQLite store that was copied while digestbot used it on another machine.

    'run' and 'serve' refuse such a copy for an hour, since both machines would send everything.
    Stop digestbot on the other machine first. A store copied while stopped needs no adoption.
    """
    with app.store(app.config()) as store:
        adopted = store.processes.adopt()
    app.show({"adopted": adopted}, lambda: "adopted" if adopted else "nothing to adopt")
    return 0


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Yield the rows of a ledger file line by line; it may exceed the memory.

    Raises:
        UsageError: The file cannot be read, or a line is not a ledger row.
    """
    number = 0
    try:
        with nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                yield from_line(line)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:  # invalid UTF-8 or JSON
        raise UsageError(f"{file}:{number}: not a ledger row: {error}") from error


@command.command("retry", short_help="Queue failed deliveries again.")
@click.argument("numbers", type=NUMBER, nargs=-1)
@click.option(
    "--all",
    "all_failed",
    is_flag=True,
    help="Retry all that are retrying, dead, unknown or quarantined.",
)
@click.pass_obj
def retry(app: App, numbers: tuple[int, ...], all_failed: bool) -> int:
    """
    Queue failed deliveries again; the next 'digestbot run' or 'serve' sends them.

    A destination that is paused because its server refused us is contacted again too.
    """
    if bool(numbers) == all_failed:
        raise UsageError("give delivery numbers or --all, and not both")
    config = app.config()
    with app.store(config) as store:
        if all_failed:
            found = store.outbox.list(states=FAILED, limit=1_000_000)
            numbers = tuple(d.id for d in found)
        queued = store.outbox.requeue(numbers, app.clock())
        store.pauses.lift()
    app.show({"queued": queued}, lambda: f"{_deliveries(queued)} queued")
    if queued < len(numbers):
        unchanged = _deliveries(len(numbers) - queued)
        app.say(f"{unchanged} unchanged: sent, queued or unknown; see 'digestbot deliveries list'")
    return 0 if all_failed or queued == len(numbers) else 1
