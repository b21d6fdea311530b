"""HTTP statuses worth a retry, and Retry-After, for all callers."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 86_400.0

BUSY = frozenset({429, 503})
"""Too Many Requests and Service Unavailable: the whole server wants a rest."""
_RETRYABLE = frozenset({406, 408, 425, 429})
"""Temporary client errors: a random 406 of arXiv's edge, 408 timeout, 425 too early, 429."""
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def is_retryable(status: int) -> bool:
    """Return True if a request failed with a temporary *status*."""
    return status in _RETRYABLE or not 400 <= status < 500


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """
    Parse a Retry-After header into seconds (RFC 9110 10.2.3).

    Both forms are read, a number of seconds and an HTTP date. The result is between 0 and
    `MAX_RETRY_AFTER_S`; None if the header is missing or unreadable.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)
