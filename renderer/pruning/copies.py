"""Keep the local copies of originals within their budgets: what was not read for a round goes first.

A copy goes only when the store answers that it has an original of that length; what is still owed to the store stays, and so does what
somebody renders just now. Which copies were read the same bit tells as for renditions; one that was not read since the last look goes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from renderer.cache import Cache
from renderer.errors import BadRequest, Busy, RendererError
from renderer.homes import Home
from renderer.rendition import Ref
from renderer.stores import OnDisk

_ROUNDS = 3  # without the bit all looks alike, and with it the second round finds what the first has cleared


@dataclass
class Copies:
    """What was found and what went; bytes on disk. `unmet`: namespaces whose budget could not be kept."""

    bytes: int = 0
    files: int = 0
    evicted: int = 0
    freed: int = 0
    kept_for_store: int = 0
    unmet: list[str] = field(default_factory=list)


class CopyPruning:
    """`root`: the directory of the copies; `budgets`: bytes by namespace; `trusts_visits` as Sweep."""

    def __init__(
        self, root: Path, homes: Mapping[str, Home], cache: Cache, budgets: Mapping[str, int], min_age: float, low: float, now: float,
        trusts_visits: bool, is_dry: bool, is_stopping: Callable[[], bool] = bool,
    ) -> None:  # fmt: skip
        self._root, self._homes, self._cache, self._budgets, self._min_age, self._low = root, homes, cache, budgets, min_age, low
        self._now, self._trusts_visits, self._is_dry, self._is_stopping = now, trusts_visits, is_dry, is_stopping
        self.found = Copies()

    def run(self) -> Copies:
        for name, home in self._homes.items():
            budget, held = self._budgets.get(name), 0
            if budget is None:
                continue
            for _, status in self._files(home):
                held += status.st_blocks * 512
                self.found.files += 1
            self.found.bytes += held
            if held > budget and not isinstance(home.store, OnDisk):
                self._shrink(home, held - int(budget * self._low), held - budget)
        return self.found

    def _shrink(self, home: Home, wanted: int, needed: int) -> None:
        """`wanted`: to have room to spare; `needed`: to keep the budget at all."""
        freed = 0
        for number in range(_ROUNDS - 1, _ROUNDS) if self._is_dry else range(_ROUNDS):
            for ref, status in self._files(home):
                if freed >= wanted or self._is_stopping():
                    break
                freed += self._pass(home, ref, status, is_strict=number == _ROUNDS - 1)
        if freed < needed:
            self.found.unmet.append(home.namespace.name)

    def _pass(self, home: Home, ref: Ref, status: os.stat_result, is_strict: bool) -> int:
        path = self._path(ref)
        if self._trusts_visits and status.st_atime_ns > status.st_ctime_ns and not is_strict:
            if not self._is_dry:
                with suppress(FileNotFoundError):
                    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            return 0
        if 0 <= self._now - status.st_ctime < self._min_age and not is_strict:
            return 0
        try:
            return self._evicted(home, ref, status)
        except Busy:  # somebody renders it
            return 0
        except RendererError:  # the store does not say
            self.found.kept_for_store += 1
            return 0

    def _evicted(self, home: Home, ref: Ref, status: os.stat_result) -> int:
        held = home.store.facts(home.key(ref.name))
        if held is None or held.length != status.st_size:
            self.found.kept_for_store += 1
            return 0
        if not self._is_dry:
            with self._cache.claim(ref, 0):
                self._path(ref).unlink(missing_ok=True)
        self.found.evicted += 1
        self.found.freed += status.st_blocks * 512
        return status.st_blocks * 512

    def _path(self, ref: Ref) -> Path:
        return self._root / ref.namespace.name / ref.sharded

    def _files(self, home: Home) -> Iterator[tuple[Ref, os.stat_result]]:
        """What is named as an original, where it must be; names that may be overwritten are not kept."""
        space = home.namespace
        for folder, _, names in os.walk(self._root / space.name):
            for name in names:
                with suppress(BadRequest, FileNotFoundError):
                    ref = space.ref(name)
                    path = Path(folder) / name
                    status = path.lstat()
                    if path == self._path(ref) and stat.S_ISREG(status.st_mode):
                        yield ref, status
