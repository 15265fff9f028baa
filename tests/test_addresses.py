"""Which addresses a URL may lead to: every range that is not the public Internet, in every disguise."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from renderer.fetching.addresses import objection_to, read_address

REFUSED = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.0.1 172.16.0.1 172.31.255.255
    192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
    239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 100::1 2001:1::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 3fff::1 5f00::1 fc00::1 fdff::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1
    4000::1 e000::1
""".split()

METADATA = """
    169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd20:ce::254 fe80::a9fe:a9fe
""".split()

# Around one IPv4 address, as %x:%x.
FORMS = {
    "mapped": "::ffff:{0}",
    "compatible": "::{0}",
    "translated": "::ffff:0:{0}",
    "6to4": "2002:{0}::1",
    "NAT64": "64:ff9b::{0}",
    "NAT64 of its own network": "64:ff9b:1::{0}",
    "Teredo server": "2001:0:{0}:0:0:f7f7:f7f7",
    "Teredo client": "2001:0:808:808:0:0:{1}",
    "ISATAP": "2a00:1450:4001:80b:0:5efe:{0}",
    "ISATAP, universal": "2a00:1450:4001:80b:200:5efe:{0}",
}

PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255
    172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 2001:4860:4860::8888 2606:4700::1111
    2a00:1450:4001:80b::200e
""".split()


def within(form: str, text: str) -> IPv6Address:
    """The IPv6 address that carries `text`; a Teredo client stands there with all its bits turned."""
    halves = [f"{number >> 16:x}:{number & 0xFFFF:x}" for number in (int(IPv4Address(text)), int(IPv4Address(text)) ^ 0xFFFFFFFF)]
    return IPv6Address(FORMS[form].format(*halves))


@pytest.mark.feature(113)
@pytest.mark.parametrize("text", [*REFUSED, *METADATA])
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    assert objection_to(read_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_not_even_where_it_touches_another_range(text: str) -> None:
    assert objection_to(read_address(text)) == ""


@pytest.mark.feature(113)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255"])
def test_an_ipv4_address_within_an_ipv6_one_is_judged_too(form: str, text: str) -> None:
    assert objection_to(read_address(str(within(form, text))))


@pytest.mark.parametrize("form", ["mapped", "6to4", "NAT64", "ISATAP", "ISATAP, universal"])
def test_a_public_one_within_a_public_one_is_none_the_worse(form: str) -> None:
    assert objection_to(read_address(str(within(form, "8.8.8.8")))) == ""


@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"mapped"}))
def test_allowing_the_whole_does_not_allow_what_it_carries(form: str) -> None:
    everything = (ip_network("::/0"),)
    assert objection_to(within(form, "10.1.2.3"), everything)
    if form != "NAT64 of its own network":
        assert objection_to(within(form, "10.1.2.3"), (*everything, ip_network("10.0.0.0/8"))) == ""


@pytest.mark.parametrize(
    ("network", "inside", "beside"),
    [("10.1.0.0/16", "10.1.2.3", "10.2.0.1"), ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"), ("::1/128", "::1", "127.0.0.1")],
)
def test_a_private_network_is_reached_by_its_name_only(network: str, inside: str, beside: str) -> None:
    assert objection_to(read_address(inside), (ip_network(network),)) == ""
    assert objection_to(read_address(beside), (ip_network(network),))


@pytest.mark.feature(113)
@pytest.mark.parametrize("text", METADATA)
def test_metadata_are_nobodys_though_all_networks_be_allowed(text: str) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert objection_to(read_address(text), everything) == "never allowed"
    assert objection_to(read_address("10.0.0.1"), everything) == ""


@pytest.mark.parametrize("form", FORMS)
def test_metadata_are_not_found_in_disguise_either(form: str) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert objection_to(read_address(str(within(form, "169.254.169.254"))), everything) == "never allowed"


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0177.0.0.1", "2130706433", "1.2.3.4.5"])
def test_what_is_no_address_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        read_address(text)
