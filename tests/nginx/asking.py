"""An HTTP client that sends exactly what it is told: dot segments, raw bytes, wrong methods. One request a connection."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Answered:
    """What came back; names of headers in lower case, in the order in which they came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __getitem__(self, name: str) -> str:
        """The header's value, several joined by a comma; empty when there is none."""
        return ", ".join(value for key, value in self.headers if key == name.lower())


def ask(port: int, target: str | bytes, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b"") -> Answered:
    """`target`: the path as it is sent; a text is sent as UTF-8."""
    return send(port, spelled(target, method, headers) + body, method)


def spelled(target: str | bytes, method: str = "GET", headers: dict[str, str] | None = None) -> bytes:
    """The request as it is sent, without a body."""
    lines = [f"{method} ".encode() + (target.encode() if isinstance(target, str) else target) + b" HTTP/1.1"]
    lines += [f"{name}: {value}".encode() for name, value in ({"Host": "127.0.0.1", "Connection": "close"} | (headers or {})).items()]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def send(port: int, raw: bytes, method: str = "GET") -> Answered:
    """The answer to bytes that need not be HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(raw)
        return read_answer(connection, method)


def begun(port: int, target: str) -> socket.socket:
    """A connection on which a GET was sent and nothing read yet."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(spelled(target))
    return connection


def read_answer(connection: socket.socket, method: str = "GET") -> Answered:
    """What comes on a connection; `method` was asked there, as HEAD has no body."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    body = response.read()
    return Answered(response.status, tuple((name.lower(), value) for name, value in response.getheaders()), body)
