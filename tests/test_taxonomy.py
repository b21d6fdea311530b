"""arXiv's categories, checked against its published taxonomy."""

import csv
from pathlib import Path

import pytest

from digestbot import taxonomy


@pytest.mark.parametrize(
    ("spec", "codes"),
    [
        ("cs.DC", {"cs.DC"}),
        ("CS.dc", {"cs.DC"}),
        ("cs.NA", {"cs.NA", "math.NA"}),
        ("math.NA", {"cs.NA", "math.NA"}),
        ("math-ph", {"math-ph", "math.MP"}),
        ("cs.CL", {"cs.CL", "cmp-lg"}),
        ("cmp-lg", {"cs.CL", "cmp-lg"}),
        ("hep-*", {"hep-ex", "hep-lat", "hep-ph", "hep-th"}),
        ("econ", {"econ.EM", "econ.GN", "econ.TH", "q-fin.EC"}),
        ("econ.*", {"econ.EM", "econ.GN", "econ.TH", "q-fin.EC"}),
        ("neuroscience", set()),
        ("cs.", set()),
        ("cs.XX", set()),
        ("c", set()),
        ("*", set()),
        ("", set()),
    ],
)
def test_categories_archives_and_wildcards_expand(spec: str, codes: set[str]) -> None:
    assert taxonomy.expand(spec) == codes


@pytest.mark.parametrize("spec", ["astro-ph", "astro-ph.*"])
def test_an_archive_includes_its_bare_code(spec: str) -> None:
    assert {"astro-ph", "astro-ph.CO", "astro-ph.SR"} <= taxonomy.expand(spec)
    assert len(taxonomy.expand(spec)) == 7


def test_archives_and_their_wildcards_are_equal() -> None:
    for archive in taxonomy.archives():
        assert taxonomy.expand(archive) == taxonomy.expand(f"{archive}.*") != set()


def test_math_includes_only_the_alias_of_math_ph() -> None:
    assert {"math.AG", "math.MP", "math-ph", "cs.NA"} <= taxonomy.expand("math")
    assert "hep-th" not in taxonomy.expand("math")
    assert "math.AG" not in taxonomy.expand("math-ph")


def test_aliases_have_one_canonical_name() -> None:
    assert taxonomy.canonical("cs.NA") == "math.NA"
    assert taxonomy.canonical("math.NA") == "math.NA"
    assert taxonomy.canonical("14J60") == "14J60"
    assert taxonomy.aliases("stat.TH") == {"stat.TH", "math.ST"}
    assert taxonomy.aliases("14J60") == {"14J60"}


def test_codes_are_case_sensitive() -> None:
    assert taxonomy.is_category("cs.DC")
    assert taxonomy.is_category("astro-ph")
    assert not taxonomy.is_category("cs.dc")
    assert not taxonomy.is_category("cs")
    assert not taxonomy.is_category("14J60")


def test_names_are_those_of_arxiv() -> None:
    assert taxonomy.name_of("cs.DC") == "Distributed, Parallel, and Cluster Computing"
    assert taxonomy.name_of("cs") == "Computer Science"
    assert taxonomy.name_of("14J60") == "14J60"


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("cs-DC", "cs.DC"),
        ("csDC", "cs.DC"),
        ("cs.DX", "cs.DS"),
        ("astroph", "astro-ph"),
        ("stat.MI", "stat.ML"),
        ("robotics", "cs.RO"),
        ("Machine Learning", "cs.LG"),
        ("operating system", "cs.OS"),
        ("neuroscience", None),
        ("catgory", None),
        ("", None),
    ],
)
def test_suggestions_follow_spelling_and_names(spec: str, code: str | None) -> None:
    assert taxonomy.suggest(spec) == code


@pytest.mark.corpus
def test_the_table_equals_arxivs_taxonomy(corpus: Path) -> None:
    with (corpus / "arxiv-categories.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert taxonomy.is_category(row["code"])
        assert taxonomy.name_of(row["code"]) == row["name"]
        assert taxonomy.canonical(row["code"]) == row["canonical"]
        assert row["archive"] in taxonomy.archives()
    assert len(rows) == len(set().union(*map(taxonomy.expand, taxonomy.archives())))
