"""The system's resolver; only names that need no network."""

import asyncio
from ipaddress import ip_address

import pytest

from digestbot.net.lookup import look_up


def test_the_system_finds_localhost_once_per_address() -> None:
    found = asyncio.run(look_up("localhost"))
    assert found
    assert len(set(found)) == len(found)
    assert all(address.is_loopback for address in found)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433"])
def test_numbers_are_addresses(host: str) -> None:
    assert list(asyncio.run(look_up(host))) == [ip_address("127.0.0.1")]


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "a..invalid", "."])
def test_impossible_names_are_unknown(host: str) -> None:
    with pytest.raises(OSError, match=r"."):
        asyncio.run(look_up(host))
