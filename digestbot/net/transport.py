"""
Send httpx's requests through httpcore's connection pools, one pool for each `Reach` and proxy.

Separate pools, since a pool reuses its connections: one that a trusted request opened to a private
host must not serve a redirect to it. httpx's own transport cannot be given a network backend.
"""

import ssl
from collections.abc import AsyncIterator

import httpcore
import httpx

from digestbot.net.allowed_hosts import AllowedHosts
from digestbot.net.connecting import IS_PRIVATE, Backend
from digestbot.net.lookup import Lookup
from digestbot.net.private_addresses import kind_of
from digestbot.net.proxies import Proxies
from digestbot.net.reach import Reach, check_url, is_local_name, named_address

REACH = "digestbot.reach"
"""Extension of a request: its `Reach`."""
MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 20
IDLE_S = 5.0
"""As in httpx's own transport."""


class PoolTransport(httpx.AsyncBaseTransport):
    """Transport that sends each request directly or through its proxy, within its reach."""

    def __init__(
        self,
        *,
        proxies: Proxies,
        tls: ssl.SSLContext,
        allowed: AllowedHosts,
        lookup: Lookup,
        backend: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """*backend* opens the connections; httpcore's by default."""
        self._proxies = proxies
        self._tls = tls
        self._allowed = allowed
        self._lookup = lookup
        self._inner = backend or httpcore.AnyIOBackend()
        self._pools: dict[Reach | httpx.Proxy, httpcore.AsyncConnectionPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Send *request*; network failures are httpcore's.

        Raises:
            ForbiddenAddress: The request is out of its reach.
        """
        reach: Reach = request.extensions[REACH]
        proxy = self._proxies.choose(request.url)
        check_url(request.url, reach, self._allowed, is_proxied=proxy is not None)
        pool = self._pool(reach, proxy)
        received = await pool.handle_async_request(_for_pool(request))
        is_private = (
            received.extensions["network_stream"].get_extra_info(IS_PRIVATE)
            if proxy is None
            else _looks_private(request.url)
        )
        return httpx.Response(
            received.status,
            headers=received.headers,
            stream=_Body(received),
            extensions={**received.extensions, IS_PRIVATE: is_private},
        )

    def _pool(self, reach: Reach, proxy: httpx.Proxy | None) -> httpcore.AsyncConnectionPool:
        key = proxy or reach
        if key not in self._pools:
            # The operator chose the proxy, so it may be anywhere.
            backend_reach = reach if proxy is None else Reach.ANYWHERE
            self._pools[key] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                proxy=None if proxy is None else _proxy_for_pool(proxy),
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_IDLE_CONNECTIONS,
                keepalive_expiry=IDLE_S,
                network_backend=Backend(backend_reach, self._allowed, self._lookup, self._inner),
            )
        return self._pools[key]

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, received: httpcore.Response) -> None:
        self._received = received

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._received.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._received.aclose()


def _for_pool(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        request.method,
        _url_for_pool(request.url),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def _proxy_for_pool(proxy: httpx.Proxy) -> httpcore.Proxy:
    return httpcore.Proxy(
        _url_for_pool(proxy.url),
        auth=proxy.raw_auth,
        headers=proxy.headers.raw,
        ssl_context=proxy.ssl_context,
    )


def _url_for_pool(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


def _looks_private(url: httpx.URL) -> bool:
    """Return True for a host that a proxy reaches in a local network, as far as its name tells."""
    host = url.raw_host.decode("ascii")
    address = named_address(host)
    return is_local_name(host) if address is None else kind_of(address) is not None
