"""
Run the whole pipeline on a bundled arXiv page, for ``digestbot demo``.

Everything from the parser to the outbox is the real thing; only the page comes from the package
instead of the network. Papers: arXiv cs.DC, April 2026, metadata under CC0.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from random import Random

from digestbot.config import load_config
from digestbot.errors import DigestbotError, UsageError
from digestbot.model import Form
from digestbot.pipeline import deliver, make_editions
from digestbot.pipeline.messages import text_of
from digestbot.render import load_templates
from digestbot.sources.arxiv_atom import ArxivFeed, parse
from digestbot.store import PassStatus, Store, open_store
from digestbot.syncing import sync_config

SEED = "seed/arxiv-cs.DC-start180.xml"
MARKER = "# Config of `digestbot demo`."
"""First words of the demo's config."""
CONFIG = f"""\
{MARKER} Edit the filter, then run in this folder:
#   digestbot preview systems --since 7d
timezone: Europe/Berlin
store: sqlite:///demo.db
sources:
  arxiv-systems: {{kind: arxiv, categories: [cs.DC]}}
digests:
  systems:
    title: Systems for ML
    schedule: weekdays 09:00
    types: [new, cross, replace]
    filter:
      any:
        - serverless
        - kubernetes
        - {{title: inference, weight: 2}}
        - {{all: [{{abstract: edge}}, {{abstract: cloud}}]}}
        - abstract: reinforcement learning
      none:
        - title: survey
    deliver:
      - folder: .
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Counts and files of one demo."""

    fetched: int
    papers: int
    config: Path
    html: Path
    text: Path
    slack: Path
    json: Path
    eml: Path


def run_demo(folder: Path, now: datetime) -> Demo:
    """
    Make one digest of the bundled page in *folder*; create the folder if needed.

    A second run in the same folder starts over.

    Raises:
        UsageError: The folder contains another config.
        OSError: The folder cannot be written to.
    """
    config_path = folder / "config.yaml"
    if config_path.exists() and not _is_ours(config_path):
        raise UsageError(f"{config_path} is not from the demo; choose another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("demo.db*"):
        old.unlink()
    config_path.write_text(CONFIG, encoding="utf-8")
    config = load_config(config_path, {})
    page = parse((files("digestbot") / SEED).read_bytes())
    with open_store(config.store) as store:
        _ingest(store, page, now)
        sync_config(store, config, now)
        made = make_editions(store, config, load_templates(None), now=now)[0]
        asyncio.run(deliver(store, config, clock=lambda: now, random=Random(0)))
        edition = store.editions.get("systems", 1)
        if edition is None or edition.id is None:
            raise DigestbotError(f"the demo made no edition: {made.error}")
        slack = text_of(store.editions.rendition(edition.id, Form.SLACK) or "[]")
    stem = folder / f"systems-0001-{now:%Y-%m-%d}"
    slack_path = stem.with_suffix(".slack.json")
    indented = json.dumps(json.loads(slack), ensure_ascii=False, indent=2)
    slack_path.write_text(f"{indented}\n", encoding="utf-8")
    return Demo(
        fetched=len(page.entries),
        papers=made.papers,
        config=config_path,
        html=stem.with_suffix(".html"),
        text=stem.with_suffix(".txt"),
        slack=slack_path,
        json=stem.with_suffix(".json"),
        eml=stem.with_suffix(".eml"),
    )


def _is_ours(config_path: Path) -> bool:
    """Return True if the file starts like the demo's config, even if edited below."""
    return config_path.read_bytes().startswith(MARKER.encode())


def _ingest(store: Store, page: ArxivFeed, now: datetime) -> None:
    """Store the page as a fetch from arXiv would."""
    name = "arxiv-systems"
    pass_id = store.sources.begin_pass(name, now)
    ingested = store.papers.ingest(name, page.entries, {}, now)
    store.sources.end_pass(
        pass_id,
        status=PassStatus.OK,
        pages=1,
        entries=len(page.entries),
        new=ingested.new,
        error=None,
        note=None,
        next_try_at=None,
        now=now,
    )
