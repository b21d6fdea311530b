"""
Response bodies: undo their content encoding under a size limit.

Servers declare encodings that they never applied (``aws-chunked``, ``UTF-8``, ``gzip`` on plain
text) and apply gzip without declaring it, so the body decides; Content-Encoding (RFC 9110 8.4) only
tells which encodings to try. httpx inflates each network chunk whole: 194 KB of gzip became 200 MB
at once. So the raw bytes are inflated here, with a limit on the result.
"""

import codecs
import re
import zlib
from collections.abc import AsyncIterable

from digestbot.net.errors import BadEncoding, TooLarge

MAX_CHUNKS = 100_000
"""Network chunks of one body. Each costs about 20 µs of CPU, even if it has one byte."""
MAX_LAYERS = 4
"""Encodings on top of each other; there are gzip files that contain themselves."""
MAX_MEMBERS = 10_000
"""Members of one gzip stream; empty ones are free to send."""
_SLICE = 16 * 1024
"""Bytes inflated at once: zlib copies the rest of a slice when a gzip member ends in it."""
_GZIP = b"\x1f\x8b\x08"
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})
_BINARY_NAMES = _GZIP_NAMES | {"deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"}
"""Registered encodings (IANA) with a binary result; other names are ignored."""
_BOMS = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe", b"\0\0\xfe\xff")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_UTF_8 = codecs.getincrementaldecoder("utf-8")
_SAMPLE = 1024
"""Bytes at the start of a body that show whether it is text."""


async def read_body(
    chunks: AsyncIterable[bytes], encoding: str, *, max_bytes: int, shown: str
) -> bytes:
    """
    Return the decoded body, keeping at most twice *max_bytes* in memory.

    Args:
        chunks: The raw bytes as they arrive.
        encoding: The Content-Encoding header; empty if there is none.
        max_bytes: Limit of the raw and of the decoded body.
        shown: The server's name in messages.

    Raises:
        TooLarge: The body exceeds *max_bytes*, or arrives in more than `MAX_CHUNKS`.
        BadEncoding: The encoding is unsupported, or the data is corrupt or truncated.
    """
    raw = bytearray()
    count = 0
    async for chunk in chunks:
        raw += chunk
        count += 1
        if len(raw) > max_bytes:
            raise TooLarge(f"{shown} sent more than {max_bytes:,} bytes")
        if count > MAX_CHUNKS:
            raise TooLarge(f"{shown} sent its body in more than {MAX_CHUNKS:,} chunks")
    return _decode(bytes(raw), encoding, max_bytes=max_bytes, shown=shown)


def _decode(body: bytes, encoding: str, *, max_bytes: int, shown: str) -> bytes:
    """Undo the encodings of *body* from the outermost to the innermost."""
    declared = [name for part in encoding.lower().split(",") if (name := part.strip())]
    binary = [name for name in declared if name in _BINARY_NAMES]
    inflate = _Inflater(max_bytes, shown)
    for _ in range(MAX_LAYERS + 1):
        is_deflate = bool(binary) and binary[-1] == "deflate"
        if body.startswith(_GZIP):
            body = inflate.gzip(body)
        elif (found := _deflated(inflate, body, is_deflate)) is not None:
            body = found
        elif not binary or _is_text(body):
            return body
        elif binary[-1] in _GZIP_NAMES | {"deflate"}:
            raise BadEncoding(f"{shown} sent a corrupt {binary[-1]} stream")
        else:
            raise BadEncoding(f'{shown} sent the unsupported content encoding "{binary[-1]}"')
        binary = binary[:-1]
    raise BadEncoding(f"{shown} sent a body compressed more than {MAX_LAYERS} times")


def _deflated(inflate: "_Inflater", body: bytes, is_declared: bool) -> bytes | None:
    return inflate.deflate(body, is_declared) if is_declared or not _is_text(body) else None


def _is_text(body: bytes) -> bool:
    """Return True if *body* starts like markup, JSON or UTF-8; also if it is empty."""
    start = body[:_SAMPLE]
    if start.startswith(_BOMS) or start[:2] in (b"<\0", b"\0<"):  # UTF-16 without a BOM
        return True
    if _CONTROL.search(start):
        return False
    if start.lstrip()[:1] in (b"<", b"{", b"["):
        return True
    try:
        _UTF_8().decode(start)  # incremental: the sample may end inside of a character
    except UnicodeDecodeError:
        return False
    return True


class _Inflater:
    """Inflates gzip and deflate up to a limit."""

    def __init__(self, limit: int, shown: str) -> None:
        self._limit = limit
        self._shown = shown

    def gzip(self, body: bytes) -> bytes:
        """
        Inflate all members of *body* (RFC 1952 2.2).

        Bytes after the last member are ignored: padding, according to the gzip manual.
        """
        inflated = bytearray()
        rest = memoryview(body)
        for _ in range(MAX_MEMBERS):
            try:
                member = zlib.decompressobj(wbits=31)
                rest = self._inflate(member, rest, inflated)
            except zlib.error as error:
                raise BadEncoding(f"{self._shown} sent a corrupt gzip stream") from error
            if not member.eof:
                raise BadEncoding(f"{self._shown} sent a truncated gzip stream")
            if bytes(rest[:3]) != _GZIP:
                return bytes(inflated)
        raise BadEncoding(f"{self._shown} sent more than {MAX_MEMBERS:,} gzip members")

    def deflate(self, body: bytes, is_declared: bool) -> bytes | None:
        """
        Inflate a zlib stream, or a raw one if declared; return None if that fails.

        Servers send both as ``deflate``, which means zlib (RFC 9110 8.4.1.2).
        """
        for wbits in (15, -15) if is_declared else (15,):
            inflated = bytearray()
            stream = zlib.decompressobj(wbits=wbits)
            try:
                rest = self._inflate(stream, memoryview(body), inflated)
            except zlib.error:
                continue
            if stream.eof and not bytes(rest).strip(b"\0"):
                return bytes(inflated)
        return None

    def _inflate(
        self, stream: "zlib._Decompress", body: memoryview, inflated: bytearray
    ) -> memoryview:
        """Append the inflated *body* to *inflated*; return what follows the stream."""
        start = 0
        while start < len(body) and not stream.eof:
            part = bytes(body[start : start + _SLICE])
            inflated += stream.decompress(part, self._limit + 1 - len(inflated))
            if len(inflated) > self._limit:
                raise TooLarge(f"{self._shown} sent more than {self._limit:,} bytes")
            start += len(part) - len(stream.unused_data)
        return body[start:]
