"""Redirects and subscribers' URLs, end to end: what is refused, what is allowed, what leaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from digestbot.net import BadRedirect, ForbiddenAddress, NetError, Unreachable
from digestbot.net.urls import redirect_target
from tests.net.calls import get, redirect
from tests.net.fake_network import OTHER_PUBLIC, PUBLIC, FakeNetwork
from tests.servers.web import Reply, Request, WebServer

URL = "http://journal.example/feed"
NAMES = {
    "journal.example": [PUBLIC],
    "other.example": [OTHER_PUBLIC],
    "intranet.example": ["10.0.0.7"],
    "db.intranet.example": ["10.0.0.8 fd12::8"],
    "loop.example": ["127.0.0.1"],
    "six.example": ["::1"],
    "mapped.example": ["::ffff:192.168.0.1"],
    "nat64.example": ["64:ff9b::a00:7"],
    "sixtofour.example": ["2002:c0a8:1::1"],
    "ula.example": ["fd00:ec2::254"],
    "metadata.google.internal": ["169.254.169.254"],
}
LOOPBACK = "127.0.0.1, a loopback address"


def private_servers(server: WebServer) -> dict[str, WebServer]:
    """Return *server* at each private address that a test leads to."""
    addresses = "10.0.0.7 10.0.0.8 fd12::8 127.0.0.1 ::1 169.254.169.254 64:ff9b::a00:7"
    return dict.fromkeys(addresses.split(), server)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://127.0.0.1/", "127.0.0.1 is a loopback address"),
        ("http://127.8.8.8:8080/x", "127.8.8.8 is a loopback address"),
        ("http://[::1]/", "::1 is a loopback address"),
        ("http://[0:0:0:0:0:0:0:1]/", "0:0:0:0:0:0:0:1 is ::1, a loopback address"),
        ("http://[::ffff:127.0.0.1]/", f"::ffff:127.0.0.1 is {LOOPBACK}"),
        ("http://[::ffff:7f00:1]/", f"::ffff:7f00:1 is {LOOPBACK}"),
        ("http://[::127.0.0.1]/", "::127.0.0.1 is ::7f00:1, a reserved address"),
        ("http://[64:ff9b::7f00:1]/", f"64:ff9b::7f00:1 is {LOOPBACK}"),
        ("http://[64:ff9b:1::7f00:1]/", "64:ff9b:1::7f00:1 is a local NAT64 address"),
        ("http://[2002:7f00:1::]/", f"2002:7f00:1:: is {LOOPBACK}"),
        ("http://[2001:0:a00:7::1]/", "2001:0:a00:7::1 is a Teredo address"),
        ("http://[fe80::1%25eth0]/", "fe80::1%25eth0 is fe80::1, a link-local address"),
        ("http://[fec0::1]/", "fec0::1 is a site-local address"),
        ("http://[fd00:ec2::254]/latest/meta-data/", "fd00:ec2::254 is a private address"),
        ("http://[ff02::1]/", "ff02::1 is a multicast address"),
        ("http://[::]/", ":: is an unspecified address"),
        ("http://[2001:db8::1]/", "2001:db8::1 is a documentation address"),
        ("http://0.0.0.0:8080/", "0.0.0.0 is an unspecified address"),
        ("http://0/", "0 is 0.0.0.0, an unspecified address"),
        ("http://10.0.0.7/", "10.0.0.7 is a private address"),
        ("http://172.16.0.1/", "172.16.0.1 is a private address"),
        ("http://192.168.1.1/", "192.168.1.1 is a private address"),
        ("http://100.64.0.1/", "100.64.0.1 is a shared (CGNAT) address"),
        ("http://169.254.169.254/latest/", "169.254.169.254 is a link-local address"),
        ("http://192.0.2.1/", "192.0.2.1 is a documentation address"),
        ("http://198.18.0.1/", "198.18.0.1 is a reserved address"),
        ("http://224.0.0.1/", "224.0.0.1 is a multicast address"),
        ("http://255.255.255.255/", "255.255.255.255 is a reserved address"),
        ("http://2130706433/", f"2130706433 is {LOOPBACK}"),
        ("http://0x7f000001/", f"0x7f000001 is {LOOPBACK}"),
        ("http://0x7f.1/", f"0x7f.1 is {LOOPBACK}"),
        ("http://0X7F.1:80/", f"0x7f.1 is {LOOPBACK}"),
        ("http://017700000001/", f"017700000001 is {LOOPBACK}"),
        ("http://127.1/", f"127.1 is {LOOPBACK}"),
        ("http://127.0.1/", f"127.0.1 is {LOOPBACK}"),
        ("http://0177.1/", f"0177.1 is {LOOPBACK}"),
        ("http://127.0.0.1./", f"127.0.0.1. is {LOOPBACK}"),
        ("http://localhost/", f"localhost is {LOOPBACK}"),
        ("http://LOCALHOST./", f"localhost. is {LOOPBACK}"),
        ("http://a.b.localhost/", f"a.b.localhost is {LOOPBACK}"),
        ("http://127。0。0。1/", "127.0.0.1 is a loopback address"),
        ("//127.0.0.1/x", "127.0.0.1 is a loopback address"),
        ("\t http://127.0.0.1/x ", "127.0.0.1 is a loopback address"),
        ("http://journal.example@127.0.0.1/", "127.0.0.1 is a loopback address"),
        ("http://journal.example:80@10.0.0.7/", "10.0.0.7 is a private address"),
        ("http://127%2e0%2e0%2e1/", "its host has invalid characters"),
        ("http://127.0.0.1%00.example/", "its host has invalid characters"),
        ("http://intranet.example/", "intranet.example is 10.0.0.7, a private address"),
        ("http://db.intranet.example/", "db.intranet.example is 10.0.0.8, a private address"),
        ("http://loop.example/", f"loop.example is {LOOPBACK}"),
        ("http://six.example/", "six.example is ::1, a loopback address"),
        ("http://mapped.example/", "mapped.example is 192.168.0.1, a private address"),
        ("http://nat64.example/", "nat64.example is 10.0.0.7, a private address"),
        ("http://sixtofour.example/", "sixtofour.example is 192.168.0.1, a private address"),
        ("http://ula.example/", "ula.example is fd00:ec2::254, a private address"),
        (
            "http://metadata.google.internal/",
            "metadata.google.internal is 169.254.169.254, a link-local address",
        ),
    ],
)
def test_redirects_to_private_addresses_are_refused(target: str, reason: str) -> None:
    with (
        WebServer.of(redirect(target.encode().decode("latin-1"))) as server,
        WebServer.of(Reply(body=b"secret")) as private,
    ):
        network = FakeNetwork(NAMES, {PUBLIC: server, **private_servers(private)})
        with pytest.raises(ForbiddenAddress) as caught:
            network.get(URL)
        assert not private.requests
    assert caught.value.reason.startswith(f"{URL} redirects to http://")
    assert caught.value.reason.endswith(f", but {reason}")
    assert network.dialed == [PUBLIC]


@pytest.mark.parametrize(
    "target",
    [
        *("http://１２７.0.0.1/", "http://①②⑦.1/", "http://loc\u00adalhost/", "http://0177.0.0.1/"),
        *("http://127.000.000.001/", "http://[::1", "http://[127.0.0.1]/", "http://127.0.0.1\\@x/"),
        *("http://127.0.0.1:abc/", "http:///127.0.0.1/", "http://\x00127.0.0.1/"),
    ],
)
def test_ambiguous_redirects_reach_nothing(target: str) -> None:
    with WebServer.of(Reply(body=b"secret")) as private:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ")
            writer.write(target.encode() + b"\r\n\r\n")

        async def go() -> None:
            async with listening(answer) as url:
                network = FakeNetwork(NAMES, {PUBLIC: url, **private_servers(private)})
                async with network.client() as client:
                    with pytest.raises(NetError):
                        await client.get(URL)
                assert set(network.dialed) == {PUBLIC}

        asyncio.run(go())
        assert not private.requests


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[str]:
    """Serve connections on loopback until the clients close them; yield the URL."""
    handlers: list[asyncio.Future[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await answer(reader, writer)
        writer.close()
        await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.ensure_future(handle(reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*handlers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_each_hop_of_a_chain_is_checked(status: int) -> None:
    with (
        WebServer.of(redirect("http://other.example/", status)) as server,
        WebServer.of(redirect("http://intranet.example/", status)) as other,
    ):
        network = FakeNetwork(NAMES, {PUBLIC: server, OTHER_PUBLIC: other})
        with pytest.raises(
            ForbiddenAddress,
            match=r"^http://other.example/ redirects to http://intranet.example/, ",
        ):
            network.get(URL)
    assert network.dialed == [PUBLIC, OTHER_PUBLIC]


def test_redirects_to_public_hosts_are_followed() -> None:
    with (
        WebServer.of(redirect("http://other.example/x")) as server,
        WebServer.of(Reply(body=b"feed")) as other,
    ):
        network = FakeNetwork(NAMES, {PUBLIC: server, OTHER_PUBLIC: other})
        response = network.get(URL)
    assert (response.body, response.url, response.is_private) == (
        b"feed",
        "http://other.example/x",
        False,
    )


# What the operator wrote.


@pytest.mark.parametrize("host", ["intranet.example", "10.0.0.7", "localhost", "0x7f.1", "[::1]"])
def test_a_configured_private_host_works(host: str) -> None:
    with WebServer.of(redirect("/feed/"), Reply(body=b"feed")) as private:
        network = FakeNetwork({**NAMES, "localhost": ["127.0.0.1"]}, private_servers(private))
        response = network.get(f"http://{host}/feed")
    assert (response.body, response.is_private) == (b"feed", True)


@pytest.mark.parametrize(
    ("target", "is_followed"),
    [
        ("/feed/", True),
        ("http://intranet.example:8000/", True),
        ("//intranet.example/a", True),
        ("http://other.example/", True),
        ("http://db.intranet.example/", False),
        ("http://10.0.0.7/", False),
        ("http://127.0.0.1/", False),
        ("http://[::1]/", False),
    ],
)
def test_a_configured_private_host_redirects_within_itself(target: str, is_followed: bool) -> None:
    with WebServer.of(redirect(target), Reply(body=b"feed")) as private:
        servers = {OTHER_PUBLIC: private, **private_servers(private)}
        network = FakeNetwork(NAMES, servers)
        if is_followed:
            assert network.get("http://intranet.example/").body == b"feed"
        else:
            with pytest.raises(ForbiddenAddress):
                network.get("http://intranet.example/")
            assert network.dialed == ["10.0.0.7"]


def test_a_public_host_does_not_lead_back_to_a_private_one() -> None:
    """Otherwise it would choose the path on a host that trusts this machine."""
    with (
        WebServer.of(redirect("http://other.example/")) as private,
        WebServer.of(redirect("http://intranet.example/admin")) as other,
    ):
        network = FakeNetwork(NAMES, {OTHER_PUBLIC: other, **private_servers(private)})
        with pytest.raises(ForbiddenAddress, match=r"to http://intranet.example/admin, but "):
            network.get("http://intranet.example/")
        assert private.paths == ["/"]


@pytest.mark.parametrize(
    ("target", "entry"),
    [
        ("http://intranet.example/", "intranet.example"),
        ("http://intranet.example./", "intranet.example"),
        ("http://intranet.example/", "10.0.0.0/8"),
        ("http://10.0.0.7/", "10.0.0.7"),
        ("http://nat64.example/", "10.0.0.0/24"),
        ("http://db.intranet.example/", "*.intranet.example"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://localhost/", "localhost"),
        ("http://localhost/", "127.0.0.0/8"),
    ],
)
def test_the_operator_can_allow_hosts(target: str, entry: str) -> None:
    names = {**NAMES, "localhost": ["127.0.0.1"], "intranet.example.": ["10.0.0.7"]}
    with WebServer.of(redirect(target)) as server, WebServer.of(Reply(body=b"feed")) as private:
        network = FakeNetwork(names, {PUBLIC: server, **private_servers(private)})
        with pytest.raises(ForbiddenAddress):
            network.get(URL)
        with pytest.raises(ForbiddenAddress):
            network.get(URL, allowed=["other.example", "192.168.0.0/16"])
        assert network.get(URL, allowed=[entry]).body == b"feed"


@pytest.mark.parametrize(
    "target", ["http://intranet.example/", "http://2130706433/", "http://[::1]/"]
)
def test_the_error_says_what_to_write(target: str) -> None:
    with WebServer.of(redirect(target)) as server, WebServer.of(Reply(body=b"feed")) as private:
        network = FakeNetwork(NAMES, {PUBLIC: server, **private_servers(private)})
        with pytest.raises(ForbiddenAddress) as caught:
            network.get(URL)
        entry = caught.value.allow
        advice = f'; to allow it, add "{entry}" to allowed_hosts in the config'
        assert str(caught.value).endswith(advice)
        assert network.get(URL, allowed=[str(entry)]).body == b"feed"


# What a subscriber supplies.


@pytest.mark.parametrize(
    "host", ["10.0.0.7", "intranet.example", "localhost", "[::ffff:127.0.0.1]"]
)
def test_strict_requests_reach_no_private_host(host: str) -> None:
    """Neither directly nor by a redirect, whatever the operator allowed for sources."""
    allowed = ["intranet.example", "localhost", "10.0.0.0/8", "127.0.0.0/8"]
    with WebServer.of(redirect(f"http://{host}/")) as server, WebServer.of(Reply()) as private:
        network = FakeNetwork(NAMES, {PUBLIC: server, **private_servers(private)})
        for url in (f"http://{host}/", URL):
            with pytest.raises(ForbiddenAddress) as caught:
                network.get(url, allowed=allowed, trusted=False)
            assert "allowed_hosts" not in str(caught.value)
        assert not private.requests


def test_strict_requests_follow_redirects_to_usual_ports_only() -> None:
    with WebServer.of(redirect("/b"), redirect("http://other.example:6379/")) as server:
        network = FakeNetwork(NAMES, {PUBLIC: server})
        with pytest.raises(
            ForbiddenAddress,
            match=r"^http://journal.example/b redirects to http://other.example:6379/, but its po",
        ):
            network.get(URL, trusted=False)


def test_strict_posts_are_checked_and_name_only_the_host() -> None:
    async def go(network: FakeNetwork, *, trusted: bool) -> int:
        async with network.client() as client:
            url = "http://intranet.example/SECRET"
            return (await client.post(url, content=b"x", trusted=trusted)).status

    with WebServer.of(Reply(status=204)) as private:
        network = FakeNetwork(NAMES, private_servers(private))
        with pytest.raises(ForbiddenAddress) as caught:
            asyncio.run(go(network, trusted=False))
        assert not private.requests
        assert asyncio.run(go(network, trusted=True)) == 204
    reason = "http://intranet.example: intranet.example is 10.0.0.7, a private address"
    assert str(caught.value) == reason


# Connections.


def test_a_trusted_connection_is_not_reused_for_a_redirect() -> None:
    """The connection to the private host is still open when the public one redirects to it."""
    served: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            served.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfeed")

    async def go(server: WebServer) -> None:
        async with listening(answer) as url:
            network = FakeNetwork(NAMES, {PUBLIC: server, "10.0.0.7": url})
            async with network.client() as client:
                for path in ("/1", "/2"):
                    await client.get("http://intranet.example" + path)
                assert network.dialed == ["10.0.0.7"]  # both through one connection
                with pytest.raises(ForbiddenAddress):
                    await client.get(URL)
        assert served == [b"/1", b"/2"]

    with WebServer.of(redirect("http://intranet.example/admin")) as server:
        asyncio.run(go(server))


def test_loopback_without_any_fake() -> None:
    with WebServer.of(Reply(body=b"secret")) as other:
        port = other.url.rpartition(":")[2]
        for host in ("localhost", "127.0.0.2", "[::ffff:127.0.0.1]", "2130706433"):
            server = WebServer.of(redirect(f"http://{host}:{port}/"))
            with server, pytest.raises(ForbiddenAddress):
                get(server.url)
        assert not other.requests


# Proxies.


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """The operator's proxy, on loopback; it redirects to what follows ``?`` in a URL."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def answer(request: Request) -> Reply:
        target = request.query.get("to")
        return redirect(target) if target else Reply(body=b"from the proxy")

    with WebServer(answer) as server:
        monkeypatch.setenv("http_proxy", server.url)
        yield server


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "10.0.0.7", "a%2eb"),
        *("localhost", "a.localhost", "printer", "nas.local", "metadata.google.internal"),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_proxy_is_not_asked_for_private_hosts(proxy: WebServer, host: str, trusted: bool) -> None:
    with pytest.raises(ForbiddenAddress):
        get("http://journal.example/", params={"to": f"http://{host}/"}, trusted=trusted)
    with pytest.raises(ForbiddenAddress):
        get(f"http://{host}/", trusted=False)
    assert [request.headers["host"] for request in proxy.requests] == ["journal.example"]


