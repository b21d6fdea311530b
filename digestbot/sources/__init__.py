"""
Where papers come from: a room per kind, each behind the same `Options.fetch`.

A new kind is a module with its options and one line in `REGISTRY`.
"""

from digestbot.sources.arxiv import ArxivOptions
from digestbot.sources.feed import FeedOptions
from digestbot.sources.protocols import Options, Page

__all__ = ["REGISTRY", "ArxivOptions", "FeedOptions", "Options", "Page"]

REGISTRY: dict[str, type[Options]] = {
    "arxiv": ArxivOptions,
    "feed": FeedOptions,
}
"""``kind:`` in the config → its options."""
