"""HTTP for every source and destination: one client with bounds, pacing and safe messages."""

from digestbot.net.client import (
    Answer,
    BadRedirect,
    Client,
    Garbled,
    NetError,
    Pacer,
    TooLarge,
    Unreachable,
    is_arxiv,
    pace_group,
    parse_retry_after,
    shown_origin,
    shown_url,
    user_agent,
    utc_now,
)

__all__ = [
    "Answer",
    "BadRedirect",
    "Client",
    "Garbled",
    "NetError",
    "Pacer",
    "TooLarge",
    "Unreachable",
    "is_arxiv",
    "pace_group",
    "parse_retry_after",
    "shown_origin",
    "shown_url",
    "user_agent",
    "utc_now",
]
