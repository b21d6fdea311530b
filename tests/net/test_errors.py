"""Errors of the client: which ones concern the server, and which the operator."""

import pytest

from digestbot.errors import DigestbotError, UsageError
from digestbot.net.errors import (
    BadEncoding,
    BadRedirect,
    NetError,
    NetworkSettingError,
    TooLarge,
    Unreachable,
)


@pytest.mark.parametrize("kind", [Unreachable, TooLarge, BadEncoding, BadRedirect])
def test_failures_of_servers_are_net_errors(kind: type[NetError]) -> None:
    assert isinstance(kind("x"), NetError)
    assert isinstance(kind("x"), DigestbotError)


def test_wrong_settings_are_not_retried() -> None:
    assert issubclass(NetworkSettingError, UsageError)
    assert not issubclass(NetworkSettingError, NetError)


def test_a_lost_request_may_have_arrived() -> None:
    assert Unreachable("x").arrived
    assert not Unreachable("x", arrived=False).arrived
