"""What a request may reach, by the origin of its URL."""

from ipaddress import ip_address

import httpx
import pytest

from digestbot.net import AllowedHosts, ForbiddenAddress
from digestbot.net.reach import Reach, check_url, choose

NOTHING = AllowedHosts()


def check(url: str, reach: Reach, *allowed: str, is_proxied: bool = False) -> None:
    check_url(httpx.URL(url), reach, AllowedHosts.parse(allowed), is_proxied=is_proxied)


def chosen(addresses: str, reach: Reach, *allowed: str) -> str:
    """Return the addresses to connect to for the host ``h.example``."""
    found = [ip_address(address) for address in addresses.split()]
    return " ".join(map(str, choose("h.example", found, reach, AllowedHosts.parse(allowed))))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.org:22/", "its port 22 is not one of 80, 443, 8080, 8443"),
        ("http://example.org:0/", "its port 0 is not one of 80, 443, 8080, 8443"),
        ("ftp://example.org/", "it is not an http or https URL"),
        ("file:///etc/passwd", "it is not an http or https URL"),
        ("https://me:secret@example.org/", "it contains a user name"),
        ("https://example.org@127.0.0.1/", "it contains a user name"),
        ("https://example.org/" + "a" * 2048, "it has more than 2,048 characters"),
        ("http://127.0.0.1/", "127.0.0.1 is a loopback address"),
        ("http://2130706433/", "2130706433 is 127.0.0.1, a loopback address"),
        ("http://a%2eb/", "its host has invalid characters"),
        ("https:///x", "its host has invalid characters"),
    ],
)
def test_a_subscriber_may_supply_only_plain_urls(url: str, reason: str) -> None:
    with pytest.raises(ForbiddenAddress) as caught:
        check(url, Reach.PUBLIC, "127.0.0.1", "example.org")
    assert str(caught.value) == reason
    assert caught.value.allow is None


@pytest.mark.parametrize(
    "url", ["http://example.org/", "https://example.org:8443/a?b", "http://x:80"]
)
def test_usual_urls_of_subscribers_pass(url: str) -> None:
    check(url, Reach.PUBLIC)


@pytest.mark.parametrize(
    ("host", "reason", "allow"),
    [
        ("printer", "printer is a name of a local network", "printer"),
        ("nas.local", "nas.local is a name of a local network", "nas.local"),
        ("nas.home.arpa.", "nas.home.arpa. is a name of a local network", "nas.home.arpa"),
        (
            "metadata.google.internal",
            "metadata.google.internal is a name of a local network",
            "metadata.google.internal",
        ),
        ("localhost", "localhost is 127.0.0.1, a loopback address", "localhost"),
        ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1 is 10.0.0.1, a private address", "10.0.0.1"),
        ("0x7f.1", "0x7f.1 is 127.0.0.1, a loopback address", "127.0.0.1"),
    ],
)
def test_a_proxy_is_asked_for_no_local_host(host: str, reason: str, allow: str) -> None:
    for reach in (Reach.ALLOWED, Reach.PUBLIC):
        with pytest.raises(ForbiddenAddress) as caught:
            check(f"http://{host}/", reach, is_proxied=True)
        assert caught.value.reason == reason
    check(f"http://{host}/", Reach.ALLOWED, allow, is_proxied=True)
    check(f"http://{host}/", Reach.ANYWHERE, is_proxied=True)
    check("http://journal.example.org/", Reach.PUBLIC, is_proxied=True)


def test_a_local_name_without_a_proxy_is_left_to_its_addresses() -> None:
    check("http://printer/", Reach.ALLOWED)
    check("http://nas.local/", Reach.PUBLIC)


@pytest.mark.parametrize(
    ("addresses", "anywhere", "allowed", "public"),
    [
        ("93.184.216.34 2606:2800::1", "93.184.216.34 2606:2800::1", "same", "same"),
        ("93.184.216.34 127.0.0.1", "93.184.216.34", "same", "same"),
        ("::1 10.0.0.1 93.184.216.34", "93.184.216.34", "same", "same"),
        ("10.0.0.1 ::1", "10.0.0.1 ::1", "10.0.0.1", None),
        ("127.0.0.1 ::1", "127.0.0.1 ::1", None, None),
    ],
)
def test_of_several_addresses_only_permitted_ones_are_chosen(
    addresses: str, anywhere: str, allowed: str | None, public: str | None
) -> None:
    """Otherwise the private one would be reached once the public one fails."""
    expected = {Reach.ANYWHERE: anywhere, Reach.ALLOWED: allowed, Reach.PUBLIC: public}
    for reach, found in expected.items():
        if found is None:
            with pytest.raises(ForbiddenAddress, match=r"^h.example is "):
                chosen(addresses, reach, "10.0.0.0/8")
        else:
            assert chosen(addresses, reach, "10.0.0.0/8") == found.replace("same", anywhere)


def test_a_host_allowed_by_name_may_have_any_address() -> None:
    assert chosen("127.0.0.1 10.0.0.1", Reach.ALLOWED, "h.example") == "127.0.0.1 10.0.0.1"
    assert chosen("127.0.0.1 93.184.216.34", Reach.ALLOWED, "h.example") == "93.184.216.34"
    with pytest.raises(ForbiddenAddress):
        chosen("127.0.0.1", Reach.PUBLIC, "h.example", "127.0.0.1")


def test_long_names_are_cut_in_messages() -> None:
    with pytest.raises(ForbiddenAddress) as caught:
        check(f"http://{'a' * 5000}/", Reach.ALLOWED, is_proxied=True)
    assert len(str(caught.value)) < 700
