"""Every form of NO_PROXY, and the proxy of a request."""

import httpx
import pytest

from digestbot.net.proxies import Proxies, parse_no_proxy


@pytest.mark.parametrize(
    ("no_proxy", "direct", "proxied"),
    [
        ("", [], ["http://localhost/"]),
        ("*", ["http://example.org/", "https://[::1]/"], []),
        ("a.example , *", ["http://example.org/"], []),
        (
            "example.org",
            ["http://example.org/", "https://www.example.org/", "http://EXAMPLE.org./"],
            ["http://notexample.org/", "http://example.org.evil/"],
        ),
        (".example.org", ["http://example.org/", "http://a.b.example.org/"], ["http://org/"]),
        ("*.example.org", ["http://www.example.org/"], ["http://example.com/"]),
        ("a.example b.example", ["http://a.example/", "http://b.example/"], ["http://c.example/"]),
        (
            "example.org:8080",
            ["http://example.org:8080/", "http://www.example.org:8080/"],
            ["http://example.org/"],
        ),
        ("example.org:443", ["https://example.org/"], ["http://example.org/"]),
        (
            "localhost,127.0.0.1",
            ["http://localhost:1/", "http://127.0.0.1:2/"],
            ["http://10.0.0.1/"],
        ),
        ("127.0.0.1:8000", ["http://127.0.0.1:8000/"], ["http://127.0.0.1/"]),
        ("::1", ["http://[::1]:8000/"], ["http://[::2]/"]),
        ("[::1]", ["http://[0:0::1]/"], ["http://127.0.0.1/"]),
        ("[::1]:8000", ["http://[::1]:8000/"], ["http://[::1]/"]),
        ("10.0.0.0/8", ["http://10.20.30.40/"], ["http://11.0.0.1/", "http://ten.example/"]),
        ("10.1.2.3/8", ["http://10.20.30.40/"], ["http://11.0.0.1/"]),
        ("fd00::/8", ["http://[fd12::1]/"], ["http://[fe80::1]/"]),
        ("http://example.org", ["http://example.org/"], ["http://example.com/"]),
        ("bücher.example", ["http://xn--bcher-kva.example/"], ["http://bucher.example/"]),
    ],
)
def test_forms_of_no_proxy(no_proxy: str, direct: list[str], proxied: list[str]) -> None:
    hosts = parse_no_proxy(no_proxy)
    assert [url for url in direct if not hosts.covers(httpx.URL(url))] == []
    assert [url for url in proxied if hosts.covers(httpx.URL(url))] == []


@pytest.mark.parametrize("text", ["[::", "a:b:c", "host:port", "10.0.0.0/99", "[nothing]"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_no_proxy(text)


def test_the_scheme_chooses_the_proxy() -> None:
    one, other = httpx.Proxy("http://one.example"), httpx.Proxy("http://other.example")
    no_proxy = parse_no_proxy("direct.example")
    proxies = Proxies(by_scheme={"https": one, "all": other}, no_proxy=no_proxy)
    assert proxies.choose(httpx.URL("https://example.org")) is one
    assert proxies.choose(httpx.URL("http://example.org")) is other
    assert proxies.choose(httpx.URL("https://direct.example")) is None
    assert Proxies(by_scheme={"https": one}).choose(httpx.URL("http://example.org")) is None
