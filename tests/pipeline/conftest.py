"""A config with two sources and the digests a test asks for, and papers for its log."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digestbot.config import Config, load_config
from digestbot.model import AnnounceType, Author, FetchedPaper
from digestbot.pipeline import EditionMade, make_editions
from digestbot.render import load_templates
from digestbot.store import Store
from digestbot.syncing import sync_config

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HEAD = """\
timezone: UTC
sources:
  a: {kind: arxiv, categories: [cs.DC]}
  b: {kind: feed, url: "https://example.org/feed.xml"}
digests:
"""

LoadConfig = Callable[[str], Config]
Make = Callable[..., tuple[EditionMade, ...]]


@pytest.fixture
def configured(tmp_path: Path) -> LoadConfig:
    """Return a function that loads a config with the given YAML under ``digests:``."""

    def load(digests: str) -> Config:
        path = tmp_path / "config.yaml"
        path.write_text(HEAD + digests)
        return load_config(path, {})

    return load


def paper(number: int, title: str = "Serverless at Scale", **overrides: object) -> FetchedPaper:
    """Return a paper of Monday morning."""
    facts: dict[str, object] = {
        "id": f"arxiv:2611.{number:05}",
        "version": 1,
        "type": AnnounceType.NEW,
        "title": title,
        "abstract": "We study it.",
        "authors": (Author(name="Ada Xu"),),
        "categories": ("cs.DC",),
        "primary_category": "cs.DC",
        "published": MONDAY,
        "updated": MONDAY,
        "url": f"https://arxiv.org/abs/2611.{number:05}v1",
    }
    return FetchedPaper(**{**facts, **overrides})  # type: ignore[arg-type]


def answered(store: Store, *sources: str, status: str = "ok", at: datetime = MONDAY) -> None:
    """Record a pass over each source that ended with *status* and without a paper."""
    for source in sources:
        number = store.sources.begin_pass(source, at)
        facts = {"pages": 1, "entries": 0, "new": 0, "error": None, "note": None}
        store.sources.end_pass(number, status=status, next_try_at=None, now=at, **facts)  # type: ignore[arg-type]


@pytest.fixture
def make(store: Store) -> Make:
    """Return a function that syncs a config and makes its editions."""
    templates = load_templates(None)

    def call(
        config: Config, now: datetime, *, force: bool = True, missed_since: datetime | None = None
    ) -> tuple[EditionMade, ...]:
        sync_config(store, config, now)
        return make_editions(
            store, config, templates, now=now, force=force, missed_since=missed_since
        )

    return call
