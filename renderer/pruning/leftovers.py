"""Sweep away what nobody needs any more: what dead processes left in `tmp/` and `trash/`, and tombstones that no render can remember."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from renderer.placing import is_left

# A render that began before a purge looks for its tombstone before it publishes. None lives as long as this, whatever store hangs.
TOMBSTONE_SECONDS = 24 * 3600.0
STALE_SECONDS = 24 * 3600.0  # of what is in tmp/ and names no process that we could ask for


def sweep(root: Path, now: float, is_dry: bool) -> int:
    """How many were left over."""
    found = list(_left(root, now))
    tombstones = _expired(root / "tombstones", now)
    count = len(found)
    if not is_dry:
        for path in found:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    for path in tombstones:
        count += 1
        if not is_dry:
            path.unlink(missing_ok=True)
    return count


def _left(root: Path, now: float) -> Iterator[Path]:
    for folder in ("tmp", "trash"):
        with suppress(FileNotFoundError):
            for path in list((root / folder).iterdir()):
                with suppress(FileNotFoundError):
                    if is_left(path.name) or now - path.lstat().st_ctime > STALE_SECONDS:
                        yield path


def _expired(tombstones: Path, now: float) -> Iterator[Path]:
    """One directory at a time: there may be as many as there are originals."""
    for folder, _, names in os.walk(tombstones):
        for name in names:
            path = Path(folder) / name
            with suppress(FileNotFoundError):
                if now - path.lstat().st_mtime > TOMBSTONE_SECONDS:
                    yield path
