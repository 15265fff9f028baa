"""A store in a directory of this machine: one file an original, its path the key, its mtime the original's own time.

Files are written in `.tmp` below the root, so on the same file system, and renamed: a reader sees a whole file or none, and so does
whoever comes after a power cut. No name of the store is a symbolic link, so nothing can lead out of the root. A file system keeps no
content type and no sides; those facts stay unknown here.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from renderer.errors import BadRequest, Conflict, NoSpace, StoreGarbled, StoreRefused, StoreUnavailable
from renderer.fields import shown
from renderer.stores import Facts
from renderer.stores.durable import settle, sync, write
from renderer.stores.keys import checked, is_key
from renderer.stores.landing import NO_SPACE, landing

_TMP = ".tmp"
# what file systems say that have no hard links, or no more of them for that file; and what they say of a file that is on another one
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK})
_ELSEWHERE = frozenset({errno.EXDEV})
_MOVES = 10  # every lost race means that somebody else's delete made progress


class FileStore:
    """`spread`: hash names go below shard directories, because a directory of a million files is slow to list.

    `stale_seconds`: no copy takes a day, so a temporary file older than that was left by a process that died.
    """

    keeps_maker = False

    def __init__(self, name: str, root: Path | str, spread: bool = True, stale_seconds: float = 24 * 3600) -> None:
        self.name, self.root, self.spread, self.stale_seconds = name, Path(root), spread, stale_seconds
        self._swept = False
        self._lock = threading.Lock()

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        path = self._path(key)
        with self._border(), landing(target, max_bytes) as ground:
            original = self._open(path)
            if original is None:
                return None
            with original:
                facts = _facts(os.fstat(original.fileno()))
                ground.copy(original.fileno(), facts.length)
            self._expect_length(facts.length, ground.length, path)
            ground.settle(facts.time)
            return facts

    def facts(self, key: str) -> Facts | None:
        path = self._path(key)
        with self._border():
            status = self._status(path)
            return _facts(status) if status else None

    def locate(self, key: str) -> Path | None:
        path = self._path(key)
        with self._border():
            return path if self._status(path) else None

    def names(self, prefix: str = "") -> Iterator[str]:
        """One directory at a time is held in memory."""
        with self._border():
            self._expect_root()
            yield from _walk(self.root, prefix)

    def put(self, key: str, source: Path, facts: Facts, only_new: bool = False) -> bool:
        path = self._path(key)
        with source.open("rb") as original, self._border():
            if only_new and self._status(path):
                return False  # without the work; that nobody is quicker from here on, the link sees to
            temporary = self._temporary()
            try:
                written = write(original.fileno(), temporary, facts.time)
                self._expect_length(os.fstat(original.fileno()).st_size, written, source)
                return self._move(temporary, path, only_new)
            finally:
                temporary.unlink(missing_ok=True)

    def take(self, key: str, source: Path, facts: Facts, only_new: bool = False) -> bool:
        path = self._path(key)
        with self._border():
            self._expect_root()
            if only_new and self._status(path):
                return False
            settle(source, facts.time)
            try:
                return self._move(source, path, only_new)
            except OSError as error:
                if error.errno not in _ELSEWHERE:
                    raise
        return self.put(key, source, facts, only_new)

    def delete(self, key: str) -> bool:
        path = self._path(key)
        with self._border():
            if not self._status(path):
                return False
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            sync(self._without_empty(path.parent))
            return True

    def check(self, known_key: str = "") -> list[tuple[str, bool]]:
        try:
            with self._border():
                self._expect_root()
                os.scandir(self.root).close()
            readable = (f"store {self.name}: {self.root} can be read", True)
        except StoreUnavailable as error:
            return [(str(error), False)]
        return [readable, self._check_writable()]

    def _check_writable(self) -> tuple[str, bool]:
        try:
            with self._border():
                self._temporary().unlink()
        except (StoreUnavailable, NoSpace) as error:
            return f"store {self.name}: {self.root} cannot be written: {error}", False
        return f"store {self.name}: {self.root} can be written", True

    @contextmanager
    def _border(self) -> Iterator[None]:
        """What the operating system says, in our words."""
        try:
            yield
        except OSError as error:
            if error.errno in NO_SPACE:
                raise NoSpace(f"store {self.name}: {error.strerror}") from error
            family = StoreRefused if isinstance(error, PermissionError) else StoreUnavailable
            raise family(self.name, f"{error.strerror}: {error.filename or self.root}") from error

    def _path(self, key: str) -> Path:
        """The one place where a key becomes a path: below the root, and no symbolic link on the way from there."""
        root = os.path.realpath(self.root)
        path = os.path.join(root, checked(key))
        if os.path.realpath(path) != path:
            raise BadRequest(f"expected no symbolic link in store {self.name} for a key, got one at {shown(key)}")
        return Path(path)

    def _open(self, path: Path) -> BinaryIO | None:
        """None when there is no such regular file."""
        if not self._status(path):
            return None
        try:
            return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
        except FileNotFoundError:  # deleted since we looked
            return None

    def _status(self, path: Path) -> os.stat_result | None:
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            self._expect_root()
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def _expect_root(self) -> None:
        """A disk that is not mounted is no empty store: its originals are not missing, they are out of reach."""
        if not self.root.is_dir():
            raise StoreUnavailable(self.name, f"expected a directory at {self.root}, found none")

    def _expect_length(self, length: int, got: int, path: Path) -> None:
        if got != length:
            raise StoreGarbled(self.name, f"expected {length} bytes in {path}, got {got}")

    def _temporary(self) -> Path:
        """A new empty file beside everything else."""
        self._expect_root()
        directory = self.root / _TMP
        directory.mkdir(exist_ok=True)
        with self._lock:
            if not self._swept:
                _sweep(directory, self.stale_seconds)
                self._swept = True
        temporary = directory / secrets.token_hex(16)
        temporary.touch(exist_ok=False)
        return temporary

    def _move(self, temporary: Path, path: Path, only_new: bool) -> bool:
        """False when only what is new shall be moved, and something is there."""
        for _ in range(_MOVES):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._name(temporary, path, only_new)
            except FileNotFoundError:  # somebody's delete took the empty directories away in between
                continue
            except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
                if only_new and self._status(path):
                    return False
                if not self._in_the_way(path):
                    continue  # that delete again: `mkdir` looks a second time at what it found, and finds nothing
                raise Conflict(f"expected {shown(path.name)} beside what store {self.name} holds, got a file above or below it") from error
            break
        else:
            raise StoreUnavailable(self.name, f"expected {path.parent} to stay, got it deleted {_MOVES} times")
        for directory in self._upwards(path.parent):
            sync(directory)
        return True

    def _name(self, temporary: Path, path: Path, only_new: bool) -> None:
        """FileExistsError when only what is new shall have the name; without hard links that is for who looks, and not for a race."""
        try:
            os.link(temporary, path) if only_new else temporary.replace(path)
        except OSError as error:
            if not only_new or error.errno not in _NO_LINKS:
                raise
            if self._status(path):
                raise FileExistsError(path) from error
            temporary.replace(path)

    def _in_the_way(self, path: Path) -> bool:
        return path.is_dir() or any(map(os.path.isfile, self._upwards(path.parent)))

    def _without_empty(self, directory: Path) -> Path:
        """Remove `directory` and what is above it while that is empty; the first that stays."""
        *below, root = self._upwards(directory)
        for step in below:
            try:
                step.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return step
        return root

    def _upwards(self, directory: Path) -> list[Path]:
        """From `directory` to the root, both included."""
        root = Path(os.path.realpath(self.root))
        return [directory, *(parent for parent in directory.parents if parent.is_relative_to(root))]


def _facts(status: os.stat_result) -> Facts:
    return Facts(status.st_size, status.st_mtime_ns // 1_000_000_000)


def _walk(root: Path, prefix: str) -> Iterator[str]:
    stack = [_children(root, "")]
    while stack:
        name = next(stack[-1], None)
        if name is None:
            stack.pop()
        elif not name.endswith("/"):
            if name.startswith(prefix) and is_key(name):
                yield name
        elif name.startswith(prefix) or prefix.startswith(name):
            stack.append(_children(root, name))


def _children(root: Path, directory: str) -> Iterator[str]:
    """Names below `root`, directories with a `/` at the end: that alone puts them in the byte order of whole keys."""
    found = []
    with suppress(FileNotFoundError), os.scandir(root / directory) as entries:  # deleted while we walk
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                found.append(f"{directory}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                found.append(directory + entry.name)
    return iter(sorted(found, key=os.fsencode))


def _sweep(directory: Path, stale_seconds: float) -> None:
    """What killed processes left. By ctime, because a file about to be published already has its original's mtime."""
    for leftover in directory.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - leftover.lstat().st_ctime > stale_seconds:
                leftover.unlink()
