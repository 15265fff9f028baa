"""HTTP/1.1 as it is on the wire, for a proxy of tests: a request's body as it comes in, and a server asked for an answer."""

from __future__ import annotations

import http.client
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

from tests.faults import Answer, Cut, answer_of

BLOCK_BYTES = 64 * 1024
_UPSTREAM_SECONDS = 60.0  # pouchdb-server takes 3 s to keep 20 MB
# Between two neighbours only (RFC 9110, 7.6.1), and Expect, which is answered by the proxy; none of them is ever signed.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "proxy-connection"})


def ask(url: str, method: str, path: str, headers: list[tuple[str, str]], blocks: Iterable[bytes] = ()) -> Answer:
    """The answer of the server at `url`, its body unread; 502 if there is none."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=_UPSTREAM_SECONDS)
    try:
        _send(connection, method, path, headers, blocks)
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return answer_of(502, f"expected an answer from {url}, got {error!r}")
    except BaseException:
        connection.close()
        raise
    return Answer(response.status, kept(response.getheaders()), response.length, _blocks(response), _closing(response, connection))


def _send(connection: http.client.HTTPConnection, method: str, path: str, headers: list[tuple[str, str]], blocks: Iterable[bytes]) -> None:
    is_chunked = any(name.lower() == "transfer-encoding" for name, _ in headers)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in [*kept(headers), *[("Transfer-Encoding", "chunked")] * is_chunked]:
        connection.putheader(name, value)
    connection.endheaders()
    with suppress(BrokenPipeError, ConnectionResetError):  # it has answered without hearing all
        for block in chunked(blocks) if is_chunked else blocks:
            connection.send(block)


def kept(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


def chunked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in filter(None, blocks):
        yield b"%x\r\n%b\r\n" % (len(block), block)
    yield b"0\r\n\r\n"


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while block := response.read(BLOCK_BYTES):
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise Cut from error
    if response.length:  # read() with a size does not mind
        raise Cut


def _closing(response: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> Callable[[], None]:
    def close() -> None:
        response.close()
        connection.close()

    return close


class Body:
    """The body of a request, block by block; a client that waits for leave to send it gets that at the first block."""

    def __init__(self, exchange: BaseHTTPRequestHandler) -> None:
        self._exchange = exchange
        self._is_chunked = "chunked" in exchange.headers.get("Transfer-Encoding", "").lower()
        self.length = None if self._is_chunked else int(exchange.headers.get("Content-Length") or 0)
        self.is_awaited = exchange.headers.get("Expect", "").lower() == "100-continue" and self.length != 0
        self._unread = self._chunks() if self._is_chunked else self._pieces(self.length or 0)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.is_awaited:
            self.is_awaited = False
            self._exchange.send_response_only(100)
            self._exchange.end_headers()
        return next(self._unread)

    def _pieces(self, length: int) -> Iterator[bytes]:
        while length:
            block = self._read(min(length, BLOCK_BYTES))
            length -= len(block)
            yield block

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._exchange.rfile.readline().partition(b";")[0] or b"0", 16):
            yield from self._pieces(size)
            self._exchange.rfile.readline()
        while self._exchange.rfile.readline().strip():
            pass  # trailers

    def _read(self, most: int) -> bytes:
        """A client that goes away is not to be mistaken for a server that does."""
        try:
            block = self._exchange.rfile.read1(most)
        except OSError as error:
            raise Cut from error
        if not block:
            raise Cut
        return block
