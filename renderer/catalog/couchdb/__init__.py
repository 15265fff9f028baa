"""A catalog in CouchDB: huImages' own documents in huImages' own databases, so that an existing one works unchanged.

The namespace of huImages has the databases `huimages` and `huimages_meta`, as ever; another namespace has a pair of its own beside them,
so that old programs never meet names that they do not understand. Reading goes through `_all_docs`, which every installation has; only tags
and favourites need views. Nothing relies on what other servers of this protocol do differently: Ranges, COPY, sequence numbers.
"""

from __future__ import annotations

import random
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from renderer.catalog import Entry, Note
from renderer.catalog.couchdb import names
from renderer.catalog.couchdb.database import Database
from renderer.catalog.couchdb.designs import IMAGE_VIEWS, NOTE_VIEWS
from renderer.catalog.document import read, read_note, written, written_note
from renderer.errors import Conflict, StoreUnavailable
from renderer.rendition import Namespace, Ref

_TRIES = 100  # each lost race means that somebody else's change was written
_NAP_SECONDS, _LONGEST_NAP_SECONDS = 0.002, 0.1
_FIRST_PAGE = 2  # rows; a neighbour is mostly the first or second


class CouchCatalog:
    """`url` may hold user:password@. `namespace`: whose documents are in `database` itself.

    `page_documents`: the most that are in memory at a time.
    """

    def __init__(
        self,
        name: str,
        url: str,
        database: str = "huimages",
        namespace: str = "huimages",
        timeout_seconds: float = 10.0,
        page_documents: int = 100,
    ) -> None:
        self.name, self.url, self.database, self.namespace = name, url, database, namespace
        self.timeout_seconds, self.page_documents = timeout_seconds, max(page_documents, _FIRST_PAGE)
        self._opened: dict[tuple[str, bool], Database] = {}
        self._lock = threading.Lock()

    def get(self, ref: Ref) -> Entry | None:
        document = self._images(ref.namespace).get(names.image_id(ref))
        return read(document) if document is not None else None

    def change(self, ref: Ref, change: Callable[[Entry | None], Entry]) -> Entry:
        def changed(old: Mapping[str, Any] | None) -> dict[str, Any]:
            return written(change(read(old) if old is not None else None), old)

        return read(self._change(self._images(ref.namespace), names.image_id(ref), changed))

    def delete(self, ref: Ref) -> bool:
        """Notes go first and are looked for even without an entry: a repeat finishes what was interrupted."""
        for row in list(self._note_rows(ref)):
            self._remove(self._users(ref.namespace), row["id"])
        return self._remove(self._images(ref.namespace), names.image_id(ref))

    def next(self, ref: Ref) -> Ref:
        beyond = (name for name, _ in self._shown(ref.namespace, names.image_id(ref)) if name != ref.name)
        return ref.namespace.ref(next(beyond, ref.name))

    def previous(self, ref: Ref) -> Ref:
        before = (name for name, _ in self._shown(ref.namespace, names.image_id(ref), descending=True) if name != ref.name)
        return ref.namespace.ref(next(before, ref.name))

    def random(self, namespace: Namespace) -> Ref | None:
        """The first at or behind a place that was drawn, beginning anew at the end."""
        for start in (self._draw(namespace), ""):
            for name, entry in self._shown(namespace, start):
                if not entry.automatic:
                    return namespace.ref(name)
        return None

    def refs(self, namespace: Namespace, after: str = "") -> Iterator[Ref]:
        start = names.encoded(namespace, after) if after else ""
        for name, _ in self._shown(namespace, start, first=self.page_documents):
            if name != after:
                yield namespace.ref(name)

    def note(self, ref: Ref, user: str, change: Callable[[Note], Note]) -> Note:
        def changed(old: Mapping[str, Any] | None) -> dict[str, Any]:
            known = old if old is not None else {"imageid": names.image_id(ref), "userid": user}
            return written_note(change(read_note(known)), known)

        return read_note(self._change(self._users(ref.namespace), names.note_id(ref, user), changed))

    def notes(self, ref: Ref) -> Mapping[str, Note]:
        begin = len(names.note_id(ref, ""))
        return {row["id"][begin:]: read_note(row["doc"]) for row in self._note_rows(ref)}

    def tagged(self, namespace: Namespace, tag: str) -> Iterator[Ref]:
        return self._viewed(namespace, "tags/document_per_tag", tag.lower())

    def tags(self, namespace: Namespace) -> Mapping[str, int]:
        rows = self._users(namespace).view("tags/tagcount", group=True)
        return {row["key"]: row["value"] for row in sorted(rows, key=lambda row: str(row["key"]))}

    def favorites(self, namespace: Namespace, user: str) -> Iterator[Ref]:
        return self._viewed(namespace, "favorites/all", user)

    def check(self) -> list[tuple[str, bool]]:
        found = []
        for database in (self._images(None), self._users(None)):
            try:
                found.append((f"catalog {self.name}: {database.describe()}", True))
            except StoreUnavailable as error:
                found.append((f"catalog {self.name}: {error.reason}", False))
        return found

    def _images(self, namespace: Namespace | None) -> Database:
        return self._open(namespace.name if namespace else self.namespace, False)

    def _users(self, namespace: Namespace | None) -> Database:
        return self._open(namespace.name if namespace else self.namespace, True)

    def _open(self, namespace: str, users: bool) -> Database:
        with self._lock:
            if (namespace, users) not in self._opened:
                own = self.database if namespace == self.namespace else f"{self.database}-{_database_part(namespace)}"
                title, views = (f"{own}_meta", NOTE_VIEWS) if users else (own, IMAGE_VIEWS)
                self._opened[namespace, users] = Database(self.name, self.url, title, views, self.timeout_seconds)
            return self._opened[namespace, users]

    def _change(self, database: Database, key: str, change: Callable[[Mapping[str, Any] | None], dict[str, Any]]) -> Mapping[str, Any]:
        for attempt in range(_TRIES):
            old = database.get(key)
            document = change(old)
            if document == old or database.put(document | {"_id": key}):
                return document
            _nap(attempt)
        raise Conflict(f"expected to change {key} in {database.title}, but others changed it {_TRIES} times meanwhile")

    def _remove(self, database: Database, key: str) -> bool:
        for attempt in range(_TRIES):
            old = database.get(key)
            if old is None:
                return False
            if database.delete(old):
                return True
            _nap(attempt)
        raise Conflict(f"expected to delete {key} in {database.title}, but others changed it {_TRIES} times meanwhile")

    def _draw(self, namespace: Namespace) -> str:
        if namespace.naming.immutable:
            return namespace.naming.name_of(secrets.token_bytes(namespace.naming.hasher().digest_size))
        images = self._images(namespace)
        rows = images.rows(skip=random.randrange(max(1, images.count())), limit=1)
        return str(rows[0]["id"]) if rows else ""

    def _shown(self, namespace: Namespace, start: str, first: int = _FIRST_PAGE, descending: bool = False) -> Iterator[tuple[str, Entry]]:
        """Names and entries of what is not deleted, from the document `start` on."""
        options = {"startkey": start} if start else {}
        for row in self._images(namespace).all_rows(first, self.page_documents, include_docs=True, descending=descending, **options):
            name = names.decoded(namespace, row["id"])
            if name and row.get("doc"):
                entry = read(row["doc"])
                if not entry.deleted:
                    yield name, entry

    def _note_rows(self, ref: Ref) -> Iterator[Mapping[str, Any]]:
        begin = names.note_id(ref, "")
        users = self._users(ref.namespace)
        end = f"{begin[:-1]}."  # the character after the hyphen
        for row in users.all_rows(self.page_documents, self.page_documents, include_docs=True, startkey=begin, endkey=end):
            if row["id"].startswith(begin) and row.get("doc"):
                yield row

    def _viewed(self, namespace: Namespace, view: str, key: str) -> Iterator[Ref]:
        """Rows of one key come in the order of their documents, so those of one original stand together."""
        users, images, seen = self._users(namespace), self._images(namespace), 0
        last = ""
        while rows := users.view(view, key=key, skip=seen, limit=self.page_documents):
            seen += len(rows)
            found = [image for image in dict.fromkeys(names.image_of_note(row["id"]) for row in rows) if image != last]
            last = found[-1] if found else last
            hidden = images.hidden(found) if found else set()
            for image in found:
                name = names.decoded(namespace, image)
                if name and image not in hidden:
                    yield namespace.ref(name)


def _database_part(namespace: str) -> str:
    """What a database may be called: lower case letters, digits and a few signs."""
    return re.sub(r"[^a-z0-9]", lambda match: "".join(f"${byte:02x}" for byte in match[0].encode()), namespace)


def _nap(attempt: int) -> None:
    time.sleep(random.uniform(0, min(_NAP_SECONDS * 2**attempt, _LONGEST_NAP_SECONDS)))
