"""A proxy between a client and a real server, for tests: it streams, counts, misbehaves when told to, and can go away and come back.

    with Proxy("http://127.0.0.1:5984") as proxy:
        proxy.url, proxy.port
        proxy.fault = …             # Callable[[Asked], Fault | None], see tests/faults.py
        proxy.before = …            # Callable[[Asked], None], called right before a request is forwarded, in that request's own thread
        proxy.arrived               # (method, path with query) of each request, as it came in
        proxy.answered              # (method, path with query, status) of each answer of the server behind, before the client gets it
        proxy.stop(); proxy.start() # the same port; connections are closed, threads have ended. `before` may do that, too

Clients come with keep-alive, the server behind gets a connection for each request. Headers are passed on as they are, `Host` too, so
signatures stay valid. Something that went wrong in the proxy itself, or in `before`,
is raised at the end of the `with`. Of HTTP it knows what clients of ours use; it must not know what the servers behind it are.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.faults import Answer, Asked, Chooser, Cut, Fault
from tests.wire import Body, ask, chunked

_GONE = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)  # the last one tells it even if there is something left to read


class Answered(NamedTuple):
    method: str
    path: str
    status: int


class Proxy:
    """Kinds of it override `refused`, `forwarded` or both."""

    def __init__(self, upstream_url: str) -> None:
        self.upstream_url = upstream_url
        self.fault: Chooser | None = None
        self.before: Callable[[Asked], None] | None = None
        self.arrived: list[tuple[str, str]] = []
        self.answered: list[Answered] = []
        self.errors: list[BaseException] = []
        self.port = 0
        self._servers: list[_Server] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        server = _Server(self, self.port)
        self.port = server.server_address[1]
        self._servers.append(server)
        server.begin()

    def stop(self) -> None:
        for server in self._servers:
            server.end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if self.errors and error is not None:
            error.add_note(f"the proxy had errors of its own, too: {self.errors}")
        elif self.errors:
            raise BaseExceptionGroup("expected a proxy without errors of its own", self.errors)

    def counted(self, method: str, part: str = "") -> int:
        """How many requests came in that have `part` in path or query."""
        return sum(1 for came, path in list(self.arrived) if came == method and part in path)

    def answer(self, asked: Asked, body: Body) -> Answer:
        """All that happens between a request and its answer."""
        self.arrived.append((asked.method, asked.path))
        refused = self.refused(asked)
        if refused is not None:
            return refused
        fault = (self.fault and self.fault(asked)) or Fault()
        answer = fault.instead(asked)
        if answer is None:
            self._prepare(asked)
            answer = self.forwarded(asked, fault.sent(body, body.length))
            self.answered.append(Answered(asked.method, asked.path, answer.status))
        return fault.answered(answer)

    def _prepare(self, asked: Asked) -> None:
        if self.before is not None:
            self.before(asked)
            if asked.is_over(0):
                raise Cut

    def refused(self, asked: Asked) -> Answer | None:
        """What the server behind would have to refuse before anything else."""

    def forwarded(self, asked: Asked, blocks: Iterable[bytes]) -> Answer:
        return self.ask(asked.method, asked.path, list(asked.headers.items()), blocks)

    def ask(self, method: str, path: str, headers: list[tuple[str, str]], blocks: Iterable[bytes] = ()) -> Answer:
        return ask(self.upstream_url, method, path, headers, blocks)


class _Exchange(BaseHTTPRequestHandler):
    """One request after the other of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (Cut, OSError):  # so it was meant, or the client had enough
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        return True  # not yet: see Body

    def do_GET(self) -> None:
        body = Body(self)
        asked = Asked(self.command, self.path, self.headers, self._is_over)
        answer = self.server.proxy.answer(asked, body)
        try:
            self._send(answer, closes=body.is_awaited)
        finally:
            answer.close()
        if not body.is_awaited:
            for _ in body:  # the rest of what nobody read, or the next request would begin with it
                pass

    do_HEAD = do_PUT = do_POST = do_DELETE = do_COPY = do_OPTIONS = do_GET  # http.server's names

    def _send(self, answer: Answer, closes: bool) -> None:
        """`closes`: the client will not send the body that it announced, or it will; nobody can tell."""
        is_bodiless = self.command == "HEAD" or answer.status in (204, 304)
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() != "content-length" or is_bodiless:
                self.send_header(name, value)
        if closes or self.close_connection:
            self.send_header("Connection", "close")
        if not is_bodiless:
            self.send_header(*("Transfer-Encoding", "chunked") if answer.length is None else ("Content-Length", str(answer.length)))
        self.end_headers()
        if not is_bodiless:
            for block in chunked(answer.blocks) if answer.length is None else answer.blocks:
                self.wfile.write(block)

    def _is_over(self, seconds: float) -> bool:
        """Stopping shuts the connection down, so one look tells both."""
        poll = select.poll()
        poll.register(self.connection, _GONE)
        return bool(poll.poll(seconds * 1000))

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    """Listens from its birth; it keeps account of its connections, to close them, and of their threads, to see them end."""

    request_queue_size = 128  # a crowd may knock at the same moment

    def __init__(self, proxy: Proxy, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Exchange)
        self.proxy = proxy
        self._lock = threading.Lock()
        self._guests: dict[threading.Thread, socket.socket] = {}
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Again is no harm: one of the guests may have called, and has ended only now."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            guests = dict(self._guests)
        for guest in guests.values():
            with suppress(OSError):
                guest.shutdown(socket.SHUT_RDWR)
        for thread in guests:
            if thread is not threading.current_thread():
                thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address))
        with self._lock:
            self._guests = {guest: its for guest, its in self._guests.items() if guest.is_alive()} | {thread: request}
            thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.proxy.errors.append(error)
