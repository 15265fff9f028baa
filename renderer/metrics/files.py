"""The files in which processes count, so that what one has counted outlives it: `counter_<process>.db`, `histogram_<process>.db`.

They are prometheus_client's, which maps them into memory. A page of such a file that the disk has no room for kills who writes it, by
SIGBUS: so each is made here, with all the room that it will need. A process is its number and the time of its start, as for temporary
files: in a container the number alone is the next one's too. Both stay what they are when it executes something else.

    <root>/run/metrics/lock             held by who reads all of them, or puts some together
    <root>/run/metrics/counter_0.db     of those that ended before a reload
    <root>/run/metrics/.…               one that is being made
"""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from renderer import locks
from renderer.placing import is_left, own_name

log = logging.getLogger(__name__)

KINDS = ("counter", "histogram")
GONE = "0"  # stands for all processes that ended

WAIT_SECONDS = 5.0

_NAME = re.compile(rf"({'|'.join(KINDS)})_([0-9.]+)\.db")


@contextmanager
def alone(directory: Path) -> Iterator[bool]:
    """Nobody adds up or puts together meanwhile; whoever dies while it holds this lets go.

    Yields whether that is so: not where the lock cannot be had in time, or cannot be made.
    """
    with ExitStack() as stack:
        is_ours = False
        try:
            is_ours = stack.enter_context(locks.held(directory / "lock", 0, WAIT_SECONDS))
        except OSError as error:
            log.warning("metrics are read without a lock: %s", error)
        yield is_ours


def ours() -> str:
    """What this process is called in the names of its files."""
    return _called(os.getpid())


@functools.cache
def _called(_: int) -> str:
    return own_name().partition("-")[0]


def path_of(directory: Path, kind: str, process: str) -> Path:
    return directory / f"{kind}_{process}.db"


@contextmanager
def made(path: Path, size: int) -> Iterator[Path]:
    """The file to fill, with room for `size` bytes, which is `path` after that; OSError when the disk has none."""
    fresh = path.with_name(f".{own_name()}")
    try:
        with fresh.open("xb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def make(directory: Path, sizes: Mapping[str, int]) -> None:
    """This process's files, by their kind; OSError when the disk has no room for them."""
    for kind in KINDS:
        with made(path_of(directory, kind, ours()), sizes[kind]):
            pass


def all_of(directory: Path) -> list[Path]:
    """None where there is no such directory."""
    with suppress(OSError):
        return sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
    return []


def ended(directory: Path, kind: str) -> list[Path]:
    """Those of processes that are no more, `GONE` among them. What is ours was not counted by what this process is now."""
    named = [(path, _NAME.fullmatch(path.name)) for path in all_of(directory)]
    return [path for path, match in named if match and match[1] == kind and (match[2] == ours() or is_left(f"{match[2]}-"))]


def sweep(directory: Path) -> None:
    """What was not finished by processes that are no more."""
    for path in directory.glob(".*"):
        if is_left(path.name):
            path.unlink(missing_ok=True)


def forget(directory: Path) -> None:
    """Begin anew: what processes counted that are no more."""
    for kind in KINDS:
        for path in ended(directory, kind):
            path.unlink(missing_ok=True)
