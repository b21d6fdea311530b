"""
Build the httpx client from the operator's environment: proxies and trusted certificates.

The variables are those of other programs; each failure becomes one line that names the variable.
"""

import logging
import os
import re
import ssl
from collections.abc import Mapping
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, getproxies

import httpcore
import httpx

from digestbot.net.allowed_hosts import AllowedHosts
from digestbot.net.errors import NetworkSettingError
from digestbot.net.lookup import Lookup
from digestbot.net.proxies import NoProxy, Proxies, parse_no_proxy
from digestbot.net.transport import PoolTransport

_SCHEMES = ("http", "https", "socks5", "socks5h")
MAX_PORT = 65_535


def open_http(
    user_agent: str,
    *,
    allowed: AllowedHosts,
    lookup: Lookup,
    backend: httpcore.AsyncNetworkBackend | None,
) -> httpx.AsyncClient:
    """
    Return a client that sends *user_agent* and accepts gzip.

    It ignores cookies, and moves Location to ``extensions["location"]`` (see `_take_location`).
    Each request needs the extension `digestbot.net.transport.REACH`.

    Args:
        user_agent: Default of the header.
        allowed: Private hosts that redirects may lead to.
        lookup: Finds the addresses of a host.
        backend: Opens the connections; httpcore's by default.

    Raises:
        NetworkSettingError: A proxy or certificate variable is invalid.
    """
    # Below WARNING both log whole URLs and headers, which may contain secrets.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    tls = _trusted_certificates()
    transport = PoolTransport(
        proxies=_proxies(getproxies()), tls=tls, allowed=allowed, lookup=lookup, backend=backend
    )
    return httpx.AsyncClient(
        headers={"user-agent": user_agent, "accept-encoding": "gzip"},
        transport=transport,
        cookies=_NoCookies(),
        event_hooks={"response": [_take_location]},
        trust_env=False,
    )


class _NoCookies(CookieJar):
    """Cookie jar that stays empty; the standard one is shared by all requests of a client."""

    def extract_cookies(self, response: HTTPResponse, request: Request) -> None:
        """Ignore the cookies of *response*."""


async def _take_location(response: httpx.Response) -> None:
    """Move Location out of the headers: httpx parses it even if it follows no redirects."""
    if location := response.headers.pop("location", None):
        response.extensions["location"] = location


def _trusted_certificates() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # includes ssl.SSLError
        is_corrupt = isinstance(error, ssl.SSLError)
        cause = "it contains no PEM certificate" if is_corrupt else error.strerror
        path = os.environ.get("SSL_CERT_FILE")
        if not path or (Path(path).is_file() and not is_corrupt):
            raise NetworkSettingError(
                f"TLS settings: {cause}; check SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE"
            ) from error
        raise NetworkSettingError(
            f'SSL_CERT_FILE: cannot read certificates from "{path}": {cause}; '
            "correct the path, or unset the variable to use the bundled certificates"
        ) from error


def _no_proxy(text: str) -> NoProxy:
    try:
        return parse_no_proxy(text)
    except (ValueError, httpx.InvalidURL) as error:
        raise NetworkSettingError(
            f"{_variable('no')}: invalid host; separate hosts with commas: localhost,.example.org"
        ) from error


def _proxies(variables: Mapping[str, str]) -> Proxies:
    no_proxy = _no_proxy(variables.get("no", ""))
    by_scheme = {} if no_proxy.all_hosts else _by_scheme(variables)
    return Proxies(by_scheme=by_scheme, no_proxy=no_proxy)


def _by_scheme(variables: Mapping[str, str]) -> dict[str, httpx.Proxy]:
    """Return the proxy of each scheme; raise for the first unusable setting."""
    proxies = {}
    for kind in ("http", "https", "all"):
        if value := variables.get(kind):
            url = value if "://" in value else f"http://{value}"
            url = re.sub(r"^socks://", "socks5://", url)  # as GNOME writes it
            if problem := _proxy_problem(url):
                raise NetworkSettingError(f"{_variable(kind)}: {problem}")
            proxies[kind] = httpx.Proxy(url)
    return proxies


def _proxy_problem(url: str) -> str | None:
    """Describe the problem of a proxy URL. The URL itself may contain a password."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "invalid proxy URL; write http://host:port"
    if parsed.scheme not in _SCHEMES:
        return f'unsupported proxy scheme "{parsed.scheme}"; use http://, https:// or socks5://'
    if not parsed.host or (parsed.port or 0) > MAX_PORT:
        return "invalid proxy URL; write http://host:port"
    if parsed.scheme.startswith("socks") and find_spec("socksio") is None:
        return "a SOCKS proxy needs another package: pip install 'httpx[socks]'"
    return None


def _variable(kind: str) -> str:
    """Return the variable that sets *kind*. Lower case wins, as in urllib."""
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), f"system {kind} proxy")
