"""
Response bodies: decompress them under a size limit.

httpx inflates each network chunk whole: 194 KB of gzip became 200 MB at once. So the raw bytes are
inflated here, with a limit on the result.
"""

import zlib
from collections.abc import AsyncIterable

from digestbot.net.errors import BadEncoding, TooLarge

_IS_ZLIB = {"": False, "identity": False, "gzip": True, "x-gzip": True, "deflate": True}
"""Supported Content-Encoding values (RFC 9110 8.4.1); some servers send "identity"."""


async def read_body(
    chunks: AsyncIterable[bytes], encoding: str, *, max_bytes: int, shown: str
) -> bytes:
    """
    Return the decompressed body, keeping at most *max_bytes* in memory.

    Args:
        chunks: The raw bytes as they arrive.
        encoding: The Content-Encoding header; empty if there is none.
        max_bytes: Limit of the raw and of the decompressed body.
        shown: The server's name in messages.

    Raises:
        TooLarge: The body exceeds *max_bytes*.
        BadEncoding: The encoding is unsupported, or the data is corrupt or truncated.
    """
    encoding = encoding.strip().lower()
    if encoding not in _IS_ZLIB:
        raise BadEncoding(f"{shown} sent the unrequested content encoding {encoding[:20]!r}")
    reader = _Inflater(max_bytes, shown) if _IS_ZLIB[encoding] else _Plain(max_bytes)
    raw = 0
    async for chunk in chunks:
        raw += len(chunk)
        if raw > max_bytes or not reader.feed(chunk):
            raise TooLarge(f"{shown} sent more than {max_bytes:,} bytes")
    return reader.finish()


class _Plain:
    """Collects bytes up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()

    def feed(self, chunk: bytes) -> bool:
        """Add *chunk*; return False once the limit is exceeded."""
        self._body += chunk
        return len(self._body) <= self._limit

    def finish(self) -> bytes:
        """Return the whole body."""
        return bytes(self._body)


class _Inflater(_Plain):
    """Inflates gzip or zlib up to a limit; several gzip members form one body (RFC 1952 2.2)."""

    def __init__(self, limit: int, shown: str) -> None:
        super().__init__(limit)
        self._shown = shown
        self._zlib = zlib.decompressobj(wbits=47)
        self._started = False

    def feed(self, chunk: bytes) -> bool:
        """Inflate *chunk*; return False once the limit is exceeded."""
        try:
            while chunk and len(self._body) <= self._limit:
                chunk = self._inflate(chunk)
        except zlib.error as error:
            raise BadEncoding(f"{self._shown} sent a corrupt gzip stream") from error
        return len(self._body) <= self._limit

    def _inflate(self, chunk: bytes) -> bytes:
        """Inflate as much of *chunk* as the limit allows; return the remainder."""
        if self._zlib.eof:
            if chunk[0] != 0x1F:  # zeros after the last member are padding (gzip manual)
                return b""
            self._zlib = zlib.decompressobj(wbits=47)
        self._started = True
        space = self._limit + 1 - len(self._body)
        self._body += self._zlib.decompress(chunk, space)
        return self._zlib.unused_data or self._zlib.unconsumed_tail

    def finish(self) -> bytes:
        """Return the whole body; raise if the stream was truncated."""
        if self._started and not self._zlib.eof:
            raise BadEncoding(f"{self._shown} sent a truncated gzip stream")
        return bytes(self._body)
