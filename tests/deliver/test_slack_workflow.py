"""Variables of workflows, from messages in Block Kit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.deliver.slack_workflow import payload, plain, starts_workflow
from digestbot.render.slack_blocks import escape, link


@pytest.mark.parametrize(
    ("url", "is_workflow"),
    [
        ("https://hooks.slack.com/triggers/T0/1/pl4nted", True),
        ("https://hooks.slack.com/workflows/T0/A0/1/pl4nted", True),
        ("https://hooks.slack.com/services/T0/B0/pl4nted", False),
        ("https://example.org/hooks/triggers/1", False),
    ],
)
def test_workflows_are_known_by_their_path(url: str, is_workflow: bool) -> None:
    assert starts_workflow(url) is is_workflow


@given(text=st.text(st.sampled_from("ab *_~`:<>&|12.\n"), max_size=30))
def test_escaped_text_becomes_itself(text: str) -> None:
    assert plain(escape(text)) == text


@given(label=st.text(st.sampled_from("ab *_<>&12"), max_size=20))
def test_link_keeps_its_label_and_its_url(label: str) -> None:
    url = "https://arxiv.org/_abs_/1?a=1&b=*x*"
    assert plain(link(url, label)) == f"{label} {url}".strip()


def test_bold_and_italic_lose_their_marks() -> None:
    assert (
        plain("*8 papers* and _2_ more; snake_case, 2*3") == "8 papers and 2 more; snake_case, 2*3"
    )


def test_all_blocks_are_in_one_variable() -> None:
    message = {
        "text": "1 paper: Systems",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Systems *for* ML"}},
            {"type": "divider"},
            {"type": "section", "text": {"type": "mrkdwn", "text": "*<https://a.org/1|A &lt; B>*"}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "_Since Monday_"}]},
        ],
    }
    text = "Systems *for* ML\n\nA < B https://a.org/1\n\nSince Monday"
    assert payload(message) == {"text": text}
    assert payload({"text": "R&amp;D"}) == {"text": "R&D"}
