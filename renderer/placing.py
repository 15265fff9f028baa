"""Temporary files and final names: who a file belongs to, and how it gets to a directory that somebody else may be removing."""

from __future__ import annotations

import contextlib
from pathlib import Path

from renderer.errors import Busy

_TRIES = 20  # every lost race means that a pruner or a purge made progress


def is_alive(pid: str) -> bool:
    """Whether the process that a temporary file is named after still runs."""
    return pid.isdigit() and Path("/proc", pid).exists()


def place(made: Path, final: Path) -> Path:
    """Rename `made` to `final`, making directories as needed; Busy when they vanish again and again."""
    for _ in range(_TRIES):
        # `mkdir` looks a second time at a directory that was there, and raises FileExistsError when it is gone by then
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            final.parent.mkdir(parents=True, exist_ok=True)
            return made.rename(final)
    raise Busy(f"the directory of {final.name} is being removed")
