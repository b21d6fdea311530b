"""An imaginary internet: names with the addresses that the test gives them, servers on loopback."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpcore

from digestbot.net import AllowedHosts, Client, Response
from digestbot.net.private_addresses import Address
from tests.servers.web import WebServer

PUBLIC = "93.184.216.34"
OTHER_PUBLIC = "2606:2800:220:1::1"


class FakeNetwork(httpcore.AsyncNetworkBackend):
    """Looks up names and opens connections; both are recorded."""

    def __init__(
        self, names: Mapping[str, Sequence[str]], servers: Mapping[str, WebServer | str]
    ) -> None:
        """
        *names* have one answer per lookup, addresses separated by spaces; the last is repeated.

        *servers* are those at each address, whatever the port.
        """
        self._names = {name: list(answers) for name, answers in names.items()}
        self._servers = servers
        self.looked_up: list[str] = []
        self.dialed: list[str] = []

    async def lookup(self, host: str) -> Sequence[Address]:
        self.looked_up.append(host)
        answers = self._names.get(host)
        if not answers:
            raise OSError("Name or service not known")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ip_address(address) for address in answer.split()]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        ip_address(host)  # never a name, which would be looked up again
        self.dialed.append(host)
        server = self._servers.get(host)
        if server is None:
            raise httpcore.ConnectError("no server there")
        url = server if isinstance(server, str) else server.url
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", urlsplit(url).port or 0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def client(self, *allowed: str) -> Client:
        """Return a client in this network."""
        return Client(
            user_agent="test",
            allowed=AllowedHosts.parse(allowed),
            lookup=self.lookup,
            backend=self,
        )

    def get(self, url: str, *, allowed: Sequence[str] = (), **settings: Any) -> Response:
        """Return the response to a GET of *url*."""

        async def go() -> Response:
            async with self.client(*allowed) as client:
                return await client.get(url, **settings)

        return asyncio.run(go())
