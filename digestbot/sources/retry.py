"""
Classify failed requests for all sources: late, refused, or unreadable.

Late means that the same request may succeed soon, refused that the operator has to change
something first. Every error names the source, the cause, and when it is asked again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from digestbot.errors import BadAnswer, SourceError, SourceLate, SourceRefused
from digestbot.net import (
    BadEncoding,
    BadRedirect,
    ForbiddenAddress,
    NetError,
    TooLarge,
    is_retryable,
    parse_retry_after,
)
from digestbot.net.client import Response

LATE_PAUSE = timedelta(minutes=30)
REFUSED_PAUSE = timedelta(hours=6)
"""Repeated requests while blocked count as an attack (arXiv, "Robots Beware")."""
GONE_PAUSE = timedelta(days=7)
MESSAGE_MAX = 200
"""Characters of a server's own message that are shown."""
_ADVICE = {
    400: "check the URL",
    401: "it requires a login; put user and password into the URL, or remove the source",
    403: "access denied; set `contact`, or ask the operator of the site",
    404: "not found; check the URL",
    410: "gone for good; remove the source",
}
"""Advice for the operator about a refusal; other statuses get the advice of 400."""


def late(
    source: str,
    cause: str,
    now: datetime,
    *,
    pause: timedelta = LATE_PAUSE,
    retry_after_s: float | None = None,
) -> SourceLate:
    """Return the error of a source to retry after *pause*, or a longer Retry-After."""
    retry_at = now + max(pause, timedelta(seconds=retry_after_s or 0.0))
    due = f"no papers lost; next try at {retry_at:%Y-%m-%d %H:%M} UTC"
    return SourceLate(f"{source}: {cause}; {due}", retry_at=retry_at)


def unreadable(source: str, cause: str, now: datetime) -> BadAnswer:
    """Return the error of a source with an unreadable response."""
    retry_at = now + LATE_PAUSE
    due = f"next try at {retry_at:%Y-%m-%d %H:%M} UTC"
    return BadAnswer(f"{source}: {cause}; {due}", retry_at=retry_at)


def from_net_error(source: str, error: NetError, now: datetime) -> SourceError:
    """Classify a failed request."""
    if isinstance(error, BadRedirect):
        return SourceRefused(f"{source}: {error}; correct the URL", retry_at=now + LATE_PAUSE)
    if isinstance(error, ForbiddenAddress):
        return SourceRefused(f"{source}: {error}", retry_at=now + LATE_PAUSE)
    if isinstance(error, BadEncoding | TooLarge):
        return unreadable(source, str(error), now)
    return late(source, str(error), now)


def from_status(
    source: str,
    url: str,
    response: Response,
    now: datetime,
    *,
    advice: Mapping[int, str] | None = None,
    message: str | None = None,
) -> SourceError:
    """
    Classify a failure status.

    Args:
        source: The operator's name for it.
        url: As it may be shown.
        response: Its status and Retry-After count.
        now: For the time of the next try.
        advice: Status → what to do, where the source knows better than `_ADVICE`.
        message: The server's own message, shown before the advice.
    """
    status = response.status
    cause = f"{url} answered {status}"
    if is_retryable(status):
        retry_after_s = parse_retry_after(response.headers.get("retry-after"), now)
        return late(source, cause, now, retry_after_s=retry_after_s)
    text = (advice or {}).get(status) or _ADVICE.get(status, _ADVICE[400])
    if message:
        text = f'"{message[:MESSAGE_MAX]}"; {text}'
    pause = GONE_PAUSE if status == 410 else REFUSED_PAUSE
    return SourceRefused(f"{source}: {cause}: {text}", retry_at=now + pause)
