"""The hosts outside of the public internet that redirects may lead to: ``allowed_hosts``."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Self

from digestbot.net.private_addresses import Address, Network, literal_address, unwrapped

_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_BRACKETS = re.compile(r"\[[^\[\]]*:[^\[\]]*\]")
"""An IPv6 address as in a URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedHosts:
    """Hosts that the operator allows; empty by default."""

    names: frozenset[str] = frozenset()
    """In lower case and ASCII; a trailing dot is removed."""
    suffixes: tuple[str, ...] = ()
    """``.example.org`` for ``*.example.org``."""
    networks: tuple[Network, ...] = ()
    """Single addresses are networks, too."""

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """
        Parse entries: names, ``*.`` and a domain, addresses, or networks in CIDR form.

        Raises:
            ValueError: An entry has another form.
        """
        found = [_entry(entry) for entry in entries]
        names = [entry for entry in found if isinstance(entry, str)]
        return cls(
            names=frozenset(name for name in names if not name.startswith("*")),
            suffixes=tuple(name.removeprefix("*") for name in names if name.startswith("*")),
            networks=tuple(entry for entry in found if not isinstance(entry, str)),
        )

    def covers_name(self, host: str) -> bool:
        """Return True if *host* is allowed by name, whatever its addresses."""
        name = host.lower().rstrip(".")
        return name in self.names or name.endswith(self.suffixes)

    def covers_address(self, address: Address) -> bool:
        """Return True if *address*, or the IPv4 address within it, is allowed."""
        return any(address in network or unwrapped(address) in network for network in self.networks)


def _entry(text: str) -> str | Network:
    try:
        return ip_network(text[1:-1] if _BRACKETS.fullmatch(text) else text, strict=False)
    except ValueError:
        pass
    name = _ascii(text).rstrip(".").lower()
    is_number = name.rpartition(".")[2].isdigit()
    if _NAME.fullmatch(name) and not is_number and not literal_address(name):
        return name
    raise ValueError(
        f'"{text[:60]}" is not a host; write a name (intranet.example.org, *.example.org), an '
        "address (10.1.2.3) or a network (10.0.0.0/8), without scheme, port or path"
    )


def _ascii(name: str) -> str:
    """Return an internationalized *name* as the resolver gets it; unchanged if it is invalid."""
    if name.isascii():
        return name
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        return name
