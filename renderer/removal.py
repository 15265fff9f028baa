"""Take away what was made of an original, or all of it, for good.

A deletion is recorded first, from when on the original is gone for everybody; then goes what is public, then all the rest, what stands
beside it in stores as well, and last the record is called finished. Each step may be repeated, and a repeat takes all of them: whatever a
crash left is gone after the next. What is being made meanwhile was begun before the tombstone and is not published.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from renderer.archive import Archive
from renderer.beside import Besides
from renderer.cache import Cache
from renderer.catalog import Catalog
from renderer.errors import BadRequest, Busy, StoreUnavailable
from renderer.fields import shown
from renderer.namespaces import configured
from renderer.originals import Originals
from renderer.quarantine import Quarantine
from renderer.rendition import Namespace, Ref

_MOST_TOLD = 10  # of the namespaces, in a sentence
_ATTEMPT_SECONDS = 0.2  # of waiting for a maker to leave, before what it began meanwhile is dropped again


@dataclass(frozen=True)
class Receipt:
    """What went: renditions (an alias is no file of its own) and their bytes; whether the original's store had it, and the catalog."""

    ref: Ref
    files: int
    bytes: int
    original: bool = False
    entry: bool = False


class Removal:
    """`wait_seconds`: how long a deletion waits for the maker of the original, which fetches or renders it just now.

    `archive`: remote stores that keep renditions too; `besides`: files beside originals.
    """

    def __init__(
        self, originals: Originals, catalog: Catalog | None, cache: Cache, quarantine: Quarantine, wait_seconds: float = 60,
        archive: Archive | None = None, besides: Besides | None = None,
    ) -> None:  # fmt: skip
        self._originals, self._catalog, self._cache, self._quarantine = originals, catalog, cache, quarantine
        self._wait_seconds, self._archive, self._besides = wait_seconds, archive, besides

    def purge(self, ref: Ref) -> Receipt:
        """Drop the renditions only; they are made again when they are asked for.

        What a remote store of renditions raises comes when those on this disk are gone: then it has to be repeated.
        """
        return self._forget(ref, self._archive or self._cache)

    def _forget(self, ref: Ref, where: Archive | Cache) -> Receipt:
        """`where`: the cache alone, or with the remote stores of renditions."""
        receipt = Receipt(ref, *where.forget(ref))
        self._drop_empty_directories(ref)
        return receipt

    def _drop_empty_directories(self, ref: Ref) -> None:
        """Above the one that went: names that are paths would leave one each, for ever and for every later walk to pass through."""
        for generation in self._cache.served.iterdir():
            with contextlib.suppress(OSError):  # the first that is not empty, or not there, is the last
                for directory in ref.directory.parents[:-2]:  # not the namespace's own
                    (generation / directory).rmdir()

    def delete(self, ref: Ref) -> Receipt:
        """Renditions, original, local copy, files beside it, records of failures, and the catalog's entry with what users noted (H-B25).

        Busy, or what the store or the catalog raises: then it has to be repeated, but nothing of it is public any more. What never was
        leaves no record.
        """
        if not self._may_be_there(ref):
            return self._leave_nothing(ref)
        self._originals.begin_deletion(ref)
        first = self._forget(ref, self._cache)
        with self._originals.alone(ref):  # who puts it again waits: what he then stores beside it is not taken for the old
            found = self._originals.delete(ref)
            if self._besides:
                self._besides.drop(ref)
        last = self._outlast_maker(ref)
        self._drop_kept(ref)
        return Receipt(ref, first.files + last.files, first.bytes + last.bytes, found, self._finish(ref))

    def _drop_kept(self, ref: Ref) -> None:
        """What a maker in flight had kept in a remote store. When the original was put again meanwhile, what is there is of that."""
        with self._originals.alone(ref):
            if self._archive and self._originals.is_being_deleted(ref):
                self._archive.drop(ref)

    def check_deleted(self, ref: Ref) -> None:
        """Gone when it was deleted, and not put again since."""
        self._originals.check_deleted(ref)

    def _may_be_there(self, ref: Ref) -> bool:
        """False only when it is certain that there is nothing. This disk is asked first: what is public must not wait for a slow store."""
        if self._cache.measure(ref)[0]:
            return True
        try:
            known = self._catalog is not None and self._catalog.get(ref) is not None
        except StoreUnavailable:
            return True
        return known or self._originals.may_have(ref)

    def _finish(self, ref: Ref) -> bool:
        """Whether the catalog had it. When it was put again since, what is known is about that."""
        with self._originals.alone(ref):
            entry = self._catalog is not None and self._originals.is_being_deleted(ref) and self._catalog.delete(ref)
            self._originals.finish_deletion(ref)
        return entry

    def _leave_nothing(self, ref: Ref) -> Receipt:
        """Of what is not there: records of failures, and notes without an entry. An import that comes just now is not hurt."""
        with self._originals.alone(ref):
            rest = self._drop(ref)
            if self._catalog is not None and not self._originals.may_have(ref):
                self._catalog.delete(ref)
        return rest

    def measure(self, ref: Ref, with_original: bool = False) -> Receipt:
        """What would go; only a deletion asks the store and the catalog."""
        found = with_original and self._originals.facts(ref) is not None
        entry = with_original and self._catalog is not None and self._catalog.get(ref) is not None
        return Receipt(ref, *self._cache.measure(ref), found, entry)

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
        return self._forget(ref, self._cache)


def space_of(namespaces: Mapping[str, Namespace], name: str = "") -> Namespace:
    """The namespace called `name`; the first one for ''. BadRequest names a few that there are."""
    if name and name not in namespaces:
        raise BadRequest(f"expected one of {some_of(namespaces)} for a namespace, got {shown(name)}")
    return namespaces[name] if name else next(iter(namespaces.values()))


def some_of(namespaces: Mapping[str, Namespace]) -> str:
    """The first of those that are configured, for who mistook one: never those that others made."""
    names = configured(namespaces)
    return ", ".join(names[:_MOST_TOLD]) + (", …" if len(names) > _MOST_TOLD else "")


def ref_of(namespaces: Mapping[str, Namespace], text: str, namespace: str = "") -> Ref:
    """NAME in `namespace`; without one NAMESPACE/NAME, as receipts say it, or the ID of an original in the first namespace."""
    space, slash, name = text.partition("/")
    if namespace or not slash:
        return space_of(namespaces, namespace).ref(text)
    if space not in namespaces:
        raise BadRequest(f"expected an ID or NAMESPACE/NAME for an original, got {shown(text)}")
    return namespaces[space].ref(name)


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
