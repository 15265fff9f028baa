"""Temporary files and final names: who a file belongs to, and how it gets to a directory that somebody else may be removing."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from pathlib import Path

from renderer.errors import Busy

_counter = itertools.count()
_TRIES = 20  # every lost race means that a pruner or a purge made progress


def own_name() -> str:
    """A name for a temporary file that nobody else has. It begins with our process, so that a later start can tell whether that lives."""
    return f"{_own(os.getpid())}-{time.monotonic_ns()}-{next(_counter)}"


@functools.cache
def _own(pid: int) -> str:
    """Of the process that asks: it stays what it is, and a fork of it has another number."""
    return _process(pid)


def is_left(name: str) -> bool:
    """Whether the process that a temporary file is named after is gone."""
    pid, _, _ = name.lstrip(".").partition(".")
    return not pid.isdigit() or not name.lstrip(".").startswith(_process(int(pid)) + "-")


def _process(pid: int) -> str:
    """Number and start time, in ticks since boot: the number alone is always the same in a container. '?' for one that is gone."""
    try:
        return f"{pid}.{Path(f'/proc/{pid}/stat').read_text('ascii', 'replace').rpartition(')')[2].split()[19]}"
    except OSError:
        return "?"


def place(made: Path, final: Path) -> Path:
    """Rename `made` to `final`, making directories as needed; Busy when they vanish again and again."""
    for _ in range(_TRIES):
        # `mkdir` looks a second time at a directory that was there, and raises FileExistsError when it is gone by then
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            final.parent.mkdir(parents=True, exist_ok=True)
            return made.rename(final)
    raise Busy(f"the directory of {final.name} is being removed")
