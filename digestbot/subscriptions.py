"""
Subscribers managed by the operator: list, add, import, export.

The operator's command counts as consent. A subscription from ``deliver:`` and one made here differ
only in their origin, so that removing a line from the config ends that subscription alone.
"""

import gc
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TextIO, TypeVar

from digestbot.addresses import check_address
from digestbot.config import Config
from digestbot.csv_files import Table, open_table, write_rows
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

T = TypeVar("T")
COLUMNS = ("digest", "email", "name", "state", "since")
"""Columns that `export_csv` writes; `import_csv` needs the first two."""
READ_COLUMNS = frozenset(COLUMNS) - {"since"}
"""Columns that `import_csv` reads."""
BATCH = 2000
"""Rows per transaction of an import."""


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

    used: tuple[str, ...]
    """Columns that were read."""
    ignored: tuple[str, ...]
    """Columns without a meaning here."""
    added: int
    changed: int
    """Existing subscriptions that were confirmed or renamed."""
    unchanged: int
    problems: tuple[str, ...]
    """One line per row left out, with its line number."""

    @property
    def known(self) -> int:
        """Rows whose reader was subscribed already."""
        return self.changed + self.unchanged


def open_csv(stream: TextIO, *, digest: str | None) -> Table:
    """
    Open a CSV of subscribers; *digest* replaces the column ``digest``.

    Raises:
        UsageError: It is not a CSV, or its header lacks a column.
    """
    return open_table(stream, {"email"} if digest else {"email", "digest"})


def import_csv(
    store: Store,
    rows: Table,
    *,
    digests: Collection[str],
    digest: str | None,
    now: datetime,
    progress: Callable[[int], object] = lambda done: None,
) -> Imported:
    """
    Subscribe every valid row; report the others.

    Each batch is a transaction, so that an interrupted import can be repeated: the rows that it
    had are unchanged then.

    Args:
        store: Receives the subscriptions.
        rows: Columns ``email`` and, unless *digest* is given, ``digest``; optionally ``name`` and
            ``state``.
        digests: The names that exist.
        digest: Digest to subscribe to instead of the one in each row.
        now: When.
        progress: Called after each batch with the number of rows.
    """
    importing = _Importing(store, digests, digest, now)
    done = 0
    for batch in _batched(rows, BATCH):
        importing.take(batch)
        gc.collect(0)  # the command line collects rarely: 150 MB more for 500,000 rows
        done += len(batch)
        progress(done)
    known = READ_COLUMNS - {"digest"} if digest else READ_COLUMNS
    return Imported(
        used=rows.used(known),
        ignored=rows.ignored(known),
        added=importing.counts["added"],
        changed=importing.counts["changed"],
        unchanged=importing.counts["unchanged"],
        problems=tuple(f"line {line}: {text}" for line, text in sorted(importing.problems)),
    )


def _batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to *size* values; as `itertools.batched` of Python 3.12."""
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch


_Key = tuple[str, str]
_Reader = tuple[str, Destination, str]
"""Digest, mailbox, and the operator's name for the reader."""


class _Importing:
    """One import: takes batches of rows and counts their outcomes."""

    def __init__(
        self, store: Store, digests: Collection[str], digest: str | None, now: datetime
    ) -> None:
        self._store = store
        self._digests = digests
        self._digest = digest
        self._now = now
        self.counts: Counter[str] = Counter()
        self.problems: list[tuple[int, str]] = []

    def take(self, batch: Sequence[tuple[int, dict[str, str]]]) -> None:
        """Subscribe the valid rows of *batch* in one transaction."""
        readers = self._valid(batch)
        found = self._store.subscriptions.find_all((r[0], r[1]) for _, r in readers)
        before = {_key(each): each for each in found}
        suppressed = self._store.subscriptions.suppressed_among(r[1].address for _, r in readers)
        wanted: dict[_Key, _Reader] = {}
        for line, reader in readers:
            key = reader[0], reader[1].address.lower()
            try:
                _check_may_be_added(reader, suppressed, before.get(key))
            except UsageError as error:
                self.problems.append((line, str(error)))
                continue
            self.counts["unchanged"] += key in wanted
            wanted[key] = reader
        outcomes = {key: _outcome(reader, before.get(key)) for key, reader in wanted.items()}
        self.counts.update(outcomes.values())
        self._store.subscriptions.add_all(
            (reader for key, reader in wanted.items() if outcomes[key] != "unchanged"),
            origin=Origin.COMMAND,
            state=SubscriptionState.CONFIRMED,
            now=self._now,
        )

    def _valid(self, batch: Sequence[tuple[int, dict[str, str]]]) -> list[tuple[int, _Reader]]:
        readers = []
        for line, row in batch:
            try:
                readers.append((line, _reader(row, self._digests, self._digest)))
            except (InvalidAddress, UsageError) as error:
                self.problems.append((line, str(error)))
        return readers


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


def _outcome(reader: _Reader, before: Subscription | None) -> str:
    """Say what importing *reader* does to the subscription *before*."""
    if before is None:
        return "added"
    is_confirmed = before.state is SubscriptionState.CONFIRMED
    return "unchanged" if is_confirmed and reader[2] in ("", before.name) else "changed"


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
