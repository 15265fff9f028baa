"""nginx's access log and what rotation made of it: access.log, access.log.1, access.log.2.gz, or access.log-20261127.gz."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

MOST_FILES = 400  # the newest: a year of daily rotation; so what is kept of each stays small, whatever lies in the directory
BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)  # what reading a damaged or unfinished gzip raises

HEAD_BYTES = 4096  # by which a file is known again: each line has its time in milliseconds, so that the heads of two logs differ

_BUFFER_BYTES = 1 << 16


class _Rotated(NamedTuple):
    number: int
    date: str
    name: str
    mtime: float


def family(log: Path) -> list[Path]:
    """All that belong to `log`, oldest first, itself last. A gzip beside the plain file that it is made from is left out: unfinished."""
    found, names = [], set()
    shape = re.compile(rf"{re.escape(log.name)}(?:\.(?P<number>[0-9]{{1,6}})|-(?P<date>[0-9][0-9_-]{{5,30}}))(?:\.gz)?")
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(log.parent) as entries:
        for entry in entries:
            match = shape.fullmatch(entry.name)
            with suppress(FileNotFoundError):
                if match and entry.is_file():
                    names.add(entry.name)
                    found.append(_Rotated(int(match["number"] or 0), match["date"] or "", entry.name, entry.stat().st_mtime))
    ordered = _oldest_first([file for file in found if not file.name.endswith(".gz") or file.name[:-3] not in names])
    return [log.parent / file.name for file in ordered[-(MOST_FILES - 1) :]] + [log] * log.is_file()


def _oldest_first(files: list[_Rotated]) -> list[_Rotated]:
    """By what the names tell; by the time of the last line where there are both kinds of names."""
    if all(file.number for file in files):
        return sorted(files, key=lambda file: -file.number)
    if all(file.date for file in files):
        return sorted(files, key=lambda file: file.date)
    return sorted(files, key=lambda file: file.mtime)


class Opened:
    """A log that was opened. `stream`: its bytes, unpacked if need be, at the first; `status`: as it was before that was read."""

    def __init__(self, file: BinaryIO, is_packed: bool) -> None:
        self.status = os.fstat(file.fileno())
        self._file, self._packed = file, gzip.GzipFile(fileobj=file) if is_packed else None
        self.stream: IO[bytes] = file if self._packed is None else cast(IO[bytes], self._packed)
        self._head: bytes | None = None

    def head(self) -> bytes:
        """The first bytes, as many as there are now. Ask before the stream is read. Empty for what is packed and broken."""
        if self._packed is None:
            return os.pread(self._file.fileno(), HEAD_BYTES, 0)
        if self._head is None:
            self._head = b""
            with suppress(*BROKEN):
                self._head = self._packed.read(HEAD_BYTES)
        return self._head


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    with path.open("rb", buffering=_BUFFER_BYTES) as file:
        yield Opened(file, path.suffix == ".gz")
