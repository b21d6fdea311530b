"""
Readers by hand: add, remove, import, export. The owner's word counts as consent.

A subscription written under ``deliver:`` and one made here are the same thing underneath; only
its origin differs, so that taking a line out of the config ends that one and no other.
"""

from collections.abc import Collection
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

COLUMNS = ("digest", "email", "name", "state", "since")
"""Of the CSV that `export_csv` writes; `import_csv` needs the first two."""


def sync(store: Store, config: Config, now: datetime) -> None:
    """Bring the subscriptions that stand under ``deliver:`` in step with the config."""
    for digest in config.digests.values():
        store.subscriptions.sync_config(digest.name, digest.destinations, now)


def email(address: str) -> Destination:
    """
    The mailbox that *address* names.

    Raises:
        InvalidAddress: Not exactly one address.
    """
    return Destination(kind=DestinationKind.EMAIL, address=check_address(address))


def add(store: Store, digest: str, address: str, *, name: str, now: datetime) -> Subscription:
    """
    Subscribe a mailbox by the owner's word; adding twice changes nothing.

    Raises:
        InvalidAddress: Not exactly one address.
        UsageError: The address is suppressed: its owner said no, or it does not exist.
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
        f"{address} is suppressed: it unsubscribed or bounced; "
        "'digestbot subscribers add --lift' if its owner asked you to"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a CSV."""

    added: int
    known: int
    problems: tuple[str, ...]
    """One line for each row that was left out, with its line number."""


def import_csv(
    store: Store, text: str, *, digests: Collection[str], digest: str | None, now: datetime
) -> Imported:
    """
    Subscribe every row of a CSV with a head line; bad rows are told of and the others go in.

    Args:
        text: Columns ``email`` and, unless *digest* is given, ``digest``; ``name`` if there is one.
        digests: The names that exist.

    Raises:
        UsageError: No CSV, or no head line with the columns that are needed.
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
        (r for key, r in readers.items() if _says_more(r, before.get(key))),
        origin=Origin.COMMAND,
        state=SubscriptionState.CONFIRMED,
        now=now,
    )
    added = sum(key not in before for key in readers)
    return Imported(added=added, known=known, problems=tuple(problems))


_Key = tuple[str, str]
_Reader = tuple[str, Destination, str]
"""Digest, mailbox, and what the owner calls the reader."""


def _key(subscription: Subscription) -> _Key:
    return subscription.digest, subscription.destination.address.lower()


def _reader(row: dict[str, str], digests: Collection[str], digest: str | None) -> _Reader:
    name = digest or row["digest"].strip()
    if name not in digests:
        raise UsageError(f"no digest {name!r} in the config")
    state = row.get("state", "").strip() or SubscriptionState.CONFIRMED
    if state != SubscriptionState.CONFIRMED:
        raise UsageError(f"state is {state!r}: only confirmed readers are taken in")
    return name, email(row["email"].strip()), row.get("name", "").strip()


def _says_more(reader: _Reader, before: Subscription | None) -> bool:
    if before is None or before.state is not SubscriptionState.CONFIRMED:
        return True
    return reader[2] not in ("", before.name)


def _check_may_be_added(
    reader: _Reader, suppressed: Collection[str], before: Subscription | None
) -> None:
    digest, mailbox, _ = reader
    if before is not None and before.state is SubscriptionState.UNSUBSCRIBED:
        raise UsageError(
            f"{mailbox.address} has left {digest}; "
            "'digestbot subscribers add' if its owner asked you to"
        )
    if mailbox.address.lower() in suppressed:
        raise _suppressed(mailbox.address)


def export_csv(subscriptions: Collection[Subscription]) -> str:
    """The mailboxes among *subscriptions* as a CSV that `import_csv` reads."""
    return write_rows(
        COLUMNS,
        (
            (s.digest, s.destination.address, s.name, s.state, iso_utc(s.created_at))
            for s in subscriptions
            if s.destination.kind == DestinationKind.EMAIL
        ),
    )


def iso_utc(moment: datetime) -> str:
    """*moment* as ISO 8601 in UTC, with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
