"""Verify one document's original: what the store has is what CouchDB has, in length, SHA-1 and content type.

Where both sides tell the MD5 of what they hold, and the journal knows the SHA-1 of bytes with that MD5, nothing is read: CouchDB made its
digest when the attachment came, S3 its ETag when the object came. What cannot be told so is read and hashed, on the side that cannot tell;
`deep` reads both sides in any case.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from renderer.crew import Crew
from renderer.errors import BadRequest, Gone, RendererError
from renderer.homes import Home
from renderer.migrating import COPIED, EMPTY, FAILED, GONE, IN_STORE, MARKED, MISMATCH, ODD, REMOVED, THERE, Outcome, Task, is_empty
from renderer.migrating.copying import is_down, outcome_of, sha1_of
from renderer.originals import Originals
from renderer.placing import own_name
from renderer.rendition import Ref
from renderer.settling import type_of
from renderer.stores import Facts
from renderer.stores.couchdb import CouchSource, Pace
from renderer.stores.couchdb.attachments import Attachment, Document, attachments_of

_HASH_LETTERS = 32  # of a name; huImages' cluster follows

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class _Bytes:
    """What was learned of one side."""

    length: int
    sha1: str
    content_type: str


class Verifying:
    """As Copying; nothing is written but the journal."""

    def __init__(
        self, source: CouchSource, home: Home, originals: Originals, scratch: Path, max_bytes: int, crew: Crew, deep: bool = False,
        pace: Pace = int,
    ) -> None:  # fmt: skip
        self._source, self._home, self._originals, self._scratch, self._max_bytes = source, home, originals, scratch, max_bytes
        self._crew, self._deep, self._pace = crew, deep, pace

    def verify(self, task: Task) -> Outcome | None:
        """COPIED, THERE or REMOVED for what is identical; EMPTY, MARKED or GONE for what has nothing to compare; else what is wrong."""
        if not task.key:
            return None
        try:
            outcome = self._crew.patiently(lambda: self._attempt(task))
            return replace(outcome, is_ours=task.known is not None and task.known.is_ours)
        except (RendererError, OSError) as error:
            return Outcome(task.key, FAILED, reason=str(error), is_down=is_down(error))

    def _attempt(self, task: Task) -> Outcome:
        try:
            document = self._source.document(task.key) if task.document is None else task.document
            if document is None:
                return Outcome(task.key, GONE)
            revision = str(document["_rev"])
            if document.get("deleted"):
                return Outcome(task.key, MARKED, revision)
            try:
                ref = self._home.namespace.ref(task.key)
            except BadRequest as error:
                return Outcome(task.key, EMPTY if is_empty(document) else ODD, revision, reason="" if is_empty(document) else str(error))
            self._originals.check_deleted(ref)
            return self._removed(ref, document, task.known) if is_empty(document) else self._compared(ref, document, task.known)
        except Gone as error:
            return Outcome(task.key, GONE, reason=str(error))

    def _removed(self, ref: Ref, document: Document, known: Outcome | None) -> Outcome:
        """A document without an attachment may say what the store must have (decision 25); what we removed ourselves must be there."""
        revision, length = str(document["_rev"]), document.get("length")
        ours = known if known and (known.state in IN_STORE or (known.state == FAILED and known.attachment)) else None
        if ours is None and not isinstance(length, int):
            return Outcome(ref.name, EMPTY, revision)
        held = self._home.store.facts(self._home.key(ref.name))
        wanted = replace(ours, state=REMOVED) if ours else Outcome(ref.name, THERE, revision, int(length or 0), self._promised_sha1(ref))
        return self._judged(ref, wanted, held, "")

    def _compared(self, ref: Ref, document: Document, known: Outcome | None) -> Outcome:
        held = self._home.store.facts(self._home.key(ref.name))
        stubs = _stubs(document)
        told = stubs[0] if len(stubs) == 1 and not document.get("_conflicts") else None
        ours = known if known and told and _is_about(known, told) and known.state in IN_STORE else None
        if ours is None or self._deep:
            got = self._read_source(ref, document)
            if got is None:
                return self._removed(ref, document, known)
            ours = replace(got, state=COPIED if known and known.state == COPIED else THERE)
        outcome = self._judged(ref, ours, held, ours.md5)
        return replace(outcome, revision=str(document["_rev"]))

    def _judged(self, ref: Ref, ours: Outcome, held: Facts | None, md5: str) -> Outcome:
        """`ours`: what CouchDB has, or had; `md5`: of that, where it is known."""
        if not self._may_be_called(ref, ours.sha1):
            return replace(ours, state=MISMATCH, reason="its bytes have another SHA-1 than its name")
        if held is None:
            return replace(ours, state=FAILED, reason="not in the store")
        if held.length != ours.length:
            return replace(ours, state=FAILED, reason=f"expected {ours.length} bytes in the store, got {held.length}")
        if not self._deep and ours.sha1 and ours.content_type and md5 and held.md5 == md5:
            stored = _Bytes(held.length, ours.sha1, held.content_type)
        else:
            stored = self._read_store(ref, held)
        if ours.sha1 and stored.sha1 != ours.sha1:
            return replace(ours, state=FAILED, reason=f"expected SHA-1 {ours.sha1} in the store, got {stored.sha1}")
        ours = replace(ours, sha1=stored.sha1, content_type=ours.content_type or stored.content_type, md5=ours.md5 or held.md5)
        if held.content_type and held.content_type != ours.content_type:
            return replace(ours, state=FAILED, reason=f"expected content type {ours.content_type} in the store, got {held.content_type}")
        return replace(ours, reason="")

    def _may_be_called(self, ref: Ref, sha1: str) -> bool:
        if self._home.accepts_mismatch or ref.namespace.naming.algorithm != "sha1" or not sha1:
            return True
        return ref.namespace.naming.name_of(bytes.fromhex(sha1))[:_HASH_LETTERS] == ref.name[:_HASH_LETTERS]

    def _promised_sha1(self, ref: Ref) -> str:
        """What a name says of bytes that nobody has beside the store."""
        if self._home.accepts_mismatch or ref.namespace.naming.algorithm != "sha1":
            return ""
        return base64.b32decode(ref.name[:_HASH_LETTERS]).hex()

    def _read_source(self, ref: Ref, document: Document) -> Outcome | None:
        def read(path: Path) -> Outcome | None:
            got = self._source.fetch(ref.name, path, self._max_bytes, document, self._pace)
            return outcome_of(ref, got, path, THERE) if got else None

        return self._scratched(read)

    def _read_store(self, ref: Ref, held: Facts) -> _Bytes:
        def read(path: Path) -> _Bytes:
            facts = self._home.store.get(self._home.key(ref.name), path, self._max_bytes)
            if facts is None:
                return _Bytes(0, "none", "")
            return _Bytes(facts.length, sha1_of(path), type_of(path))

        return self._scratched(read)

    def _scratched(self, read: Callable[[Path], _Answer]) -> _Answer:
        path = self._scratch / own_name()
        try:
            return read(path)
        finally:
            path.unlink(missing_ok=True)


def _is_about(known: Outcome, told: Attachment) -> bool:
    """Whether the journal speaks of the bytes that the document has now."""
    return bool(known.sha1 and known.content_type and told.md5) and (known.md5, known.length) == (told.md5.hex(), told.length)


def _stubs(document: Document) -> list[Attachment]:
    try:
        return attachments_of(document)
    except ValueError:  # as the source will say, when it is asked for the bytes
        return []
