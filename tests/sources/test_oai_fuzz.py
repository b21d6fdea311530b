"""Mutated answers of OAI-PMH: records or one clear error, and a bad record costs itself only."""

import logging
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.feed_fuzz import mutated
from tests.sources.oai_fuzz import SEEDS, check_answer, check_neighbors, mutated_record

SOAK_S = 300


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence the warnings about unreadable records, thousands here."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("body", SEEDS, ids=["arXivRaw", "arXiv", "oai_dc"])
def test_seeds_are_read_whole(body: bytes) -> None:
    answer = check_answer(body)
    assert answer is not None
    assert (len(answer.records), answer.skipped) == (3, 0)


@pytest.mark.parametrize("body", SEEDS, ids=["arXivRaw", "arXiv", "oai_dc"])
def test_mutated_answers_give_records_or_one_error(body: bytes) -> None:
    dice = random.Random(body)
    for _ in range(300):
        check_answer(mutated(body, dice))


def test_a_bad_record_costs_itself_only() -> None:
    dice = random.Random(14)
    for _ in range(500):
        check_neighbors(mutated_record(dice), dice.randint(0, 3))


@pytest.mark.soak
def test_five_minutes_guided_by_coverage(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for number, body in enumerate(SEEDS):
        (inputs / f"seed-{number}").write_bytes(body)
    limits = [f"-max_total_time={SOAK_S}", "-timeout=20", "-max_len=40000", "-rss_limit_mb=4096"]
    command = [sys.executable, "-m", "tests.sources.coverage_guided", "oai", *limits]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/", str(inputs)], capture_output=True, text=True
    )
    found = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
    assert done.returncode == 0, (done.stdout[-3000:], found)
