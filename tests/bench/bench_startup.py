"""
CPU time of each command on a store of 1,000 papers, in units of ``import sqlalchemy``.

Every command runs in a fresh process. A round runs the unit and all commands in turn, so that a
busy machine slows all of them alike; a figure is the median of user and system time over the
rounds. ``python -m tests.bench.bench_startup`` exits with 1 if a command exceeds its target.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from digestbot.config import load_config
from digestbot.pipeline import fetch, make_editions
from digestbot.render import load_templates
from digestbot.store import open_store
from digestbot.syncing import sync_config
from tests.servers.arxiv import ArxivServer, make_papers

PAPERS = 1000
NEW = 60
"""Papers that are announced since the last edition, the last of `PAPERS`."""
CONFIG = """\
timezone: Europe/Berlin
public_url: https://digests.example.org
smtp: {{security: none, sender: "Digests <digests@example.org>"}}
sources:
  arxiv: {{kind: arxiv, categories: [cs.DC, cs.OS], url: "{url}", interval: 0s, backfill: 30d}}
digests:
  systems:
    schedule: weekly {day} 09:00
    filter:
      any: [serverless, {{title: mixture of experts}}, {{author: Ion Stoica}}]
      none: [{{title: survey}}]
    deliver: [{{email: reader@example.org}}]
"""
UNIT = "import sqlalchemy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One command and how much CPU time it may take."""

    arguments: tuple[str, ...]
    target: float
    """In units; in starts of Python (``python -c pass``) for ``--help``."""
    base: str = UNIT


def cases(paper: str) -> tuple[Case, ...]:
    """Return the commands to measure; *paper* is the identifier of a stored paper."""
    return (
        Case(arguments=("--help",), target=4.0, base="pass"),
        Case(arguments=("status",), target=1.4),
        Case(arguments=("subscribers", "list"), target=1.4),
        Case(arguments=("deliveries", "list"), target=1.4),
        Case(arguments=("editions", "list"), target=1.4),
        Case(arguments=("suppressions", "list"), target=1.4),
        Case(arguments=("explain", "systems", paper), target=1.8),
        Case(arguments=("preview", "systems"), target=2.2),
        Case(arguments=("run",), target=2.2),
        Case(arguments=("check",), target=2.5),
    )


def make_store(folder: Path, now: datetime) -> str:
    """
    Write a config and a store into *folder*, as if the bot had run for some days.

    The source has answered with `PAPERS` papers, one edition has been made, and `NEW` papers were
    announced since. Nothing is due for two days. Return the identifier of a new paper.
    """
    papers = make_papers(PAPERS, start=now - timedelta(days=10), days=9.9, category="cs.DC")
    clock = [now - timedelta(days=1)]
    with ArxivServer(papers[:-NEW]) as server:
        path = folder / "config.yaml"
        day = f"{now + timedelta(days=3):%a}".lower()
        path.write_text(CONFIG.format(url=server.url, day=day))
        config = load_config(path, {})
        with open_store(config.store) as store:
            asyncio.run(fetch(store, config, tuple(config.sources), clock=lambda: clock[0]))
            sync_config(store, config, clock[0])
            make_editions(store, config, load_templates(None), now=clock[0])
            for delivery in store.outbox.list():
                store.outbox.cancel(delivery.id, "the benchmark sends nothing")
            clock[0] = now
            server.papers = list(papers)
            asyncio.run(fetch(store, config, tuple(config.sources), clock=lambda: clock[0]))
            assert store.papers.count() == PAPERS
    return papers[-1].id


def measure(
    cases: Sequence[Case], folder: Path, rounds: int
) -> tuple[dict[str, list[float]], list[list[float]]]:
    """Return the CPU seconds of each base by its code, and of each case, round by round."""
    bases: dict[str, list[float]] = {case.base: [] for case in cases}
    times: list[list[float]] = [[] for _ in cases]
    for case in cases:  # fills the caches of the disk and of compiled modules
        cpu_s(["-m", "digestbot", *case.arguments], folder)
    for _ in range(rounds):
        for code, taken in bases.items():
            taken.append(cpu_s(["-c", code], folder))
        for case, taken in zip(cases, times, strict=True):
            taken.append(cpu_s(["-m", "digestbot", *case.arguments], folder))
    return bases, times


def cpu_s(arguments: Sequence[str], folder: Path) -> float:
    """
    Return the user and system seconds of one fresh Python.

    Raises:
        RuntimeError: It did not exit with 0.
    """
    environ = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed digestbot is compiled
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} exited with {done.returncode}: {done.stderr}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> int:
    """Print the table; return 1 if a command exceeds its target."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = options.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        measured = cases(make_store(folder, datetime.now(UTC)))
        bases, times = measure(measured, folder, chosen.rounds)
    rows: list[dict[str, Any]] = [
        {
            "command": " ".join(("digestbot", *case.arguments)),
            "cpu_s": round(median(taken), 3),
            "base": f"python -c {case.base!r}",
            "base_s": round(median(bases[case.base]), 3),
            "ratio": round(median(map(float.__truediv__, taken, bases[case.base])), 2),
            "target": case.target,
        }
        for case, taken in zip(measured, times, strict=True)
    ]
    print(json.dumps(rows) if chosen.json else table(rows))  # noqa: T201
    return 0 if all(row["ratio"] <= row["target"] for row in rows) else 1


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return *rows* as a Markdown table."""
    lines = ["| command | CPU s | ratio | target | |", "|---|---|---|---|---|"]
    lines += [
        f"| `{row['command']}` | {row['cpu_s']:.2f} | {row['ratio']:.2f} | {row['target']:.1f}"
        f" | {'ok' if row['ratio'] <= row['target'] else 'too slow'} |"
        for row in rows
    ]
    bases = {row["base"]: row["base_s"] for row in rows}
    units = ", ".join(f"`{base}` {taken:.3f} s" for base, taken in bases.items())
    return "\n".join([*lines, "", f"CPU time is user + system; units: {units}"])


if __name__ == "__main__":
    sys.exit(main())
