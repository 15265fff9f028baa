"""How far each file of the access log was read, in a small JSON file, so that rotation loses no line and gives none twice; and what was
counted of them, if somebody does.

A file is known again by its inode and the digest of its first bytes; by the digest alone when it was copied or packed. Each that was there
is noted, so that one which nobody knows is new and is read from its beginning.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from renderer.placing import own_name
from renderer.pruning.log_files import MOST_FILES

_VERSION = 1


@dataclass(eq=False)
class Position:
    """`offset`: behind the last whole line that was read, in unpacked bytes; `digest`: of the first `head` of these. `inode`, `size` and
    `mtime_ns` are those of the file before it was read to its end last, `size` -1 where it was not. `is_live`: it was nginx's own then.
    """

    inode: int
    offset: int = 0
    head: int = 0
    digest: str = ""
    size: int = -1
    mtime_ns: int = 0
    is_live: bool = False

    def is_unchanged(self, status: os.stat_result) -> bool:
        return (self.inode, self.size, self.mtime_ns) == (status.st_ino, status.st_size, status.st_mtime_ns)

    def begins(self, head: bytes) -> bool:
        """Whether these are its first bytes."""
        return 0 < self.head <= len(head) and _digest(head[: self.head]) == self.digest

    def advance(self, offset: int, head: bytes) -> None:
        """Read up to `offset`; `head`: the file's first bytes, as many as there are."""
        self.offset, self.head = offset, min(offset, len(head))
        self.digest = _digest(head[: self.head])


def _digest(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()[:32]


class Positions:
    """Those in the file `path`. `is_fresh`: there was none, or none that could be read.

    `beside`: counts of what was read up to there, which are saved in the same file, so that neither goes without the other; what the file
    had of them is added here.
    """

    def __init__(self, path: Path, beside: Counter[str] | None = None) -> None:
        self._path, self._beside = path, beside
        self._known = _loaded(path)
        if beside is not None and self._known is not None:
            beside.update(counts_beside(path))
        self.is_fresh = self._known is None
        self.all: list[Position] = self._known or []

    def known(self, status: os.stat_result, head: Callable[[], bytes]) -> Position | None:
        """Of the file that has this inode, if it is the same still; `head` is asked for only where the file has changed."""
        own = (position for position in self.all if position.inode == status.st_ino)
        return next((found for found in own if found.is_unchanged(status) or found.begins(head())), None)

    def by_head(self, head: bytes) -> Position | None:
        """Of a file that was copied or packed: the one that was read furthest, because a copy may have one of its own."""
        return max((found for found in self.all if found.begins(head)), key=lambda found: found.offset, default=None)

    def note(self, position: Position) -> None:
        """Last, and instead of one of the same file in which there was no line yet."""
        self.all = [each for each in self.all if each is not position and (each.head or each.inode != position.inode)]
        self.all.append(position)

    def note_copy(self, original: Position, status: os.stat_result, head: bytes) -> None:
        """Read as far as what it was copied from; that one may be truncated now, and is not lost then."""
        copy = Position(status.st_ino)
        copy.advance(original.offset, head)
        self.note(copy)
        original.is_live = False

    def save(self) -> None:
        """Atomically. The newest files stand last; so many as a directory is looked through for are kept, gone ones among them."""
        del self.all[: -2 * MOST_FILES]
        content: dict[str, Any] = {"version": _VERSION, "positions": [asdict(position) for position in self.all]}
        text = json.dumps(content if self._beside is None else content | {"beside": self._beside})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f".{self._path.name}-{own_name()}")
        try:
            with fresh.open("w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self._path)
        finally:
            fresh.unlink(missing_ok=True)


def counts_beside(path: Path) -> dict[str, int]:
    """What stands beside the positions in the file `path`; empty where there is nothing of ours."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        content: dict[str, Any] = json.loads(path.read_bytes())
        if content["version"] == _VERSION:
            return {key: int(count) for key, count in content.get("beside", {}).items()}
    return {}


def _loaded(path: Path) -> list[Position] | None:
    with suppress(FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        content: dict[str, Any] = json.loads(path.read_bytes())
        if content["version"] == _VERSION:
            return [_checked(Position(**fields)) for fields in content["positions"]]
    return None


def _checked(position: Position) -> Position:
    """TypeError for what we did not write."""
    kinds = (int, int, int, str, int, int, bool)
    if not all(type(value) is kind for value, kind in zip(asdict(position).values(), kinds, strict=True)):
        raise TypeError(position)
    return position
