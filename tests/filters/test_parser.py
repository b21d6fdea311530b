"""The filter language: valid filters, and the errors of invalid ones."""

from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digestbot.errors import InvalidFilter
from digestbot.filters import check_filter, parse_filter
from digestbot.filters.foreign import _CHECKS, foreign_syntax
from digestbot.filters.parser import _OWN_SYNTAX, ATOMS, GROUPS

DEEP: Any = "x"
for _ in range(40):
    DEEP = {"any": [DEEP]}


@pytest.mark.parametrize("nothing", [None, {}, []])
def test_an_empty_filter_matches_everything(nothing: object) -> None:
    assert parse_filter(nothing).atoms() == ()
    assert parse_filter(nothing).describe() == "everything"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("serverless", "serverless"),
        (["a b", "c"], "a b or c"),
        ({"title": ["a", "b"], "category": "cs.DC"}, "(title: a or title: b) and category: cs.DC"),
        ({"any": ["a", {"all": ["b", "c"]}], "none": "d"}, "(a or (b and c)) and not d"),
        ({"not": ["a", "b"]}, "not (a or b)"),
        ({"title": 2024}, "title: 2024"),
        (["a", {"title": "b", "not": "c"}], "a or (title: b and not c)"),
    ],
)
def test_a_filter_has_a_description(data: object, words: str) -> None:
    assert parse_filter(data).describe() == words


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ({"catgory": "cs.DC"}, ("catgory",), 'unknown key "catgory"; did you mean "category"?'),
        ({"any": [{"titel": "x"}]}, ("any", 0, "titel"), 'did you mean "title"?'),
        ({"like": "x.bib"}, ("like",), 'unknown key "like"; choose one of any, all, none'),
        ({"query": "tit:x"}, ("query",), 'at character 1: unknown prefix "tit"'),
        ({"query": ["ti:x", "ti:"]}, ("query", 1), 'at character 1: missing term after "ti:"'),
        ({True: "x"}, (True,), 'unknown key "True"'),
        (True, (), 'YAML reads true as a boolean; to search for the word, write "true"'),
        (
            {"title": False},
            ("title",),
            'YAML reads false as a boolean; to search for the word, write "false"',
        ),
        (["x", None], (1,), 'a condition is empty; to search for the word null, write "null"'),
        ({"title": {"x": "y"}}, ("title",), "title must be text, not a mapping"),
        ({"title": [["x"]]}, ("title", 0), "title must be text, not a list"),
        (
            {"title": date(2026, 1, 2)},
            ("title",),
            "title must be text, not a date; put it in quotes",
        ),
        ("", (), '"" has no letters or digits to search for'),
        ({"title": "-- !"}, ("title",), '"-- !" has no letters or digits to search for'),
        ({"title": "*"}, ("title",), "has no letters or digits to search for"),
        ({"title": "g*pu"}, ("title",), '"*" can only end a term; for other patterns'),
        ({"title": "gpu *"}, ("title",), '"*" can only end a term; for other patterns'),
        ({"title": "x" * 501}, ("title",), "longer than 500 characters"),
        ({"regex": "x" * 1001}, ("regex",), "longer than 1000 characters"),
        ({"regex": "(?=x)"}, ("regex",), "invalid RE2 expression: invalid perl operator"),
        ({"regex": "("}, ("regex",), "invalid RE2 expression: missing"),
        (
            {"regex": "a*"},
            ("regex",),
            "invalid RE2 expression: it matches the empty text and so every paper",
        ),
        ({"regex": "\ud800"}, ("regex",), "it contains half of a surrogate pair"),
        ({"exact": " "}, ("exact",), "exact is empty; write the text to find, or remove it"),
        (
            {"author": "--"},
            ("author",),
            '"--" is not a name; write one like "Ion Stoica" or "Stoica, I."',
        ),
        (
            {"category": "cs.DX"},
            ("category",),
            'did you mean "cs.DS" (Data Structures',
        ),
        (
            {"category": ["cs.DC", "xx.*"]},
            ("category", 1),
            'unknown category "xx.*"; arXiv\'s categories: https://arxiv.org/category_taxonomy',
        ),
        ({"primary": "sc.DC"}, ("primary",), 'unknown category "sc.DC"'),
        ({"category": ""}, ("category",), "unknown category"),
        (
            {"type": "replaced"},
            ("type",),
            'unknown announce type "replaced"; did you mean "replace"?',
        ),
        (
            {"document": "retracted"},
            ("document",),
            'unknown document type "retracted"; did you mean "retraction"?',
        ),
        (
            {"document": "x"},
            ("document",),
            "choose one of paper, editorial, correction, retraction, withdrawal, concern, "
            "front-matter, news",
        ),
        ({"source": ""}, ("source",), "source is empty; name a source from the config"),
        ({"id": 2603.2094}, ("id",), "drops its trailing zeros; put it in quotes"),
        ({"id": "serverless"}, ("id",), "is not a paper id"),
        ({"doi": "x"}, ("doi",), "is not a DOI"),
        ({"any": []}, ("any",), "any is empty; list conditions under it, or remove it"),
        ({"any": None}, ("any",), "any is empty"),
        ({"title": []}, ("title",), "title is empty; list values under it, or remove it"),
        ({"weight": 2}, (), 'no condition here; write one such as "title: survey"'),
        ({"any": [{}]}, ("any", 0), "no condition here"),
        ({"title": "x", "weight": "heavy"}, ("weight",), "weight must be a number"),
        ({"text": "x", "weight": "3"}, ("weight",), "weight must be a number, such as weight: 2"),
        ({"text": "x", "weight": [3]}, ("weight",), "weight must be a number, such as weight: 2"),
        ({"text": "x", "weight": None}, ("weight",), "weight must be a number, such as weight: 2"),
        ({"text": []}, ("text",), "text is empty; list values under it, or remove it"),
        (
            {"any": [{"diffusion model": 3}]},
            ("any", 0, "diffusion model"),
            'unknown key "diffusion model"; to weight a term, write '
            "{text: diffusion model, weight: 3}",
        ),
        ({"diffusion": 1.5}, ("diffusion",), "write {text: diffusion, weight: 1.5}"),
        ({"weigth": 3}, ("weigth",), 'unknown key "weigth"; did you mean "weight"?'),
        ({"title": "x", "weight": True}, ("weight",), "weight must be a number"),
        ({"title": "x", "weight": float("inf")}, ("weight",), "weight must be between"),
        ({"title": "x", "weight": float("nan")}, ("weight",), "weight must be between"),
        (
            {"any": ["x"], "weight": 2},
            ("weight",),
            "weight applies to single conditions; move it from",
        ),
        ({"any": ["x"], "min_score": "2"}, ("min_score",), "min_score must be a number"),
        ({"all": [{"min_score": 2}]}, ("all", 0, "min_score"), 'unknown key "min_score"'),
        (
            {"examples": ["x"]},
            ("examples",),
            "examples must be a mapping with the keys match and skip",
        ),
        ({"examples": {"mtch": []}}, ("examples", "mtch"), 'did you mean "match"?'),
        ({"examples": {"skip": [2603.2]}}, ("examples", "skip", 0), "put it in quotes"),
        (DEEP, ("any", 0) * 32, "nested deeper than 32 levels"),
        (["x"] * 2000, (1999,), "more than 2000 conditions"),
        ({"title": ["x"] * 2001}, ("title",), "more than 2000 conditions"),
    ],
)
def test_an_error_has_a_place_and_a_reason(
    data: object, path: tuple[Any, ...], message: str
) -> None:
    found, errors = check_filter(data)
    assert found is None
    assert message in str(errors[0])
    assert "\n" not in str(errors[0])
    assert errors[0].path == path


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"title": 10**400}, "YAML reads this as a number; put it in quotes"),
        ({"title": 10**5000}, "YAML reads this as a number; put it in quotes"),
        ({10**5000: "x"}, 'unknown key "a number"'),
        ({"a\nb": "x"}, 'unknown key "a b"'),
        ({"x" * 100_000: "x"}, "unknown key"),
        ({"category": "cs." + "x" * 490}, "unknown category"),
        ({"type": "x" * 490}, "unknown announce type"),
        ({"any": ["x"], "min_score": 10**400}, "min_score must be between"),
        ({"near": ["a", "b"], "within": 10**5000}, "within must be a number of words"),
        ({"regex": r"\pL{200}"}, "invalid RE2 expression: pattern too large"),
        ({"regex": ".{900}"}, "invalid RE2 expression: it is too large; use smaller repetitions"),
        ({"regex": "(?:" * 240 + "x" + ")" * 240}, ""),
        ({"regex": "(" * 500 + "x"}, "invalid RE2 expression"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_huge_values_are_refused(data: Any, message: str) -> None:
    found, errors = check_filter(data)
    assert (found is None) is bool(message)
    if message:
        assert str(errors[0]).startswith(message)
        assert len(str(errors[0])) < 500
        assert "\n" not in str(errors[0])


def test_regular_expressions_have_a_total_limit() -> None:
    """One that repeats much costs a paper some milliseconds; a hundred would a second."""
    large = "gpu.{0,100}energy"
    assert check_filter({"regex": [large] * 5})[1] == ()
    [error] = check_filter([{"regex": [large] * 5}, {"not": {"regex": large}}])[1]
    assert error.path == (1, "not", "regex")
    assert (
        str(error)
        == "all regular expressions of this filter together are too large; use smaller repetitions"
    )


def test_a_hundred_regular_expressions_are_the_limit() -> None:
    assert check_filter({"regex": [f"x{i}" for i in range(100)]})[1] == ()
    [error] = check_filter({"regex": [f"x{i}" for i in range(101)]})[1]
    assert str(error) == 'more than 100 regular expressions in one filter; combine them with "|"'


@pytest.mark.parametrize(
    "data",
    [
        {f"key{i}": "x" for i in range(100_000)},
        [{"titel": "x"}] * 1900,
        {"category": ["cs." + "x" * (i % 400) for i in range(1900)]},
        {"query": ["ti:"] * 1900},
        {"all": [{"any": [{"regex": "("}] * 40}] * 40},
    ],
    ids=["unknown keys", "unknown keys in mappings", "categories", "queries", "expressions"],
)
def test_checking_stops_after_a_hundred_errors(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(word: str, known: Sequence[str], n: int) -> list[str]:
        asked.append(word)
        return get_close_matches(word, known, n)

    monkeypatch.setattr("digestbot.filters.conditions.get_close_matches", counted)
    found, errors = check_filter(data)
    assert found is None
    assert len(errors) == 101
    assert str(errors[-1]) == "more than 100 errors; the rest of the filter was not checked"
    assert len(asked) <= 101


def test_all_errors_are_reported_in_order() -> None:
    data = {"any": [{"titel": "x"}, {"regex": "("}], "all": {"category": "cs.DX"}, "min_score": "a"}
    found, errors = check_filter(data)
    assert found is None
    assert [error.path for error in errors] == [
        ("any", 0, "titel"),
        ("any", 1, "regex"),
        ("all", "category"),
        ("min_score",),
    ]


def test_parsing_raises_the_first_error() -> None:
    with pytest.raises(InvalidFilter, match="did you mean") as error:
        parse_filter({"titel": "x", "regex": "("})
    assert error.value.path == ("titel",)


def test_a_broken_expression_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert check_filter({"regex": "((("})[0] is None
    assert capfd.readouterr().err == ""


def test_an_alias_bomb_is_refused_quickly() -> None:
    bomb: list[Any] = ["x"] * 10
    for _ in range(20):
        bomb = [bomb] * 10
    found, errors = check_filter(bomb)
    assert found is None
    assert [str(error) for error in errors] == [
        "more than 2000 conditions in one filter; split the digest"
    ]


def test_nesting_is_limited_to_32_levels() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    [error] = check_filter(deep)[1]
    assert str(error) == "nested deeper than 32 levels"
    assert len(error.path) == 32


def test_examples_are_ids_without_versions() -> None:
    data = {"any": ["x"], "examples": {"match": ["2603.20941v2"], "skip": "doi:10.1000/XYZ"}}
    examples = parse_filter(data).examples
    assert examples.match == ("arxiv:2603.20941",)
    assert examples.skip == ("doi:10.1000/xyz",)


@pytest.mark.parametrize("name", ["neuroscience", "Plant Biology", "genomics", "biophysics"])
def test_categories_of_other_servers_are_accepted(name: str) -> None:
    assert check_filter({"category": name})[1] == ()


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.dates()
    | st.sampled_from(["cs.DC", "gpu*", "2603.20941", "new", "(?i)x", "Ion Stoica"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [*GROUPS, *filter(None, ATOMS), "weight", "min_score", "examples", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_any_yaml_is_a_filter_or_has_errors(data: object) -> None:
    found, errors = check_filter(data)
    assert (found is None) == bool(errors)
    assert all(str(error) and "\n" not in str(error) for error in errors)
    if found is not None:
        assert found.describe()


@example("Kaiming He and Ross Girshick", "author")
@example("-cs.AI", "category")
@given(st.from_regex(_OWN_SYNTAX, fullmatch=True), st.sampled_from(sorted(_CHECKS)))
def test_what_is_passed_unseen_is_no_foreign_syntax(text: str, key: str) -> None:
    assert not _OWN_SYNTAX.fullmatch(text) or foreign_syntax(text, key, ()) is None
