"""Take single files out of the cache: all their names at once, by way of `trash/`, so that nginx finishes from what it has open.

Aliases go first, so that whatever stops us leaves no name without its rendition. A file of an original that somebody is making renditions
of just now is left alone.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from renderer.cache import Cache
from renderer.errors import Busy
from renderer.placing import own_name
from renderer.pruning.tree import ALIAS, File, Foreign, Leaf, is_rendition

BATCH_FILES = 100  # renamed, before they are unlinked together

_is_rendition = functools.lru_cache(maxsize=8192)(is_rendition)  # a site has some dozens of sizes; a scan has more


class Evictor:
    """`is_dry`: only count. `note`: is told of every file that goes, as its path below `files/`.

    `inodes` of files that went, and `directories` that were empty then.
    """

    def __init__(self, cache: Cache, is_dry: bool = False, note: Callable[[str], object] = str) -> None:
        self._cache, self._is_dry, self._note = cache, is_dry, note
        self._trash = str(cache.root / "trash")
        self._graves: list[str] = []
        self.files: Counter[str] = Counter()  # by reason
        self.bytes = self.inodes = self.directories = self.spared = 0
        self.foreign = Foreign()

    @property
    def all_inodes(self) -> int:
        return self.inodes + self.directories

    @contextmanager
    def alone(self, leaf: Leaf) -> Iterator[bool]:
        """Whether nobody makes renditions of this original, nor begins to while the block runs."""
        if self._is_dry:
            yield True
            return
        try:
            with self._cache.claim(leaf.ref, 0):
                yield True
        except Busy:
            self.spared += 1
            yield False

    def evict(self, leaf: Leaf, file: File, reason: str) -> int:
        """Bytes on disk that are free now; 0 for a file that is not ours, or went meanwhile."""
        if not all(map(_is_rendition, file.names)):
            self.foreign.add(f"{leaf.position}/{os.path.basename(leaf.path)}/{file.names[0]}")
            return 0
        if not self._is_dry and not self._removed(leaf, file.names):
            return 0
        size = file.status.st_blocks * 512
        if file.status.st_nlink > len(file.names):  # somebody's backup holds it too
            size = 0
        self.files[reason] += 1
        self.bytes, self.inodes = self.bytes + size, self.inodes + 1
        made = max((name for name in file.names if name[0] != ALIAS), key=len, default=file.names[0])  # as nginx's log has its miss
        self._note(f"{leaf.position}/{os.path.basename(leaf.path)}/{made}")
        return size

    def _removed(self, leaf: Leaf, names: Sequence[str]) -> bool:
        first, *others = names
        for name in reversed(others):
            with suppress(FileNotFoundError):
                os.unlink(f"{leaf.path}/{name}")
        grave = f"{self._trash}/{own_name()}"
        try:
            os.rename(f"{leaf.path}/{first}", grave)
        except FileNotFoundError:
            return False
        self._graves.append(grave)
        if len(self._graves) >= BATCH_FILES:
            self.bury()
        return True

    def bury(self) -> None:
        """Unlink what was renamed."""
        for grave in self._graves:
            with suppress(FileNotFoundError):
                os.unlink(grave)
        self._graves.clear()

    def tidy(self, leaf: Leaf) -> None:
        """Remove the directory of an original, and those above it, when they are empty. Whoever makes one again finds a way."""
        if self._is_dry:
            return
        with suppress(OSError):  # the first that is not empty, or not there, is the last
            above = Path(leaf.path)
            for _ in range(len(leaf.ref.directory.parts) - 1):  # not the namespace's own
                os.rmdir(above)
                self.directories += 1
                above = above.parent


