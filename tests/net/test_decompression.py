"""Content encodings of response bodies, with limits on memory and time."""

import asyncio
import contextlib
import gzip
import random
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from digestbot.net import BadEncoding, TooLarge
from digestbot.net.decompression import read_body
from tests.net.calls import get
from tests.servers.web import Reply, WebServer

BOMB_MB = 200


def packed(body: bytes, encoding: str = "gzip") -> Reply:
    return Reply(headers={"Content-Encoding": encoding}, body=body)


def zipped(body: bytes, times: int = 1) -> bytes:
    return zipped(gzip.compress(body, mtime=0), times - 1) if times else body


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(body) + packer.flush()


FEED = b"<?xml version='1.0'?><rss><title>hello</title></rss>"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(zipped(FEED), "gzip", id="gzip"),
        pytest.param(zipped(FEED), "X-GZIP", id="x-gzip"),
        pytest.param(zipped(FEED[:9]) + zipped(FEED[9:]), "gzip", id="two members"),
        pytest.param(zipped(FEED) + b"\0" * 20, "gzip", id="zeros as padding"),
        pytest.param(zipped(FEED) + b"\x1fend", "gzip", id="garbage after the end"),
        pytest.param(zlib.compress(FEED), "deflate", id="deflate as zlib"),
        pytest.param(raw_deflate(FEED), "deflate", id="deflate without zlib"),
        pytest.param(raw_deflate(b"hello"), "deflate", id="short deflate"),
        # Several encodings, as declared and as applied.
        pytest.param(zipped(FEED, 2), "gzip, gzip", id="gzip twice"),
        pytest.param(zipped(FEED, 4), "gzip", id="gzip four times"),
        pytest.param(zipped(zlib.compress(FEED)), "deflate, gzip", id="deflate in gzip"),
        pytest.param(zipped(raw_deflate(FEED)), "deflate, gzip", id="raw deflate in gzip"),
        pytest.param(raw_deflate(zipped(FEED)), "gzip, deflate", id="gzip in deflate"),
        pytest.param(zipped(FEED), "gzip,aws-chunked", id="gzip and aws-chunked"),
        # Applied, but declared otherwise.
        pytest.param(zipped(FEED), "", id="undeclared gzip"),
        pytest.param(zlib.compress(FEED), "", id="undeclared zlib"),
        pytest.param(zipped(FEED), "br", id="gzip declared as br"),
        pytest.param(zipped(FEED), "deflate", id="gzip declared as deflate"),
        pytest.param(zlib.compress(FEED), "gzip", id="zlib declared as gzip"),
        pytest.param(zipped(FEED), "identity", id="gzip declared as identity"),
        pytest.param(zipped(FEED), "gzip, gzip", id="gzip declared twice"),
        # Declared, but never applied.
        pytest.param(FEED, "identity", id="identity"),
        *(
            pytest.param(FEED, name, id=f"plain as {name}")
            for name in ("aws-chunked", "UTF-8", "none", "nonsense", ",", "gzip", "deflate", "br")
        ),
        pytest.param(FEED, "x" * 60_000, id="plain as a long name"),
        pytest.param(FEED, "gzip," * 12_000, id="plain as many names"),
        pytest.param(b"", "gzip", id="empty"),
        pytest.param(b"", "deflate", id="empty deflate"),
    ],
)
def test_the_body_decides_how_it_is_decoded(body: bytes, encoding: str) -> None:
    with WebServer.of(packed(body, encoding)) as server:
        assert get(server.url).body in (FEED if body else b"", b"hello")


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_plain_text_of_any_charset_is_readable(charset: str, encoding: str) -> None:
    body = "<rss>Über die Größe</rss>".encode(charset)
    with WebServer.of(packed(body, encoding)) as server:
        assert get(server.url).body == body


def decoded(body: bytes, encoding: str) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    return asyncio.run(read_body(chunks(), encoding, max_bytes=20_000, shown="server"))


