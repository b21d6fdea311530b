"""
Sources: where papers come from, one module per kind behind the common `Options.fetch`.

To add a kind, write a module with its options and add one line to `REGISTRY`.
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
