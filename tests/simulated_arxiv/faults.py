"""Faults of arXiv's channels by day, as data. Each kind has been seen at the real service."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from digestbot.model import Channel

CHANNELS = frozenset(Channel)


class BatchFault(StrEnum):
    """Faults of the contents of one batch."""

    LATE = "announced nine hours late, on every channel"
    STALE = "the feed repeats the batch before, with today's dates, until noon UTC"
    STALE_ALL_DAY = "the feed repeats the batch before, with today's dates, all day"
    PARTIAL = "the feed holds half of the batch until noon UTC"
    PARTIAL_ALL_DAY = "the feed holds half of the batch all day"
    MISSING_API = "the query API never gets one in three"
    MISSING_RSS = "the feed never gets one in three"
    MISSING_OAI = "OAI-PMH never gets one in three"
    LAGGING = "the index of the query API is two days behind"
    BULK_EDIT = "the datestamps of four in ten records change"


class ResponseFault(StrEnum):
    """Faults of single responses."""

    EMPTY = "200 with no entries and a total of 0"
    EMPTY_INSIDE = "200 with the true total and no entries"
    SHORT = "200 with one entry missing in the middle"
    HTML = "200 with a web page"
    S406 = "406 from the edge"
    S429 = "429 without Retry-After"
    S429_ODD = "429 with a Retry-After that is no number"
    S503 = "503 after three minutes with Retry-After: 0"
    RESET = "a reset instead of a response"
    RESET_INSIDE = "a reset before the last byte"
    BAD_TOKEN = "badResumptionToken for a fresh token"
    CACHED = "a list cached for twelve hours instead of one"


ALL_DAY = 10**6
"""Number of responses that a whole day does not reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Faults of the next *count* responses of a channel, from midnight UTC of *day*."""

    day: date
    channel: Channel
    fault: ResponseFault
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """All faults of a simulation."""

    batches: Sequence[tuple[date, BatchFault]] = ()
    """By the date in the listings."""
    responses: Sequence[Failure] = ()

    def on(self, listed: date) -> frozenset[BatchFault]:
        """Return the faults of the batch listed on that date."""
        return frozenset(fault for day, fault in self.batches if day == listed)


def _everywhere(day: date, *faults: ResponseFault, count: int = 1) -> list[Failure]:
    return [
        Failure(day=day, channel=channel, fault=fault, count=count)
        for channel in Channel
        for fault in faults
    ]


NONE = Faults()
EVERY = Faults(
    batches=(
        (date(2026, 10, 8), BatchFault.LATE),
        (date(2026, 10, 14), BatchFault.STALE_ALL_DAY),
        (date(2026, 10, 20), BatchFault.STALE),
        (date(2026, 10, 22), BatchFault.PARTIAL_ALL_DAY),
        (date(2026, 10, 23), BatchFault.PARTIAL),
        (date(2026, 10, 26), BatchFault.MISSING_RSS),
        (date(2026, 10, 28), BatchFault.MISSING_API),
        (date(2026, 10, 30), BatchFault.MISSING_OAI),
        (date(2026, 11, 3), BatchFault.LAGGING),
        (date(2026, 11, 24), BatchFault.BULK_EDIT),
        (date(2026, 12, 1), BatchFault.LATE),
        (date(2026, 12, 1), BatchFault.STALE),
    ),
    responses=(
        *_everywhere(date(2026, 10, 12), ResponseFault.S406, count=2),
        *_everywhere(date(2026, 10, 13), ResponseFault.S429, ResponseFault.S429_ODD),
        *_everywhere(date(2026, 10, 15), ResponseFault.S503, count=3),
        *_everywhere(date(2026, 10, 19), ResponseFault.HTML),
        *_everywhere(date(2026, 11, 5), ResponseFault.RESET, ResponseFault.RESET_INSIDE),
        *_everywhere(date(2026, 11, 6), ResponseFault.EMPTY),
        Failure(day=date(2026, 11, 9), channel=Channel.API, fault=ResponseFault.SHORT, count=2),
        Failure(day=date(2026, 11, 10), channel=Channel.API, fault=ResponseFault.EMPTY, count=20),
        Failure(day=date(2026, 11, 11), channel=Channel.API, fault=ResponseFault.EMPTY_INSIDE),
        Failure(day=date(2026, 11, 12), channel=Channel.OAI, fault=ResponseFault.BAD_TOKEN),
        Failure(day=date(2026, 11, 13), channel=Channel.OAI, fault=ResponseFault.CACHED, count=9),
        # A whole day without one channel, then without another.
        *(
            Failure(day=date(2026, 11, day), channel=channel, fault=fault, count=ALL_DAY)
            for day, channel, fault in (
                (17, Channel.RSS, ResponseFault.S503),
                (18, Channel.OAI, ResponseFault.RESET),
                (19, Channel.API, ResponseFault.S406),
            )
        ),
    ),
)
