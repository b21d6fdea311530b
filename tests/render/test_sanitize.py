"""Untrusted text is cleaned, shortened and split into spans; unsafe links are dropped."""

import pytest

from digestbot.render.sanitize import Span, clip, doi_url, line, rfc3339, spans, url
from tests.factories import NOW


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("https://arxiv.org/abs/2611.01234v1", "https://arxiv.org/abs/2611.01234v1"),
        ("HTTP://example.org/", "HTTP://example.org/"),
        ("https://example.org/ä?q=1&r=(2)", "https://example.org/ä?q=1&r=(2)"),
        ('https://example.org/"><b>|`{x}', "https://example.org/%22%3E%3Cb%3E%7C%60%7Bx%7D"),
        ("javascript:alert(1)", None),
        ("JavaScript://example.org/%0aalert(1)", None),
        ("data:text/html,x", None),
        ("//example.org/", None),  # no scheme
        ("https:///path", None),
        ("https://arxiv.org@evil.example/", None),  # leads to evil.example
        ("https://exa\nmple.org/", None),  # urlsplit would drop the line break
        ("https://example.org/a b", None),
        ("https://example.org/\u202egpj", None),
        ("https://[::1", None),
        ("https://example.org/" + "a" * 2000, None),
        ("", None),
        (None, None),
    ],
)
def test_url_accepts_safe_web_links_only(given: str | None, safe: str | None) -> None:
    assert url(given) == safe


@pytest.mark.parametrize(
    ("doi", "link"),
    [
        ("10.1000/xyz", "https://doi.org/10.1000/xyz"),
        ("10.1000/a<b>(c)", "https://doi.org/10.1000/a%3Cb%3E(c)"),
        ("10.1000/a b", None),
        ("xyz", None),
        (None, None),
    ],
)
def test_doi_url_links_to_the_resolver(doi: str | None, link: str | None) -> None:
    assert doi_url(doi) == link


@pytest.mark.parametrize(
    ("hits", "shown"),
    [
        ([(0, 4), (2, 6)], ["Server"]),  # overlapping
        ([(0, 2), (2, 4)], ["Serv"]),  # touching
        ([(-5, 3), (90, 99)], ["Ser"]),  # beyond the text
        ([(5, 2), (3, 3)], []),  # empty
    ],
)
def test_overlapping_and_outlying_hits_are_joined_and_clipped(
    hits: list[tuple[int, int]], shown: list[str]
) -> None:
    found = spans("Serverless", hits, 100)
    assert [span.text for span in found if span.hit] == shown
    assert "".join(span.text for span in found) == "Serverless"


def test_spans_are_cut_at_a_word_with_an_ellipsis() -> None:
    assert spans("one two three", [(4, 7)], 9) == (Span("one "), Span("two", hit=True), Span("…"))


def test_line_drops_invisible_characters_and_breaks() -> None:
    assert line("a\u200bb\x00\r\n  c\u202e") == "ab c"


def test_clip_cuts_at_a_word_with_an_ellipsis() -> None:
    assert clip("Serverless, inference", 15) == "Serverless…"
    assert clip("short", 15) == "short"


def test_rfc3339_is_in_utc() -> None:
    assert rfc3339(NOW) == "2026-11-23T08:00:00Z"
