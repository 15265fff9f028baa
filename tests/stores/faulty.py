"""A server on the loopback that speaks as much of S3 as it takes to be broken in every way."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LAST_MODIFIED = "Tue, 01 Jan 2008 00:00:00 GMT"
LAST_MODIFIED_SECONDS = 1_199_145_600


class Exchange(BaseHTTPRequestHandler):
    """One request being answered; what answers write with."""

    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client had enough, as it should
            self.close_connection = True

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(Seen(self.command, self.path, dict(self.headers), sent))
        self.server.answer(self)

    do_HEAD = do_PUT = do_DELETE = do_GET

    def begin(self, status: int = 200, **headers: Any) -> None:
        """Status line and headers; `_` in a name stands for `-`."""
        self.send_response(status)
        for name, value in {"Last_Modified": LAST_MODIFIED, **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")  # a kept one would keep its thread
        self.end_headers()

    def reset(self) -> None:
        """RST instead of FIN."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.finish_early()

    def finish_early(self) -> None:
        self.close_connection = True
        self.connection.close()

    def hang(self, seconds: float = 60) -> None:
        """Until the test is over."""
        self.close_connection = True
        self.server.over.wait(seconds)

    def log_message(self, *_: Any) -> None:
        pass


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


Answer = Callable[[Exchange], None]


class FaultyServer(ThreadingHTTPServer):
    daemon_threads = False  # joined at the end: nothing is left behind
    block_on_close = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answer, self.over = answer, threading.Event()
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(answer: Answer) -> Iterator[FaultyServer]:
    with FaultyServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def error(status: int, code: str) -> Answer:
    """An error as S3 says it. HEAD has no body, so no code."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up \n by a server</Message></Error>".encode()

    def answer(exchange: Exchange) -> None:
        exchange.begin(status, Content_Type="application/xml", Content_Length=len(body))
        if exchange.command != "HEAD":
            exchange.wfile.write(body)

    return answer


def whole(content: bytes, **headers: Any) -> Answer:
    """An object as it should be, but for its `headers`."""

    def answer(exchange: Exchange) -> None:
        exchange.begin(Content_Length=len(content), **headers)
        if exchange.command != "HEAD":
            exchange.wfile.write(content)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """One after the other; the last one ever after."""
    left = list(answers)

    def answer(exchange: Exchange) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return answer
