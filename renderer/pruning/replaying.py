"""Visits from nginx's access log, where the file system does not tell them: each sets the bit that a read would have set.

A file of the cache was visited when its access time is later than the change of its inode (renderer/pruning/recency.py). A write of the
times makes the change now, so the access time is set a little ahead of that; whoever writes the times as they are later clears the bit. The
mtime belongs to the original and to the memo, and stays. The first reading of a file, the miss's own, is no visit.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from renderer.pruning.access_log import Replay

MOST_RECENT = 65_536  # files that are known to be marked already: some 4 MB

_TICKS_NS = 20_000_000  # several ticks of the kernel's coarse clock, by which the inode's change is written
_COARSE_NS = 2_000_000_000  # what file systems round times to at the most
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # not to hang on a pipe that somebody left here


@dataclass
class Replayed:
    """`lines` of the log, of which some are `passed_over` as none of ours; `visits`: lines by which a file of the cache was visited;
    `files` that were marked, some twice where there are very many; `gone`: visits of what is not in the cache any more; `lost_files`: logs
    that went before they were read to their end.
    """

    lines: int = 0
    passed_over: int = 0
    visits: int = 0
    files: int = 0
    gone: int = 0
    lost_files: int = 0


def replay(
    log: Path, state: Path, served: Path, *, is_stopping: Callable[[], bool] = bool, most_recent: int = MOST_RECENT
) -> Replayed:  # fmt: skip
    """Mark what was visited since the last replay with this `state`, as that account which owns the files; `served`: the cache's `files/`.

    Once it returns, writing a file's times as they are clears the mark. OSError for a log that cannot be read, or a state that cannot be
    written; a log that is not there is an empty one.
    """
    reading = Replay(log, state, is_stopping)
    marks, done, recent = _Marks(served), Replayed(), set[int]()
    for logged in reading:
        if not logged.is_visit or not logged.filename.startswith(marks.prefix):
            continue
        if (key := hash(logged.filename)) not in recent:
            if not marks.mark(logged.filename):
                done.gone += 1
                continue
            done.files += 1
            if len(recent) >= most_recent:
                recent.clear()
            recent.add(key)
        done.visits += 1
    marks.settle()
    told = reading.told
    done.lines, done.passed_over, done.lost_files = told.lines, told.passed_over, told.lost_files
    return done


class _Marks:
    """`served`: the directory as nginx's configuration names it; whether that is a link itself makes no difference."""

    def __init__(self, served: Path) -> None:
        self.prefix, self._real = f"{served}/", os.path.realpath(served)
        self._skew_ns, self._margin_ns, self._marked_at = 0, _TICKS_NS, -math.inf

    def mark(self, filename: str) -> bool:
        """Whether this is a regular file of the cache, and has its bit now. OSError for one that is not ours to mark."""
        below = filename[len(self.prefix) :]
        try:
            descriptor = os.open(filename, _OPEN)
        except OSError as error:
            if error.errno in _NO_FILE:
                return False
            raise
        try:
            # where it really is: no link and no `..` on the way leads out of the cache, and nobody has moved it to `trash/`
            if os.readlink(f"/proc/self/fd/{descriptor}") != f"{self._real}/{below}":
                return False
            return self._mark(descriptor)
        finally:
            os.close(descriptor)

    def _mark(self, descriptor: int) -> bool:
        """By the descriptor, so that the mtime which stays is that of this file, and not of one that took its name meanwhile."""
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return False
        if not self._written(descriptor, status.st_mtime_ns):
            # another clock than ours, as on a server of files, or one that rounds
            self._skew_ns, self._margin_ns = os.fstat(descriptor).st_ctime_ns - time.time_ns(), _COARSE_NS
            self._written(descriptor, status.st_mtime_ns)
        self._marked_at = time.monotonic()
        return True

    def _written(self, descriptor: int, mtime_ns: int) -> bool:
        os.utime(descriptor, ns=(time.time_ns() + self._skew_ns + self._margin_ns, mtime_ns))
        status = os.fstat(descriptor)
        return status.st_atime_ns > status.st_ctime_ns

    def settle(self) -> None:
        """Until then the marks are in the future, and times that are written as they are would leave them standing."""
        time.sleep(max(self._marked_at + (self._margin_ns + _TICKS_NS) / 1e9 - time.monotonic(), 0.0))
