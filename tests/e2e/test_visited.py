"""Which requests set the visited bit, through a real nginx: a sweep relies on it."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.pruning.recency import manners
from tests.running import Nginx, free_port
from tests.waiting import wait_until

WAYS = {
    "sendfile on": "sendfile on;",
    "sendfile off": "sendfile off;",
    "open_file_cache": "sendfile on; open_file_cache max=100 inactive=600s; open_file_cache_valid 600s;",
    "aio": "sendfile off; directio 512; aio threads;",
}
ASKED = {
    "GET": ("GET", {}, 200, True),
    "Range": ("GET", {"Range": "bytes=10-99"}, 206, True),
    "HEAD": ("HEAD", {}, 200, False),
    "304": ("GET", {"If-None-Match": "the etag"}, 304, False),
}
CONFIGURATION = """
{user} daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi; {way}
    server {{ listen 127.0.0.1:{port}; root {directory}/root; }}
}}
"""


@pytest.fixture(params=WAYS, ids=lambda way: way.replace(" ", "-"))
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A file behind an nginx that delivers in this way, and its port."""
    if not manners(tmp_path).sees_visits:
        pytest.skip("expected a file system that keeps access times as relatime does")
    path, port = tmp_path / "root/picture.jpg", free_port()
    path.parent.mkdir()
    path.write_bytes(os.urandom(50_000))
    user = "" if os.geteuid() else "user root;"  # or its worker could not come here
    text = CONFIGURATION.format(user=user, directory=tmp_path, port=port, way=WAYS[request.param])
    with Nginx(text, tmp_path / "nginx", port):
        yield path, port


def ask(port: int, method: str, headers: dict[str, str], path: Path) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        status = path.stat()
        etag = f'"{int(status.st_mtime):x}-{status.st_size:x}"'
        connection.request(method, "/picture.jpg", headers={name: value.replace("the etag", etag) for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def is_visited(path: Path) -> bool:
    status = path.stat()
    return status.st_atime_ns > status.st_ctime_ns


def is_cleared(path: Path) -> bool:
    """Clears it as a sweep does; and then the kernel's coarse clock goes on, so that the next reading shows."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    spare = path.with_name("spare")

    def has_ticked() -> bool:
        spare.write_bytes(b"")
        return spare.stat().st_mtime_ns > path.stat().st_ctime_ns

    wait_until(has_ticked, 5, "a tick of the clock")
    return not is_visited(path)


@pytest.mark.parametrize("asked", ASKED)
def test_a_reading_sets_the_bit_and_what_reads_nothing_does_not(served: tuple[Path, int], asked: str) -> None:
    path, port = served
    method, headers, status, is_reading = ASKED[asked]
    os.utime(path, (1_300_000_000, 1_300_000_000))
    assert ask(port, "GET", {}, path) == 200  # open_file_cache holds it from now on
    wait_until(lambda: is_cleared(path), 5, "nginx to have done with it")  # a thread of its may come late
    assert ask(port, method, headers, path) == status
    assert is_visited(path) == is_reading
    wait_until(lambda: is_cleared(path), 5, "the bit to be clear again")
