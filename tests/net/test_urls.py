"""URLs: hosts of arXiv, and text without secrets."""

import pytest

from digestbot.net import Unreachable, is_web_url, shown_origin, shown_url
from digestbot.net.urls import host_of


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@example.org:8443/a/b?key=1#x", "https://example.org:8443/a/b"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://[::1", "invalid URL"),
    ],
)
def test_shown_urls_contain_no_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_shown_origin_has_no_path() -> None:
    assert shown_origin("https://hooks.slack.com/services/T/B/X") == "https://hooks.slack.com"


@pytest.mark.parametrize(
    ("url", "is_web"),
    [
        ("http://x.example", True),
        ("https://[::1]:8080/a", True),
        ("ftp://x.example/", False),
        ("feed.xml", False),
        ("https:///a", False),
        ("http://[::1", False),
    ],
)
def test_web_urls_have_http_and_a_host(url: str, is_web: bool) -> None:
    assert is_web_url(url) is is_web


def test_an_invalid_url_was_never_sent() -> None:
    with pytest.raises(Unreachable, match="invalid URL") as caught:
        host_of("http://x:99999/")
    assert not caught.value.arrived
