"""A proxy in front of a real S3 server that counts what the server answered, and misbehaves as networks and S3 do.

    with s3_faults(rclone_server) as s3:                    # or moto_server
        S3Store("new", prefix=…, **s3.server.settings())    # as from rclone_server; s3.server.client() is boto3's
        s3.fault = sometimes(0.1, 42, slow_down(), only=asks("PUT"))
        s3.seen                     # [Seen("PUT", "key", 200), …]: what the server behind answered, not what the client got
        s3.puts("key")              # how many PUTs of this key succeeded
        s3.stored()                 # Counter({"key": 1, …}): the same of all keys
        s3.arrived                  # ("PUT", "/originals/key"), as it came in, whether answered or not

Faults are those of tests/faults.py and, below, S3's own errors. `hang()` is a timeout, `lose()` a PUT that succeeds though nobody hears
of it. `garble_request()` lets the server itself find the wrong Content-MD5, if it looks (rclone does, moto does not: `bad_digest()`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import unquote

from tests.faults import status
from tests.proxy import Proxy
from tests.servers import S3Server


class Seen(NamedTuple):
    """`key` without bucket, '' for the bucket's own requests (a listing)."""

    method: str
    key: str
    status: int


class S3Faults(Proxy):
    def __init__(self, upstream: S3Server) -> None:
        super().__init__(upstream.endpoint_url)
        self._behind = upstream

    @property
    def server(self) -> S3Server:
        return replace(self._behind, endpoint_url=self.url)

    @property
    def seen(self) -> list[Seen]:
        return [Seen(method, key_of(path), code) for method, path, code in list(self.answered)]

    def puts(self, key: str) -> int:
        return self.stored()[key]

    def stored(self) -> Counter[str]:
        return Counter(seen.key for seen in self.seen if seen.method == "PUT" and 200 <= seen.status < 300)


def s3_faults(upstream: S3Server) -> S3Faults:
    """To be entered; `upstream` runs."""
    return S3Faults(upstream)


def key_of(path: str) -> str:
    """Of a path in path style: /bucket/key?query."""
    return unquote(path.partition("?")[0].lstrip("/").partition("/")[2])


def internal_error() -> status:
    return _error(500, "InternalError", "We encountered an internal error. Please try again.")


def slow_down() -> status:
    return _error(503, "SlowDown", "Please reduce your request rate.")


def bad_digest() -> status:
    return _error(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")


def _error(code: int, name: str, message: str) -> status:
    return status(code, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{name}</Code><Message>{message}</Message></Error>')
