"""What an import finds: candidates, which may be originals, and what it passes over; and where a candidate's bytes come from.

A candidate is light, because thousands of them wait for a thread: nothing is opened before its turn comes.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from renderer.errors import NotFound
from renderer.limits import Limits
from renderer.placing import own_name
from renderer.stores import Source


@dataclass(frozen=True)
class Opened:
    """A candidate's bytes, from their beginning. `time`: its own, whole seconds since 1970 UTC."""

    stream: BinaryIO
    length: int
    time: int


UNNAMED = "-"  # how a stream is shown that has no name


class Origin(Protocol):
    """Where the bytes of a candidate are. What is down raises StoreUnavailable or Busy, and may be asked again.

    `is_near`: they need not be fetched before one can look at them.
    """

    @property
    def is_near(self) -> bool: ...

    def mark(self) -> bytes:
        """Where it is, its length and its time: equal as long as it is worth believing that the bytes are."""

    def opened(self) -> AbstractContextManager[Opened]:
        """Its bytes, while the block runs."""


@dataclass(frozen=True)
class Said:
    """What the manifest says of one candidate; it comes before what the options say of all."""

    title: str = ""
    types: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """Something that may be an original.

    `shown`: its path or address as it was given; `name`: the same below the folder that was asked for, which is what a namespace with
    `naming: path` calls it; `is_named`: somebody named this very file, so that it is a failure when it is no picture.
    """

    origin: Origin
    shown: str
    name: str
    is_named: bool = True
    said: Said = Said()


@dataclass(frozen=True)
class Passed:
    """What is no candidate, and why. `is_failure`: somebody expected one here; `is_wanted`: somebody asked for it to be passed over."""

    shown: str
    reason: str
    is_failure: bool = False
    is_wanted: bool = False


Found = Candidate | Passed


@dataclass(frozen=True)
class FileOrigin:
    """A file of this machine; its own time is its mtime, which is UTC."""

    path: str
    is_near: bool = True

    def mark(self) -> bytes:
        status = os.stat(self.path)
        return b"%b\0%d\0%d" % (os.fsencode(os.path.abspath(self.path)), status.st_size, status.st_mtime_ns)

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        # a pipe put in a file's place must not keep us waiting for somebody to write
        with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"expected a file, got {kind_of(status.st_mode)}")
            yield Opened(stream, status.st_size, status.st_mtime_ns // 1_000_000_000)


@dataclass(frozen=True)
class KeyOrigin:
    """An object of a store; `where` is its address. It comes down into `scratch`, and is gone from there afterwards."""

    source: Source
    key: str
    where: str
    scratch: Path
    max_bytes: int
    is_near: bool = False

    def mark(self) -> bytes:
        facts = self.source.facts(self.key)
        if facts is None:
            raise NotFound(self.where)
        return b"%b\0%d\0%d" % (self.where.encode(), facts.length, facts.time)

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        self.scratch.mkdir(parents=True, exist_ok=True)
        path = self.scratch / own_name()
        try:
            facts = self.source.get(self.key, path, self.max_bytes)
            if facts is None:  # deleted since it was listed
                raise NotFound(self.where)
            with path.open("rb") as stream:
                yield Opened(stream, facts.length, facts.time)
        finally:
            path.unlink(missing_ok=True)


class StreamOrigin:
    """A stream, which can be read only once: it is kept in memory, for another attempt; no more of it than an original may have."""

    is_near = True

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._stream, self._limits = stream, limits
        self._content: bytes | None = None

    def mark(self) -> bytes:
        """A stream is nowhere and has no time."""
        return b"-\0" + hashlib.sha256(self._read()).digest()

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Its own time is that of the file which it comes from, or now."""
        content, status = self._read(), os.fstat(self._stream.fileno())
        yield Opened(io.BytesIO(content), len(content), int(status.st_mtime if stat.S_ISREG(status.st_mode) else time.time()))

    def _read(self) -> bytes:
        if self._content is None:
            content = self._stream.read(self._limits.max_original_bytes + 1)
            self._limits.judge_bytes(len(content))
            self._content = content
        return self._content


def kind_of(mode: int) -> str:
    """What is no file, in words."""
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
