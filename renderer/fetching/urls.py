"""A URL from somebody else, taken apart once: what is checked is what is asked.

Strict about the host, where two readers of one text disagree and one of them is attacked: an address has one spelling, a name is of
letters, digits, hyphens and underscores. Lenient about the rest, which only its own server reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from renderer.errors import SourceRefused
from renderer.fetching.addresses import Address, read_address

PORTS = {"http": 80, "https": 443}

_MOST_LETTERS = 8000  # nginx takes 8 kB for a request line; nobody has more to say
_MOST_HOST_LETTERS = 253  # DNS
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # `urlsplit` drops some of them without a word
_NETLOC = re.compile(r"(?:\[(?P<literal>[^][]+)\]|(?P<name>[^][:]+))(?::(?P<port>[0-9]{0,5}))?")  # early 3.11 lets [::1]x through
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER_AT_THE_END = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$")  # what browsers and `inet_aton` take for an address
_KEPT = "%/:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True)
class Place:
    """`host`: an ASCII name in small letters, or an address without brackets; `target`: path and query as they go over the wire."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def address(self) -> Address | None:
        """None for a name."""
        try:
            return read_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """As the header `Host` says it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """For the log: a query may be a signature that opens a door."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"


def read_url(url: str) -> Place:
    """SourceRefused for whatever is no plain http or https URL."""
    if len(url) > _MOST_LETTERS:
        raise SourceRefused("too long a URL")
    if _CONTROL.search(url):
        raise SourceRefused("control characters")
    try:
        parts = urlsplit(url)
    except ValueError as error:  # brackets that cannot be
        raise SourceRefused("a host or port that cannot be") from error
    if parts.scheme not in PORTS:
        raise SourceRefused("a scheme other than http and https")
    if "@" in parts.netloc:
        raise SourceRefused("credentials")
    target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    host, port = _read_netloc(parts.netloc)
    return Place(parts.scheme, host, port or PORTS[parts.scheme], target)


def read_redirect(place: Place, location: str) -> Place:
    """Where `place` sends us; SourceRefused as for a URL, and where encryption would be lost."""
    try:
        url = urljoin(f"{place.scheme}://{place.authority}{place.target}", location.strip())
    except ValueError as error:
        raise SourceRefused("a host or port that cannot be") from error
    found = read_url(url)
    if place.scheme == "https" and found.scheme == "http":
        raise SourceRefused("a redirect from https to http")
    return found


def _read_netloc(netloc: str) -> tuple[str, int]:
    """Host and port; 0 = the scheme's."""
    found = _NETLOC.fullmatch(netloc)
    if not found or (found["port"] and not 0 < int(found["port"]) < 65536):
        raise SourceRefused("a host or port that cannot be")
    host = _read_literal(found["literal"]) if found["literal"] else _read_name(found["name"].lower())
    return host, int(found["port"] or 0)


def _read_name(text: str) -> str:
    name = _ascii(text).removesuffix(".")
    if len(name) > _MOST_HOST_LETTERS or not _NAME.fullmatch(name):
        raise SourceRefused("a host or port that cannot be")
    return _read_literal(name) if _NUMBER_AT_THE_END.search(name) else name


def _read_literal(host: str) -> str:
    """An address in the one spelling that no two readers take for two: no octal, no hexadecimal, no zone."""
    try:
        if "%" in host:
            raise ValueError(host)
        return str(read_address(host))
    except ValueError as error:
        raise SourceRefused("an address in an unusual spelling") from error


def _ascii(host: str) -> str:
    """xn--… of a name in other letters; not of one that this would turn into another name: ß into ss, foreign digits into an address."""
    if host.isascii():
        return host
    try:
        name = host.encode("idna")
        if name.decode("idna") != host:
            raise ValueError(host)
    except ValueError as error:
        raise SourceRefused("a host in letters that are not its own") from error
    return name.decode("ascii").lower()
