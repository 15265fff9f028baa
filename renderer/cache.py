"""Renditions on local disk: find, claim, publish, link, forget.

    <root>/files/<generation>/<namespace>/…   what nginx serves
    <root>/tmp/        what is being made; same file system, never served
    <root>/trash/      what was forgotten and awaits unlinking
    <root>/tombstones/ when an original was last forgotten
    <root>/claims      one file, locked in places
    <root>/prune/      what the pruner remembers

Writers never touch a final name: they rename. Publishing does not fsync: a lost rendition is a miss.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from renderer import locks, memo
from renderer.errors import Busy, NoSpace
from renderer.placing import is_left, own_name, place
from renderer.rendition import Alias, Ref, Rendition

Mark = tuple[int, int] | None  # which tombstone stood when the work began: inode and nanoseconds

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Cache:
    """The tree below `root` for one generation. Safe for many threads and processes; all of them agree through the file system."""

    def __init__(self, root: Path, generation: str) -> None:
        self.root, self.generation = root, generation
        self.served = root / "files"
        self.files = self.served / generation
        self._tmp, self._trash, self._tombstones = root / "tmp", root / "trash", root / "tombstones"
        self._claims, self.pruning = root / "claims", root / "prune"

    def prepare(self) -> None:
        """Make the directories, and sweep away what dead processes of ours left in `tmp/` and `trash/` (R24)."""
        for directory in (self.files, self._tmp, self._trash, self._tombstones, self.pruning):
            directory.mkdir(parents=True, exist_ok=True)
        for locked in (self._claims, self.pruning / "lock"):  # on a full disk it would be too late
            locked.touch()
        for left in (*self._tmp.iterdir(), *self._trash.iterdir()):
            if is_left(left.name):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)

    def find(self, rendition: Rendition) -> Path | None:
        """The published file, if there is one. A file of no bytes is none: we never publish such."""
        directory = self._directory(rendition.ref)
        for name in rendition.file_names():
            path = directory / name
            with contextlib.suppress(OSError):
                if path.stat().st_size > 0:
                    return path
        return None

    def temporary(self) -> Path:
        """A name in `tmp/` that nobody else has; no file is made."""
        return self._tmp / own_name()

    @contextlib.contextmanager
    def claim(self, whose: Ref | Rendition, wait_seconds: float) -> Iterator[Mark]:
        """Be the one maker of this original on this machine, or the only one who fetches or replaces this file beside an original.

        Yields the mark that `publish` wants; Busy when the wait runs out.
        """
        with locks.held(self._claims, _offset("claim", whose), wait_seconds) as held:
            if not held:
                raise Busy(f"another thread or process is at work on {whose}")
            yield self.mark(whose.ref if isinstance(whose, Rendition) else whose)

    def mark(self, ref: Ref) -> Mark:
        """What tells whether `ref` was forgotten since."""
        try:
            stat = self._tombstone(ref).stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def publish(
        self, rendition: Rendition, made: Path, extension: str, own_time: int, mark: Mark, cost: float = 0
    ) -> Path:  # fmt: skip
        """Rename `made` to where nginx finds it, with the original's own time as mtime, so that its ETag is the same on every machine.

        `cost`: what it took to make, in milliseconds; the file remembers. Busy when the original was forgotten since `mark`, NoSpace when
        the disk is full; `made` is gone either way.
        """
        try:
            with _disk_full_is_no_space():
                length = made.stat().st_size
                if length == 0:
                    raise Busy(f"nothing was rendered of {rendition}")
                # One second back: a coarse kernel clock may otherwise show the new file as visited (atime > ctime).
                kept = memo.spell(memo.Memo(cost), length)
                os.utime(made, ns=(time.time_ns() - 1_000_000_000, own_time * 1_000_000_000 + kept))
                made.chmod(0o644)
                with locks.held(self._claims, _offset("publish", rendition.ref)):
                    if self.mark(rendition.ref) != mark:
                        raise Busy(f"{rendition.ref} was purged meanwhile")
                    return place(made, self._directory(rendition.ref) / rendition.file_name(extension))
        finally:
            made.unlink(missing_ok=True)

    def link(self, ref: Ref, path: Path, alias: Alias) -> None:
        """Give a published file its second name. A file that vanished meanwhile needs none."""
        name = path.with_name(alias.file_name(path.suffix[1:]))
        with contextlib.suppress(FileNotFoundError), _disk_full_is_no_space():
            try:
                _link_beside(path, name.name)
            except FileExistsError:
                if not name.samefile(path):
                    self._replace_link(ref, path, name)

    def _replace_link(self, ref: Ref, path: Path, name: Path) -> None:
        """Under the lock of publishing: else a purge and a new render could come in between, and what was purged get the name."""
        spare = self.temporary()
        with locks.held(self._claims, _offset("publish", ref)):
            try:
                os.link(path, spare)
                spare.rename(name)
            finally:
                spare.unlink(missing_ok=True)  # a rename onto another name of the same file leaves both

    def forget(self, ref: Ref) -> tuple[int, int]:
        """Drop every rendition and alias of an original, those of other generations too; returns how many files and bytes went.

        A render in flight began before the tombstone and so cannot publish. nginx may serve an open file a few seconds more.
        """
        graves = []
        with locks.held(self._claims, _offset("publish", ref)):
            fresh = self.temporary()
            fresh.touch()
            now = time.time_ns()  # finer than the clock of `touch`: an inode may come again within its tick
            os.utime(fresh, ns=(now, now))
            place(fresh, self._tombstone(ref))
            for generation in self._generations():
                grave = self._trash / own_name()
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    (generation / ref.directory).rename(grave)
                    graves.append(grave)
        count = _count(graves)
        for grave in graves:
            shutil.rmtree(grave, ignore_errors=True)
            if grave.exists():  # an alias that was being linked came with it; or it cannot be, and then nobody may believe it
                shutil.rmtree(grave)
        return count

    def drop(self, rendition: Rendition) -> None:
        """Drop one rendition only, with all its names, those of other generations too. Nobody makes it meanwhile: the caller has the claim.

        Its own names go first: from then on nobody can give it another.
        """
        with locks.held(self._claims, _offset("publish", rendition.ref)):
            for generation in self._generations():
                directory, inodes = generation / rendition.ref.directory, set()
                for path in (directory / name for name in rendition.file_names()):
                    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                        inodes.add(path.stat().st_ino)
                        path.unlink()
                for alias in _entries(directory):
                    if alias.inode() in inodes:
                        Path(alias.path).unlink(missing_ok=True)

    @contextlib.contextmanager
    def archiving(self, ref: Ref) -> Iterator[None]:
        """Be the only one on this machine who puts renditions of `ref` into a remote store, or takes them away there."""
        with locks.held(self._claims, _offset("archive", ref)):
            yield

    def measure(self, ref: Ref) -> tuple[int, int]:
        """How many files and bytes `forget` would drop."""
        return _count([generation / ref.directory for generation in self._generations()])

    def _generations(self) -> list[Path]:
        """All there are: what was purged must not come back with a configuration of old."""
        return [self.served / name for name in sorted(os.listdir(self.served))]

    def accel_path(self, path: Path) -> PurePosixPath:
        """A published file's path below `files/`, as nginx's internal location wants it."""
        return PurePosixPath(path.relative_to(self.served))

    def _directory(self, ref: Ref) -> Path:
        return self.files / ref.directory

    def _tombstone(self, ref: Ref) -> Path:
        digest = hashlib.sha256(str(ref).encode()).hexdigest()
        return self._tombstones / digest[:2] / digest


def _link_beside(path: Path, name: str) -> None:
    """In one and the same directory: by their paths, a purge could come in between and a new directory get a file of the old one."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(path.name, name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        os.close(directory)


def _offset(purpose: str, whose: Ref | Rendition) -> int:
    """A place in the claims file, so wide apart that strangers do not meet (of 1024 places, 32 makers would share one 38 times in 100)."""
    digest = hashlib.sha256(f"{purpose}\0{whose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2


def _count(directories: list[Path]) -> tuple[int, int]:
    """Files and bytes; an alias is no file of its own."""
    sizes: dict[int, int] = {}
    for directory in directories:
        with contextlib.suppress(FileNotFoundError):
            for stat in (entry.stat(follow_symlinks=False) for entry in _entries(directory)):
                sizes[stat.st_ino] = stat.st_size
    return len(sizes), sum(sizes.values())


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        return list(entries)
    return []


@contextlib.contextmanager
def _disk_full_is_no_space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoSpace("the disk under the cache is full", retry_after=10) from error
        raise
