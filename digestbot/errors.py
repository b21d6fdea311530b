"""
All errors that digestbot raises on purpose.

::

    DigestbotError
    ├── UsageError               a wrong argument of a command                        exit 2
    ├── ConfigError              all problems of the config                           exit 2
    ├── InvalidValue             text that cannot be parsed
    │   ├── InvalidPaperId
    │   ├── InvalidFilter        with the place inside the filter
    │   ├── InvalidSchedule
    │   └── InvalidAddress
    ├── InvalidIndex             a saved filter index that must be rebuilt
    ├── MissingExtra             names the command that installs a missing package
    ├── SourceError              a source of papers failed                            exit 1
    │   ├── SourceLate           no useful answer for now; retried automatically
    │   ├── SourceRefused        refuses us until the operator does something
    │   └── BadAnswer            sent an unreadable answer
    ├── RenderError              a template failed
    ├── DeliveryError            a destination failed                                 exit 1
    │   ├── TransientFailure     retry later
    │   │   └── UnclearRefusal   may concern us; three in a row stop all
    │   ├── PermanentFailure     never retry this delivery
    │   │   └── TooLarge         try once more without attachments
    │   ├── Misconfigured        every delivery of this kind would fail; stop all
    │   ├── ServerUnavailable    every delivery of this kind waits
    │   │   └── SessionLimit     sent over another connection
    │   ├── NotAttempted         left alone while its server rests
    │   └── OutcomeUnknown       the server may have accepted it
    ├── MailboxError             the mailbox for bounces failed                       exit 1
    └── StoreError
        ├── StoreUnavailable     cannot be opened or reached
        ├── StoreUnusable        damaged, or its URL is wrong: waiting does not help
        ├── StoreTooNew          written by a newer digestbot
        ├── ForeignStore         a database of another program
        ├── LedgerError          a row that cannot be imported
        └── LeaseLost            the lease on a delivery has expired

Messages are one line in lower case: what, where, what to do. Attributes are for programs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from digestbot.secret import masked


class DigestbotError(Exception):
    """
    Base of all errors raised on purpose; its text may be shown to the operator.

    Values that the config was filled with are masked when the error is made, since its text also
    goes into logs, rows of the store and JSON.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(masked(arg) if isinstance(arg, str) else arg for arg in args))


class UsageError(DigestbotError):
    """A wrong argument of a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a file, with its place."""

    file: str
    line: int
    """Counted from 1; 0 for a problem of the whole file, such as a missing one."""
    column: int
    """Counted from 1."""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class ConfigError(DigestbotError):
    """All problems of a config, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(replace(p, message=masked(p.message)) for p in problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InvalidValue(DigestbotError, ValueError):
    """Text that cannot be parsed as the expected value."""


class InvalidPaperId(InvalidValue):
    """Text that does not identify a paper."""


class InvalidFilter(InvalidValue):
    """A mistake in a filter; *path* leads to its place in the filter's YAML."""

    def __init__(self, message: str, path: Sequence[str | int] = ()) -> None:
        self.path = tuple(path)
        super().__init__(message)


class InvalidSchedule(InvalidValue):
    """A mistake in a schedule; *path* leads to its key if it has several."""

    def __init__(self, message: str, *path: str) -> None:
        self.path = path
        super().__init__(message)


class InvalidAddress(InvalidValue):
    """Text that is not exactly one email address."""


class DiscreetError(ValueError):
    """Error whose text repeats nothing of the value, so that it may always be shown."""


class InvalidIndex(DigestbotError):
    """A file that is not a filter index of this version."""


class MissingExtra(DigestbotError):
    """An optional feature is used but not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{feature} needs an extra: pip install 'digestbot[{extra}]'")


class SourceError(DigestbotError):
    """A source failed; the papers it returned before are kept."""

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        self.retry_at = retry_at
        super().__init__(message)


class SourceLate(SourceError):
    """No useful answer after all retries; *retry_at* is the time of the next request."""


class SourceRefused(SourceError):
    """The source refuses us (401, 403, 404, 410 …); an immediate retry would make it worse."""


class BadAnswer(SourceError):
    """An answer in an unexpected form: HTML, truncated XML, an error feed."""


class RenderError(DigestbotError):
    """An edition could not be rendered."""


class DeliveryError(DigestbotError):
    """A destination did not accept a delivery; *code* is its status, such as ``451 4.7.1``."""

    about_recipient = False
    """True if the server refused the recipient, before it saw the message."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        self.code = code
        super().__init__(message)


class TransientFailure(DeliveryError):
    """A failure to retry, after *retry_after_s* seconds if the server named a time."""

    def __init__(
        self, message: str, *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, code=code)


class PermanentFailure(DeliveryError):
    """A failure not to retry; *suppress* is true for a dead address (RFC 3463 class 5.1)."""

    def __init__(self, message: str, *, code: str | None = None, suppress: bool = False) -> None:
        self.suppress = suppress
        super().__init__(message, code=code)


class UnclearRefusal(TransientFailure):
    """A permanent refusal that may concern us as well as the recipient."""


class TooLarge(PermanentFailure):
    """The message exceeds the server's size limit; one without attachments may fit."""


class ServerUnavailable(DeliveryError):
    """
    A reply about us, or none: the server takes no delivery for now.

    Args:
        message: One line, what the server said.
        code: Its status, if it sent one.
        retry_after_s: Seconds to wait at least.
        until_tomorrow: A daily quota is used up.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after_s: float | None = None,
        until_tomorrow: bool = False,
    ) -> None:
        self.retry_after_s = retry_after_s
        self.until_tomorrow = until_tomorrow
        super().__init__(message, code=code)


class SessionLimit(ServerUnavailable):
    """A limit per connection is reached; another connection may take the message."""


class NotAttempted(DeliveryError):
    """Left alone, since the server refuses us or this process was told to stop."""


class Misconfigured(DeliveryError):
    """A fault in our settings, which would fail every delivery of this kind."""


class OutcomeUnknown(DeliveryError):
    """The connection broke after the last byte, before the reply (RFC 1047)."""


class MailboxError(DigestbotError):
    """The mailbox for bounces cannot be read; its messages stay in it."""


class StoreError(DigestbotError):
    """The database failed."""


class StoreUnavailable(StoreError):
    """The database cannot be opened or reached."""


class StoreUnusable(StoreError):
    """The database is damaged or its URL is wrong; trying again does not help."""


class StoreTooNew(StoreError):
    """The database was written by a newer digestbot."""


class ForeignStore(StoreError):
    """The database contains the tables of another program."""


class StoreReplaced(StoreError):
    """The database's file was deleted, moved or replaced while it was open."""


class StoreCopied(StoreError):
    """The database is a copy, made while a process used the original."""


class LedgerError(StoreError):
    """A row of a ledger cannot be imported; *number* counts rows from 1."""

    def __init__(self, message: str, number: int = 0) -> None:
        self.number = number
        super().__init__(message)


class LeaseLost(StoreError):
    """The lease on a delivery has expired: another process may be sending it."""
