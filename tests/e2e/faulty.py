"""A proxy between a renderer and a real S3 server that can misbehave: the faults of a network and a store, on demand."""

from __future__ import annotations

import http.client
import threading
import urllib.parse
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class FaultyS3:
    """Passes everything on to `upstream` and counts it, until told to `hang`, to `truncate` or to `answer` something else.

    A victim is a part of METHOD PATH; others are passed on. What is asked for need not be S3: it speaks for any server.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urllib.parse.urlsplit(upstream)
        self.seen: list[tuple[str, str]] = []
        self.fault, self.victim = "", ""
        self.healed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.heal()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hang(self, victim: str = "") -> None:
        self._misbehave("hang", victim)

    def truncate(self, victim: str = "") -> None:
        self._misbehave("truncate", victim)

    def answer(self, status: int, victim: str = "") -> None:
        self._misbehave(str(status), victim)

    def _misbehave(self, fault: str, victim: str) -> None:
        self.healed.clear()
        self.fault, self.victim = fault, victim

    def heal(self) -> None:
        self.fault = ""
        self.healed.set()

    def forget(self) -> None:
        self.seen.clear()

    def counted(self, method: str, part: str) -> int:
        return sum(1 for seen_method, path in list(self.seen) if seen_method == method and part in path)


def _handler(proxy: FaultyS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # the client gave up, which is what the test is about
                self.close_connection = True

        def pass_on(self) -> None:
            proxy.seen.append((self.command, self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault if proxy.victim in f"{self.command} {self.path}" else ""
            if fault == "hang":
                proxy.healed.wait(60)
            if fault.isdigit():
                self.send_response(int(fault))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._relay(body, fault)

        def _relay(self, body: bytes, fault: str) -> None:
            assert proxy.upstream.hostname
            with closing(http.client.HTTPConnection(proxy.upstream.hostname, proxy.upstream.port, timeout=30)) as connection:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                response = connection.getresponse()
                self._pass_back(response, response.read(), fault)

        def _pass_back(self, response: http.client.HTTPResponse, content: bytes, fault: str) -> None:
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length"):
                    self.send_header(name, value)
            length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if fault == "truncate" and self.command == "GET":
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            else:
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = pass_on  # http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler
