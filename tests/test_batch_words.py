"""Batches in words: what a reader sees in the footer, and the operator in `status`."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.batch_words import LINES, English, first_of, statements
from digestbot.languages import languages
from digestbot.model import Batch, BatchOutcome, BatchState, Channel, ChannelAnswer
from digestbot.render.language import language
from tests.factories import VERIFIED_AT, make_batch

UTC = ZoneInfo("UTC")
RSS, OAI, API = Channel.RSS, Channel.OAI, Channel.API
COMPLETE, EMPTY, STALE, PARTIAL, DOWN = BatchOutcome
DAY = timedelta(days=1)
LATER = VERIFIED_AT + timedelta(hours=1)


def answer(channel: Channel, outcome: BatchOutcome | None, lacks: int = 0) -> ChannelAnswer:
    return ChannelAnswer(channel=channel, outcome=outcome, at=VERIFIED_AT, lacks=lacks)


def answers(**outcomes: BatchOutcome | None) -> tuple[ChannelAnswer, ...]:
    return tuple(answer(Channel(name), outcome) for name, outcome in outcomes.items())


def words(*batches: Batch, lang: str = "en", zone: ZoneInfo = UTC) -> list[str]:
    return [line.text for line in statements(batches, language(lang), zone)]


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, "all 41 papers of Fri 20 Nov, verified at 05:10 UTC against two channels"),
        ({"papers": 1}, "the 1 paper of Fri 20 Nov, verified at 05:10 UTC against two channels"),
        ({"papers": 0}, "no papers on Fri 20 Nov, verified at 05:10 UTC against two channels"),
        (
            {"answers": answers(rss=COMPLETE, oai=COMPLETE, api=COMPLETE)},
            "all 41 papers of Fri 20 Nov, verified at 05:10 UTC against three channels",
        ),
        (
            {"day": date(2026, 11, 19)},
            "all 41 papers of Thu 19 Nov, verified on Fri 20 Nov, 05:10 UTC against two channels",
        ),
        (
            {"answers": answers(api=COMPLETE)},
            "41 papers of Fri 20 Nov, unverified: only the query API is configured",
        ),
        (
            {"answers": answers(rss=STALE, oai=COMPLETE, api=None)},
            "41 papers of Fri 20 Nov, unverified: the daily feed still shows an earlier day; "
            "the query API has not been read",
        ),
        (
            {
                "state": BatchState.PARTIAL,
                "answers": (answer(RSS, COMPLETE, 11), answer(OAI, COMPLETE)),
                "asked_again_at": LATER,
            },
            "41 papers of Fri 20 Nov so far; the daily feed lacks 11 of 41; asked again at "
            "06:10 UTC",
        ),
        (
            {"state": BatchState.PARTIAL, "answers": answers(rss=PARTIAL, oai=DOWN)},
            "41 papers of Fri 20 Nov so far; the daily feed is incomplete; OAI-PMH does not answer",
        ),
        (
            {"state": BatchState.DOWN, "papers": 0, "answers": answers(rss=DOWN, oai=DOWN)},
            "no papers of Fri 20 Nov yet; no channel answers",
        ),
        (
            {"state": BatchState.DOWN, "papers": 0, "answers": answers(rss=None, oai=None)},
            "no papers of Fri 20 Nov yet; no channel has been read",
        ),
        (
            {
                "state": BatchState.NOT_YET,
                "papers": 0,
                "answers": answers(rss=None, oai=None),
                "asked_again_at": LATER,
            },
            "no papers of Fri 20 Nov yet; asked again at 06:10 UTC",
        ),
        (
            {"state": BatchState.NOT_YET, "papers": 0, "answers": answers(rss=EMPTY)},
            "no papers of Fri 20 Nov yet; the daily feed is empty",
        ),
        (
            {"state": BatchState.HOLIDAY, "papers": 0, "answers": ()},
            "no announcement on Fri 20 Nov (holiday)",
        ),
    ],
)
def test_one_batch_is_one_line(facts: dict[str, Any], line: str) -> None:
    assert words(make_batch(**facts)) == [f"cs.DC: {line}"]


def test_query_is_named_after_its_source() -> None:
    assert words(make_batch(category=""))[0].startswith("arxiv-systems: all 41 papers")


def test_categories_with_the_same_state_share_a_line() -> None:
    batches = [make_batch(category=f"cs.{n}", papers=n) for n in range(1, 7)]
    assert words(*batches[:2]) == [
        "cs.1 (1), cs.2 (2): all papers of Fri 20 Nov, verified at 05:10 UTC against two channels"
    ]
    assert words(*batches)[0].startswith("cs.1 (1), cs.2 (2), cs.3 (3), cs.4 (4) and 2 more: all")


def test_days_with_the_same_state_share_a_line() -> None:
    first = date(2026, 11, 16)
    batches = [make_batch(day=first + n * DAY) for n in range(5)]
    assert words(*batches) == [
        "cs.DC: all 205 papers of 5 days from Mon 16 Nov to Fri 20 Nov, verified against two "
        "channels"
    ]


def test_counts_of_several_days_are_not_compared_with_one() -> None:
    lacking = (answer(RSS, COMPLETE, 11), answer(OAI, COMPLETE))
    batch = make_batch(state=BatchState.PARTIAL, answers=lacking)
    assert words(batch, replace(batch, day=batch.day + DAY)) == [
        "cs.DC: 82 papers of 2 days from Fri 20 Nov to Sat 21 Nov so far; the daily feed lacks "
        "some of them"
    ]


def test_worst_comes_first_and_weekends_are_left_out() -> None:
    states = [*BatchState]
    batches = [make_batch(category=f"cs.{n}", state=s) for n, s in enumerate(states)]
    found = statements(batches, language("en"), UTC)
    assert [states[int(line.text[3])] for line in found] == [
        BatchState.DOWN,
        BatchState.PARTIAL,
        BatchState.STALE,
        BatchState.NOT_YET,
        BatchState.ANNOUNCED,
        BatchState.HOLIDAY,
    ]
    assert [line.is_incomplete for line in found] == [True] * 3 + [False] * 3


def test_footer_counts_what_it_leaves_out() -> None:
    batches = [make_batch(category=f"cs.{n}", state=s) for n, s in enumerate(BatchState)]
    lang = language("en")
    assert len(first_of(statements(batches[:3], lang, UTC), lang)) == 2  # no weekend
    found = first_of(statements(batches, lang, UTC), lang)
    assert (len(found), found[-1]) == (LINES, "and 4 more statements like these")


def test_times_are_those_of_the_reader() -> None:
    (line,) = words(make_batch(), zone=ZoneInfo("America/New_York"))
    assert "verified at 00:10 EST" in line


batches = st.builds(
    make_batch,
    category=st.sampled_from(["cs.DC", "cs.OS", ""]),
    day=st.dates(date(2026, 11, 16), date(2026, 11, 20)),
    state=st.sampled_from(BatchState),
    papers=st.integers(0, 3),
    asked_again_at=st.none() | st.just(LATER),
    answers=st.lists(
        st.builds(
            answer,
            st.sampled_from(Channel),
            st.none() | st.sampled_from(BatchOutcome),
            st.integers(0, 2),
        ),
        max_size=3,
        unique_by=lambda each: each.channel,
    ).map(tuple),
)


@given(st.lists(batches, max_size=8), st.sampled_from(["en", "de", "zh"]))
def test_any_batches_have_words_in_every_language(given_: list[Batch], lang: str) -> None:
    found = words(*given_, lang=lang)
    assert bool(found) == any(batch.state is not BatchState.WEEKEND for batch in given_)
    assert not any("%(" in line or "\n" in line for line in found)


def test_languages_have_their_own_words() -> None:
    assert len({words(make_batch(), lang=name)[0] for name in languages()}) == len(languages())


@given(st.lists(batches, max_size=8), st.sampled_from(["UTC", "Europe/Berlin", "America/Denver"]))
def test_english_without_babel_is_the_same(given_: list[Batch], name: str) -> None:
    zone = ZoneInfo(name)
    assert statements(given_, English(), zone) == statements(given_, language("en"), zone)
