"""
Decide which addresses a request may connect to: servers must not lead the bot into its network.

Pure, and used twice for each request: `check_url` before it is sent, also through a proxy, and
`choose` on the addresses that its host resolved to, immediately before connecting to one of them.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from digestbot.net.allowed_hosts import AllowedHosts
from digestbot.net.errors import ForbiddenAddress
from digestbot.net.private_addresses import LOOPBACK, Address, kind_of, literal_address, unwrapped

if TYPE_CHECKING:
    import httpx

PORTS = frozenset({80, 443, 8080, 8443})
"""Ports of web servers: the only ones for URLs of subscribers."""
MAX_URL_CHARS = 2048
"""Longest URL of a subscriber."""
MAX_NAME_CHARS = 253
"""Characters of the longest domain name; a redirect may have more."""
_HOST = re.compile(r".*:.*|[a-z0-9._-]+", re.ASCII)
"""An IPv6 address or a host name; a proxy may decode other characters, such as 127%2e1."""
_LOCAL_DOMAINS = ("local", "internal", "home.arpa", "localdomain", "lan")
"""Domains of local names only: of mDNS (RFC 6762), ICANN, RFC 8375 and many routers."""


class Reach(Enum):
    """Networks that a request may reach, by the origin of its URL."""

    ANYWHERE = "anywhere"
    """The operator wrote it into the config, so it may be private."""
    ALLOWED = "allowed"
    """A server chose it, by a redirect: public addresses and `AllowedHosts` only."""
    PUBLIC = "public"
    """A subscriber supplied it: public addresses and `PORTS` only."""


def check_url(url: "httpx.URL", reach: Reach, allowed: AllowedHosts, *, is_proxied: bool) -> None:
    """
    Check *url* itself: an address in any form, and the names of this machine.

    A proxy resolves names itself, so that names of its network can be recognized only by their
    domain.

    Raises:
        ForbiddenAddress: It is out of reach.
    """
    host = url.raw_host.decode("ascii")
    if reach is Reach.PUBLIC:
        _check_form(url)
    if reach is Reach.ANYWHERE or (reach is Reach.ALLOWED and allowed.covers_name(host)):
        return
    if not _HOST.fullmatch(host):
        raise ForbiddenAddress("its host has invalid characters")
    if (address := named_address(host)) is not None:
        choose(host, (address,), reach, allowed)
    elif is_proxied and is_local_name(host):
        reason = f"{host[:MAX_NAME_CHARS]} is a name of a local network"
        raise ForbiddenAddress(reason, allow=_allowable(host, reach))


def choose(
    host: str, addresses: Sequence[Address], reach: Reach, allowed: AllowedHosts
) -> Sequence[Address]:
    """
    Return the permitted ones of a host's *addresses*.

    If a host has public addresses, only these are permitted, even if the host is trusted.

    Raises:
        ForbiddenAddress: All of them are out of reach.
    """
    found = [each for each in addresses if kind_of(each) is None]
    if reach is Reach.ANYWHERE:
        return found or addresses
    if reach is Reach.ALLOWED:
        is_named = allowed.covers_name(host)
        found = found or [a for a in addresses if is_named or allowed.covers_address(a)]
    if found:
        return found
    raise ForbiddenAddress(_reason(host, addresses[0]), allow=_allowable(host, reach))


def named_address(host: str) -> Address | None:
    """Return the address in *host* itself; localhost and its subdomains have one (RFC 6761 6.3)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return LOOPBACK
    return literal_address(host)


def is_local_name(host: str) -> bool:
    """Return True for a name that only a local network can have."""
    name = host.rstrip(".").lower()
    return "." not in name or name.endswith(tuple(f".{domain}" for domain in _LOCAL_DOMAINS))


def _check_form(url: "httpx.URL") -> None:
    if url.scheme not in ("http", "https"):
        raise ForbiddenAddress("it is not an http or https URL")
    if len(str(url)) > MAX_URL_CHARS:
        raise ForbiddenAddress(f"it has more than {MAX_URL_CHARS:,} characters")
    if url.userinfo:
        raise ForbiddenAddress("it contains a user name")
    if url.port is not None and url.port not in PORTS:
        ports = ", ".join(map(str, sorted(PORTS)))
        raise ForbiddenAddress(f"its port {url.port} is not one of {ports}")


def _reason(host: str, address: Address) -> str:
    target = unwrapped(address)
    equals = "" if host == str(target) else f"{target}, "
    return f"{host[:MAX_NAME_CHARS]} is {equals}{kind_of(address)} address"


def _allowable(host: str, reach: Reach) -> str | None:
    """Return the entry of ``allowed_hosts`` that would permit *host*; None if none can."""
    if reach is Reach.PUBLIC:
        return None
    address = literal_address(host)
    return host.rstrip(".")[:MAX_NAME_CHARS] if address is None else str(unwrapped(address))
