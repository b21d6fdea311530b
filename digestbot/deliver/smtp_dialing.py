"""
TCP connections by the first of a host's addresses that answers (RFC 8305), and our own name.

Begin at `open_socket`. A host with a broken IPv6 route is reached over IPv4 a quarter of a second
later, not after the time-out.
"""

import asyncio
import re
import socket
from asyncio.staggered import staggered_race
from collections.abc import Sequence
from functools import partial
from itertools import chain, zip_longest
from typing import Any, Final

DELAY_S: Final = 0.25
"""Head start of each address (RFC 8305 5: Connection Attempt Delay)."""
NAME_S: Final = 2.0
"""Longest wait for a name server that looks up our own name."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?:{_LABEL}\.)+(?=[0-9-]*[a-z]){_LABEL}", re.IGNORECASE)
_PRIVATE = (".local", ".localdomain", ".lan", ".internal", ".home", ".arpa")

_Info = tuple[Any, ...]
"""Entry of `socket.getaddrinfo`."""


async def open_socket(host: str, port: int) -> socket.socket:
    """
    Return a connected socket.

    Raises:
        OSError: No address of *host* can be reached; the error of the first one.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    attempts = [partial(_connect, info) for info in by_turns(found)]
    winner: socket.socket | None
    winner, _, errors = await staggered_race(attempts, DELAY_S)
    if winner is None:
        raise next(error for error in errors if error is not None)
    return winner


def by_turns(found: Sequence[_Info]) -> list[_Info]:
    """Order addresses so that IPv6 and IPv4 alternate (RFC 8305 4)."""
    families = list(dict.fromkeys(info[0] for info in found))
    groups = [[info for info in found if info[0] == family] for family in families]
    return [info for info in chain(*zip_longest(*groups)) if info is not None]


async def _connect(info: _Info) -> socket.socket:
    family, kind, protocol, _, address = info
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened


async def own_name() -> str | None:
    """Return the name of this machine, if a mail server can be expected to resolve it."""
    try:
        async with asyncio.timeout(NAME_S):
            return await asyncio.to_thread(_resolvable_name)
    except TimeoutError:
        return None


def _resolvable_name() -> str | None:
    name = socket.getfqdn()
    if not _HOST_NAME.fullmatch(name) or name.lower().endswith(_PRIVATE):
        return None
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return None
    return name


def address_literal(opened: socket.socket) -> str:
    """Return our address on the connection as a literal (RFC 5321 4.1.3)."""
    address = opened.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if opened.family is socket.AF_INET6 else f"[{address}]"