@given(body=st.binary(max_size=5000), cut=st.integers(min_value=1, max_value=5000))
def test_several_gzip_members_are_one_body(body: bytes, cut: int) -> None:
    assume(not body.startswith(b"\x1f\x8b\x08"))
    assert decoded(zipped(body[:cut]) + zipped(body[cut:]), "gzip") == body


@given(body=st.binary(max_size=300), encoding=st.sampled_from(["", "gzip", "deflate", "br", "x"]))
def test_any_body_is_decoded_or_refused(body: bytes, encoding: str) -> None:
    with contextlib.suppress(BadEncoding, TooLarge):
        decoded(body, encoding)


@given(text=st.text(min_size=1, max_size=3000), encoding=st.sampled_from(["gzip", "deflate", "br"]))
def test_plain_utf8_is_readable_in_any_encoding(text: str, encoding: str) -> None:
    assume(text.isprintable())
    assert decoded(text.encode(), encoding) == text.encode()


NOISE = random.Random(1).randbytes(2000)


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (NOISE, "br", 'sent the unsupported content encoding "br"'),
        (NOISE, "gzip, zstd", 'sent the unsupported content encoding "zstd"'),
        (zipped(NOISE), "br, gzip", 'sent the unsupported content encoding "br"'),
        (NOISE, "gzip", "sent a corrupt gzip stream"),
        (NOISE, "deflate", "sent a corrupt deflate stream"),
        (zlib.compress(FEED)[:-9], "deflate", "sent a corrupt deflate stream"),
        (zipped(FEED)[:-9], "gzip", "sent a truncated gzip stream"),
        (zipped(FEED)[:-9], "", "sent a truncated gzip stream"),
        (zipped(FEED)[:20] + NOISE, "gzip", "sent a corrupt gzip stream"),
        (zipped(FEED, 5), "gzip", "sent a body compressed more than 4 times"),
        (zipped(b"") * 10_001, "gzip", "sent more than 10,000 gzip members"),
    ],
)
def test_undecodable_bodies_are_refused(body: bytes, encoding: str, message: str) -> None:
    with WebServer.of(packed(body, encoding)) as server:
        with pytest.raises(BadEncoding) as caught:
            get(server.url)
        assert str(caught.value) == f"{server.url} {message}"


@pytest.mark.parametrize("status", [302, 404, 503])
def test_failures_with_an_undecodable_body_keep_their_status(status: int) -> None:
    with WebServer.of(Reply(status=status, headers={"Content-Encoding": "br"}, body=NOISE)) as s:
        response = get(s.url)
    assert (response.status, response.body) == (status, b"")


def test_a_body_of_tiny_chunks_is_refused() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        WebServer.of(Reply(raw=[head, *[b"1\r\nx\r\n" * 1000] * 101])) as server,
        pytest.raises(TooLarge, match="sent its body in more than 100,000 chunks"),
    ):
        get(server.url)


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    million = b"\0" * 1_000_000
    chunks = [packer.compress(million) for _ in range(megabytes)]
    return b"".join([*chunks, packer.flush()])


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(bomb(BOMB_MB), "gzip", id="gzip"),
        pytest.param(bomb(BOMB_MB), "", id="undeclared"),
        pytest.param(zipped(bomb(BOMB_MB)), "gzip, gzip", id="gzip twice"),
        pytest.param(zlib.compress(b"\0" * 50_000_000), "deflate", id="zlib"),
        pytest.param(raw_deflate(b"\0" * 50_000_000), "deflate", id="raw deflate"),
        pytest.param(zipped(b"x" * 1_000_000) * 50, "gzip", id="many members"),
    ],
)
def test_a_bomb_is_refused_with_little_memory(body: bytes, encoding: str) -> None:
    with WebServer.of(packed(body, encoding)) as server:
        tracemalloc.start()
        try:
            with pytest.raises(TooLarge, match="sent more than 10,485,760 bytes"):
                get(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 40_000_000


def test_a_body_of_exactly_the_limit_is_accepted() -> None:
    with WebServer.of(Reply(body=b"x" * 1000)) as server:
        assert len(get(server.url, max_bytes=1000).body) == 1000
        with pytest.raises(TooLarge, match="sent more than 999 bytes"):
            get(server.url, max_bytes=999)
