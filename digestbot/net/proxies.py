"""
Choose the proxy of a request, from the variables that curl and other programs read.

httpx reads them too, but knows only some forms of ``NO_PROXY``. Begin at `parse_no_proxy`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import httpx

_ENTRY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/\s]+))(?::(?P<port>\d{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One entry of ``NO_PROXY``."""

    domain: str = ""
    """Host name, which includes its subdomains; empty for an address."""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None
    """None for every port."""

    def covers(self, host: str, port: int) -> bool:
        """Return True if requests to *host* and *port* go without a proxy."""
        if self.port not in (None, port):
            return False
        if self.network is None:
            return host == self.domain or host.endswith(f".{self.domain}")
        try:
            return ip_address(host) in self.network
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoProxy:
    """The hosts that are reached without a proxy."""

    entries: tuple[_Entry, ...] = ()
    all_hosts: bool = False

    def covers(self, url: httpx.URL) -> bool:
        """Return True if the request for *url* goes without a proxy."""
        host = url.host.lower().rstrip(".")
        port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
        return self.all_hosts or any(entry.covers(host, port) for entry in self.entries)


def parse_no_proxy(text: str) -> NoProxy:
    """
    Parse a ``NO_PROXY`` list, separated by commas or spaces.

    Each entry is ``*``, a domain (``example.org``, ``.example.org`` and ``*.example.org`` mean it
    and its subdomains), an address (IPv6 with or without brackets) or a network in CIDR form; all
    but networks may end in a port.

    Raises:
        ValueError: An entry has another form.
    """
    parts = re.split(r"[,\s]+", text.strip())
    if "*" in parts:
        return NoProxy(all_hosts=True)
    return NoProxy(entries=tuple(_entry(part) for part in parts if part))


def _entry(text: str) -> _Entry:
    text = text.partition("://")[2] or text
    try:
        return _Entry(network=ip_network(text, strict=False))
    except ValueError:
        pass
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not a host')
    port = int(found["port"]) if found["port"] else None
    try:
        return _Entry(network=ip_network(found["v6"] or found["host"]), port=port)
    except ValueError:
        if found["v6"]:
            raise
    domain = found["host"].lower().removeprefix("*").strip(".")
    return _Entry(domain=httpx.URL(host=domain, scheme="http").host, port=port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The operator's proxies."""

    by_scheme: Mapping[str, httpx.Proxy] = field(default_factory=dict)
    """By ``http``, ``https``, or ``all`` for both."""
    no_proxy: NoProxy = field(default_factory=NoProxy)

    def choose(self, url: httpx.URL) -> httpx.Proxy | None:
        """Return the proxy for *url*; None to connect directly."""
        proxy = self.by_scheme.get(url.scheme) or self.by_scheme.get("all")
        return None if proxy is None or self.no_proxy.covers(url) else proxy
