"""
Tell addresses of the public internet from all others. Pure; begin at `kind_of`.

``ipaddress`` alone is not enough: it calls multicast, and the NAT64 and 6to4 forms of a loopback
address, global, and its answers differ between versions of Python.
"""

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK = IPv4Address("127.0.0.1")
_NAT64 = IPv6Network("64:ff9b::/96")
"""Prefix of IPv4 addresses on an IPv6-only network (RFC 6052 2.1)."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only public range of IPv6 (RFC 4291 2.4); NAT64 and IPv4-mapped addresses aside."""
_KINDS: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), kind)
    for kind, networks in {
        "an unspecified": "0.0.0.0/8 ::/128",
        "a loopback": "127.0.0.0/8 ::1/128",
        "a private": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7",
        "a link-local": "169.254.0.0/16 fe80::/10",
        "a site-local": "fec0::/10",
        "a shared (CGNAT)": "100.64.0.0/10",
        "a documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "a local NAT64": "64:ff9b:1::/48",
        "a Teredo": "2001::/32",
        "a multicast": "224.0.0.0/4 ff00::/8",
        "a reserved": "192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 240.0.0.0/4 2001::/23",
    }.items()
    for network in networks.split()
)
"""Special-purpose networks (IANA registries) by what messages call their addresses."""
_NUMBERS = re.compile(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+)){0,3}", re.ASCII)


def kind_of(address: Address) -> str | None:
    """
    Return the kind of a special address, such as "a private"; None for a public one.

    An IPv4 address within an IPv6 one counts as itself. Teredo is refused altogether: it contains
    two addresses, and no feed uses it.
    """
    address = unwrapped(address)
    for network, kind in _KINDS:
        if address in network:
            return kind
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "a reserved"
    return None if address.is_global else "a reserved"


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that a mapped, 6to4 or NAT64 address leads to, or *address*."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def literal_address(host: str) -> Address | None:
    """
    Return the address that *host* spells, in any form that a resolver reads; None for a name.

    It may have the forms of `ipaddress`, or 127.1, 0x7f.1, 2130706433 or 017700000001, which
    ``inet_aton`` and so getaddrinfo accept. A trailing dot is ignored.
    """
    text = host.rstrip(".").lower()
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        pass
    if not _NUMBERS.fullmatch(text):
        return None
    try:
        return IPv4Address(socket.inet_aton(text))
    except OSError:
        return None
