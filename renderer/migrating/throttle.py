"""A limit on bytes a second, shared by all threads that read from the source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST_SECONDS = 0.25  # of the rate that may be used at once: short enough that a second's average is the rate


class Throttle:
    """`bytes_per_second` 0: no limit. `now`: seconds of any clock; `wait`: lets so many seconds pass."""

    def __init__(
        self, bytes_per_second: float = 0, now: Callable[[], float] = time.monotonic, wait: Callable[[float], object] = time.sleep
    ) -> None:  # fmt: skip
        self._rate, self._now, self._wait = bytes_per_second, now, wait
        self._lock = threading.Lock()
        self._free_at = now()  # when everything that was taken is paid for

    def take(self, length: int) -> None:
        """Return when so many bytes more may have been read."""
        if self._rate:
            with self._lock:
                now = self._now()
                self._free_at = max(self._free_at, now - _BURST_SECONDS) + length / self._rate
                owed = self._free_at - now
            if owed > 0:
                self._wait(owed)
