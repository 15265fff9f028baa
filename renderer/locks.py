"""Locks on places in a file, freed by the kernel with their holder (open file description locks, Linux 3.15).

Unlike POSIX locks they exclude threads of one process from one another, and a close elsewhere in the process does not drop them. Unlike
`flock` one file has 2^62 of them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

_FLOCK = "@hhqqi4x"  # struct flock on 64-bit Linux: type, whence, start, length, pid (0 for this kind)
_LONGEST_NAP = 0.02  # seconds; the kernel has no wait with a deadline


@contextlib.contextmanager
def held(file: Path, offset: int, wait_seconds: float | None = None) -> Iterator[bool]:
    """Hold the lock at `offset` of `file`; yields whether it was got. Without `wait_seconds` the wait is the kernel's, without end."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield _got(descriptor, offset, wait_seconds)
    finally:
        os.close(descriptor)


def _got(descriptor: int, offset: int, wait_seconds: float | None) -> bool:
    wish = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
    if wait_seconds is None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, wish)
        return True
    deadline, nap = time.monotonic() + wait_seconds, 0.001
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wish)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        else:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(nap)
        nap = min(2 * nap, _LONGEST_NAP)
