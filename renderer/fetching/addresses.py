"""Which addresses we may connect to when somebody else names the host (R15).

A table of our own from IANA's registries of special purpose addresses: what `ipaddress` calls global changed within patch releases of
Python, and it does not look at IPv4 addresses within IPv6 ones. A network's own NAT64 prefix looks like any other address; against that,
and whatever else a table cannot know, helps a firewall for what leaves the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What hands out credentials, or all about this machine, to whoever asks: never, though its range be allowed.
_METADATA = frozenset(
    map(
        ip_address,
        """
        169.254.169.254 169.254.169.253 169.254.169.123 169.254.170.2 169.254.170.23 fd00:ec2::254 fd00:ec2::253 fd00:ec2::123 fd00:ec2::23
        fd20:ce::254 100.100.100.200 192.0.0.192 168.63.129.16 169.254.0.23 169.254.42.42 fd00:42::42 fe80::a9fe:a9fe
        """.split(),  # Amazon (EC2 and most others, ECS, EKS), Google, Alibaba, Oracle, Azure, Tencent, Scaleway, OpenStack
    )
)

# Where in these an IPv4 address stands is known to their network only (RFC 8215), so that none can be judged.
_UNJUDGED = IPv6Network("64:ff9b:1::/48")

_CLOSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), kind)
    for network, kind in {
        "0.0.0.0/8": "unspecified",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared by a carrier's customers",
        "127.0.0.0/8": "loopback",
        "169.254.0.0/16": "link-local",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "for protocols",
        "192.0.2.0/24": "for documentation",
        "192.88.99.0/24": "a relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "for benchmarks",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",  # with the broadcast address
        "::/128": "unspecified",
        "::1/128": "loopback",
        "fc00::/7": "private",
        "fe80::/10": "link-local",
        "fec0::/10": "site-local",
        "ff00::/8": "multicast",
        "2001::/23": "for protocols",  # Teredo and benchmarks among them
        "2001:db8::/32": "for documentation",
        "3fff::/20": "for documentation",
    }.items()
)
_GLOBAL6 = IPv6Network("2000::/3")  # all that IANA ever gave away
_NAT64 = IPv6Network("64:ff9b::/96")

# An IPv4 address in their last 32 bits: IPv4-compatible, translated (SIIT), NAT64.
_ENDING_IN_IPV4 = (IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"), _NAT64)
_ISATAP, _ISATAP_MASK = 0x00005EFE, 0xFCFFFFFF  # RFC 5214: the two bits left out say "universal" and "group"


def read_address(text: str) -> Address:
    """An address as a resolver spells it; a mapped one is the IPv4 address that the kernel makes of it. ValueError for anything else."""
    address = ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def objection_to(address: Address, private_networks: Iterable[Network] = ()) -> str:
    """Why nobody may send us there, for the log; empty when we may go. What an IPv6 address carries within is judged like the whole."""
    private_networks = tuple(private_networks)
    for part in (address, *_embedded(address)):
        if part in _METADATA or part in _UNJUDGED:
            return "never allowed"
        if not any(part in network for network in private_networks) and (kind := _kind_of(part)):
            return kind
    return ""


def _kind_of(address: Address) -> str:
    """Empty for a public one."""
    kind = next((kind for network, kind in _CLOSED if address in network), "")
    is_given = address.version == 4 or address in _GLOBAL6 or address in _NAT64
    return kind or ("" if is_given else "reserved")


def _embedded(address: Address) -> Iterator[IPv4Address]:
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    if number > 1 and any(address in network for network in _ENDING_IN_IPV4):  # :: and ::1 are themselves
        yield last
    if (number >> 32) & _ISATAP_MASK == _ISATAP:
        yield last
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo  # server and client
