"""Slack messages: what they show, that they are inert, and that they keep Slack's limits."""

import json
import os
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from digestbot.model import Author, Edition, Form, Theme
from digestbot.render import RenderContext, render
from digestbot.render.slack_blocks import LINES_MAX, MESSAGE_MAX, escape, link
from tests.factories import TITLE, make_coverage, make_edition, make_edition_paper, make_paper
from tests.render.editions import (
    EDITIONS,
    drawn_edition,
    edition_of,
    full_edition,
    hostile_edition,
)
from tests.servers.slack_limits import check_message

PAYLOADS = 20_000 if os.environ.get("CI") == "true" else 500


def messages(edition: Edition, context: RenderContext) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(render(edition, Form.SLACK, context))
    for message in found:
        assert check_message(message) == []
        assert len(message["blocks"]) <= 45
        assert len(json.dumps(message, ensure_ascii=False)) <= MESSAGE_MAX
    return found


def text_of(message: dict[str, Any]) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


def test_parent_has_the_count_and_the_top_five(context: RenderContext) -> None:
    edition = edition_of(12, make_edition_paper())
    parent = messages(edition, context)[0]
    assert parent["text"] == "12 papers: Systems for ML, 23 Nov"
    assert text_of(parent).count("•  <https://arxiv.org/abs/") == 5
    assert "and 7 more papers" in text_of(parent)


@pytest.mark.parametrize(
    ("papers", "sizes"),
    [(0, []), (1, [1]), (10, [10]), (11, [5, 6]), (21, [7, 7, 7]), (30, [10, 10, 10])],
)
def test_thread_is_split_evenly_into_messages_of_ten(
    papers: int, sizes: list[int], context: RenderContext
) -> None:
    edition = edition_of(papers, make_edition_paper())
    thread = messages(edition, context)[1:]
    assert [len(message["blocks"]) for message in thread] == sizes


def test_notification_has_whole_titles_if_they_fit(context: RenderContext) -> None:
    parent, reply = messages(edition_of(5, make_edition_paper()), context)
    assert parent["text"] == "5 papers: Systems for ML, 23 Nov"
    assert reply["text"] == "\n".join([TITLE] * 5)


def test_thread_lists_what_the_limit_leaves_and_counts_the_rest(context: RenderContext) -> None:
    edition = make_edition(omitted=LINES_MAX + 25, waiting=4)
    parent, _, *lines = messages(edition, context)
    assert "4 more papers, beyond this digest's limit of 1, wait for the next" in text_of(parent)
    listed = "".join(map(text_of, lines))
    assert listed.count("•  <https") == LINES_MAX
    assert "and 25 more papers" in listed


def test_thread_shows_every_paper_with_its_facts(context: RenderContext) -> None:
    _, thread, lines = messages(full_edition(), context)
    for fact in (
        "<https://arxiv.org/abs/2611.01234v1|Serverless Inference",
        "Ada Xu, Author 1",
        "14 more",
        "J. Energy 7",
        "SoCC '26",
        "updated v3",
        "Matches: serverless · mixture of experts",
        "GPUs &amp; energy; a &lt; b",
        "|PDF>",
        "|DOI>",
    ):
        assert fact in text_of(thread)
    assert "javascript" not in text_of(thread)
    assert "*3 more papers, beyond this digest's limit of 4:*\\n•  <https:" in text_of(lines)
    assert "|Edge Caching in Practice, Part 3> · edge" in text_of(lines)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
        ("<!channel>", "&lt;!channel&gt;"),
        ("*bold*", "\u200b*\u200bbold\u200b*\u200b"),
        ("snake_case stays", "snake_case stays"),
        (":smile:", "\u200b:\u200bsmile:"),
        ("> no quote", "\u200b&gt; no quote"),
    ],
)
def test_escape_disables_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_label_cannot_end_a_link() -> None:
    assert link("https://a.example/?a=1&b=2", "x|y>z") == (
        "<https://a.example/?a=1&amp;b=2|x∣y&gt;z>"
    )
    assert link(None, "<x>") == "&lt;x&gt;"


def test_hostile_text_is_shown_but_inert(context: RenderContext) -> None:
    for message in messages(hostile_edition(), context):
        for block in message["blocks"]:
            if block["type"] != "header":  # plain text is never read as markup
                assert "<!" not in text_of({"blocks": [block]})
                assert "<@" not in text_of({"blocks": [block]})


LONG = (
    make_paper(authors=tuple(Author(name=f"Author {n}") for n in range(3000))),
    make_paper(title="&" * 10_000, abstract="&" * 10_000, comment="<" * 10_000),
    make_paper(title="*" * 10_000, abstract='"' * 10_000, categories=("\\" * 300,) * 99),
    make_paper(url="https://example.org/" + "&" * 1900, pdf_url="https://a.example/" + "a" * 1900),
)


@pytest.mark.parametrize("paper", LONG)
def test_long_papers_keep_the_limits(paper: Any, context: RenderContext) -> None:
    coverage = tuple(
        make_coverage(source="&" * 100, status="late", note="<" * 500) for _ in range(60)
    )
    entry = make_edition_paper(paper=paper, matches=())
    found = messages(make_edition([entry] * 33, coverage=coverage, title="&" * 500), context)
    assert sum(len(message["blocks"]) for message in found[1:]) == 33
    assert all(len(message["blocks"]) >= 3 for message in found[1:])


def papers_of(found: list[dict[str, Any]]) -> int:
    """Count the papers that the thread shows in full."""
    full = [message for message in found[1:] if "beyond this digest" not in message["text"]]
    return sum(len(message["blocks"]) for message in full)


@given(edition=EDITIONS)
def test_any_edition_keeps_the_limits(edition: Edition, context: RenderContext) -> None:
    found = messages(edition, context)
    assert papers_of(found) == len(edition.papers)


def test_slack_accepts_payloads_of_any_text(context: RenderContext) -> None:
    rng = random.Random(20)
    payloads = 0
    while payloads < PAYLOADS:
        edition = drawn_edition(rng)
        found = messages(edition, replace(context, theme=rng.choice(list(Theme))))
        assert papers_of(found) == len(edition.papers)
        payloads += len(found)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"blocks": []}, "text: empty"),
        ({"text": "a < b"}, "bare <"),
        ({"text": "a & b"}, "bare &"),
        ({"text": "<!channel>"}, "bare <"),
        ({"text": "x" * 40_001}, "at most 40000"),
        ({"text": "x", "blocks": [{"type": "divider"}] * 51}, "51, at most 50"),
        ({"text": "x", "blocks": [{"type": "table"}]}, "unknown type"),
        ({"text": "x", "blocks": [{"type": "section"}]}, "neither text nor fields"),
        ({"text": "x", "color": "red"}, "unknown keys"),
        (
            {
                "text": "x",
                "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x"}}],
            },
            "emoji must be false",
        ),
        (
            {
                "text": "x",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "y" * 3001}}],
            },
            "at most 3000",
        ),
        (
            {
                "text": "x",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "y" * 2800}}] * 5,
            },
            "msg_blocks_too_long",
        ),
    ],
)
def test_validator_rejects_what_slack_rejects(message: dict[str, Any], problem: str) -> None:
    assert any(problem in found for found in check_message(message))
