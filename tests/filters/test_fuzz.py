"""
Mutated filters and queries are always valid filters or reported errors.

Every run tries the same few thousand; with the mark ``soak``, a quarter of an hour of new seeds,
which a failure reports.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from textwrap import indent

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError, YAMLWarning

from digestbot.config import load_config
from digestbot.errors import ConfigError
from digestbot.filters import check_filter, evaluate, explain, format_explanation
from digestbot.filters.parser import KEYS
from tests.factories import make_announcement
from tests.filters.tables import table

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
FILTERS = [
    *re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL),
    *(row[0] for row in table("filters.tsv")),
]
CONFIGS = [
    "sources: {a: {kind: arxiv, categories: [cs.DC]}}\n"
    "digests:\n  d:\n    deliver: [{folder: out}]\n    filter:\n" + indent(text, " " * 6)
    for text in FILTERS
]
QUERIES = [row[0] for row in table("queries.tsv")]
SCRAPS = [
    *KEYS, "min_score", "examples", "match", "skip", ": ", "- ", "[", "]", "{", "}", ", ", "\n",
    "  ", "'", '"', "*", "&a ", "*a", "!!str ", "<<: ", "null", "true", "1e999", ".nan", "0x10",
    "2026-01-01", "9" * 400, "\\", "$", "\0", "\ud7ff", "\U0001f600", "é", "学", "AND", " OR ",
    "ANDNOT", "NOT", "ti:", "au:", "all:", "cat:", "id:", "rn:", "(", ")", "submittedDate:",
    "[20260101 TO *]", "%22", "%", "+AND+", "+", "_", ":", "cs.*", "2603.20941", "(?i)", "{2,9}",
    "|", "?", "x" * 600,
]  # fmt: skip
ANNOUNCEMENT = make_announcement()


SEED = 3
"""Fixed seed of every run; `make soak` uses new ones."""


def mutated(seeds: list[str], rng: random.Random) -> str:
    """Return one of *seeds*, cut, doubled, joined with others and mixed with scraps."""
    text = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.choice((0, 0, 1, 2, 5, 20)))
        other = rng.choice(seeds)
        cut = rng.randint(0, len(other))
        put = rng.choice((rng.choice(SCRAPS), "", text[start:end] * 2, other[cut : cut + 20]))
        text = text[:start] + put + text[end:]
    return text


def yaml_data(seeds: list[str], rng: random.Random) -> Iterator[object]:
    """Yield the YAML data of a mutated text, or nothing if it is invalid."""
    # Invalid YAML is covered by the tests of the config.
    with suppress(YAMLError, YAMLWarning, ValueError, TypeError, AttributeError):
        yield YAML(typ="safe").load(mutated(seeds, rng))


def query_data(seeds: list[str], rng: random.Random) -> Iterator[object]:
    yield {"query": mutated(seeds, rng)}


def check(data: object) -> None:
    found, errors = check_filter(data)
    assert (found is None) == bool(errors)
    assert all(str(error) and "\n" not in str(error) for error in errors)
    if found is not None:
        assert found.describe()
        explanation = explain(found, ANNOUNCEMENT)
        assert explanation.passed is evaluate(found, ANNOUNCEMENT).matched
        assert format_explanation(explanation)


SOURCES = pytest.mark.parametrize(
    ("make", "seeds"), [(yaml_data, FILTERS), (query_data, QUERIES)], ids=["yaml", "queries"]
)
Make = Callable[[list[str], random.Random], Iterator[object]]


def filters_or_errors(make: Make, seeds: list[str], seed: int) -> None:
    rng = random.Random(seed)
    for i in range(700):
        for data in make(seeds, rng):
            try:
                check(data)
            except Exception as error:
                raise AssertionError(f"seed {seed}, number {i}: {data!r}") from error


def configs_or_errors(path: Path, seed: int) -> None:
    """Load mutated config files: invalid YAML, too, is an error on one line."""
    rng = random.Random(seed)
    for i in range(250):
        path.write_text(text := mutated(CONFIGS, rng), encoding="utf-8", errors="surrogatepass")
        errors: tuple[object, ...] = ()
        try:
            load_config(path, {})
        except ConfigError as error:
            errors = error.problems
        except Exception as error:
            raise AssertionError(f"seed {seed}, number {i}: {text!r}") from error
        assert all(str(one) and "\n" not in str(one) for one in errors), text


@SOURCES
def test_mutations_are_filters_or_errors(make: Make, seeds: list[str]) -> None:
    filters_or_errors(make, seeds, SEED)


def test_mutated_configs_load_or_have_errors(tmp_path: Path) -> None:
    configs_or_errors(tmp_path / "config.yaml", SEED)


def for_five_minutes(fuzz: Callable[[int], None]) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        fuzz(random.randrange(2**32))


@pytest.mark.soak
def test_five_minutes_of_mutated_configs(tmp_path: Path) -> None:
    for_five_minutes(partial(configs_or_errors, tmp_path / "config.yaml"))


@pytest.mark.soak
@SOURCES
def test_five_minutes_of_mutations_each(make: Make, seeds: list[str]) -> None:
    for_five_minutes(partial(filters_or_errors, make, seeds))
