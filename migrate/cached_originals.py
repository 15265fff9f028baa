"""Originals of an old huImages cache on their way in: none is stored unless its bytes have the hash that its name promises.

The hash is made of the very bytes that the ingest reads, while it reads them, and stands before it stores any: a file that changes
meanwhile changes nothing. What is in the store already is not read again; what was deleted here does not come back out of an old cache.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO, cast

from migrate.old_cache import Kept
from renderer.catalog import Catalog
from renderer.errors import BrokenOriginal, Gone
from renderer.formats import HEAD_BYTES, sniff
from renderer.importing import Takes
from renderer.importing.candidates import Candidate, FileOrigin, Found, Opened, Passed
from renderer.ingest import BLOCK_BYTES, About, Taken
from renderer.originals import Originals
from renderer.picture.jobs import Header
from renderer.rendition import Namespace, Ref

DELETED = "deleted here"


class Promised(io.BufferedIOBase):
    """A stream whose end raises BrokenOriginal when its bytes, from the beginning on, do not have the hash in the name of `ref`."""

    def __init__(self, stream: BinaryIO, ref: Ref, length: int) -> None:
        self._stream, self.ref, self.length = stream, ref, length
        self._hasher = ref.namespace.naming.hasher()

    def read(self, size: int | None = -1, /) -> bytes:
        block = self._stream.read(-1 if size is None else size)
        self._hasher.update(block)
        if not block or size is None or size < 0:  # that was the end
            name = self.ref.namespace.naming.name_of(self._hasher.digest())
            if name != self.ref.name:
                raise BrokenOriginal(f"bytes whose hash makes them {name}")
        return block

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """To the beginning only."""
        if offset or whence:
            raise io.UnsupportedOperation("expected to go back to the beginning")
        self._hasher = self.ref.namespace.naming.hasher()
        return self._stream.seek(0)


@dataclass(frozen=True)
class PromisedFile:
    """A file that names itself; its own time is its mtime."""

    file: FileOrigin
    ref: Ref
    is_near: bool = True

    def mark(self) -> bytes:
        return self.file.mark()

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        with self.file.opened() as opened:
            stream = Promised(opened.stream, self.ref, opened.length)
            yield Opened(cast(BinaryIO, stream), opened.length, opened.time)  # to read and to go back is all that is asked of it


def candidates(found: Iterable[Kept | Passed], originals: Originals) -> Iterator[Found]:
    """What an import can take, without what was deleted here."""
    for each in found:
        if isinstance(each, Passed):
            yield each
            continue
        try:
            originals.check_deleted(each.ref)
        except Gone:
            yield Passed(each.path, DELETED, is_wanted=True)
        else:
            yield Candidate(PromisedFile(FileOrigin(each.path), each.ref), each.path, each.ref.name)


class Adopting:
    """Takes in what a PromisedFile opened, unless it is there or was deleted here. `ingest` None: all is read, and nothing stored."""

    def __init__(self, originals: Originals, catalog: Catalog | None, ingest: Takes | None) -> None:
        self._originals, self._catalog, self._ingest = originals, catalog, ingest

    def take(
        self, namespace: Namespace, stream: BinaryIO, own_time: int, name: str = "", about: About = About(),
        placeholder: bool = False, only_new: bool = False,
    ) -> Taken:  # fmt: skip
        """Nothing is noted of it but what its bytes say: `name` and `about` are those of a cache, and nobody gave them."""
        if not isinstance(stream, Promised):
            raise TypeError(f"expected a stream with a promise, got {stream!r}")
        ref = stream.ref
        with self._originals.alone(ref) if self._ingest else nullcontext():  # who deletes it comes before or after us
            self._originals.check_deleted(ref)
            if self._is_there(ref, stream.length):
                return Taken(ref, _glance(stream), new=False)
            if self._ingest is not None:
                return self._ingest.take(namespace, stream, own_time)
        header = _glance(stream)
        while stream.read(BLOCK_BYTES):
            pass
        return Taken(ref, header, new=True)

    def _is_there(self, ref: Ref, length: int) -> bool:
        """Not while its entry is lacking, or says that it is broken: whoever brought it was interrupted, or wrong."""
        facts = self._originals.facts(ref)
        if facts is None or facts.length != length:
            return False
        entry = self._catalog.get(ref) if self._catalog is not None else None
        return self._catalog is None or (entry is not None and not entry.deleted)


def _glance(stream: Promised) -> Header:
    """What can be said without a render process: the format. From the beginning, and back to it."""
    stream.seek(0)
    form = sniff(stream.read(HEAD_BYTES))
    stream.seek(0)
    if form is None:
        raise BrokenOriginal("bytes that begin like no format that we read")
    return Header(form, 0, 0, 1, False)
