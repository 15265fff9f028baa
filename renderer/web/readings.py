"""The numbers that are read when somebody asks: from the front, the pruner's notes, the file system and nginx.

What cannot be read is absent.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renderer.build import build
from renderer.metrics import Reading
from renderer.pruning.totals import answers
from renderer.web.health import Check

log = logging.getLogger(__name__)

NGINX_SECONDS = 1.0  # a look at its own figures, from beginning to end; it may be busy with everything else
_MOST_BYTES = 4096  # of them, with their headers
SLOW_SECONDS = 60.0  # how long a number is kept that is counted file by file

_STATUS = re.compile(
    r"Active connections: (\d+) *\nserver accepts handled requests\n *(\d+) (\d+) (\d+) *\nReading: (\d+) Writing: (\d+) Waiting: (\d+)"
)


@dataclass(frozen=True)
class Limits:
    """Bounds of the configuration, beside what they bound; `cache_bytes`: None for none."""

    waiting: int
    queue: int
    cache_bytes: int | None


@dataclass(frozen=True)
class Places:
    """`cache`: its root; `pruning`: where the pruner keeps its notes; `nginx`: HOST:PORT of the admin host, where nginx tells its own."""

    cache: Path
    pruning: Path
    nginx: str


class Readings:
    """`load`: what the front knows, as the admin host shows it; `stores`: checks by the name of the store."""

    def __init__(
        self, load: Callable[[], Mapping[str, Any]], queued: Callable[[], int], limits: Limits, places: Places, stores: Mapping[str, Check]
    ) -> None:  # fmt: skip
        self._load, self._queued, self._limits, self._places, self._stores = load, queued, limits, places, stores

    def __call__(self) -> Iterator[Reading]:
        for read in (_build, self._front, self._health, self._disk, self._pruner, self._answers, self._nginx):
            try:
                yield from read()
            except Exception:  # a page with a gap tells more than none
                log.exception("metrics: %s", read.__name__)

    def _front(self) -> Iterator[Reading]:
        load = self._load()
        yield Reading("onmiss_waiting_requests", load["requests"]["waiting"])
        yield Reading("onmiss_waiting_requests_limit", self._limits.waiting)
        yield Reading("onmiss_render_queue_length", self._queued())
        yield Reading("onmiss_render_queue_limit", self._limits.queue)
        yield Reading("onmiss_render_processes", len(load["render_processes"]["render"]))
        yield Reading("onmiss_quarantined", load["quarantined"])
        if load["owed"] is not None:
            yield Reading("onmiss_owed_originals", load["owed"])

    def _health(self) -> Iterator[Reading]:
        """Looked at now, for the next time; nobody waits."""
        for name, check in self._stores.items():
            check.begin()
            is_well = check.is_well()
            if is_well is not None:
                yield Reading("onmiss_store_up", is_well, (name,))

    def _disk(self) -> Iterator[Reading]:
        status = os.statvfs(self._places.cache)
        yield Reading("onmiss_disk_size_bytes", status.f_blocks * status.f_frsize)
        yield Reading("onmiss_disk_free_bytes", status.f_bavail * status.f_frsize)
        if status.f_files:
            yield Reading("onmiss_disk_files_free", status.f_favail)

    def _pruner(self) -> Iterator[Reading]:
        if self._limits.cache_bytes is not None:
            yield Reading("onmiss_cache_limit_bytes", self._limits.cache_bytes)
        state = _noted(self._places.pruning / "state")
        totals, last = state.get("totals") or {}, state.get("last") or {}
        if totals:
            yield Reading("onmiss_pruner_passes_total", totals["passes"])
            yield Reading("onmiss_pruner_evicted_bytes_total", totals["evicted_bytes"])
            yield Reading("onmiss_pruner_seconds_total", totals["seconds"])
            yield from (Reading("onmiss_pruner_evicted_total", count, (reason,)) for reason, count in totals["evicted"].items())
        if last:
            yield Reading("onmiss_pruner_last_pass_timestamp_seconds", state["at"] + last["seconds"])
            yield Reading("onmiss_cache_files", last["scanned"] - sum(last["evicted"].values()))
            yield Reading("onmiss_cache_unmet_bounds", len(last["unmet"]))
            yield from (Reading("onmiss_cache_bytes", size, (name,)) for name, size in last["by_namespace"].items())

    def _answers(self) -> Iterator[Reading]:
        for key, count in answers(self._places.pruning).items():
            answer, namespace, status = key.split(" ")
            yield Reading("onmiss_nginx_requests_total", count, (answer, namespace, status))

    def _nginx(self) -> Iterator[Reading]:
        match = _STATUS.search(_asked(self._places.nginx))
        if match is None:
            return
        active, accepted, handled, requests, *states = map(int, match.groups())
        yield Reading("onmiss_nginx_connections", active, ("active",))
        for state, count in zip(("reading", "writing", "waiting"), states, strict=True):
            yield Reading("onmiss_nginx_connections", count, (state,))
        yield Reading("onmiss_nginx_connections_accepted_total", accepted)
        yield Reading("onmiss_nginx_connections_handled_total", handled)
        yield Reading("onmiss_nginx_http_requests_total", requests)


def _build() -> Iterator[Reading]:
    known = build()
    yield Reading("onmiss_build_info", 1, (known.version, platform.python_version()))
    yield Reading("image_server_build_info", 1, ("none", known.version, known.git_hash, known.built))


def _noted(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}


def _asked(address: str) -> str:
    """What nginx says of itself; '' when it is not there, or is another's."""
    deadline, (host, _, port), answer = time.monotonic() + NGINX_SECONDS, address.rpartition(":"), b""
    with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), NGINX_SECONDS) as connection:
        connection.sendall(f"GET /nginx_status HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())  # 1.0: it ends with the connection
        while len(answer) < _MOST_BYTES and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)  # http.client would begin anew with every byte
            if not (more := connection.recv(_MOST_BYTES)):
                status, _, rest = answer.partition(b"\r\n")
                return rest.decode("ascii", "replace") if status.split(b" ")[1:2] == [b"200"] else ""
            answer += more
    return ""


def remembered(count: Callable[[], int], seconds: float = SLOW_SECONDS) -> Callable[[], int]:
    """`count`, but asked once in so long."""
    found: Sequence[float] = ()

    def counted() -> int:
        nonlocal found
        now = time.monotonic()
        if not found or now > found[0]:
            found = (now + seconds, count())
        return int(found[1])

    return counted
