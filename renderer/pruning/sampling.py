"""Which file a line of the log is about, whatever name it was asked by, and how many bytes it takes; one line after the other.

A miss names the rendition, a hit the alias that nginx opened: two names of one file. The directory tells, while it is there; of a file that
was evicted since, the miss's own URL is that of the hits that followed.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator

from renderer.pruning.log_lines import Logged

_LATE_SECONDS = 2.0  # nginx is told to write within one (`flush=1s`), each worker for itself
_MOST_HELD = 20_000  # lines

_BLOCK = 4096  # bytes of which a disk gives whole ones
_GUESSED = 20_000  # bytes of a rendition before the first is known


class Ordered:
    """Puts lines of several nginx workers into the order of their times: some are a second late."""

    def __init__(self) -> None:
        self._held: list[tuple[float, bool, int, int, Logged]] = []
        self._count, self._newest = 0, 0.0

    def add(self, key: int, logged: Logged) -> Iterator[tuple[int, Logged]]:
        """Those for which nothing earlier can come any more."""
        self._count, self._newest = self._count + 1, max(self._newest, logged.time)
        # within one millisecond the miss came first
        heapq.heappush(self._held, (logged.time, not logged.is_miss, self._count, key, logged))
        while len(self._held) > _MOST_HELD or self._held[0][0] < self._newest - _LATE_SECONDS:
            yield heapq.heappop(self._held)[3:]

    def rest(self) -> Iterator[tuple[int, Logged]]:
        while self._held:
            yield heapq.heappop(self._held)[3:]


class Named:
    """For lines of sampled originals only: a name that was not heard before is looked up. `most`: names that are remembered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._files: dict[int, int] = {}  # by name
        self._asked: dict[int, int] = {}  # by URL, of misses
        self._sizes: dict[int, int] = {}
        self._known_bytes = self._known_files = 0

    def file(self, logged: Logged) -> int:
        """Its number: that of the inode, where there is one."""
        name = hash(logged.filename)
        found = self._files.get(name)
        if found is None:
            found = self._looked_up(logged, name)
            _remember(self._files, name, found, self._most)
        if logged.is_miss:
            _remember(self._asked, hash(logged.uri), found, self._most)
        return found

    def _looked_up(self, logged: Logged, name: int) -> int:
        try:
            status = os.stat(logged.filename, follow_symlinks=False)
        except (OSError, ValueError):
            return self._asked.get(hash(logged.uri), name)
        self._learn(status.st_ino, status.st_blocks * 512)
        return status.st_ino

    def size(self, file: int, logged: Logged) -> int:
        """Bytes on disk: as they are, or as the answer tells; else those of an average file."""
        known = self._sizes.get(file)
        if known is None and logged.status == 200 and logged.method == "GET":
            known = -(-logged.bytes // _BLOCK) * _BLOCK
            self._learn(file, known)
        return known or self._average()

    def _learn(self, file: int, size: int) -> None:
        if file not in self._sizes:
            self._known_bytes, self._known_files = self._known_bytes + size, self._known_files + 1
            _remember(self._sizes, file, size, self._most)

    def _average(self) -> int:
        return self._known_bytes // self._known_files if self._known_files else _GUESSED


def _remember(known: dict[int, int], key: int, value: int, most: int) -> None:
    """The oldest go where there are too many: they are looked up again."""
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
