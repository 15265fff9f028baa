"""What a document of CouchDB says of its attachments, without their bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from renderer.formats import HEAD_BYTES
from renderer.rendition import NAMINGS
from renderer.stores import Facts

Document = Mapping[str, Any]

_STAMP = "%Y%m%dT%H%M%S.%f"  # of huImages, without a zone: read as UTC (decision 26)
_HASH_LETTERS = 32  # of an ID; what follows is the cluster


@dataclass(frozen=True)
class Attachment:
    """What a document says of one; `md5` of its bytes, b'' where they cannot be verified by it. `revision`: of the document, in which
    it is as it says.
    """

    name: str
    length: int
    content_type: str
    md5: bytes
    revision: str


class Look:
    """What the bytes of an attachment tell without being kept."""

    def __init__(self) -> None:
        self.head = b""
        self._hasher = NAMINGS["sha1"].hasher()

    def take(self, block: bytes) -> None:
        self.head = self.head or block[:HEAD_BYTES]
        self._hasher.update(block)

    def spells(self, key: str) -> bool:
        return NAMINGS["sha1"].name_of(self._hasher.digest())[:_HASH_LETTERS] == key[:_HASH_LETTERS]


def attachments_of(document: Document) -> list[Attachment]:
    """In the document's order; ValueError where it does not say what it must."""
    stubs = document.get("_attachments") or {}
    try:
        return [_attachment(name, stub, str(document["_rev"])) for name, stub in stubs.items()]
    except (AttributeError, LookupError, TypeError, ValueError, binascii.Error) as error:
        raise ValueError(type(error).__name__) from error


def facts_of(document: Document, chosen: Attachment) -> Facts:
    """The sides that a document has are those before the camera's orientation, so they are not known."""
    times = (_seconds(document.get(field)) for field in ("ctime", "mtime"))
    own_time = next((own for own in times if own is not None), 0)
    return Facts(chosen.length, own_time, chosen.content_type, md5=chosen.md5.hex())


def verifier() -> hashlib._Hash:
    """Of the digests that CouchDB keeps."""
    return hashlib.md5(usedforsecurity=False)


def _attachment(name: str, stub: Mapping[str, Any], revision: str) -> Attachment:
    """CouchDB keeps text compressed (`encoding`), and its digest is that of the compressed bytes, which we never see."""
    algorithm, _, digest = str(stub.get("digest", "")).partition("-")
    is_ours = algorithm == "md5" and not stub.get("encoding")
    md5 = base64.b64decode(digest, validate=True) if is_ours else b""
    return Attachment(name, int(stub["length"]), str(stub.get("content_type") or ""), md5, revision)


def _seconds(stamped: object) -> int | None:
    try:
        return int(datetime.strptime(str(stamped), _STAMP).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
