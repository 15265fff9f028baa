"""Which originals were deleted: for a while they are gone rather than unknown, and what legacy sources still have stays deleted for good.

One small file a deletion, outside the cache, which may be thrown away. It is written before anything is removed and names the deletion
unfinished until all of it went: till then the original is gone whatever a store still has, so that neither a crash nor a store that refuses
keeps it public. Afterwards a store that has it is right: another machine put it again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from renderer.errors import Gone, NoSpace
from renderer.placing import is_left, own_name, place
from renderer.rendition import Ref

Mark = tuple[int, int] | None  # which record stood: inode and nanoseconds

GONE_SECONDS = 30 * 24 * 3600.0


@dataclass(frozen=True)
class _Record:
    """`time`: seconds since 1970; `for_good`: it never expires."""

    ref: str
    time: float
    for_good: bool
    unfinished: bool


class Deletions:
    """`seconds`: how long a deleted original is gone (410) before it is as if it had never been (404); `now`: seconds since 1970.

    `claims`: the file whose places are locked by who puts or deletes.
    """

    def __init__(self, directory: Path, seconds: float = GONE_SECONDS, now: Callable[[], float] = time.time) -> None:
        self._directory, self._seconds, self._now = directory, seconds, now
        self.claims = directory.with_name(f"{directory.name}.claims")

    def record(self, ref: Ref, for_good: bool = False) -> None:
        """It is gone from now on, and durably so on return. What was recorded for good stays so."""
        old = self._read(ref)
        if old and old.unfinished and (old.for_good or not for_good):
            _sync(self._path(ref).parent)  # who wrote it may have been killed before that
            return
        self._write(ref, _Record(str(ref), self._now(), for_good or (old is not None and old.for_good), unfinished=True))

    def finish(self, ref: Ref) -> None:
        """Nothing of it is left; unless it was put again since."""
        record = self._read(ref)
        if record and record.unfinished:
            self._write(ref, replace(record, time=self._now(), unfinished=False))

    def check(self, ref: Ref) -> None:
        """Gone when it was deleted, and not put again since."""
        if self._read(ref):
            raise Gone(ref)

    def is_unfinished(self, ref: Ref) -> bool:
        """Whether it is being deleted, or was and something may be left."""
        record = self._read(ref)
        return record is not None and record.unfinished

    def check_unfinished(self, ref: Ref) -> None:
        """Gone when it is being deleted, or was and something may be left."""
        if self.is_unfinished(ref):
            raise Gone(ref)

    def mark(self, ref: Ref) -> Mark:
        """What `check_since` compares."""
        try:
            stat = self._path(ref).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def check_since(self, ref: Ref, mark: Mark) -> None:
        """Gone when it was deleted since `mark` was taken, and not put again."""
        now = self.mark(ref)
        if now is not None and (now != mark or self.is_unfinished(ref)):
            raise Gone(ref)

    def clear(self, ref: Ref) -> None:
        """It was put again. Durable too: an unfinished deletion that came back would hide it."""
        path = self._path(ref)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            _sync(path.parent)

    def sweep(self) -> None:
        """Remove what dead processes were writing."""
        for left in (self._directory / "tmp").glob("*"):
            if is_left(left.name):
                left.unlink(missing_ok=True)

    def _read(self, ref: Ref) -> _Record | None:
        """What stands and has not expired, as only what is finished does. An unreadable record counts as a deletion for good: nothing that
        was deleted comes back by a fault of ours. As a finished one, though: it never hides what a store has.
        """
        try:
            record = _Record(**json.loads(self._path(ref).read_text(encoding="utf-8")))
            expires = record.time + self._seconds
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            return _Record(str(ref), 0.0, for_good=True, unfinished=False)
        return record if record.for_good or record.unfinished or self._now() < expires else None

    def _write(self, ref: Ref, record: _Record) -> None:
        fresh, path = self._directory / "tmp" / own_name(), self._path(ref)
        try:
            for directory in (fresh.parent, path.parent):
                _make(directory)
            with fresh.open("x", encoding="utf-8") as file:
                file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            place(fresh, path)
            _sync(path.parent)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NoSpace(f"no space to note that {ref} was deleted", retry_after=10) from error
        finally:
            fresh.unlink(missing_ok=True)

    def _path(self, ref: Ref) -> Path:
        name = hashlib.sha256(str(ref).encode()).hexdigest()
        return self._directory / name[:2] / name


def _make(directory: Path) -> None:
    """A directory whose own name is durable."""
    if not directory.is_dir():
        _make(directory.parent)
        directory.mkdir(exist_ok=True)
        _sync(directory.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