def test_a_proxy_looks_up_names_itself(proxy: WebServer) -> None:
    network = FakeNetwork({}, {"127.0.0.1": proxy})
    assert network.get("http://other.example/", trusted=False).body == b"from the proxy"
    assert not network.looked_up


def test_a_configured_private_host_works_through_a_proxy(proxy: WebServer) -> None:
    url = "http://intranet.local/"
    assert get(url, params={"to": url}).body == b"from the proxy"
    with pytest.raises(ForbiddenAddress):
        get(url, params={"to": "http://printer.local/"})


def test_a_host_without_proxy_is_checked_on_connecting(
    proxy: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "intranet.example")
    network = FakeNetwork(NAMES, {"127.0.0.1": proxy})
    with pytest.raises(ForbiddenAddress, match=r"intranet.example is 10.0.0.7, a private address"):
        network.get(URL, params={"to": "http://intranet.example/"})


def test_a_proxy_that_cannot_be_reached_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(Unreachable, match="connection failed"):
        FakeNetwork({"proxy.example": ["10.9.9.9"]}, {}).get(URL)


def test_https_downgrades_are_refused_before_any_lookup() -> None:
    with pytest.raises(BadRedirect, match="from https to http"):
        redirect_target("https://a.example/", 302, "http://127.0.0.1/", same_site=False)
