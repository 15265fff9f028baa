"""What a migration would have to do, by the documents alone: no attachment is read, and no store is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from renderer.crew import Crew
from renderer.errors import BadRequest
from renderer.formats import BY_EXTENSION, FORMATS
from renderer.migrating import is_empty
from renderer.migrating.listing import pages
from renderer.migrating.shards import Shard
from renderer.rendition import Namespace
from renderer.stores.couchdb import CouchSource, is_own
from renderer.stores.couchdb.attachments import Document, attachments_of

MOST_EXAMPLES = 5

NO_ATTACHMENT, DELETED = "without an attachment", "marked deleted, and left where they are"
# Worth a look before the run, with some names.
SEVERAL, CONFLICTS, TOO_LARGE, NO_NAME = "with several attachments", "with revisions in conflict", "too large", "no name of an original"
ZERO, NO_PICTURE, UNSAID, OWN = "of no bytes", "no picture by type and name", "whose attachments say no length", "CouchDB's own"


@dataclass
class Plan:
    """`originals` and `bytes`: what is to be moved; `formats`: of those, by what their documents say."""

    documents: int = 0
    originals: int = 0
    bytes: int = 0
    largest: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def remark(self, what: str, key: str) -> None:
        self.odd[what] += 1
        names = self.examples.setdefault(what, [])
        if len(names) < MOST_EXAMPLES:
            names.append(key)


class Planning:
    """`max_bytes`: the largest original that is taken."""

    def __init__(self, source: CouchSource, namespace: Namespace, max_bytes: int, shard: Shard, crew: Crew) -> None:
        self._source, self._namespace, self._max_bytes, self._shard, self._crew = source, namespace, max_bytes, shard, crew
        self.plan = Plan()

    def count(self) -> int:
        """How many documents there are, those of other shards and CouchDB's own included."""
        return self._crew.patiently(self._source.couch.count)

    def pages(self) -> Iterator[int]:
        """Look at all documents; how many were seen so far, a page at a time."""
        for rows in pages(self._source, self._crew, self._shard):
            for key, document in rows:
                if document is not None:
                    self._see(key, document)
            yield self.plan.documents
            if self._crew.stopping.is_set():
                return

    def _see(self, key: str, document: Document) -> None:
        plan = self.plan
        plan.documents += 1
        if is_own(key):
            plan.remark(OWN, key)
        elif document.get("deleted"):
            plan.remark(DELETED, key)
        elif is_empty(document):
            plan.remark(NO_ATTACHMENT, key)
        else:
            self._see_original(key, document)

    def _see_original(self, key: str, document: Document) -> None:
        plan = self.plan
        try:
            attachments = attachments_of(document)
        except ValueError:
            plan.remark(UNSAID, key)
            return
        length = max((attachment.length for attachment in attachments), default=0)
        plan.originals, plan.bytes, plan.largest = plan.originals + 1, plan.bytes + length, max(plan.largest, length)
        plan.formats[_format_of(attachments[0].content_type, attachments[0].name) if attachments else "in another revision"] += 1
        for what, is_so in self._remarks(key, document, len(attachments), length):
            if is_so:
                plan.remark(what, key)
        if attachments and _format_of(attachments[0].content_type, attachments[0].name) == _OTHER:
            plan.remark(NO_PICTURE, key)

    def _remarks(self, key: str, document: Document, count: int, length: int) -> tuple[tuple[str, bool], ...]:
        return (
            (SEVERAL, count > 1),
            (CONFLICTS, bool(document.get("_conflicts"))),
            (TOO_LARGE, length > self._max_bytes),
            (ZERO, length == 0),
            (NO_NAME, not self._is_name(key)),
        )

    def _is_name(self, key: str) -> bool:
        try:
            self._namespace.ref(key)
        except BadRequest:
            return False
        return True


_OTHER = "other"
_BY_TYPE = {form.mime: form.name for form in FORMATS} | {"image/pjpeg": "jpeg", "image/jpg": "jpeg", "image/x-png": "png"}


def _format_of(content_type: str, name: str) -> str:
    """What a document says of its attachment; old ones often say nothing useful, but for the name."""
    by_name = BY_EXTENSION.get(name.rpartition(".")[2].lower())
    return _BY_TYPE.get(content_type.partition(";")[0].lower()) or (by_name.name if by_name else _OTHER)
