"""The same to a statsd, by UDP: never waited for, and what fails is lost.

image-server's names as its source has them, and those of its README beside them.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from statsd import StatsClient

log = logging.getLogger(__name__)

# image-server's README has other names for some of what its source counts; a format stays behind a dot
ALIASES = {
    "processing.version.ok": "image_request",
    "processing.version.failed": "image_request_fail",
    "fetch.original_downloaded": "original_downloaded",
    "fetch.original_unavailable": "original_unavailable",
}


@dataclass(frozen=True)
class Address:
    """Where a statsd listens; `prefix` stands before every name, with or without its dot."""

    host: str
    port: int
    prefix: str


class Statsd:
    """Resolves the name once, in the background; what is counted before that is lost."""

    def __init__(self, address: Address) -> None:
        self._client: StatsClient | None = None
        self._thread = threading.Thread(target=self._open, args=(address,), name="statsd", daemon=True)
        self._thread.start()

    def _open(self, address: Address) -> None:
        from statsd import StatsClient

        try:
            client = StatsClient(address.host, address.port, address.prefix.rstrip("."), ipv6=":" in address.host)
            client._sock.setblocking(False)  # a full buffer of the kernel is no reason to wait either
        except (OSError, UnicodeError) as error:  # the latter for a name that is none
            log.warning("nothing is sent to statsd at %s: %s", address.host, error)
        else:
            self._client = client

    def wait_open(self, seconds: float) -> bool:
        """Whether the name was resolved by then."""
        self._thread.join(seconds)
        return self._client is not None

    def count(self, name: str, form: str = "") -> None:
        """One more, by all its names and in one datagram. `form`: of a rendition's format it is one more too."""
        if self._client is None:
            return
        names = [name, f"{name}.{form}"] if form else [name]
        with self._client.pipeline() as pipeline:
            for each in names:
                pipeline.incr(f"{each}_count")
            if name in ALIASES:
                for each in names:
                    pipeline.incr(each.replace(name, ALIASES[name]))

    def timing(self, name: str, seconds: float) -> None:
        """In milliseconds, which is statsd's unit."""
        if self._client is not None:
            self._client.timing(name, seconds * 1000)

