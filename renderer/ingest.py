"""Take in one original: judge its size while reading, its type by content, its header in a render process; name it, store it, note it.

The original is stored byte for byte as it was given, and never again altered. The bytes come first and what is known about them last: who
is killed in between leaves an original without its entry, never an entry without its original, and each step may be repeated.
"""

from __future__ import annotations

import filecmp
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from renderer.archive import Archive
from renderer.cache import Cache
from renderer.catalog import Catalog, Entry
from renderer.catalog.document import stamp
from renderer.errors import BrokenOriginal, Conflict, Refused, RenderKilled
from renderer.limits import Limits
from renderer.originals import Originals
from renderer.picture.jobs import Described, Header
from renderer.placing import own_name
from renderer.quarantine import Quarantine
from renderer.rendition import Namespace, Ref
from renderer.stores import Facts
from renderer.stores.landing import full_disk_is_no_space
from renderer.workers import Workers

log = logging.getLogger(__name__)

BLOCK_BYTES = 64 * 1024  # of each upload at once; flup and Werkzeug hold a few of them: 50 uploads cost 20 MB, with 1 MiB 100 MB


@dataclass(frozen=True)
class About:
    """What who brings an original says of it, beside its bytes; each text is added to what the catalog knows, once."""

    title: str = ""
    types: Sequence[str] = ()
    references: Mapping[str, Sequence[str]] = field(default_factory=dict)
    filename: str = ""


@dataclass(frozen=True)
class Taken:
    """What was taken in; `new` is false when the same bytes were there already."""

    ref: Ref
    header: Header
    new: bool


@dataclass(frozen=True)
class _Brought:
    """An original on its way in: a file of our own, and all that is to be known of it."""

    ref: Ref
    path: Path
    facts: Facts
    described: Described
    about: About

    def entry(self, known: Entry | None) -> Entry:
        """What the catalog shall know. Whatever it called the original, its bytes are there again, and whole."""
        old, facts, is_same = known or Entry(), self.facts, self.ref.namespace.naming.immutable
        filename = old.filename or self.about.filename if is_same else self.about.filename or old.filename
        return replace(
            old.adding(self.about.title, self.about.types, self.about.references),
            ctime=old.ctime or stamp(facts.time),
            mtime=stamp(time.time()),
            width=facts.width,
            height=facts.height,
            filename=filename,
            length=facts.length,
            content_type=facts.content_type,
            deleted=False,
            placeholder=self.described.placeholder or (old.placeholder if is_same else ""),
        )


class Ingest:
    """`scratch`: a directory for what is being read, on any file system; `archive`: remote stores that keep renditions too."""

    def __init__(
        self, originals: Originals, catalog: Catalog | None, workers: Workers, cache: Cache, quarantine: Quarantine, limits: Limits,
        scratch: Path, archive: Archive | None = None,
    ) -> None:  # fmt: skip
        self._originals, self._catalog, self._workers, self._cache, self._quarantine = originals, catalog, workers, cache, quarantine
        self._limits, self._scratch, self._archive = limits, scratch, archive

    def take(
        self, namespace: Namespace, stream: BinaryIO, own_time: int, name: str = "", about: About = About(),
        placeholder: bool = False, only_new: bool = False, only_whole: bool = False,
    ) -> Taken:  # fmt: skip
        """Store what `stream` holds, under `name` or, where the namespace names by hash, under that of its bytes.

        `own_time`: seconds since 1970 UTC. `placeholder`: read the pixels too, and note a ThumbHash. `only_new`: Conflict when something
        has that name; bytes that name themselves never conflict. `only_whole`: the pixels must be readable to the last, not the header
        alone. TooManyBytes, BrokenOriginal, Refused, NoSpace, Busy, or what the store raises: then nothing is stored. What the catalog
        raises comes after that: a repeat does the rest.

        Taking the same bytes again stores nothing, unless those that are there are too few or too many, and changes no time but the
        entry's `mtime`.
        """
        ref = None if namespace.naming.immutable else namespace.ref(name)
        with self._scratched() as path:
            with full_disk_is_no_space(), path.open("xb") as copy:
                digest, length = self._read(namespace, stream, copy)
            described = self._workers.describe(path) if only_whole else self._described(path, placeholder)
            header = described.header
            facts = Facts(length, own_time, header.format.mime, header.width, header.height)
            brought = _Brought(ref or namespace.ref(namespace.naming.name_of(digest)), path, facts, described, about)
            return Taken(brought.ref, header, self._store(brought, only_new))

    @contextmanager
    def _scratched(self) -> Iterator[Path]:
        self._scratch.mkdir(parents=True, exist_ok=True)
        path = self._scratch / own_name()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _read(self, namespace: Namespace, stream: BinaryIO, copy: BinaryIO) -> tuple[bytes, int]:
        hasher, length = namespace.naming.hasher() if namespace.naming.immutable else None, 0
        while block := stream.read(BLOCK_BYTES):
            length += len(block)
            self._limits.judge_bytes(length)
            copy.write(block)
            if hasher:
                hasher.update(block)
        if not length:
            raise BrokenOriginal("an empty file")
        return hasher.digest() if hasher else b"", length

    def _described(self, path: Path, placeholder: bool) -> Described:
        """A picture that is good enough to be stored is stored without a placeholder when its pixels allow none."""
        if placeholder:
            try:
                return self._workers.describe(path)
            except (BrokenOriginal, Refused, RenderKilled) as error:
                log.info("no placeholder: %s", error)
        return Described(self._workers.header(path), "")

    def _store(self, brought: _Brought, only_new: bool) -> bool:
        """Whether it was new. All steps are taken though it was not: the last time may have been interrupted."""
        with self._originals.alone(brought.ref):  # or the entry might be that of bytes that others replaced or deleted meanwhile
            return self._store_alone(brought, only_new)

    def _store_alone(self, brought: _Brought, only_new: bool) -> bool:
        ref, is_mutable = brought.ref, not brought.ref.namespace.naming.immutable
        new = self._originals.put(ref, brought.path, brought.facts, only_new or not is_mutable, given=True)
        if not new and not is_mutable and self._is_short(brought):
            new = self._originals.put(ref, brought.path, brought.facts, given=True)
        taken = Conflict(f"expected a name that is free, but there is {ref} already") if is_mutable and not new else None
        if taken and not self._is_unfinished(brought):
            raise taken
        self._quarantine.clear(ref)
        if is_mutable:
            (self._archive or self._cache).forget(ref)  # the new bytes win: what was made of the old ones is not seen again (decision 21)
        if self._catalog is not None:
            self._catalog.change(ref, brought.entry)
        if taken:
            raise taken
        return new

    def _is_short(self, brought: _Brought) -> bool:
        """Whether what the store has under the name of these bytes cannot be these: somebody else wrote it, or a disk lost a part."""
        there = self._originals.facts(brought.ref)
        return there is not None and there.length != brought.facts.length

    def _is_unfinished(self, brought: _Brought) -> bool:
        """Whether it was we who stored it, and did not get further, for all that can be told."""
        if self._catalog is not None and self._catalog.get(brought.ref) is not None:
            return False
        with self._originals.local(brought.ref) as there:
            return filecmp.cmp(there.path, brought.path, shallow=False)
