"""Connections to hosts with several addresses, and our own name."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from digestbot.deliver.smtp_dialing import (
    _resolvable_name,
    address_literal,
    by_turns,
    open_socket,
    own_name,
)
from tests.deliver.smtp_client import send, settings
from tests.servers.smtp import SmtpServer

V6, V4 = socket.AF_INET6, socket.AF_INET


@contextmanager
def hole(port: int) -> Iterator[None]:
    """Listen on ::1 with a full queue: connections are neither taken nor refused."""
    with socket.socket(V6) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("::1", port))
        listener.listen(0)
        waiting = [socket.socket(V6) for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("::1", port))
        try:
            yield
        finally:
            for each in waiting:
                each.close()


def both_families(port: int) -> list[tuple[object, ...]]:
    tcp = socket.SOCK_STREAM
    return [(V6, tcp, 6, "", ("::1", port, 0, 0)), (V4, tcp, 6, "", ("127.0.0.1", port))]


def test_broken_ipv6_costs_less_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpServer() as server, hole(server.port):
        addresses = both_families(server.port)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: addresses)
        begin = time.monotonic()
        assert send(settings(server, host="dual.example.org")) == ["250 2.0.0 taken"]
        assert time.monotonic() - begin < 1


def test_error_of_the_first_address_is_reported() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(open_socket("localhost", port))


def test_families_take_turns() -> None:
    found = [(V6, "a"), (V6, "b"), (V6, "c"), (V4, "d")]
    assert [address for _, address in by_turns(found)] == ["a", "d", "b", "c"]


@pytest.mark.parametrize(
    ("name", "resolves", "wanted"),
    [
        ("box.example.org", True, "box.example.org"),
        ("box.example.org", False, None),
        ("box", True, None),
        ("localhost", True, None),
        ("box.localdomain", True, None),
        ("box.local", True, None),
        ("192.0.2.1", True, None),
        ("my_box.example.org", True, None),
        ("", True, None),
    ],
)
def test_only_a_resolvable_name_is_used(
    name: str, resolves: bool, wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*args: object) -> list[object]:
        if not resolves:
            raise socket.gaierror(-2, "Name or service not known")
        return []

    monkeypatch.setattr(socket, "getfqdn", lambda: name)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert _resolvable_name() == wanted
    assert asyncio.run(own_name()) == wanted


def test_address_stands_in_for_a_name() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert address_literal(bound) == "[127.0.0.1]"
    with socket.socket(V6) as bound:
        bound.bind(("::1", 0))
        assert address_literal(bound) == "[IPv6:::1]"


@pytest.mark.parametrize("helo", ["box.example.org", "[192.0.2.1]", None])
def test_server_is_greeted_with_our_name(helo: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: "cont41ner")
    with SmtpServer() as server:
        assert send(settings(server, helo=helo)) == ["250 2.0.0 taken"]
    assert server.greeted_as == {helo or "[127.0.0.1]"}
