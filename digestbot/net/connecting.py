"""
Connect to the addresses that `reach` permits: the network backend of httpcore's pools.

A host is looked up once, and the connection goes to an address from that answer. A name server that
answers differently the next time (DNS rebinding) changes nothing.
"""

import asyncio
from asyncio.staggered import staggered_race
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain, zip_longest
from typing import Any

import httpcore

from digestbot.net.allowed_hosts import AllowedHosts
from digestbot.net.interim_responses import CountedStream
from digestbot.net.lookup import Lookup
from digestbot.net.private_addresses import Address, kind_of, literal_address
from digestbot.net.reach import Reach, choose

DELAY_S = 0.25
"""Head start of each address (RFC 8305 5: Connection Attempt Delay)."""
IS_PRIVATE = "digestbot.is_private"
"""Extra information of a stream: True if its address is not public."""


class Backend(httpcore.AsyncNetworkBackend):
    """Network backend for all requests with one `Reach`."""

    def __init__(
        self,
        reach: Reach,
        allowed: AllowedHosts,
        lookup: Lookup,
        inner: httpcore.AsyncNetworkBackend,
    ) -> None:
        """*inner* opens each connection; it gets addresses only."""
        self._reach = reach
        self._allowed = allowed
        self._lookup = lookup
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """
        Connect to the first of the host's permitted addresses that answers (RFC 8305).

        Raises:
            ForbiddenAddress: The host has no permitted address.
        """
        try:
            async with asyncio.timeout(timeout):
                literal = literal_address(host)
                found = (literal,) if literal else await self._lookup(host)
                addresses = choose(host, found, self._reach, self._allowed)
                return await self._first_of(by_turns(addresses), port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    async def _first_of(
        self, addresses: Sequence[Address], port: int
    ) -> httpcore.AsyncNetworkStream:
        attempts = [partial(self._connect, address, port) for address in addresses]
        if len(attempts) == 1:
            return await attempts[0]()
        opened: httpcore.AsyncNetworkStream | None
        opened, _, errors = await staggered_race(attempts, DELAY_S)
        if opened is None:
            raise next(error for error in errors if error is not None)
        return opened

    async def _connect(self, address: Address, port: int) -> httpcore.AsyncNetworkStream:
        opened = await self._inner.connect_tcp(str(address), port)
        return CountedStream(opened, {IS_PRIVATE: kind_of(address) is not None})

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def by_turns(addresses: Sequence[Address]) -> list[Address]:
    """Order addresses so that IPv6 and IPv4 alternate (RFC 8305 4)."""
    versions = dict.fromkeys(address.version for address in addresses)
    groups = [[each for each in addresses if each.version == version] for version in versions]
    return [each for each in chain(*zip_longest(*groups)) if each is not None]
