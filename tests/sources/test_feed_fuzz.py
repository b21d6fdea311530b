"""Mutated feeds: papers or one clear error, and a bad item costs itself only."""

import logging
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.api_fuzz import SEEDS as API_SEEDS
from tests.sources.feed_fuzz import (
    BAD,
    HEADERS,
    HEADS,
    NAMES,
    SEEDS,
    check_feed,
    check_neighbors,
    mutated,
    mutated_item,
)

SOAK_S = 300


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence the warnings about unreadable items, thousands here."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("path", sorted(SEEDS.iterdir()), ids=lambda path: path.name)
def test_seeds_are_read_whole(path: Path) -> None:
    body = path.read_bytes()
    items = sum(body.count(start) for start in (b"<item", b"<entry", b'{"id"'))
    assert len(check_feed(body, {})) == items


@pytest.mark.parametrize("path", sorted(SEEDS.iterdir()), ids=lambda path: path.name)
def test_mutated_feeds_give_papers_or_one_error(path: Path) -> None:
    dice = random.Random(path.name)
    for _ in range(200):
        check_feed(mutated(path.read_bytes(), dice), dict(dice.choice(HEADERS)))


@pytest.mark.parametrize("form", sorted(HEADS))
def test_a_bad_item_costs_itself_only(form: str) -> None:
    dice = random.Random(form)
    for _ in range(150):
        check_neighbors(form, mutated_item(form, dice), dice.randint(0, 3))


@pytest.mark.parametrize("form", sorted(HEADS))
def test_no_element_name_costs_another_item(form: str) -> None:
    """feedparser uses its own keys as names of elements, and breaks on some."""
    for name in NAMES:
        if name not in ("item", "entry"):
            bad = BAD[form].replace(b"</title>", f"</title><{name}>x<b/></{name}>".encode(), 1)
            check_neighbors(form, bad, 1)


@pytest.mark.parametrize(
    "inside",
    [
        "<title><b>Bad</title>",
        "<title>&foo;Bad</title><item>x</item>",
        "<title><br>Bad</title><pubDate>x<e:entry xmlns:e='urn:x'>y</e:entry></pubDate>",
        "<title><br>Bad</title><links>https://bad.example/9</links>",
        "<title>Bad</title><guid>http://arxiv.org/api/errors#x</guid>",
        "<title><!-- Bad</title>",
        "<title>Bad <![CDATA[ &</title>",
        "<title>Bad</title>" + "<description>x<content>y</content></description>" * 3,
    ],
)
def test_found_items_cost_themselves_only(inside: str) -> None:
    """Each was found by the fuzzer: it lost or changed the other items of the feed."""
    for at in range(4):
        check_neighbors("rss", f"<item>{inside}</item>".encode(), at)


FOUND = (
    b"<rss><item><title>A &#x&#xD800;D800; & B</title></item></rss>",
    b"<fe><title><i xmlns:dc='http://purl.&nbsp;org/'>http://[</i></title></fe>",
    (SEEDS / "arxiv.rss").read_bytes().replace(b"Seeds at Scale", b"x" * 3000),
)
"""Feeds that the fuzzer found: unexpected exceptions, and a title without bounds."""


@pytest.mark.parametrize("body", FOUND)
def test_found_feeds_give_papers_or_one_error(body: bytes) -> None:
    for headers in HEADERS:
        check_feed(body, dict(headers))


@pytest.mark.corpus
def test_mutated_real_feeds_give_papers_or_one_error(corpus: Path) -> None:
    dice = random.Random(11)
    paths = [path for path in sorted((corpus / "feeds").rglob("*")) if path.is_file()]
    for path in paths:
        check_feed(mutated(path.read_bytes()[:20_000], dice), dict(dice.choice(HEADERS)))


@pytest.mark.soak
@pytest.mark.parametrize(
    ("what", "folder", "real"),
    [
        ("feeds", SEEDS, "feeds"),
        ("apis", API_SEEDS, "services"),
        ("saved", API_SEEDS, "configs/opml"),
    ],
)
def test_five_minutes_guided_by_coverage(
    what: str, folder: Path, real: str, tmp_path: Path, corpus: Path
) -> None:
    """Fuzz the seeds and real responses; see `tests.sources.coverage_guided`."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for path in [*folder.iterdir(), *(corpus / real).rglob("*")]:
        if path.is_file():
            (inputs / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes()[:30_000])
    limits = [f"-max_total_time={SOAK_S}", "-timeout=20", "-max_len=40000", "-rss_limit_mb=4096"]
    command = [sys.executable, "-m", "tests.sources.coverage_guided", what, *limits]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/", str(inputs)], capture_output=True, text=True
    )
    # atheris prints the exception to stdout; the input is a file that pytest removes soon.
    inputs_found = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
    assert done.returncode == 0, (done.stdout[-3000:], inputs_found)
