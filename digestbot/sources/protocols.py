"""What every source gives, and what it must be able to do. Knows no source."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from digestbot.model import FetchedPaper
from digestbot.net import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A piece of a pass: its papers and its memory are to be stored in one transaction."""

    papers: tuple[FetchedPaper, ...]
    memory: Mapping[str, str]
    """All that the source wants to find again at its next pass, once *papers* are stored."""
    total: int | None = None
    """Results the source says it has, read or not; None if it does not say."""
    done: int = 0
    """Papers of this pass so far, this page included."""
    complete: bool = False
    """True only on the last page of a pass that covered all it should."""
    note: str | None = None
    """What is missing or remarkable, for people; None if nothing is."""


class Options(Protocol):
    """The options of one kind of source: a frozen dataclass of its config keys that can fetch."""

    def fetch(
        self, name: str, client: Client, memory: Mapping[str, str], now: datetime
    ) -> AsyncIterator[Page]:
        """
        One pass, page by page.

        Args:
            name: What the owner calls the source, for messages.
            client: How to ask.
            memory: What the last stored page left; empty at first.
            now: When the pass begins.

        Raises:
            SourceLate, SourceRefused, BadAnswer: pages given before stay good.
        """
        ...
