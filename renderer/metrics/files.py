"""The files in which processes count, so that what one has counted outlives it: `counter_<pid>.db`, `histogram_<pid>.db`.

They are prometheus_client's, which maps them into memory. A page of such a file that the disk has no room for kills who writes it, by
SIGBUS: so each is made here, with all the room that it will need.

    <root>/run/metrics/lock             held by who reads all of them, or puts some together
    <root>/run/metrics/counter_0.db     of those that ended before a reload
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from renderer import locks

KINDS = ("counter", "histogram")
FILE_BYTES = 1 << 20  # room for what `MOST_SERIES` of each kind need, at 300 bytes each
MOST_SERIES = 3000
GONE = 0  # stands for all processes that ended

WAIT_SECONDS = 5.0


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Nobody adds up or puts together meanwhile; whoever dies while it holds this lets go."""
    with locks.held(directory / "lock", 0, WAIT_SECONDS):
        yield


def path_of(directory: Path, kind: str, pid: int) -> Path:
    return directory / f"{kind}_{pid}.db"


def make(directory: Path, pid: int) -> None:
    """This process's files, with their room; OSError when the disk has none."""
    for kind in KINDS:
        path = path_of(directory, kind, pid)
        path.unlink(missing_ok=True)  # of another process that had this number
        try:
            with path.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def all_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*_*.db") if _pid(path) is not None)


def ended(directory: Path) -> list[Path]:
    """Those of processes that are no more, `GONE` among them."""
    return [path for path in all_of(directory) if not _is_alive(_pid(path) or GONE)]


def sweep(directory: Path) -> None:
    """Begin anew: what processes counted that are no more is forgotten."""
    for path in ended(directory):
        path.unlink(missing_ok=True)


def _pid(path: Path) -> int | None:
    kind, _, number = path.stem.partition("_")
    return int(number) if kind in KINDS and number.isdecimal() else None


def _is_alive(pid: int) -> bool:
    if pid == GONE or pid == os.getpid():  # ours has not counted yet: another process had the number
        return False
    with suppress(ProcessLookupError):
        with suppress(PermissionError):
            os.kill(pid, 0)
        return True
    return False
