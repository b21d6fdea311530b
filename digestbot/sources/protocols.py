"""Interface of all sources: their options, and the pages that they yield."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from digestbot.model import Channel, ChannelCheck, FetchedPaper
    from digestbot.net import Client
    from digestbot.sources.parser_pool import Parse

_CENTURY = timedelta(days=36_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of a pass; its papers and memory are stored in one transaction."""

    papers: "tuple[FetchedPaper, ...]"
    memory: Mapping[str, str]
    """State of the source for its next pass, valid once *papers* are stored."""
    total: int | None = None
    """Results that the server reports, read or not; None if it reports none."""
    done: int = 0
    """Papers of this pass so far, this page included."""
    complete: bool = False
    """True only on the last page of a pass that covered its whole range."""
    note: str | None = None
    """Remark for the operator, such as what is missing; None if all is well."""
    channel: "Channel | None" = None
    """Channel that served *papers*; None if the source has only one."""
    checks: "tuple[ChannelCheck, ...]" = ()
    """What the channels served of each day's announcements, as far as this page shows it."""
    next_try_at: datetime | None = None
    """On the last page: time of the next pass, if the usual interval does not apply."""


class Options(Protocol):
    """Options of one kind of source: a frozen dataclass of its config keys that can fetch."""

    def fetch(
        self,
        name: str,
        client: "Client",
        memory: Mapping[str, str],
        now: datetime,
        *,
        parse: "Parse",
    ) -> AsyncIterator[Page]:
        """
        Make one pass over the source, page by page.

        Args:
            name: The operator's name for the source, for messages.
            client: Sends the requests.
            memory: The memory of the last stored page; empty on the first pass.
            now: When the pass begins.
            parse: Runs parsers of untrusted bytes where they can be killed.

        Raises:
            SourceLate, SourceRefused, BadAnswer: pages already yielded remain valid.
            ParserStopped: The response took too long to parse.
        """
        ...


@runtime_checkable
class OnDisk(Protocol):
    """Options of a source that reads a file or folder of the operator."""

    @property
    def path(self) -> str: ...

    def located(self, folder: Path) -> Options:
        """Return the options with their path resolved against *folder*, that of the config."""
        ...


def check_span(key: str, value: timedelta) -> None:
    """
    Check a look-back period of the config.

    Raises:
        ValueError: *value* is negative or longer than a century, which datetime cannot subtract.
    """
    if not timedelta(0) <= value <= _CENTURY:
        raise ValueError(f"{key} must be between 0 and 100 years")


def check_interval(value: timedelta) -> None:
    """
    Check the time between requests.

    Raises:
        ValueError: *value* is negative.
    """
    if value < timedelta(0):
        raise ValueError("interval must be 0 or longer")
