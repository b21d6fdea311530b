"""Entries of ``allowed_hosts``."""

from ipaddress import ip_address

import pytest

from digestbot.net import AllowedHosts


@pytest.mark.parametrize(
    ("entry", "covered", "others"),
    [
        (
            "Intranet.example.org",
            ["intranet.example.org", "INTRANET.EXAMPLE.ORG."],
            ["example.org"],
        ),
        ("intranet.example.org.", ["intranet.example.org"], ["a.intranet.example.org", "org"]),
        ("*.example.org", ["a.example.org", "a.b.example.org"], ["example.org", "badexample.org"]),
        ("printer", ["printer"], ["printer.example.org"]),
        ("bücher.example", ["xn--bcher-kva.example"], ["bucher.example"]),
        ("10.0.0.0/8", [], ["10.0.0.1", "intranet.example.org"]),
    ],
)
def test_names_are_exact_unless_they_begin_with_a_star(
    entry: str, covered: list[str], others: list[str]
) -> None:
    allowed = AllowedHosts.parse([entry])
    assert [host for host in covered if not allowed.covers_name(host)] == []
    assert [host for host in others if allowed.covers_name(host)] == []


@pytest.mark.parametrize(
    ("entry", "covered", "others"),
    [
        ("10.0.0.0/8", "10.1.2.3 ::ffff:10.1.2.3 64:ff9b::a01:203 2002:a01:203::1", "11.0.0.1 ::1"),
        ("10.1.2.3/8", "10.200.0.1", "11.0.0.1"),
        ("127.0.0.1", "127.0.0.1 ::ffff:127.0.0.1", "127.0.0.2 ::1"),
        ("[::1]", "::1", "127.0.0.1"),
        ("fd00::/8", "fd12::1", "fc00::1 10.0.0.1"),
        ("64:ff9b:1::/48", "64:ff9b:1::7f00:1", "127.0.0.1"),
        ("example.org", "", "127.0.0.1 ::1"),
    ],
)
def test_networks_cover_addresses_and_what_leads_to_them(
    entry: str, covered: str, others: str
) -> None:
    allowed = AllowedHosts.parse([entry])
    assert [each for each in covered.split() if not allowed.covers_address(ip_address(each))] == []
    assert [each for each in others.split() if allowed.covers_address(ip_address(each))] == []


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "http://intranet",
            "intranet/x",
            "intranet:80",
            "127.1",
            "0x7f.1",
            "10.0.0.0/99",
            "10.0.0.0-10.0.0.9",
            "2130706433",
            "",
        ),
        *("*", "*.", "a..b", "-a", "a b", "a@b", "[::1", "*.*.org", "ｘ\u200d.example", "."),
    ],
)
def test_other_entries_are_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r'" is not a host; write a name \(intranet.example.org'):
        AllowedHosts.parse([entry])


def test_nothing_is_allowed_by_default() -> None:
    assert not AllowedHosts().covers_name("localhost")
    assert not AllowedHosts().covers_name("")
    assert not AllowedHosts().covers_address(ip_address("127.0.0.1"))
