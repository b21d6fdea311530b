"""The search for planted secrets finds them in logs, errors and base64."""

import logging
from base64 import b64encode
from collections.abc import Iterator

import pytest

from digestbot.errors import Misconfigured, PermanentFailure
from tests.conftest import WATCH
from tests.planted import MARK, shows_a_secret

SECRET = f"xoxb-{MARK}-token"


@pytest.fixture
def found() -> Iterator[list[str]]:
    """Yield the leaks found in this test; clear them, so that it does not fail."""
    yield WATCH.found
    WATCH.found.clear()


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "\0me\0"])
def test_base64_is_recognized_at_any_offset(before: str) -> None:
    for text in (f"{before}{SECRET}", f"{before}{MARK}"):
        assert shows_a_secret(f"AUTH PLAIN {b64encode(text.encode()).decode()}")
    assert not shows_a_secret(b64encode(f"{before}xoxb-planted-token".encode()).decode())


@pytest.mark.parametrize("name", ["digestbot.deliver.smtp", "httpx", "slack_sdk.web", "any.other"])
def test_every_logger_is_watched(found: list[str], name: str) -> None:
    log = logging.getLogger(name)
    level = logging.WARNING if name == "any.other" else logging.DEBUG
    log.log(level, "said %s", SECRET)
    log.log(level, "said", extra={"url": SECRET})
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("failed")
    assert len(found) >= 3
    assert all(SECRET in line for line in found)


def test_test_servers_may_log_secrets(found: list[str]) -> None:
    logging.getLogger("mail.log").warning("AUTH %s", SECRET)
    assert found == []


def test_every_error_is_checked(found: list[str]) -> None:
    PermanentFailure(f"the server said {SECRET}", code="550")
    Misconfigured("a good one")
    assert len(found) == 1
    assert "PermanentFailure" in found[0]
