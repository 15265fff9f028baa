"""The cache's directories, one original after the other, in memory that does not grow with their number.

What is not named as ours is never touched: it is counted, and passed over. Names are read with their inodes; only one name of a file is
asked for more, because aliases are hard links beside it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from renderer.errors import BadRequest
from renderer.recipe import BESIDE, Qualities, parse_recipe
from renderer.rendition import PATH_PART, Namespace, Ref

ALIAS = "~"  # what the name of an alias begins with; and a path-named original's directory of renditions
_GENERATION = re.compile(r"[0-9]{1,6}-[a-z]+")
_PART = re.compile(PATH_PART)


@dataclass(frozen=True)
class Leaf:
    """The directory of one original. `position`: where the walk stands, below `files/`."""

    ref: Ref
    path: str
    position: str


@dataclass
class Foreign:
    """What lies below `files/` and is not ours; `examples`: some of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, path: str) -> None:
        self.count += 1
        if len(self.examples) < 5:
            self.examples.append(path)


class Tree:
    """`served`: the directory `files/`; `generation`: the one that is made now, others are of old."""

    def __init__(self, served: Path, generation: str, namespaces: Mapping[str, Namespace]) -> None:
        self.served, self.generation, self._namespaces = str(served), generation, namespaces
        self.foreign = Foreign()
        self.directories = 0

    def generations(self) -> list[str]:
        """The present one, last, after those whose number is lower: they are of old. What is as new as ours may be served by somebody whose
        configuration, or environment, is another, and is left alone.
        """
        found, ours = [], int(self.generation.partition("-")[0])
        for name in _names(self.served):
            is_old = _GENERATION.fullmatch(name) and int(name.partition("-")[0]) < ours
            found.append(name) if is_old or name == self.generation else self.foreign.add(name)
        return sorted(found, key=lambda name: (name == self.generation, name))

    def leaves(self, generation: str, start: str = "", only: str = "") -> Iterator[Leaf]:
        """Every original of which there is something, from the position `start` on, or from the beginning where that is not there any
        more. `only`: of one namespace.
        """
        for name in _names(f"{self.served}/{generation}"):
            space = self._namespaces.get(name)
            if space is None:
                self.foreign.add(f"{generation}/{name}")
            elif only in ("", name):
                own = f"{generation}/{name}"
                begins = start if start == own or start.startswith(f"{own}/") else ""
                if begins or not start or own > start:
                    yield from self._sharded(space, own, begins) if space.naming.shards else self._named(space, own, begins)

    def forget_empty(self, generation: str) -> None:
        """Remove the directory of a generation of which nothing is left."""
        own = f"{self.served}/{generation}"
        with suppress(OSError):
            for name in _names(own):
                os.rmdir(f"{own}/{name}")
            os.rmdir(own)

    def _sharded(self, space: Namespace, own: str, start: str) -> Iterator[Leaf]:
        for position in self._shards(own, len(space.naming.shards)):
            if position < start:
                continue
            prefix = position[len(own) + 1 :].replace("/", "")
            with self._opened(position) as entries:
                for entry in entries:
                    if not entry.name.startswith(prefix):
                        self.foreign.add(f"{position}/{entry.name}")
                    elif leaf := self._leaf(space, entry, entry.name, position):
                        yield leaf

    def _shards(self, position: str, depth: int) -> Iterator[str]:
        """In order, so that a walk can go on where another stopped: there are some 30 to 65 thousand at most."""
        for name in _names(f"{self.served}/{position}"):
            self.directories += 1
            if depth > 1:
                yield from self._shards(f"{position}/{name}", depth - 1)
            else:
                yield f"{position}/{name}"

    def _named(self, space: Namespace, own: str, start: str) -> Iterator[Leaf]:
        """Path-named originals, as the file system has them: one directory may have a million of them, so nothing is put in order."""
        wanted = start[len(own) + 1 :].partition("/")[0]
        if wanted and not os.path.isdir(f"{self.served}/{own}/{wanted}"):
            wanted = ""
        with self._opened(own) as entries:
            for entry in entries:
                if wanted and entry.name != wanted:
                    continue
                wanted = ""
                yield from self._below(space, entry, entry.name, f"{own}/{entry.name}")

    def _below(self, space: Namespace, entry: os.DirEntry[str], name: str, position: str) -> Iterator[Leaf]:
        if not entry.is_dir(follow_symlinks=False) or not _PART.fullmatch(entry.name):
            self.foreign.add(position)
            return
        self.directories += 1
        with self._opened(position) as inner:
            for child in inner:
                if child.name == ALIAS:
                    if leaf := self._leaf(space, child, name, position):
                        yield leaf
                else:
                    yield from self._below(space, child, f"{name}/{child.name}", f"{position}/{child.name}")

    def _leaf(self, space: Namespace, entry: os.DirEntry[str], name: str, position: str) -> Leaf | None:
        if entry.is_dir(follow_symlinks=False):
            with suppress(BadRequest):
                self.directories += 1
                return Leaf(space.ref(name), entry.path, position)
        self.foreign.add(f"{position}/{entry.name}")
        return None

    def _opened(self, position: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        return _entries(f"{self.served}/{position}")


@contextmanager
def _entries(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """A directory's; none of one that went meanwhile."""
    try:
        opened = os.scandir(path)
    except (FileNotFoundError, NotADirectoryError):
        yield iter(())
        return
    with opened:
        yield opened


@dataclass(frozen=True)
class File:
    """One file with all its names in the directory of its original; aliases alone may have survived their rendition."""

    names: tuple[str, ...]
    status: os.stat_result


def renditions(path: str) -> list[tuple[str, os.stat_result]] | None:
    """The quick look: each rendition's name and status. None where names do not add up, so that `files` has to look at all of them."""
    found, aliases, others = [], 0, 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name[0] == ALIAS:
                    aliases += 1
                else:
                    status = entry.stat(follow_symlinks=False)
                    others += status.st_nlink - 1
                    found.append((entry.name, status))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if aliases == others else None


def files(path: str) -> list[File]:
    """Every regular file of a directory, with all its names."""
    names: dict[int, list[str]] = {}
    statuses: dict[int, os.stat_result] = {}
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    names.setdefault(status.st_ino, []).append(entry.name)
                    statuses[status.st_ino] = status
    return [File(tuple(sorted(found, key=lambda name: name[0] == ALIAS)), statuses[inode]) for inode, found in names.items()]


def is_rendition(name: str) -> bool:
    """Whether we would publish something under this name: what no grammar of ours spells is somebody else's."""
    stem, dot, extension = name.rpartition(".")
    if name.startswith((ALIAS, BESIDE)):
        return bool(dot and stem[1:] and extension)
    with suppress(BadRequest):
        return bool(parse_recipe(stem, extension, Qualities()))
    return False


def _names(path: str) -> list[str]:
    """Of the directories in it."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return []
