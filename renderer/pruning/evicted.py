"""Who was evicted lately, in a ring file of fixed size: what is rendered again soon after should have stayed.

    8 bytes "onmiss-e", 8 bytes how many records were ever written; then records: 8 bytes of a hash, 4 bytes seconds since 1970

Nothing is synced and nothing is checked: a record that was half written when the power went has a hash that no path has.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from renderer.stores.landing import NO_SPACE

RECORDS = 100_000  # 1.2 MB
FILE = "prune/evicted"  # below the cache's root

_MAGIC = b"onmiss-e"
_HEAD, _RECORD = struct.Struct("<8sQ"), struct.Struct("<QI")
_BATCH = 1000  # records that are written together
_FUTURE = 60  # seconds by which clocks may differ


class Evicted:
    """The ring file `path`, with room for `records`. For one writer; whoever reads needs no lock."""

    def __init__(self, path: Path, records: int = RECORDS) -> None:
        self._path, self._records = path, records
        self._unwritten: list[bytes] = []

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """What was noted is written at the end, at the latest."""
        try:
            yield self
        finally:
            self.flush()

    def note(self, path: str, now: float) -> None:
        """`path`: of the rendition below `files/`, and not of an alias; `now`: seconds since 1970."""
        self._unwritten.append(_RECORD.pack(key_of(path), int(now) & 0xFFFFFFFF))
        if len(self._unwritten) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what was noted. A full disk, which may be why something is evicted, takes these records and hinders nobody."""
        unwritten, self._unwritten = self._unwritten[-self._records :], []
        if unwritten:
            try:
                self._write(unwritten)
            except OSError as error:
                if error.errno not in NO_SPACE:
                    raise

    def _write(self, records: list[bytes]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            count = _count(os.pread(descriptor, _HEAD.size, 0))
            if not count and os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, 0)
            while records:
                slot = count % self._records
                part, records = records[: self._records - slot], records[self._records - slot :]
                os.pwrite(descriptor, b"".join(part), _HEAD.size + slot * _RECORD.size)
                count += len(part)
            os.pwrite(descriptor, _HEAD.pack(_MAGIC, count), 0)
        finally:
            os.close(descriptor)

    def within(self, seconds: float, now: float | None = None) -> dict[int, list[int]]:
        """Those evicted in the last `seconds`: by `key_of` their path, when, in seconds since 1970. Empty where nothing was noted."""
        now = time.time() if now is None else now
        content = b""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            content = file.read(_HEAD.size + self._records * _RECORD.size)
        if not _count(content):
            return {}
        found: dict[int, list[int]] = {}
        whole = len(content) - (len(content) - _HEAD.size) % _RECORD.size
        for key, at in _RECORD.iter_unpack(content[_HEAD.size : whole]):
            if at and now - seconds <= at <= now + _FUTURE:
                found.setdefault(key, []).append(at)
        return found


def key_of(path: str) -> int:
    """64 bits for a path below `files/`."""
    return int.from_bytes(hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")


def _count(head: bytes) -> int:
    """How many records were ever written; 0 for a file that is not ours."""
    if len(head) < _HEAD.size:
        return 0
    magic, count = _HEAD.unpack_from(head)
    return int(count) if magic == _MAGIC else 0
