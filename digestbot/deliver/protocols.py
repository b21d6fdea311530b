"""Interfaces of destinations, and `DestinationType`, which describes one kind of them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from digestbot.model import Form, OutgoingMessage, Receipt
from digestbot.secret import Secret

T = TypeVar("T")


class Checkpoint(Protocol):
    """Records a sender's progress; each call returns once it is committed."""

    async def data_done(self) -> None:
        """
        Record that the other side may accept from here on, so that a crash leaves doubt.

        Call it before each message of a delivery of several; `acknowledged` settles the last one.
        """

    async def acknowledged(self, mark: str) -> None:
        """Record that one message of several was accepted, under the other side's id *mark*."""


class Sender(Protocol):
    """Sends messages to one kind of destination; used within one event loop, by many tasks."""

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Deliver *outgoing*, continuing after the marks in its ``delivery.acknowledged``.

        Raises:
            TransientFailure: Certainly not delivered in full; retry later.
            PermanentFailure: Rejected permanently.
            Misconfigured: Every delivery of this kind would fail.
            OutcomeUnknown: Possibly delivered.
        """

    async def check(self, addresses: Collection[str]) -> str:
        """
        Try everything short of sending, for ``check --connect``; return one line of findings.

        Args:
            addresses: Addresses of this kind in the config.

        Raises:
            DeliveryError: Deliveries would fail.
        """

    async def close(self) -> None:
        """Close all connections; the sender is unusable afterwards."""


class DestinationConfig(Protocol):
    """Part of the config that a sender may read."""

    def section(self, settings: type[T]) -> T | None:
        """Return the config's section of type *settings*, if it has one."""

    @property
    def secret_addresses(self) -> Mapping[str, Secret]:
        """Secret values under ``deliver:``, by the address that stands for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationType:
    """
    One kind of destination: its key under ``deliver:``, its checks, its sender, its properties.

    `digestbot.deliver.REGISTRY` lists all of them; the config, the pipeline and ``check`` know
    kinds through it only.
    """

    kind: str
    """Key under ``deliver:``, in the store and in JSON; keep it stable."""
    description: str
    """Sentence for the config's JSON Schema and its docs."""
    open: Callable[[DestinationConfig], Sender]
    """Make an unconnected sender; raises Misconfigured if settings are missing."""
    forms: frozenset[Form]
    """Forms of the edition that each message must contain."""

    # The value under the key

    value: type[str] | type[Secret] = str
    takes_list: bool = False
    """The key takes one value or a list of them."""
    check_value: Callable[[Any], Any] = lambda value: value
    """
    Return one value, normalized; raise ValueError with what is wrong with it.

    A text that repeats nothing of the value should be a `DiscreetError`: it is always shown.
    """
    if_null: str | None = None
    """Error for an empty key; by default an empty key counts as absent."""
    address: Callable[[Any, Path], str] = lambda value, folder: str(value)
    """Address for a value: identifies the destination in the store, contains no secret. The second
    argument is the config's folder."""

    # Settings

    section: str | None = None
    """Top-level key of the config with its settings, if it needs any."""
    settings: type | None = None
    """Dataclass of that section."""
    requires: tuple[str, ...] = ()
    """Path of the config key that sending requires."""
    requires_hint: str = ""
    """End of the error when that key is missing: ``needs a …: add … at the top level``."""
    is_set_up: Callable[[DestinationConfig], bool] = lambda config: False
    """Return True to let ``check --connect`` try the sender even if no digest uses it."""

    # Properties

    is_personal: bool = False
    """Each address is one reader: messages are addressed to it and offer to unsubscribe."""
    is_archive: bool = False
    """Keeps editions to be looked up later: gets exports, has no age limit and no daily cap."""
