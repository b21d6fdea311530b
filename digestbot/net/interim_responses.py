"""
Limit what a server may send before its response: interim responses (1xx, RFC 9110 15.2).

httpcore reads any number of them, and each read renews its timeout: 50 MB of ``100 Continue`` kept
a processor busy for 240 s. So the network streams count the bytes until the headers are complete.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

from digestbot.net.errors import Unreachable

MAX_BYTES = 256 * 1024
"""More than the largest headers (100 KB in httpcore) and one read of the body (64 KB)."""


class _Allowance:
    """Bytes that a server may still send before the end of its headers."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._left = MAX_BYTES

    def charge(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Unreachable(
                f"{self._shown} sent more than {MAX_BYTES:,} bytes of interim responses (1xx)"
            )


_allowance: ContextVar[_Allowance | None] = ContextVar("_allowance", default=None)


@contextmanager
def limit_interim(shown: str) -> Iterator[None]:
    """
    Count what this task receives; enclose the request up to the end of its headers.

    Args:
        shown: The server's name in messages.

    Raises:
        Unreachable: The server sent more than `MAX_BYTES`.
    """
    token = _allowance.set(_Allowance(shown))
    try:
        yield
    finally:
        _allowance.reset(token)


class CountedStream(httpcore.AsyncNetworkStream):
    """Stream whose received bytes count for `limit_interim`, with *extra* information about it."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, extra: Mapping[str, Any]) -> None:
        self._inner = inner
        self._extra = extra

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> bytes:
        received = await self._inner.read(max_bytes, timeout)
        if allowance := _allowance.get():
            allowance.charge(len(received))
        return received

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        encrypted = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return CountedStream(encrypted, self._extra)

    def get_extra_info(self, info: str) -> Any:
        return self._extra[info] if info in self._extra else self._inner.get_extra_info(info)
