"""Decompression of response bodies, with a limit on memory."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.net import BadEncoding, TooLarge
from tests.net.calls import get
from tests.servers.web import Reply, WebServer

BOMB_MB = 200


def packed(body: bytes, encoding: str = "gzip") -> Reply:
    return Reply(headers={"Content-Encoding": encoding}, body=body)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (gzip.compress(b"hello", mtime=0), "X-GZIP"),
        (gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0), "gzip"),
        (gzip.compress(b"hello", mtime=0) + b"\0" * 20, "gzip"),
        (zlib.compress(b"hello"), "deflate"),
        (b"hello", "identity"),
        (b"", "gzip"),
    ],
    ids=["gzip", "x-gzip", "two members", "padding", "deflate", "identity", "empty"],
)
def test_bodies_are_decompressed(body: bytes, encoding: str) -> None:
    with WebServer.of(packed(body, encoding)) as server:
        assert get(server.url).body == (b"hello" if body else b"")


@settings(max_examples=80)  # each starts a server
@given(body=st.binary(max_size=5000), cut=st.integers(min_value=1, max_value=5000))
def test_several_gzip_members_are_one_body(body: bytes, cut: int) -> None:
    members = gzip.compress(body[:cut]) + gzip.compress(body[cut:])
    with WebServer.of(packed(members)) as server:
        assert get(server.url).body == body


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_unrequested_encodings_are_refused(encoding: str) -> None:
    with (
        WebServer.of(packed(b"x", encoding)) as server,
        pytest.raises(BadEncoding, match=f"sent the unrequested content encoding '{encoding}'"),
    ):
        get(server.url)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (gzip.compress(b"hello" * 99, mtime=0)[:-9], "sent a truncated gzip stream"),
        (b"no gzip", "sent a corrupt gzip stream"),
    ],
)
def test_broken_gzip_streams_are_refused(body: bytes, message: str) -> None:
    with WebServer.of(packed(body)) as server, pytest.raises(BadEncoding, match=message):
        get(server.url)


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    million = b"\0" * 1_000_000
    chunks = [packer.compress(million) for _ in range(megabytes)]
    return b"".join([*chunks, packer.flush()])


def test_a_gzip_bomb_is_refused_with_little_memory() -> None:
    with WebServer.of(packed(bomb(BOMB_MB))) as server:
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
