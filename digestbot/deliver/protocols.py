"""What the pipeline may ask of every destination, and what a destination asks of the pipeline."""

from typing import ClassVar, Protocol

from digestbot.model import Form, OutgoingMessage, Receipt


class Checkpoint(Protocol):
    """Where a sender says what is certain now; both return only when that is committed."""

    async def data_done(self) -> None:
        """
        From here on the other side may accept, and a crash leaves the outcome unknown.

        Said before each message of several, since `acknowledged` ends the doubt about the last.
        """

    async def acknowledged(self, mark: str) -> None:
        """One message of several was taken; *mark* is what the other side calls it."""


class Sender(Protocol):
    """Brings letters to one kind of destination; used within one event loop, by many tasks."""

    forms: ClassVar[frozenset[Form]]
    """The bodies that a letter must hold."""

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Deliver *outgoing*, continuing after the marks in its ``delivery.acknowledged``.

        Raises:
            TransientFailure: Surely not delivered (whole); the same again, later.
            PermanentFailure: Refused for good.
            Misconfigured: Every delivery of this kind would fail.
            OutcomeUnknown: Perhaps delivered.
        """

    async def check(self) -> str:
        """
        What a try without sending found, in one line (``check --connect``).

        Raises:
            DeliveryError: It cannot work like this.
        """

    async def close(self) -> None:
        """Say goodbye; the sender may not be used after it."""
