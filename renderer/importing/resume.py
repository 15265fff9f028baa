"""State: a file that remembers what an import has done, so that a repeat after a crash or a power cut goes on where it stopped.

    onmiss import: what is done, a line each
    0f3a…<TAB>huimages/EQ53…01<TAB>"photos/a.jpg"

A text that only ever grows: one line a file, written in one piece after its original is stored and printed, so that whatever kills us
costs at most the last line, which is torn then, ignored, and cut off. Synced in batches: what a power cut takes with it is only done
again. Lines begin with a digest of path, length and mtime (so any path will do), of which 16 bytes a file stay in memory, 10 MB for
100,000; a database would need less of it, and would need a library to be read, and to be repaired.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

from renderer.errors import BadRequest, Conflict, NoSpace
from renderer.stores.landing import NO_SPACE

HEADER = b"onmiss import: what is done, a line each\n"
_LINE = re.compile(rb"([0-9a-f]{32})\t[^\n]*\n")
SYNC_LINES, SYNC_SECONDS = 100, 1.0  # an fsync costs some milliseconds, about as much as a file


class State:
    """For one import at a time; `add` from one thread only. `is_dry`: it is only looked into, whoever uses it."""

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic, is_dry: bool = False) -> None:
        self._path, self._now, self._unsynced, self._synced_at = path, now, 0, now()
        how = os.O_RDONLY | os.O_NONBLOCK if is_dry else os.O_RDWR | os.O_APPEND | os.O_CREAT
        self._descriptor = os.open(path, how | os.O_CLOEXEC, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):  # to read a pipe would never end
                raise BadRequest(f"expected a file for the state of an import, got {path}, which is none")
            if not is_dry:
                self._lock(path)
            self._known, whole = self._read(path)
            if not is_dry:
                self._mend(whole)
        except BaseException:
            os.close(self._descriptor)
            raise

    def knows(self, mark: bytes) -> bool:
        return _digest(mark) in self._known

    def add(self, mark: bytes, ref: str, shown: str) -> None:
        """NoSpace, which names the file: nothing is wrong with what was taken in."""
        digest = _digest(mark)
        self._known.add(digest)
        try:
            os.write(self._descriptor, f"{digest.hex()}\t{ref}\t{json.dumps(shown)}\n".encode())  # json.dumps: ASCII, and in one line
            self._unsynced += 1
            if self._unsynced >= SYNC_LINES or self._now() - self._synced_at > SYNC_SECONDS:
                self._sync()
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            raise NoSpace(f"no space for the state in {self._path}") from error

    def close(self) -> None:
        if self._unsynced:
            self._sync()
        os.close(self._descriptor)

    def _sync(self) -> None:
        os.fsync(self._descriptor)
        self._unsynced, self._synced_at = 0, self._now()

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"expected a state that no other import is using, got {path}") from error

    def _read(self, path: Path) -> tuple[set[bytes], int]:
        """What all whole lines say, and how many bytes those are."""
        known: set[bytes] = set()
        with open(self._descriptor, "rb", closefd=False) as file:
            head = file.readline(len(HEADER))
            if not HEADER.startswith(head):
                raise BadRequest(f"expected the state of an import in {path}, got something else; a new file is begun where there is none")
            whole = len(head) if head == HEADER else 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                if found := _LINE.fullmatch(line):
                    known.add(bytes.fromhex(found[1].decode()))
        return known, whole

    def _mend(self, whole: int) -> None:
        """What is torn at the end is cut off."""
        os.ftruncate(self._descriptor, whole)
        if not whole:
            os.write(self._descriptor, HEADER)


def _digest(mark: bytes) -> bytes:
    return hashlib.blake2b(mark, digest_size=16).digest()
