"""One GET to one address that was checked before: nothing here looks up a name, follows a redirect or knows a proxy.

The only place that knows urllib3. Its connections are used one by one and not its pools: those are for who asks the same host again.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from socket import socket
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from renderer import __version__
from renderer.errors import SourceUnavailable
from renderer.fetching.addresses import Address
from renderer.fetching.deadlines import Deadline
from renderer.fetching.urls import Place
from renderer.fields import shown

__all__ = ["Answer", "HTTPConnection", "asked", "connected"]

_BLOCK_BYTES = 64 * 1024
_MOST_DIGITS = 20  # of a length that somebody may have meant; Python refuses to read more than 4300
# What is no body, or comes in crumbs, costs us work and its sender nothing: interim answers, trailers, chunks of a byte. What an honest
# answer has of these, a hundred headers included, is far below.
_CRUMB_BYTES = 256  # that a line, or a read, counts for
_FREE_BYTES = 128 * 1024  # of lines and crumbs, besides as many as came in all
# No cookies, no credentials; nothing encoded, or a few bytes could unpack to many.
_HEADERS = {"User-Agent": f"onmiss/{__version__}", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity", "Connection": "close"}


class Answer:
    """What came back: `status`, and the body as it arrives."""

    def __init__(self, response: urllib3.BaseHTTPResponse, deadline: Deadline) -> None:
        self._response, self._deadline = response, deadline
        self.status, self.location = response.status, response.headers.get("Location", "")

    @property
    def length(self) -> int:
        """Bytes as announced, 0 if they are not."""
        announced = self._response.headers.get("Content-Length", "")
        return int(announced.lstrip("0")[:_MOST_DIGITS] or 0) if announced.isascii() and announced.isdigit() else 0

    def blocks(self) -> Iterator[bytes]:
        """The body; SourceSlow, or SourceUnavailable for one that is encoded, broken, or shorter than announced.

        One that only ends with its connection, as HTTP/1.0 has it, cannot be seen to be short.
        """
        for header, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
            coding = self._response.headers.get(header, plain)
            if coding.strip().lower() not in (plain, ""):
                raise SourceUnavailable(f"a body in the encoding {shown(coding)}")
        while block := self._block():
            yield block

    def _block(self) -> bytes:
        with _border(self._deadline):
            return self._response.read(_BLOCK_BYTES, decode_content=False)


@contextmanager
def connected(place: Place, address: Address, seconds: float, deadline: Deadline, context: ssl.SSLContext) -> Iterator[HTTPConnection]:
    """A connection to `address`, encrypted and verified for the host of `place` where that is https.

    `seconds`: for the connection, and as many again for its encryption, so that a fetch may miss its deadline by the second.
    """
    timeout = min(seconds, deadline.left())
    if place.scheme == "https":
        connection: HTTPConnection = HTTPSConnection(
            str(address), place.port, timeout=timeout, ssl_context=context, server_hostname=place.host
        )
    else:
        connection = HTTPConnection(str(address), place.port, timeout=timeout)
    connection.response_class = _punctual(deadline)
    try:
        with _border(deadline):
            connection.connect()
        yield connection
    finally:
        connection.close()


@contextmanager
def asked(connection: HTTPConnection, place: Place, deadline: Deadline) -> Iterator[Answer]:
    """The answer, as long as the body of the `with` takes to read it."""
    with _border(deadline):
        connection.request("GET", place.target, headers=_HEADERS | {"Host": place.authority}, preload_content=False, decode_content=False)
        response = connection.getresponse()
    try:
        yield Answer(response, deadline)
    finally:
        response.close()


def _punctual(deadline: Deadline) -> type[HTTPResponse]:
    """A response that gives each of its reads, headers and sizes of chunks included, only the time that is left.

    A socket's own limit is for one read, and who sends a byte a second never meets it.
    """

    class Punctual(HTTPResponse):
        def __init__(self, sock: socket, *arguments: Any, **named: Any) -> None:
            super().__init__(sock, *arguments, **named)
            self.fp = _Bounded(_Timed(self.fp.detach(), sock, deadline, _Crumbs()))

    return Punctual


class _Crumbs:
    """How much of what came was good for nothing; HTTPException beyond what is free."""

    def __init__(self) -> None:
        self._left = _FREE_BYTES

    def note_read(self, length: int) -> None:
        self._spend(_CRUMB_BYTES - length)

    def note_line(self, length: int) -> None:
        self._spend(_CRUMB_BYTES + 2 * length)  # its bytes were read, and so were taken for good ones

    def _spend(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise HTTPException("expected a body, got lines and crumbs")


class _Timed(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket, deadline: Deadline, crumbs: _Crumbs) -> None:
        self._raw, self._socket, self._deadline, self.crumbs = raw, sock, deadline, crumbs

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._socket.settimeout(self._deadline.left())
        length = self._raw.readinto(buffer)
        self.crumbs.note_read(length or 0)
        return length

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Bounded(io.BufferedReader):
    """`http.client` takes a chunk of -1 bytes for all that will ever come, and would hold it in memory; and lines as long as they come."""

    raw: _Timed

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self.raw.crumbs.note_line(len(line))
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise HTTPException(f"expected a size to read, got {size}")
        return super().read(size)


@contextmanager
def _border(deadline: Deadline) -> Iterator[None]:
    """urllib3's errors, and those that it lets through, to ours. The client is told no more than it could see by itself."""
    try:
        yield
    except urllib3.exceptions.NewConnectionError as error:  # a kind of time-out, to urllib3
        raise SourceUnavailable("no connection") from error
    except (TimeoutError, urllib3.exceptions.TimeoutError) as error:
        deadline.left()  # when it is the whole time that is over, this says so
        raise SourceUnavailable("no connection in time") from error
    except (ssl.SSLError, urllib3.exceptions.SSLError) as error:
        raise SourceUnavailable("no encryption that can be trusted") from error
    except (OSError, ValueError, HTTPException, urllib3.exceptions.HTTPError) as error:
        raise SourceUnavailable("a broken answer") from error
