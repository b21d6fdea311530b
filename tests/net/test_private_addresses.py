"""Which addresses are public, in every form."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.net.private_addresses import kind_of, literal_address, unwrapped


@pytest.mark.parametrize(
    ("addresses", "kind"),
    [
        ("0.0.0.0 0.1.2.3 ::", "an unspecified"),
        ("127.0.0.1 127.255.255.254 ::1", "a loopback"),
        ("10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1", "a private"),
        ("fc00::1 fd00:ec2::254", "a private"),
        ("169.254.169.254 169.254.0.1 fe80::1 febf::1 fe80::1%eth0", "a link-local"),
        ("fec0::1 feff::1", "a site-local"),
        ("100.64.0.1 100.127.255.255", "a shared (CGNAT)"),
        ("192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1", "a documentation"),
        ("224.0.0.1 239.255.255.250 ff02::1 ff0e::1", "a multicast"),
        ("240.0.0.1 255.255.255.255 192.0.0.1 192.88.99.1 198.18.0.1 198.19.255.255", "a reserved"),
        ("100::1 2001:2::1 4000::1 5f00::1 ::127.0.0.1 ::ffff:0:127.0.0.1", "a reserved"),
        ("64:ff9b:1::7f00:1 64:ff9b:1:ffff::1", "a local NAT64"),
        ("2001::1 2001:0:4136:e378:8000:63bf:80ff:fffe", "a Teredo"),
        ("::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::", "a loopback"),
        ("::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1::1", "a private"),
        ("::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::", "a link-local"),
    ],
)
def test_special_addresses_are_named(addresses: str, kind: str) -> None:
    assert [kind_of(ip_address(address)) for address in addresses.split()] == [
        kind for _ in addresses.split()
    ]


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.216.34", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1"),
        *("192.169.0.1", "223.255.255.255", "2606:2800:220:1::1", "2a00:1450::1", "2620:0:1::1"),
        *("::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2002:5db8:d822::1"),
    ],
)
def test_public_addresses_have_no_kind(address: str) -> None:
    assert kind_of(ip_address(address)) is None


@given(address=st.ip_addresses())
def test_what_ipaddress_calls_local_is_never_public(address: IPv4Address | IPv6Address) -> None:
    inner = unwrapped(address)
    is_special = inner.is_private or inner.is_multicast or inner.is_reserved or not inner.is_global
    assert kind_of(address) is not None or not is_special


@given(inner=st.ip_addresses(v=4))
def test_an_ipv4_address_is_recognized_within_ipv6(inner: IPv4Address) -> None:
    number = int(inner)
    mapped = IPv6Address(0xFFFF << 32 | number)
    nat64 = IPv6Address(int(IPv6Address("64:ff9b::")) | number)
    sixtofour = IPv6Address(0x2002 << 112 | number << 80 | 1)
    for outer in (mapped, nat64, sixtofour):
        assert unwrapped(outer) == inner
        assert kind_of(outer) == kind_of(inner)


FORMS = [
    *("127.0.0.1", "2130706433", "017700000001", "0x7f000001", "0X7F000001", "0x7f.1", "127.1"),
    *("0177.0.0.1", "0x7f.0x0.0x0.0x1", "127.0.1", "0", "0x7f.0.1", "00000177.1", "10.1"),
    *("3232235777", "0xa9fea9fe", "169.16689662", "4294967295"),
]


@pytest.mark.parametrize("form", FORMS)
def test_numeric_forms_are_read_as_the_resolver_reads_them(form: str) -> None:
    try:
        found = socket.getaddrinfo(form, None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pytest.fail(f"the resolver does not read {form}")
    assert str(literal_address(form)) == found[0][4][0]


@pytest.mark.parametrize(
    ("form", "address"),
    [
        *(("127.0.0.1.", "127.0.0.1"), ("::1", "::1"), ("fe80::1%eth0", "fe80::1")),
        *(
            ("::FFFF:127.0.0.1", "::ffff:7f00:1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("127.1.", "127.0.0.1"),
        ),
    ],
)
def test_other_forms_of_addresses_are_read(form: str, address: str) -> None:
    assert literal_address(form) == ip_address(address)


@pytest.mark.parametrize(
    "name",
    [
        "example.org",
        "1.example",
        "0x7g",
        "0x",
        "256.256.256.256",
        "1.2.3.4.5",
        "4294967296",
        "",
        ".",
        "a",
    ],
)
def test_names_are_no_addresses(name: str) -> None:
    assert literal_address(name) is None
