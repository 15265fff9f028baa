"""Files and names that are still there after a power cut, as the store in a directory wants them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from renderer.stores.landing import copy_bytes


def settle(temporary: Path, own_time: int) -> None:
    """As it is, with its original's own time."""
    with temporary.open("r+b", buffering=0) as file:
        _settle(file.fileno(), own_time)


def write(source: int, temporary: Path, own_time: int) -> int:
    """How many bytes there were."""
    written = 0
    with temporary.open("r+b", buffering=0) as target:
        while copied := copy_bytes(source, target.fileno(), 1 << 30):
            written += copied
        _settle(target.fileno(), own_time)
    return written


def _settle(file: int, own_time: int) -> None:
    os.utime(file, (own_time, own_time))
    os.fsync(file)


def sync(directory: Path) -> None:
    """A new or vanished name is durable only when its directory is."""
    with suppress(FileNotFoundError):  # deleted again already
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
