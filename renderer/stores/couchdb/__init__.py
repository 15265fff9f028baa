"""A source in CouchDB: originals that huImages kept as attachments of their documents. It is read, and never written.

A document is named by the key. Mostly it has one attachment; where it has several, or revisions that are in conflict, the bytes tell which
is the original. New documents have none at all (decision 25), and that is as ordinary an absence as a missing document. What somebody
deleted is gone (decision 23).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from renderer.couch import DELETED, MISSING, Couch
from renderer.errors import Gone, StoreGarbled, StoreSlow, StoreUnavailable
from renderer.fields import shown
from renderer.formats import sniff
from renderer.stores import Facts
from renderer.stores.couchdb.attachments import Attachment, Document, Look, attachments_of, facts_of, verifier
from renderer.stores.keys import begins_key, checked, is_key
from renderer.stores.landing import landing

_BLOCK_BYTES = 64 * 1024
# A timeout bounds the silence, not the whole: an attachment that drips must end too. 64 MB in a minute are 1 MB/s.
_BODY_TIMEOUTS = 6
_TRIES = 3  # of a document that is changed between the look at it and its bytes
_OWN = "_"  # what CouchDB's own documents and addresses begin with
_WHOLE = {"include_docs": True, "conflicts": True, "att_encoding_info": True}  # what tells all of a document but bytes

_Answer = TypeVar("_Answer")
Pace = Callable[[int], object]  # is told of bytes that are about to be kept, and may take its time


@dataclass(frozen=True)
class Got:
    """Bytes that came down whole. `revision`: of the document that was looked at; `attachment`: which of it they are."""

    facts: Facts
    revision: str
    attachment: Attachment


@dataclass(frozen=True)
class Change:
    """Something happened to a document; `document` is None when it was deleted."""

    key: str
    document: Document | None


@dataclass(frozen=True)
class Changes:
    """Some of them, and where to go on: a text that means something to the server only."""

    rows: tuple[Change, ...]
    position: str


class CouchSource:
    """`url` may hold user:password@. `timeout_seconds`: the longest silence; `page_documents`: the most that are in memory at a time."""

    spread = False

    def __init__(
        self,
        name: str,
        url: str,
        database: str = "huimages",
        timeout_seconds: float = 10.0,
        page_documents: int = 100,
    ) -> None:
        self.name, self.page_documents, self.timeout_seconds = name, max(page_documents, 2), timeout_seconds
        self.couch = Couch(name, url, database, timeout_seconds)
        self._body_seconds = timeout_seconds * _BODY_TIMEOUTS

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        """As every source; Gone for a document that was deleted, or is marked so, because another source must not bring it back."""
        got = self.fetch(key, target, max_bytes)
        return got.facts if got else None

    def fetch(
        self, key: str, target: Path, max_bytes: int, document: Document | None = None, pace: Pace = int
    ) -> Got | None:  # fmt: skip
        """As `get`, with what was got. `document`: where it was looked at a moment ago, it need not be asked for again."""
        with landing(target, max_bytes) as ground:

            def sink(block: bytes) -> None:
                pace(len(block))
                ground.write(block)

            def pour(document: Document, chosen: Attachment) -> Got:
                ground.expect(chosen.length)
                self._pour(key, chosen, sink)
                return Got(facts_of(document, chosen), str(document["_rev"]), chosen)

            got = self._anew(key, pour, document)
            if got is not None:
                ground.settle(got.facts.time)
            return got

    def facts(self, key: str) -> Facts | None:
        """Without reading the bytes, but where only they tell which of several attachments is meant. Gone as `get`."""
        return self._anew(key, facts_of)

    def names(self, prefix: str = "") -> Iterator[str]:
        """Documents that have something to be got; one page at a time is held in memory."""
        if not begins_key(prefix):
            return
        for document in self.documents(prefix):
            key = str(document["_id"])
            if not key.startswith(prefix):
                return
            if is_key(key) and not is_own(key) and document.get("_attachments") and not document.get("deleted"):
                yield key

    def documents(self, first: str = "") -> Iterator[Document]:
        """All from the key `first` on, in byte order, CouchDB's own included; one page at a time is held in memory."""
        start = {"startkey": first} if first else {}
        rows = self.couch.all_rows(self.page_documents, self.page_documents, **_WHOLE, **start)
        return (row["doc"] for row in rows if row.get("doc"))

    def page(self, first: str = "") -> list[tuple[str, Document | None]]:
        """At most `page_documents` keys from `first` on, in byte order, CouchDB's own included; None for one that went meanwhile."""
        start = {"startkey": first} if first else {}
        rows = self.couch.rows(limit=self.page_documents, **_WHOLE, **start)
        return [(str(row["id"]), row.get("doc")) for row in rows]

    def document(self, key: str) -> Document | None:
        """What tells all but the bytes; None when there is none. Gone as `get`."""
        if checked(key).startswith(_OWN):
            return None
        document, why = self.couch.look(key, att_encoding_info=True, conflicts=True)
        if why == DELETED or (document and document.get("deleted")):
            raise Gone(key)
        if document is None and why != MISSING:
            raise StoreUnavailable(self.name, f"expected {shown(key)} in {self.couch.title} or its absence, got {shown(why)}")
        return document

    def has(self, key: str) -> bool:
        """Whether there is a document, marked deleted or not."""
        document, why = self.couch.look(checked(key))
        if document is None and why not in (MISSING, DELETED):
            raise StoreUnavailable(self.name, f"expected {shown(key)} in {self.couch.title} or its absence, got {shown(why)}")
        return document is not None

    def position(self) -> str:
        """Where the feed of changes is now, for `changes`."""
        return _position(self.couch.info()["update_seq"])

    def changes(self, position: str, most: int, wait_seconds: float = 0) -> Changes:
        """At most `most` since then, one for each document that changed; none means that there are none, for `wait_seconds` if need be."""
        options = {"feed": "longpoll", "timeout": int(wait_seconds * 1000)} if wait_seconds else {}
        answer = self.couch.changes(since=position, limit=most, **_WHOLE, **options)
        rows = (Change(str(row["id"]), None if row.get("deleted") else row.get("doc")) for row in answer["results"])
        return Changes(tuple(rows), _position(answer["last_seq"]))

    def check(self, known_key: str = "") -> list[tuple[str, bool]]:
        try:
            return [(f"store {self.name}: {self.couch.describe()}", True)]
        except StoreUnavailable as error:
            return [(f"store {self.name}: {error.reason}", False)]

    def _anew(
        self, key: str, use: Callable[[Document, Attachment], _Answer], document: Document | None = None
    ) -> _Answer | None:  # fmt: skip
        """What `use` makes of the document and its chosen attachment; the document is read again when that is not there any more."""
        for _ in range(_TRIES):
            document = document or self.document(key)
            try:
                chosen = self._chosen(key, document) if document else None
                return use(document, chosen) if document and chosen else None
            except _Changed:
                document = None
        raise StoreGarbled(self.name, f"expected the attachments that {shown(key)} lists, found one missing {_TRIES} times")

    def _chosen(self, key: str, document: Document) -> Attachment | None:
        """The only one; else the one whose hash is the key's, in the document or in a revision that lost against it; else the first that
        begins like a picture. If none does, the first of all: whoever verifies it shall see that something is there, and that it is not
        what it should be.
        """
        attachments = self._attachments(key, document)
        if len(attachments) < 2 and not document.get("_conflicts"):
            return attachments[0] if attachments else None
        pictures: list[Attachment] = []
        trouble: StoreGarbled | None = None
        for attachment in self._everywhere(key, document, attachments):
            look = Look()
            try:
                self._pour(key, attachment, look.take)
            except StoreGarbled as error:  # it matters only if no other is the one
                trouble = error
                continue
            if look.spells(key):
                return attachment
            pictures += [attachment] if attachment in attachments and sniff(look.head) else []
        if trouble:
            raise trouble
        return next(iter(pictures or attachments), None)

    def _everywhere(self, key: str, document: Document, attachments: list[Attachment]) -> Iterator[Attachment]:
        """Those of the document, then those of revisions in conflict with it that are other bytes."""
        seen = {attachment.md5 for attachment in attachments if attachment.md5}
        yield from attachments
        for revision in document.get("_conflicts") or ():
            loser, _ = self.couch.look(key, rev=revision, att_encoding_info=True)
            others = [attachment for attachment in self._attachments(key, loser or {}) if attachment.md5 not in seen]
            seen.update(attachment.md5 for attachment in others if attachment.md5)
            yield from others

    def _attachments(self, key: str, document: Document) -> list[Attachment]:
        try:
            return attachments_of(document)
        except ValueError as error:
            raise StoreGarbled(self.name, f"expected length and digest of the attachments of {shown(key)}, got {error}") from error

    def _pour(self, key: str, attachment: Attachment, sink: Callable[[bytes], object]) -> None:
        """All of it into `sink`, block by block; StoreGarbled unless it was what the stub promised."""
        digest, length, deadline = verifier(), 0, time.monotonic() + self._body_seconds
        what = f"attachment {shown(attachment.name)} of {shown(key)}"
        with self.couch.attachment(key, attachment.name, attachment.revision) as body:
            if body is None:
                raise _Changed
            while length <= attachment.length and (block := body.read(_BLOCK_BYTES)):
                length += len(block)
                began = time.monotonic()
                sink(block)
                deadline += time.monotonic() - began  # a rate that is kept is no fault of the server's
                digest.update(block)
                if time.monotonic() > deadline:
                    raise StoreSlow(self.name, f"expected all of {what} in {self._body_seconds:g} s, got {length} bytes")
        if length != attachment.length:
            raise StoreGarbled(self.name, f"expected {attachment.length} bytes of {what}, got {length}")
        if attachment.md5 and digest.digest() != attachment.md5:
            raise StoreGarbled(self.name, f"expected MD5 {attachment.md5.hex()} of {what}, got {digest.hexdigest()}")


class _Changed(Exception):
    """The revision that was looked at is not there any more."""


def is_own(key: str) -> bool:
    """Whether a document is CouchDB's own, as those of designs are."""
    return key.startswith(_OWN)


def _position(sequence: object) -> str:
    """Old servers count, new ones have texts that only they understand, and some between had lists."""
    return sequence if isinstance(sequence, str) else json.dumps(sequence)
