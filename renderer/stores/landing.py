"""Where an original's bytes come down: a local file, counted while it is written, and gone again unless all went well.

Every store's `get` uses it, so that the byte limit (R12), the mtime and the cleaning up are the same for all of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from renderer.errors import NoSpace, TooManyBytes

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_FAST_COPY = frozenset({errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})
_CHUNK_BYTES = 1024 * 1024


class Landing:
    """A file being written. `length`: bytes so far."""

    def __init__(self, target: Path, max_bytes: int) -> None:
        self.target, self.max_bytes, self.length = target, max_bytes, 0
        with full_disk_is_no_space():
            self._file = target.open("wb", buffering=0)

    def expect(self, length: int) -> None:
        """TooManyBytes for what is announced, before any of it is read."""
        if length > self.max_bytes:
            raise TooManyBytes(f"expected at most {self.max_bytes} bytes for an original, got {length}")

    def write(self, chunk: bytes) -> None:
        self.expect(self.length + len(chunk))
        with full_disk_is_no_space():
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        self.length += len(chunk)

    def copy(self, source: int, length: int) -> None:
        """`length` bytes of the file descriptor `source`, or as many as there are."""
        self.expect(self.length + length)
        with full_disk_is_no_space():
            self.length += copy_bytes(source, self._file.fileno(), length)

    def settle(self, time: int) -> None:
        """All is well: keep the file, with the original's own time (decision 26)."""
        os.utime(self._file.fileno(), (time, time))
        self._file.close()

    def close(self) -> None:
        if not self._file.closed:
            self._file.close()
            self.target.unlink(missing_ok=True)


@contextmanager
def landing(target: Path, max_bytes: int) -> Iterator[Landing]:
    """After the body `target` is there if, and only if, the body settled it."""
    ground = Landing(target, max_bytes)
    try:
        yield ground
    finally:
        ground.close()


def copy_bytes(source: int, target: int, length: int) -> int:
    """At most `length` bytes between two file descriptors, in the kernel or as a reflink where it can; how many there were."""
    done, step = 0, _copy_range
    while done < length:
        try:
            copied = step(source, target, length - done)
        except OSError as error:
            if step is not _copy_range or done or error.errno not in _NO_FAST_COPY:
                raise
            step = _read_write  # another file system, or one that cannot
            continue
        if not copied:
            break
        done += copied
    return done


def _copy_range(source: int, target: int, length: int) -> int:
    return os.copy_file_range(source, target, length)


def _read_write(source: int, target: int, length: int) -> int:
    chunk = os.read(source, min(length, _CHUNK_BYTES))
    view = memoryview(chunk)
    while view:
        view = view[os.write(target, view) :]
    return len(chunk)


@contextmanager
def full_disk_is_no_space() -> Iterator[None]:
    """What the system says of a full disk, as we say it: NoSpace."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise NoSpace(f"expected room for an original, got {error.strerror}") from error
        raise
