"""HTTP for all sources and destinations: one client with bounds, pacing and safe messages."""

from digestbot.net.allowed_hosts import AllowedHosts
from digestbot.net.client import Client, Response, user_agent, utc_now
from digestbot.net.errors import (
    BadEncoding,
    BadRedirect,
    ForbiddenAddress,
    NetError,
    NetworkSettingError,
    TooLarge,
    Unreachable,
)
from digestbot.net.http_status import BUSY, is_retryable, parse_retry_after
from digestbot.net.pacing import ARXIV_INTERVAL_S, Pacer, allowed_interval_s, pace_group
from digestbot.net.urls import is_arxiv, is_internal, is_web_url, shown_origin, shown_url

__all__ = [
    "ARXIV_INTERVAL_S",
    "BUSY",
    "AllowedHosts",
    "BadEncoding",
    "BadRedirect",
    "Client",
    "ForbiddenAddress",
    "NetError",
    "NetworkSettingError",
    "Pacer",
    "Response",
    "TooLarge",
    "Unreachable",
    "allowed_interval_s",
    "is_arxiv",
    "is_internal",
    "is_retryable",
    "is_web_url",
    "pace_group",
    "parse_retry_after",
    "shown_origin",
    "shown_url",
    "user_agent",
    "utc_now",
]
