"""Pacing: which requests share a rate limit, and how far apart they must be."""

from typing import Protocol

from digestbot.net.urls import ARXIV, host_of, is_arxiv, split_url

ARXIV_INTERVAL_S = 3.0
"""arXiv API terms of use: one request every three seconds."""


class Pacer(Protocol):
    """
    Spaces the requests to one group of hosts across all processes that share it.

    The store implements it on the database, so that arXiv's terms hold across processes and
    restarts.
    """

    async def take(self, group: str, interval_s: float, hold_s: float) -> None:
        """
        Wait until this process may start one request to *group*.

        The next request may start *hold_s* later unless `release` is called first.
        """

    async def release(self, group: str, interval_s: float) -> None:
        """End the request: the next may start *interval_s* from now."""


def pace_group(url: str) -> str:
    """
    Return the group whose pace *url* shares: ``arxiv.org``, or its own host and port.

    arXiv's terms count export.arxiv.org, rss.arxiv.org and oaipmh.arxiv.org together.
    """
    if is_arxiv(url):
        return ARXIV
    parts = split_url(url)
    default = 443 if parts.scheme == "https" else 80
    return f"{host_of(url)}:{parts.port or default}"


def allowed_interval_s(url: str, configured_s: float) -> float:
    """Return *configured_s*, raised to arXiv's minimum on its hosts."""
    return max(configured_s, ARXIV_INTERVAL_S if is_arxiv(url) else 0.0)
