"""
Every error that digestbot raises on purpose.

::

    DigestbotError
    ├── UsageError               the owner's: a wrong argument                        exit 2
    ├── ConfigError              the owner's: all problems of a file at once          exit 2
    ├── InvalidValue             a room's: this text means nothing here
    │   ├── InvalidPaperId
    │   ├── InvalidFilter        knows the place inside the filter
    │   ├── InvalidSchedule
    │   └── InvalidAddress
    ├── InvalidIndex             a saved filter index that has to be built anew
    ├── MissingExtra             names the command that installs what is missing
    ├── SourceError              the world's: a place papers come from                exit 1
    │   ├── SourceLate           did not answer usefully now; tried again by itself
    │   ├── SourceRefused        will not answer us until a person does something
    │   └── BadAnswer            answered, with what cannot be read
    ├── RenderError              a template failed
    ├── DeliveryError            the world's: a destination                           exit 1
    │   ├── TransientFailure     try the same again, later
    │   ├── PermanentFailure     never try this delivery unchanged
    │   ├── Misconfigured        every delivery of this kind would fail: stop them all
    │   └── OutcomeUnknown       the server may or may not have accepted it
    ├── MailboxError             the world's: where bounces arrive                  exit 1
    └── StoreError
        ├── StoreUnavailable     cannot be opened or reached
        ├── StoreTooNew          written by a newer digestbot
        ├── ForeignStore         a database that is not ours
        ├── LedgerError          a line that this store cannot take in
        └── LeaseLost            a delivery that was held for too long, and is another's by now

Messages are one line, in lower case: what, where, what to do. Attributes are for programs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


class DigestbotError(Exception):
    """The base of all errors raised on purpose; its text is fit to be shown to the owner."""


class UsageError(DigestbotError):
    """An argument of a command that cannot be meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a file that a person wrote."""

    file: str
    line: int
    """From 1; 0 if the problem has no place, such as a missing file."""
    column: int
    """From 1."""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class ConfigError(DigestbotError):
    """All problems of a config, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InvalidValue(DigestbotError, ValueError):
    """A text that means nothing where it stands."""


class InvalidPaperId(InvalidValue):
    """No identifier of a paper."""


class InvalidFilter(InvalidValue):
    """A filter that cannot be meant; *path* leads to the place inside its YAML."""

    def __init__(self, message: str, path: Sequence[str | int] = ()) -> None:
        self.path = tuple(path)
        super().__init__(message)


class InvalidSchedule(InvalidValue):
    """No schedule that digestbot knows."""


class InvalidAddress(InvalidValue):
    """Not exactly one mail address."""


class DiscreetError(ValueError):
    """Error whose text repeats nothing of the value, so that it may always be shown."""


class InvalidIndex(DigestbotError):
    """A file that is no filter index, or not one of this version."""


class MissingExtra(DigestbotError):
    """Something optional is asked for and not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{feature} needs an extra: pip install 'digestbot[{extra}]'")


class SourceError(DigestbotError):
    """A source failed; what it gave before is kept."""

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        self.retry_at = retry_at
        super().__init__(message)


class SourceLate(SourceError):
    """Nothing useful after all tries; *retry_at* says when it makes sense to ask again."""


class SourceRefused(SourceError):
    """Not for us (401, 403, 404, 410 …); asking again at once would make it worse."""


class BadAnswer(SourceError):
    """An answer that is not what the source promises: HTML, cut XML, an error feed."""


class RenderError(DigestbotError):
    """A template or a form failed for one edition."""


class DeliveryError(DigestbotError):
    """A destination did not take a delivery; *code* is the protocol's: ``451 4.7.1``."""

    about_recipient = False
    """Said to the recipient's address, before there was a message: it may be the address."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        self.code = code
        super().__init__(message)


class TransientFailure(DeliveryError):
    """Worth the same try again, not before *retry_after_s* seconds if the server named them."""

    def __init__(
        self, message: str, *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, code=code)


class PermanentFailure(DeliveryError):
    """Not worth another try; *suppress* if the address itself is dead (RFC 3463 class 5.1)."""

    def __init__(self, message: str, *, code: str | None = None, suppress: bool = False) -> None:
        self.suppress = suppress
        super().__init__(message, code=code)


class Misconfigured(DeliveryError):
    """The fault is in our settings: every delivery of this kind would fail the same way."""


class OutcomeUnknown(DeliveryError):
    """The link broke after the last byte and before the answer (RFC 1047)."""


class MailboxError(DigestbotError):
    """A mailbox for bounces that cannot be read; what arrives in it waits there."""


class StoreError(DigestbotError):
    """The database did not do what it must."""


class StoreUnavailable(StoreError):
    """The database cannot be opened or reached."""


class StoreTooNew(StoreError):
    """The database was written by a newer digestbot."""


class ForeignStore(StoreError):
    """The database holds tables, but not ours."""


class LedgerError(StoreError):
    """A row of a ledger that cannot be taken in; *number* counts the rows from 1."""

    def __init__(self, message: str, number: int = 0) -> None:
        self.number = number
        super().__init__(message)


class LeaseLost(StoreError):
    """A delivery that was held for longer than its lease: another process may be sending it."""
