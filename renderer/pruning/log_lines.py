"""Lines of nginx's access log, in our own format only, to values; what is none is told from what is, and never an exception.

Fields are separated by tabs. nginx writes a quote, a backslash and every byte beyond printable ASCII as \\x09 (`escape=default`), so that a
line splits exactly whatever a client sent; docs/nginx.md describes the fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, NamedTuple

# In the order of renderer/web/nginx.py; a test compares the two, because this module must not know that one.
FIELDS = (
    "$msec", "$status", "$request_method", "$request_uri", "$body_bytes_sent", "$request_filename", "$request_time",
    "$upstream_response_time", "$upstream_http_x_onmiss", "$remote_addr",
)  # fmt: skip

# A request line has at most 8 kB (large_client_header_buffers), an escaped byte is four, and path and file name are two fields of it.
MOST_LINE_BYTES = 128 * 1024

# the first six fields, the ninth and the tenth
_LINE = re.compile(
    rb"([0-9]{1,11}\.[0-9]{3})\t([0-9]{3})\t([!-~]+)\t([^\t]*)\t([0-9]{1,18})\t([^\t]*)\t[^\t]*\t[^\t]*\t([^\t]*)\t[^\t\r\n]+\n"
)
_ESCAPED = re.compile(rb"\\x([0-9A-Fa-f]{2})")


class Logged(NamedTuple):
    """One request. `time`: seconds since 1970, of its end; `uri`: as it was sent, in whatever bytes; `bytes`: of the body that was sent;
    `filename`: the file that was looked up; `is_miss`: the renderer made or found that file.
    """

    time: float
    status: int
    method: str
    uri: bytes
    bytes: int
    filename: str
    is_miss: bool

    @property
    def is_visit(self) -> bool:
        """Whether a file was shown that was there already. That nothing was sent of it (HEAD, 304) makes no difference to whoever asked."""
        return not self.is_miss and self.is_answer

    @property
    def is_answer(self) -> bool:
        """Whether a file was shown, or could have been."""
        return self.status in (200, 206, 304) and self.method in ("GET", "HEAD")


def parse(line: bytes) -> Logged | None:
    """The value of one line, its line feed included; None for another format, NULs, and a file name that is no UTF-8."""
    match = _LINE.fullmatch(line)
    if match is None or b"\0" in line:
        return None
    time, status, method, uri, length, filename, mark = match.groups()
    if b"\\" in line:
        uri, filename = _unescaped(uri), _unescaped(filename)
    try:
        name = filename.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in name:
        return None
    return Logged(float(time), int(status), method.decode(), uri, int(length), name, mark == b"miss")


def _unescaped(field: bytes) -> bytes:
    return _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), field)


def read(stream: IO[bytes], offset: int) -> Iterator[tuple[int, Logged | None]]:
    """Each whole line from where `stream` stands, which is `offset`, with the offset behind it. A last line without its end is left."""
    while line := stream.readline(MOST_LINE_BYTES):
        offset += len(line)
        if line.endswith(b"\n"):
            yield offset, parse(line)
            continue
        if len(line) < MOST_LINE_BYTES:
            return
        rest = _skipped(stream)
        if rest is None:
            return
        offset += rest
        yield offset, None


def _skipped(stream: IO[bytes]) -> int | None:
    """Bytes up to the end of an enormous line; None where it has none yet."""
    length = 0
    while part := stream.readline(MOST_LINE_BYTES):
        length += len(part)
        if part.endswith(b"\n"):
            return length
    return None
