"""How many may write at once. Threads that answer requests are for misses first: a store that hangs must not have all of them.

Nobody waits for a seat, for that would take a thread too: nginx has the body, and who sent it comes again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from renderer.errors import Busy

RETRY_SECONDS = 5


def seats_for_writes(threads: int, waiting: int) -> int:
    """Of the threads that misses never need, three quarters, for pages need some; never more than these, so that misses keep theirs."""
    return max(1, (threads - waiting) * 3 // 4)


class Seats:
    """`most` in all; for one namespace two thirds of them, so that those of a store that hangs leave some for others."""

    def __init__(self, most: int) -> None:
        self._most, self._most_of_one = most, max(1, most * 2 // 3)
        self._lock = threading.Lock()  # guards the next line
        self._taken: Counter[str] = Counter()

    @contextmanager
    def seat(self, namespace: str = "") -> Iterator[None]:
        """Write to `namespace`, or to several, inside the block; Busy at once when too many do."""
        with self._lock:
            if self._taken.total() >= self._most or self._taken[namespace] >= self._most_of_one:
                raise Busy("too many write at once", RETRY_SECONDS)
            self._taken[namespace] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[namespace] -= 1
                if not self._taken[namespace]:
                    del self._taken[namespace]
