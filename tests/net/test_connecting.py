"""Connections go to an address that was checked, whatever the name server says next."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import httpcore
import pytest

from digestbot.net import ForbiddenAddress, Unreachable
from digestbot.net.connecting import by_turns
from tests.net.calls import redirect
from tests.net.fake_network import OTHER_PUBLIC, PUBLIC, FakeNetwork
from tests.servers.web import Reply, WebServer

URL = "http://journal.example/feed"
PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1"),
    *("fd00:ec2::254", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_rebinding_between_request_and_redirect_is_refused(address: str) -> None:
    """The server redirects to itself, and its name server answers with a private address."""
    with WebServer.of(redirect("/admin"), Reply(body=b"secret")) as server:
        network = FakeNetwork(
            {"journal.example": [PUBLIC, address]}, {PUBLIC: server, address: server}
        )
        with pytest.raises(ForbiddenAddress, match=r"^http://journal.example/feed redirects to "):
            network.get(URL)
        assert server.paths == ["/feed"]
    assert network.dialed == [PUBLIC]


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize("trusted", [True, False])
def test_one_lookup_decides_where_to_connect(address: str, trusted: bool) -> None:
    """A second lookup, between check and connection, would get the private address."""
    with WebServer.of(Reply(body=b"feed")) as server:
        network = FakeNetwork({"journal.example": [PUBLIC, address]}, {PUBLIC: server})
        assert network.get(URL, trusted=trusted).body == b"feed"
    assert (network.looked_up, network.dialed) == (["journal.example"], [PUBLIC])


@pytest.mark.parametrize("address", PRIVATE)
def test_a_subscribers_name_with_a_private_address_is_refused(address: str) -> None:
    network = FakeNetwork({"journal.example": [address]}, {})
    with pytest.raises(
        ForbiddenAddress, match=r"^http://journal.example/feed: journal.example is "
    ):
        network.get(URL, trusted=False)
    assert not network.dialed


@pytest.mark.parametrize("trusted", [True, False])
def test_the_private_one_of_several_addresses_is_never_tried(trusted: bool) -> None:
    """Not even if the public one refuses the connection, as an attacker can arrange."""
    with WebServer.of(Reply(body=b"secret")) as server:
        network = FakeNetwork(
            {"journal.example": [f"{PUBLIC} 127.0.0.1 ::1"]}, {"127.0.0.1": server, "::1": server}
        )
        with pytest.raises(Unreachable, match="no server there"):
            network.get(URL, trusted=trusted)
        assert not server.requests
    assert network.dialed == [PUBLIC]


def test_the_next_address_is_tried_if_one_fails() -> None:
    with WebServer.of(Reply(body=b"feed")) as server:
        network = FakeNetwork({"journal.example": [f"{OTHER_PUBLIC} {PUBLIC}"]}, {PUBLIC: server})
        assert network.get(URL).body == b"feed"
    assert network.dialed == [OTHER_PUBLIC, PUBLIC]


class _Silent(FakeNetwork):
    """A network in which IPv6 packets vanish."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if ":" in host:
            await asyncio.sleep(60)
        return await super().connect_tcp(host, port)


def test_a_broken_ipv6_route_costs_a_quarter_of_a_second() -> None:
    with WebServer.of(Reply(body=b"feed")) as server:
        network = _Silent({"journal.example": [f"{OTHER_PUBLIC} {PUBLIC}"]}, {PUBLIC: server})
        start = time.monotonic()
        assert network.get(URL).body == b"feed"
        assert time.monotonic() - start < 5


def test_addresses_that_stay_silent_time_out() -> None:
    network = _Silent({"journal.example": [f"{OTHER_PUBLIC} 2606:2800::2"]}, {})
    with pytest.raises(Unreachable, match="connection timed out") as caught:
        network.get(URL, connect_s=0.05)
    assert not caught.value.arrived


def test_a_silent_name_server_times_out() -> None:
    class Resolverless(FakeNetwork):
        async def lookup(self, host: str) -> Sequence[Any]:
            await asyncio.sleep(60)
            return ()

    with pytest.raises(Unreachable, match="connection timed out"):
        Resolverless({}, {}).get(URL, connect_s=0.05)


def test_an_unknown_name_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"connection failed \(Name or service not known\)$"):
        FakeNetwork({}, {}).get(URL)


def test_ipv6_and_ipv4_alternate() -> None:
    addresses = [ip_address(each) for each in ("::1", "::2", "::3", "1.1.1.1", "1.1.1.2")]
    assert " ".join(map(str, by_turns(addresses))) == "::1 1.1.1.1 ::2 1.1.1.2 ::3"
