"""One batch on disk: a directory with what was asked, and what became of it so far.

    asked.json     of which namespace, which outputs, how many originals, since when
    asked          the originals, a line each
    results.part   what became of the first of them, a line each, in their order; it only ever grows
    results        the same, when it is complete
    lock           held by the process that works on it

Only whole lines count. Who is killed leaves half a line at most, which is cut off before the next one is written; that original is done
once more. Nobody counts lines twice: each process remembers how far it has counted.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from renderer import locks
from renderer.errors import NoSpace, NotFound
from renderer.stores.durable import sync
from renderer.stores.landing import NO_SPACE

FAILED = "error: "  # what stands in place of a URL
_HIDDEN = "."  # a directory that is being made, or removed
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Asked:
    """`outputs`: names of renditions; `total`: how many lines; `created`: seconds since 1970 UTC."""

    namespace: str
    outputs: tuple[str, ...]
    created: float
    total: int = 0


@dataclass(frozen=True)
class Count:
    """How many originals are done, how many of them failed, and how many bytes the lines about them have."""

    done: int = 0
    failed: int = 0
    length: int = 0


class Folder:
    """`path`: the directory. NotFound when there is no such batch, or it was removed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            known = json.loads((path / "asked.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"the batch {path.name}") from error
        self.asked = Asked(known["namespace"], tuple(known["outputs"]), known["created"], known["total"])
        self._counting = threading.Lock()  # guards the next line
        self._count = Count()
        self._reached = (0, 0)  # so many lines of what was asked end at this byte

    def results(self) -> Path | None:
        """The file with a line for each original, as long as the batch is kept; None when some are missing."""
        path = self.path / "results"
        return path if path.exists() else None

    def count(self) -> Count:
        """As it stands now; only what was added since the last time is read."""
        with self._counting, suppress(FileNotFoundError), (self.path / "results.part").open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._count.length:  # a power cut took lines with it
                self._count = Count()
            file.seek(self._count.length)
            for lines in _whole(file):
                found = self._count
                failed = found.failed + lines.count(b"\t" + FAILED.encode())
                self._count = Count(found.done + lines.count(b"\n"), failed, found.length + len(lines))
        return self._count

    def alone(self) -> AbstractContextManager[bool]:
        """Whether nobody else works on it, until the end of the block."""
        return locks.held(self.path / "lock", 0, 0)

    def rest(self, most: int) -> Iterator[str]:
        """At most so many originals of which there is no result yet."""
        done = self.count().done
        with (self.path / "asked").open("rb") as file:
            lines, offset = self._reached if self._reached[0] <= done else (0, 0)
            file.seek(offset)
            for _ in range(done - lines):
                file.readline()
            self._reached = done, file.tell()
            for line in islice(file, most):
                yield line.decode().removesuffix("\n")

    @contextmanager
    def adding(self) -> Iterator[Callable[[str], None]]:
        """What adds a result, a line without its end. Behind the block the batch has ended if that was the last. NoSpace."""
        with _on_disk(), (self.path / "results.part").open("ab", buffering=0) as file:
            file.truncate(self.count().length)
            yield lambda line: _write(file, line)
            if self.count().done >= self.asked.total:
                os.fsync(file.fileno())
                (self.path / "results.part").rename(self.path / "results")
                sync(self.path)


def _whole(file: BinaryIO) -> Iterator[bytes]:
    """What follows in `file`, in blocks of whole lines; a piece of one at the end is left out."""
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        lines, end, rest = (rest + block).rpartition(b"\n")
        yield lines + end


def _write(file: BinaryIO, line: str) -> None:
    """In one piece, so that nobody sees half of it."""
    content = line.encode("utf-8", "backslashreplace") + b"\n"
    if file.write(content) != len(content):
        raise NoSpace("no space for the results of a batch")


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise NoSpace("no space for a batch") from error
        raise


def make(path: Path, asked: Asked, lines: Iterable[str], permit: AbstractContextManager[object] = nullcontext()) -> None:
    """A batch of `lines`, all of it or nothing, durable when this returns. What `lines` raises, or NoSpace, leaves nothing.

    `permit`: what is entered for the moment in which it becomes one; what it raises leaves nothing either.
    """
    new = path.with_name(_HIDDEN + path.name)
    try:
        with _on_disk():
            new.mkdir(parents=True)
            total = 0
            with (new / "asked").open("wb") as file:
                for line in lines:
                    file.write(line.encode() + b"\n")
                    total += 1
                _settle(file)
            with (new / "asked.json").open("wb") as file:
                file.write(json.dumps(asdict(replace(asked, total=total))).encode())
                _settle(file)
            with permit:
                new.rename(path)
            sync(path.parent)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def remove(path: Path) -> None:
    """At once for everybody, then file by file."""
    away = path.with_name(_HIDDEN + path.name)
    with suppress(FileNotFoundError):  # somebody else was faster
        path.rename(away)
        shutil.rmtree(away, ignore_errors=True)


def ended(path: Path) -> float | None:
    """When the last original of a batch was done, in seconds since 1970 UTC; None when that is to come."""
    with suppress(FileNotFoundError):
        return (path / "results").stat().st_mtime
    return None


def below(root: Path) -> list[Path]:
    """Every batch there."""
    with suppress(FileNotFoundError):
        return [Path(entry.path) for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(_HIDDEN)]
    return []


def sweep(root: Path, before: float) -> None:
    """Take away what was half made or half removed by who was killed before that time."""
    with suppress(FileNotFoundError):
        for entry in os.scandir(root):
            if entry.name.startswith(_HIDDEN) and entry.stat().st_mtime < before:
                shutil.rmtree(entry.path, ignore_errors=True)
