"""Look up the addresses of a host; the client takes another `Lookup` for tests."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from digestbot.net.private_addresses import Address

Lookup = Callable[[str], Awaitable[Sequence[Address]]]
"""Lookup of a host: at least one address, the preferred one first, or OSError."""


async def look_up(host: str) -> Sequence[Address]:
    """
    Return the addresses of *host* in the system's order (RFC 6724).

    Raises:
        OSError: *host* is unknown.
    """
    # As bytes: a str would pass through Python's own IDNA codec, which refuses some names.
    found = await asyncio.get_running_loop().getaddrinfo(
        host.encode("ascii"), None, type=socket.SOCK_STREAM
    )
    return tuple(dict.fromkeys(ip_address(info[4][0]) for info in found))
