"""Mutated responses of web APIs and lists of feeds: papers or one clear error."""

import logging
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.servers.web import Reply
from tests.sources.conformance import Service, make_works
from tests.sources.feed_fuzz import SEEDS, mutated
from tests.sources.response_fuzz import CHECKS, check, own_seeds
from tests.sources.test_conformance import KINDS

SOAK_S = 300


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence the warnings about unreadable items, thousands here."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@cache
def seeds() -> dict[str, bytes]:
    """Return the responses of all simulated services, and some in other forms."""
    found = dict(own_seeds())
    for name, kind in KINDS.items():
        bodies: list[bytes] = []

        def keep(reply: Reply, bodies: list[bytes] = bodies) -> Reply:
            bodies.append(reply.body)
            return reply

        with Service(kind=kind, works=make_works(4), always=keep) as service:
            service.run()
        found |= {f"{name} {number}": body for number, body in enumerate(bodies[:3])}
    return found


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_mutated_responses_give_papers_or_one_error(name: str) -> None:
    dice = random.Random(name)
    for body in seeds().values():
        for _ in range(12):
            CHECKS[name](mutated(body, dice))


def test_feeds_are_no_responses_of_an_api() -> None:
    dice = random.Random(5)
    for path in sorted(SEEDS.iterdir()):
        for _ in range(5):
            check(mutated(path.read_bytes(), dice))


@pytest.mark.corpus
def test_mutated_real_responses_give_papers_or_one_error(corpus: Path) -> None:
    dice = random.Random(17)
    for path in sorted((corpus / "services").rglob("*")):
        if path.suffix in (".json", ".xml"):
            check(mutated(path.read_bytes()[:30_000], dice))


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_minute_of_mutations(name: str, corpus: Path) -> None:
    dice = random.Random()
    folders = (corpus / "services", corpus / "configs" / "opml")
    bodies = [*seeds().values()]
    for folder in folders:
        paths = [each for each in sorted(folder.rglob("*")) if each.is_file()]
        bodies += [each.read_bytes()[:30_000] for each in paths]
    end = time.monotonic() + SOAK_S / 5
    while time.monotonic() < end:
        CHECKS[name](mutated(dice.choice(bodies), dice, times=6))


@pytest.mark.soak
def test_five_minutes_guided_by_coverage(tmp_path: Path, corpus: Path) -> None:
    """Fuzz all parsers; see `tests.sources.coverage_guided_responses`."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for name, body in seeds().items():
        (inputs / name).write_bytes(body[:30_000])
    for path in (corpus / "services").rglob("*"):
        if path.suffix in (".json", ".xml"):
            (inputs / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes()[:30_000])
    limits = [f"-max_total_time={SOAK_S}", "-timeout=20", "-max_len=40000", "-rss_limit_mb=4096"]
    command = [sys.executable, "-m", "tests.sources.coverage_guided_responses", *limits]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/", str(inputs)], capture_output=True, text=True
    )
    found = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
    assert done.returncode == 0, (done.stdout[-3000:], found)
