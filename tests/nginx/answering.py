"""A renderer for nginx's tests that renders nothing: it speaks FastCGI, keeps what it was asked, and answers what the test says."""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

Params = dict[str, str]
Answer = Callable[[Params], str | bytes]  # headers, an empty line, body; as a CGI program would print

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6  # record types of the FastCGI specification, version 1


class Answering(socketserver.ThreadingUnixStreamServer):
    """Listens on `path` inside the `with`; `asked` are the parameters of every request so far."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, path: Path, answer: Answer) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(str(path), _Handler)
        self.answer, self.asked, self._path = answer, list[Params](), path
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        self._path.unlink()
        with contextlib.suppress(OSError):
            self._path.parent.rmdir()  # a directory of its own, where the test's was too long for a socket


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server, collected = self.server, b""
        if not isinstance(server, Answering):
            raise TypeError("expected our own server")
        while True:
            head = self.rfile.read(8)
            if len(head) < 8:
                return
            _, kind, number, length, padding = struct.unpack("!BBHHBx", head)
            content = self.rfile.read(length + padding)[:length]
            if kind == PARAMS:
                collected += content
            if kind == STDIN and not content:
                break
        params = _pairs(collected)
        server.asked.append(params)
        answer = server.answer(params)
        body = answer.encode() if isinstance(answer, str) else answer
        records = [struct.pack("!BBHHBx", 1, kind, number, len(content), 0) + content for kind, content in _ending(body)]
        with contextlib.suppress(BrokenPipeError):  # of an X-Accel-Redirect nginx reads no more than the headers
            self.wfile.write(b"".join(records))


def _ending(body: bytes) -> tuple[tuple[int, bytes], ...]:
    return (STDOUT, body), (STDOUT, b""), (END, bytes(8))


def _pairs(data: bytes) -> Params:
    """Name and value, each with its length before it: one byte, or four with the highest bit set."""
    found, at = {}, 0
    while at < len(data):
        lengths = []
        for _ in range(2):
            if data[at] < 128:
                lengths.append(data[at])
                at += 1
            else:
                lengths.append(struct.unpack_from("!I", data, at)[0] & 0x7FFFFFFF)
                at += 4
        name, value = data[at : at + lengths[0]], data[at + lengths[0] : at + sum(lengths)]
        found[name.decode()] = value.decode("utf-8", "surrogateescape")
        at += sum(lengths)
    return found
