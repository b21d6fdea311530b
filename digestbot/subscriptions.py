"""
Subscribers managed by the operator: list, add, import, export.

The operator's command counts as consent. A subscription from ``deliver:`` and one made here differ
only in their origin, so that removing a line from the config ends that subscription alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from digestbot.addresses import check_address
from digestbot.config import Config
from digestbot.csv_files import read_rows, write_rows
from digestbot.errors import InvalidAddress, UsageError
from digestbot.model import (
    Destination,
    DestinationKind,
    Origin,
    Subscription,
    SubscriptionState,
)
from digestbot.store import Store
from digestbot.store.subscriptions import after_sync_of_all, is_same
from digestbot.syncing import removed_digests

COLUMNS = ("digest", "email", "name", "state", "since")
"""Columns that `export_csv` writes; `import_csv` needs the first two."""


def listed(
    store: Store,
    config: Config,
    now: datetime,
    *,
    digest: str | None = None,
    states: Collection[SubscriptionState] | None = None,
    kind: str | None = None,
) -> tuple[Subscription, ...]:
    """List subscriptions as the next sync leaves them; only reads."""
    named = {
        each.name: each.destinations
        for each in config.digests.values()
        if digest in (None, each.name)
    }
    return tuple(
        s
        for s in _after_sync(store, config, store.subscriptions.list(digest), named, now)
        if (states is None or s.state in states) and kind in (None, s.destination.kind)
    )


def of(
    store: Store, config: Config, destination: Destination, now: datetime
) -> tuple[Subscription, ...]:
    """List one destination's subscriptions as the next sync leaves them; only reads."""
    named = {
        digest.name: [each for each in digest.destinations if is_same(each, destination)]
        for digest in config.digests.values()
    }
    return _after_sync(store, config, store.subscriptions.of(destination), named, now)


def _after_sync(
    store: Store,
    config: Config,
    rows: Iterable[Subscription],
    named: Mapping[str, Sequence[Destination]],
    now: datetime,
) -> tuple[Subscription, ...]:
    digests = store.digests.states()
    return after_sync_of_all(
        rows,
        named,
        removed={state.name for state in removed_digests(config, digests)},
        restored={state.name for state in digests if state.is_removed},
        now=now,
    )


def email(address: str) -> Destination:
    """
    Return the mailbox that *address* names.

    Raises:
        InvalidAddress: *address* is not exactly one email address.
    """
    return Destination(kind=DestinationKind.EMAIL, address=check_address(address))


def add(store: Store, digest: str, address: str, *, name: str, now: datetime) -> Subscription:
    """
    Subscribe a mailbox directly.

    The operator's command replaces the confirmation email; adding a mailbox twice changes nothing.

    Raises:
        InvalidAddress: *address* is not exactly one email address.
        UsageError: The address is suppressed, because it unsubscribed, complained or bounced.
    """
    destination = email(address)
    if store.subscriptions.is_suppressed(destination.address):
        raise _suppressed(destination.address)
    return store.subscriptions.add(
        digest,
        destination,
        origin=Origin.COMMAND,
        state=SubscriptionState.CONFIRMED,
        name=name,
        now=now,
    )


def _suppressed(address: str) -> UsageError:
    return UsageError(
        f"{address} is suppressed: it unsubscribed, complained or bounced; "
        "if its owner asks for it again: 'digestbot subscribers add --lift'"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Result of importing a CSV."""

    added: int
    known: int
    problems: tuple[str, ...]
    """One line per row left out, with its line number."""


def import_csv(
    store: Store, text: str, *, digests: Collection[str], digest: str | None, now: datetime
) -> Imported:
    """
    Subscribe every valid row of a CSV; report the others.

    Args:
        text: A header line; columns ``email`` and, unless *digest* is given, ``digest``;
            optionally ``name``.
        digests: The names that exist.

    Raises:
        UsageError: The text is not a CSV, or its header lacks a column.
    """
    rows = read_rows(text, {"email"} if digest else {"email", "digest"})
    before = {_key(s): s for s in store.subscriptions.list(kind=DestinationKind.EMAIL)}
    suppressed = frozenset(s.address for s in store.subscriptions.suppressions())
    readers, problems = dict[_Key, _Reader](), []
    known = 0
    for line, row in rows:
        try:
            reader = _reader(row, digests, digest)
            key = reader[0], reader[1].address.lower()
            _check_may_be_added(reader, suppressed, before.get(key))
        except (InvalidAddress, UsageError) as error:
            problems.append(f"line {line}: {error}")
            continue
        known += key in before or key in readers
        readers[key] = reader
    store.subscriptions.add_all(
        (r for key, r in readers.items() if _changes(r, before.get(key))),
        origin=Origin.COMMAND,
        state=SubscriptionState.CONFIRMED,
        now=now,
    )
    added = sum(key not in before for key in readers)
    return Imported(added=added, known=known, problems=tuple(problems))


_Key = tuple[str, str]
_Reader = tuple[str, Destination, str]
"""Digest, mailbox, and the operator's name for the reader."""


def _key(subscription: Subscription) -> _Key:
    return subscription.digest, subscription.destination.address.lower()


def _reader(row: dict[str, str], digests: Collection[str], digest: str | None) -> _Reader:
    name = digest or row["digest"].strip()
    if name not in digests:
        raise UsageError(f'no digest "{name}" in the config')
    state = row.get("state", "").strip() or SubscriptionState.CONFIRMED
    if state != SubscriptionState.CONFIRMED:
        raise UsageError(f'the state is "{state}": only confirmed readers are imported')
    return name, email(row["email"].strip()), row.get("name", "").strip()


def _changes(reader: _Reader, before: Subscription | None) -> bool:
    """Return True if importing *reader* would change the subscription *before*."""
    if before is None or before.state is not SubscriptionState.CONFIRMED:
        return True
    return reader[2] not in ("", before.name)


def _check_may_be_added(
    reader: _Reader, suppressed: Collection[str], before: Subscription | None
) -> None:
    digest, mailbox, _ = reader
    if before is not None and before.state is SubscriptionState.UNSUBSCRIBED:
        raise UsageError(
            f"{mailbox.address} has unsubscribed from {digest}; "
            "if its owner asks for it again: 'digestbot subscribers add'"
        )
    if mailbox.address.lower() in suppressed:
        raise _suppressed(mailbox.address)


def export_csv(subscriptions: Collection[Subscription]) -> str:
    """Write the mailboxes among *subscriptions* as a CSV that `import_csv` reads."""
    return write_rows(
        COLUMNS,
        (
            (s.digest, s.destination.address, s.name, s.state, iso_utc(s.created_at))
            for s in subscriptions
            if s.destination.kind == DestinationKind.EMAIL
        ),
    )


def iso_utc(moment: datetime) -> str:
    """Return *moment* as ISO 8601 in UTC, with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
