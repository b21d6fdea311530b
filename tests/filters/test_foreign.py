"""Foreign syntax in terms: every suggestion is accepted; the tables are in tests/config."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digestbot.config.interpolation import interpolate
from digestbot.config.yaml_reader import read_yaml
from digestbot.filters import check_filter
from digestbot.filters.foreign import foreign_syntax

WORDS = ["gpu", "deep learning", "C++", "p(x)", "1,25-D", "Crohn's", "k-means", "and/or", "κ-ω"]
TERMS = st.sampled_from([*WORDS, '"cold start"', "(a OR b)", "energ*", "a, b", "x"])
SYNTAX = st.sampled_from(
    """\
{0} AND {1} · {0} OR {1} NOT {2} · -{0} · !{0} · NOT {0} · +{0} +{1} · -{0} -{1} · {0}, {1}
{0} | {1} · title:{0} · ti:{0} AND abs:{1} · /{0}/ · {0}(s) · (un){0} · *{0} · {0}*{1}
{0}[tiab] · {0}[au] AND {1}[ti] · TS=({0}) · TITLE({0}) OR ABS({1}) · {0}.ti,ab. · exp {0}/
{0} adj3 {1} · {0}¶{1} · {0} NEAR/4 {1} · "{0}" "{1}" · ~{0} · {0}?{1} · {0} && {1} || {2}
@{0} · {0} 4711 · {0}; {1}; {2} · ({0} OR {1}
""".strip()
    .replace("\n", " · ")
    .replace("¶", "\n")
    .split(" · ")
)
KEYS = st.sampled_from(["", "title", "comment", "journal", "author"])


def suggestion(message: str) -> object:
    root, problems = read_yaml(message.rpartition("write ")[2], "suggestion")
    assert not problems
    return interpolate(root, {}, Path()).data


@given(SYNTAX, st.tuples(TERMS, TERMS, TERMS), KEYS)
def test_a_suggestion_is_accepted(syntax: str, terms: tuple[str, str, str], key: str) -> None:
    message = foreign_syntax(syntax.format(*terms), key, ())
    if message is not None:
        data = suggestion(message)
        assert check_filter(data)[1] == (), message


@example("000\x1b", "author")
@given(st.text(max_size=40) | st.text("ab,;:|()[]*?!-+~/\\\"' ANDOR\n=.", max_size=40), KEYS)
def test_any_text_is_judged_on_one_line(text: str, key: str) -> None:
    message = foreign_syntax(text, key, ())
    assert message is None or message.isprintable()


@pytest.mark.parametrize("key", ["exact", "id", "doi", "type", "source", "query"])
def test_other_values_are_not_judged(key: str) -> None:
    assert foreign_syntax("-a AND b, c", key, ()) is None


def test_a_long_list_is_suggested_whole() -> None:
    terms = [f"term{n}" for n in range(8)]
    message = foreign_syntax(", ".join(terms), "", ())
    assert message is not None
    assert suggestion(message) == terms
