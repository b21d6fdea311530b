"""
Pings to a monitor such as healthchecks.io, which alerts when they stop or report a failure.

The monitor notices what the bot cannot report itself: a cron job that is gone, a machine that is
off. Begin at `ping`.
"""

import logging
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

from digestbot.errors import DigestbotError
from digestbot.net.client import Client, user_agent
from digestbot.secret import Secret

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0


class Event(StrEnum):
    """Event that a ping reports, as the last part of its path."""

    START = "start"
    """Work has begun; the monitor measures how long it takes."""
    SUCCESS = ""
    FAIL = "fail"


async def ping(url: Secret | None, event: Event) -> None:
    """
    Report *event* to the monitor at *url*, if there is one.

    A monitor that fails is logged and never breaks the work it watches. The request has no body:
    what failed is for the operator, not for the monitor.
    """
    if url is None:
        return
    try:
        async with Client(user_agent=user_agent()) as client:
            target = target_of(url.reveal(), event)
            response = await client.post(target, content=b"", total_s=TIMEOUT_S)
    except DigestbotError as error:  # names the host only
        log.warning("ping failed", extra={"event": event or "success", "error": error})
        return
    if not 200 <= response.status < 300:
        facts = {"event": event or "success", "status": response.status}
        log.warning("ping refused", extra=facts)


def target_of(url: str, event: Event) -> str:
    """Return *url* with *event* at the end of its path."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{event}" if event else parts.path
    return urlunsplit(parts._replace(path=path, fragment=""))
