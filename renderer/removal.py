"""Take away what was made of an original, or all of it, for good.

Each step may be repeated, and a repeat takes all of them: whatever a crash left is gone after the next. What is being made meanwhile was
begun before the tombstone and is not published.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from renderer.cache import Cache
from renderer.catalog import Catalog
from renderer.errors import BadRequest, Busy
from renderer.originals import Originals
from renderer.quarantine import Quarantine
from renderer.rendition import Namespace, Ref

_ATTEMPT_SECONDS = 0.2  # of waiting for a maker to leave, before what it began meanwhile is dropped again


@dataclass(frozen=True)
class Receipt:
    """What went: renditions (an alias is no file of its own) and their bytes; whether the original's store had it."""

    ref: Ref
    files: int
    bytes: int
    original: bool = False


class Removal:
    """`wait_seconds`: how long a deletion waits for the maker of the original, which fetches or renders it just now."""

    def __init__(
        self, originals: Originals, catalog: Catalog | None, cache: Cache, quarantine: Quarantine, wait_seconds: float = 60
    ) -> None:  # fmt: skip
        self._originals, self._catalog, self._cache, self._quarantine = originals, catalog, cache, quarantine
        self._wait_seconds = wait_seconds

    def purge(self, ref: Ref) -> Receipt:
        """Drop the renditions only; they are made again when they are asked for."""
        return Receipt(ref, *self._cache.forget(ref))

    def delete(self, ref: Ref) -> Receipt:
        """Original, local copy, records of failures and renditions. Busy, or what the store raises: then it has to be repeated.

        The renditions go first: they are what is public, and a store that is down must not keep them there.
        """
        first = self.purge(ref)
        found = self._originals.delete(ref)
        last = self._outlast_maker(ref)
        return Receipt(ref, first.files + last.files, first.bytes + last.bytes, found)

    def measure(self, ref: Ref, with_original: bool = False) -> Receipt:
        """What would go; only a deletion asks the store."""
        return Receipt(ref, *self._cache.measure(ref), with_original and self._originals.facts(ref) is not None)

    def cached(self, namespace: Namespace) -> Iterator[Ref]:
        """Every original of which there are renditions, by the cache's directories, in bounded memory; the store is not asked."""
        roots: list[Path] = []
        for generation in sorted(self._cache.served.iterdir()):
            for ref in _refs_below(generation, namespace):
                if not any((root / ref.directory).is_dir() for root in roots):
                    yield ref
            roots.append(generation)

    def _outlast_maker(self, ref: Ref) -> Receipt:
        """Drop again what a maker in flight leaves, until there is none.

        It may have fetched the original before that was deleted, keep it as a local copy, and after the first tombstone begin anew from
        that. Each tombstone sends it back to look for an original.
        """
        deadline, files, size = time.monotonic() + self._wait_seconds, 0, 0
        while True:
            with contextlib.suppress(Busy), self._cache.claim(ref, _ATTEMPT_SECONDS):
                more = self._drop(ref)
                return Receipt(ref, files + more.files, size + more.bytes)
            more = self._drop(ref)
            files, size = files + more.files, size + more.bytes
            if time.monotonic() > deadline:
                raise Busy(f"renditions of {ref} are still being made; its original is gone: repeat the deletion")

    def _drop(self, ref: Ref) -> Receipt:
        self._originals.discard_copy(ref)
        self._quarantine.clear(ref)
        return self.purge(ref)


def _refs_below(generation: Path, namespace: Namespace) -> Iterator[Ref]:
    """The inverse of `Ref.directory`; what is not named as ours is passed over."""
    for folder, names, _ in os.walk(generation / namespace.name):
        names.sort()
        own = PurePosixPath(Path(folder).relative_to(generation / namespace.name))
        name = own.name if namespace.naming.shards else own.parent.as_posix()
        with contextlib.suppress(BadRequest):
            ref = namespace.ref(name)
            if ref.directory == namespace.name / own:
                names.clear()
                yield ref
