"""Take in one original: judge its size while reading, its type by content, its header in a render process; name it, and store it.

The original is stored byte for byte as it was given, and never again altered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from renderer.cache import Cache
from renderer.catalog import Catalog
from renderer.errors import BrokenOriginal
from renderer.limits import Limits
from renderer.originals import Originals
from renderer.picture.jobs import Header
from renderer.placing import own_name
from renderer.quarantine import Quarantine
from renderer.rendition import Namespace, Ref
from renderer.stores import Facts
from renderer.workers import Workers

BLOCK_BYTES = 1 << 20


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


class Ingest:
    """`scratch`: a directory for what is being read, on any file system."""

    def __init__(
        self, originals: Originals, catalog: Catalog | None, workers: Workers, cache: Cache, quarantine: Quarantine, limits: Limits,
        scratch: Path,
    ) -> None:  # fmt: skip
        self._originals, self._catalog, self._workers, self._cache, self._quarantine = originals, catalog, workers, cache, quarantine
        self._limits, self._scratch = limits, scratch

    def take(self, namespace: Namespace, stream: BinaryIO, own_time: int, name: str = "", about: About = About()) -> Taken:
        """Store what `stream` holds, under `name` or, where the namespace names by hash, under that of its bytes.

        `own_time`: seconds since 1970 UTC. TooManyBytes, BrokenOriginal, Refused, or what the store raises; then nothing is stored.
        Taking the same bytes again changes nothing, their time neither.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        path = self._scratch / own_name()
        try:
            with path.open("xb") as copy:
                digest, length = self._read(namespace, stream, copy)
            header = self._workers.header(path)
            ref = namespace.ref(namespace.naming.name_of(digest) if namespace.naming.immutable else name)
            facts = Facts(length, own_time, header.format.mime, header.width, header.height)
            new = self._store(ref, path, facts)
        finally:
            path.unlink(missing_ok=True)
        return Taken(ref, header, new)

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

    def _store(self, ref: Ref, path: Path, facts: Facts) -> bool:
        if ref.namespace.naming.immutable and self._originals.facts(ref) is not None:
            return False
        self._originals.put(ref, path, facts)
        self._quarantine.clear(ref)
        if not ref.namespace.naming.immutable:
            self._cache.forget(ref)  # the new bytes win: what was made of the old ones is not seen again (decision 21)
        return True
