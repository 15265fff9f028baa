"""A source in CouchDB: originals that huImages kept as attachments of their documents. It is read, and never written.

A document is named by the key. Mostly it has one attachment; where it has several, the bytes tell which is the original. New documents
have none at all (decision 25), and that is as ordinary an absence as a missing document. What somebody deleted is gone (decision 23).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from renderer.couch import DELETED, MISSING, Couch
from renderer.errors import Gone, StoreGarbled, StoreSlow, StoreUnavailable
from renderer.fields import shown
from renderer.formats import HEAD_BYTES, sniff
from renderer.rendition import NAMINGS
from renderer.stores import Facts
from renderer.stores.keys import begins_key, checked, is_key
from renderer.stores.landing import landing

_BLOCK_BYTES = 64 * 1024
# A timeout bounds the silence, not the whole: an attachment that drips must end too. 64 MB in a minute are 1 MB/s.
_BODY_TIMEOUTS = 6
_TRIES = 3  # of a document that is changed between the look at it and its bytes
_OWN = "_"  # what CouchDB's own documents and addresses begin with
_STAMP = "%Y%m%dT%H%M%S.%f"  # of huImages, without a zone: read as UTC (decision 26)
_HASH_LETTERS = 32  # of an ID; what follows is the cluster

_Answer = TypeVar("_Answer")


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
        self.name, self.page_documents = name, max(page_documents, 2)
        self._couch = Couch(name, url, database, timeout_seconds)
        self._body_seconds = timeout_seconds * _BODY_TIMEOUTS

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        """As every source; Gone for a document that was deleted, or is marked so, because another source must not bring it back."""
        with landing(target, max_bytes) as ground:

            def pour(document: Mapping[str, Any], chosen: _Attachment) -> Facts:
                ground.expect(chosen.length)
                self._pour(document, chosen, ground.write)
                return _facts(document, chosen)

            facts = self._anew(key, pour)
            if facts is not None:
                ground.settle(facts.time)
            return facts

    def facts(self, key: str) -> Facts | None:
        """Without reading the bytes, but where only they tell which of several attachments is meant. Gone as `get`."""
        return self._anew(key, _facts)

    def names(self, prefix: str = "") -> Iterator[str]:
        """Documents that have something to be got; one page at a time is held in memory."""
        if not begins_key(prefix):
            return
        start = {"startkey": prefix} if prefix else {}
        for row in self._couch.all_rows(self.page_documents, self.page_documents, include_docs=True, **start):
            key, document = str(row["id"]), row.get("doc") or {}
            if not key.startswith(prefix):
                return
            if is_key(key) and not key.startswith(_OWN) and document.get("_attachments") and not document.get("deleted"):
                yield key

    def check(self, known_key: str = "") -> list[tuple[str, bool]]:
        try:
            return [(f"store {self.name}: {self._couch.describe()}", True)]
        except StoreUnavailable as error:
            return [(f"store {self.name}: {error.reason}", False)]

    def _anew(self, key: str, use: Callable[[Mapping[str, Any], _Attachment], _Answer]) -> _Answer | None:
        """What `use` makes of the document and its chosen attachment; the document is read again when that is not there any more."""
        for _ in range(_TRIES):
            document = self._document(key)
            try:
                chosen = self._chosen(key, document) if document else None
                return use(document, chosen) if document and chosen else None
            except _Changed:
                continue
        raise StoreGarbled(self.name, f"expected the attachments that {shown(key)} lists, found one missing {_TRIES} times")

    def _document(self, key: str) -> Mapping[str, Any] | None:
        if checked(key).startswith(_OWN):
            return None
        document, why = self._couch.look(key, att_encoding_info=True)
        if why == DELETED or (document and document.get("deleted")):
            raise Gone(key)
        if document is None and why != MISSING:
            raise StoreUnavailable(self.name, f"expected {shown(key)} in {self._couch.title} or its absence, got {shown(why)}")
        return document

    def _chosen(self, key: str, document: Mapping[str, Any]) -> _Attachment | None:
        """The only one; else the one whose hash is the key's; else the first that begins like a picture. If none does, the first of all:
        whoever verifies it shall see that something is there, and that it is not what it should be.
        """
        attachments = self._attachments(document)
        if len(attachments) < 2:
            return attachments[0] if attachments else None
        pictures: list[_Attachment] = []
        trouble: StoreGarbled | None = None
        for attachment in attachments:
            look = _Look()
            try:
                self._pour(document, attachment, look.take)
            except StoreGarbled as error:  # it matters only if no other is the one
                trouble = error
                continue
            if look.spells(key):
                return attachment
            pictures += [attachment] if sniff(look.head) else []
        if trouble:
            raise trouble
        return (pictures or attachments)[0]

    def _attachments(self, document: Mapping[str, Any]) -> list[_Attachment]:
        stubs = document.get("_attachments") or {}
        try:
            return [_attachment(name, stub) for name, stub in stubs.items()]
        except (AttributeError, LookupError, TypeError, ValueError, binascii.Error) as error:
            problem = f"expected length and digest of the attachments of {shown(str(document.get('_id')))}, got {type(error).__name__}"
            raise StoreGarbled(self.name, problem) from error

    def _pour(self, document: Mapping[str, Any], attachment: _Attachment, sink: Callable[[bytes], object]) -> None:
        """All of it into `sink`, block by block; StoreGarbled unless it was what the stub promised."""
        digest, length, deadline = hashlib.md5(usedforsecurity=False), 0, time.monotonic() + self._body_seconds
        what = f"attachment {shown(attachment.name)} of {shown(str(document['_id']))}"
        with self._couch.attachment(document["_id"], attachment.name, document["_rev"]) as body:
            if body is None:
                raise _Changed
            while length <= attachment.length and (block := body.read(_BLOCK_BYTES)):
                length += len(block)
                sink(block)
                digest.update(block)
                if time.monotonic() > deadline:
                    raise StoreSlow(self.name, f"expected all of {what} in {self._body_seconds:g} s, got {length} bytes")
        if length != attachment.length:
            raise StoreGarbled(self.name, f"expected {attachment.length} bytes of {what}, got {length}")
        if attachment.md5 and digest.digest() != attachment.md5:
            raise StoreGarbled(self.name, f"expected MD5 {attachment.md5.hex()} of {what}, got {digest.hexdigest()}")


class _Changed(Exception):
    """The revision that was looked at is not there any more."""


@dataclass(frozen=True)
class _Attachment:
    """What a document says of one; `md5` of its bytes, b'' where they cannot be verified by it."""

    name: str
    length: int
    content_type: str
    md5: bytes


class _Look:
    """What the bytes of an attachment tell without being kept."""

    def __init__(self) -> None:
        self.head = b""
        self._hasher = NAMINGS["sha1"].hasher()

    def take(self, block: bytes) -> None:
        self.head = self.head or block[:HEAD_BYTES]
        self._hasher.update(block)

    def spells(self, key: str) -> bool:
        return NAMINGS["sha1"].name_of(self._hasher.digest())[:_HASH_LETTERS] == key[:_HASH_LETTERS]


def _attachment(name: str, stub: Mapping[str, Any]) -> _Attachment:
    """CouchDB keeps text compressed (`encoding`), and its digest is that of the compressed bytes, which we never see."""
    algorithm, _, digest = str(stub.get("digest", "")).partition("-")
    is_ours = algorithm == "md5" and not stub.get("encoding")
    md5 = base64.b64decode(digest, validate=True) if is_ours else b""
    return _Attachment(name, int(stub["length"]), str(stub.get("content_type") or ""), md5)


def _facts(document: Mapping[str, Any], chosen: _Attachment) -> Facts:
    """The sides that a document has are those before the camera's orientation, so they are not known."""
    times = (_seconds(document.get(field)) for field in ("ctime", "mtime"))
    return Facts(chosen.length, next((own for own in times if own is not None), 0), chosen.content_type)


def _seconds(stamped: object) -> int | None:
    try:
        return int(datetime.strptime(str(stamped), _STAMP).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
