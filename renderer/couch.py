"""One database of CouchDB through its client, made on first use; the one place where the client and its errors are known.

The client's cache is not used: it is shared by threads without a lock, and every answer of ours is asked for once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from io import BytesIO
from typing import Any

from couchdb import client, http

from renderer.errors import StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from renderer.fields import shown

Row = Mapping[str, Any]

# Why a document is not there, as every server says it; anything else is about more than the document.
MISSING, DELETED = "missing", "deleted"

# In the order in which they are tried. The client stumbles with AttributeError or TypeError over answers that CouchDB never gives.
_MEANINGS: tuple[tuple[type[Exception], type[StoreUnavailable]], ...] = (
    (http.Unauthorized, StoreRefused),
    (http.Forbidden, StoreRefused),
    (http.HTTPError, StoreUnavailable),
    (http.RedirectLimit, StoreUnavailable),
    (TimeoutError, StoreSlow),
    (OSError, StoreUnavailable),
    (HTTPException, StoreGarbled),
    (ValueError, StoreGarbled),
    (LookupError, StoreGarbled),
    (AttributeError, StoreGarbled),
    (TypeError, StoreGarbled),
)
_FOREIGN = tuple(foreign for foreign, _ in _MEANINGS)


class _Tidy(http.ConnectionPool):  # type: ignore[misc]
    """The client leaves a connection on which something failed to the garbage collector; here it can be closed."""

    _used = threading.local()

    def get(self, url: str) -> Any:
        self._used.connection = super().get(url)
        return self._used.connection

    def release(self, url: str, connection: Any) -> None:
        if connection is not getattr(self._used, "connection", None):
            return  # after an error that is not JSON the client gives the same connection back twice, and two threads would share it
        self._used.connection = None
        super().release(url, connection)

    @classmethod
    def abandon(cls) -> None:
        """The connection that this thread last asked for, and never gave back."""
        connection = getattr(cls._used, "connection", None)
        if connection is not None:
            connection.close()
            cls._used.connection = None


class _Forgetful(http.Cache):  # type: ignore[misc]
    """Keeps nothing."""

    def put(self, url: str, response: object) -> None:
        pass


class Body:
    """An attachment while it is read."""

    def __init__(self, couch: Couch, raw: Any) -> None:
        self._couch, self._raw = couch, raw

    def read(self, size: int) -> bytes:
        """Fewer than `size` bytes at the end only; a server that goes away early may look like the end."""
        with self._couch.translated():
            return bytes(self._raw.read(size))

    def close(self) -> None:
        """What is left unread is not fetched, as the client would, so the connection is good for nothing more."""
        connection = getattr(self._raw, "conn", None)
        if connection is not None:
            self._raw.resp.close()
            self._raw.conn = None
            connection.close()


class Couch:
    """`name` is that of the store or catalog, `title` the database's own. `url` may hold user:password@.

    `makes`: a database that is not there yet is made; else its absence is an error.
    """

    def __init__(self, name: str, url: str, title: str, timeout_seconds: float, makes: bool = False) -> None:
        self.name, self.url, self.title, self.timeout_seconds, self.makes = name, url, title, timeout_seconds, makes
        self._client: Any = None
        self._process = 0

    @property
    def where(self) -> str:
        """Without a password."""
        return str(http.extract_credentials(self.url)[0])

    def get(self, key: str) -> dict[str, Any] | None:
        return self.look(key)[0]

    def look(self, key: str, **options: Any) -> tuple[dict[str, Any] | None, str]:
        """The document; or None, and why: MISSING, DELETED, or whatever the server says."""
        with self._border() as database:
            try:
                _, _, document = _resource(database, key).get_json(**options)
            except http.ResourceNotFound as error:
                return None, _reason(error)
            return dict(document), ""

    def put(self, document: dict[str, Any]) -> bool:
        """False when somebody else was quicker."""
        with self._border() as database:
            try:
                database.save(dict(document))
            except http.ResourceConflict:
                return False
        return True

    def delete(self, document: Mapping[str, Any]) -> bool:
        """False when somebody else changed it meanwhile, or deleted it."""
        with self._border() as database:
            try:
                database.delete(document)
            except (http.ResourceConflict, http.ResourceNotFound):
                return False
        return True

    @contextmanager
    def attachment(self, key: str, name: str, revision: str) -> Iterator[Body | None]:
        """The bytes of one attachment, as they were in this revision of the document; None when that is not there any more."""
        with self._border() as database:
            try:
                _, _, raw = _resource(database, key).get(name, headers={"Accept": "*/*", "Accept-Encoding": "identity"}, rev=revision)
            except http.ResourceNotFound:
                raw = None
            else:
                raw = BytesIO() if raw is None else raw  # no bytes
        body = None if raw is None else Body(self, raw)
        try:
            yield body
        finally:
            if body is not None:
                body.close()

    def info(self) -> dict[str, Any]:
        """What the database says of itself: `doc_count`, design documents included, `update_seq`, its `sizes`."""
        with self._border() as database:
            return dict(database.info())

    def count(self) -> int:
        """Of documents, design documents included."""
        return int(self.info()["doc_count"])

    def changes(self, **options: Any) -> dict[str, Any]:
        """One answer of the feed: `results`, and `last_seq`, which is where to go on."""
        with self._border() as database:
            return dict(database.changes(**options))

    def rows(self, **options: Any) -> list[Row]:
        """Of `_all_docs`."""
        return self.asked("_all_docs", **options)

    def all_rows(self, first: int, most: int, **options: Any) -> Iterator[Row]:
        """Page after page; the first asks for `first` rows, each further one for twice as many, up to `most`, which is 2 at least."""
        limit, last = first, None
        while True:
            rows = self.rows(limit=limit, **options)
            yield from (row for row in rows if row["id"] != last)
            if len(rows) < limit:
                return
            last = rows[-1]["id"]
            options["startkey"] = last  # asked for again, and then left out: it may be deleted meanwhile
            limit = min(limit * 2, most)

    def hidden(self, keys: Sequence[str]) -> set[str]:
        """Those of these documents that are marked deleted."""
        rows = self.asked("_all_docs", keys=list(keys), include_docs=True)
        return {row["id"] for row in rows if (row.get("doc") or {}).get("deleted")}

    def asked(self, view: str, **options: Any) -> list[Row]:
        """All rows that a view answers with."""
        with self._border() as database:
            return list(database.view(view, **options).rows)

    def describe(self) -> str:
        """What a check says. Nothing is made."""
        with self.translated():
            try:
                documents = (self._client or self._connect()).info()["doc_count"]
            except http.ResourceNotFound:
                if not self.makes:
                    raise self._no_database() from None
                return f"no database {self.title} at {self.where} yet, it is made when it is needed"
        return f"{documents} documents in {self.title} at {self.where}"

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except _FOREIGN as error:
            _Tidy.abandon()
            kind = next(kind for foreign, kind in _MEANINGS if isinstance(error, foreign))
            said = f"{type(error).__name__} {shown(str(error))}"
            raise kind(self.name, f"expected an answer about {self.title} from {self.where}, got {said}") from error

    @contextmanager
    def _border(self) -> Iterator[Any]:
        with self.translated():
            if self._client is None or self._process != os.getpid():  # a fork shares no connection with its parent
                self._client, self._process = self._opened(), os.getpid()  # threads that come together each ask; the last one's is kept
            yield self._client

    def _connect(self) -> Any:
        session = http.Session(timeout=self.timeout_seconds)
        session.cache, session.connection_pool = _Forgetful(), _Tidy(self.timeout_seconds)
        return client.Database(client.Server(self.url, session=session).resource(self.title), self.title)

    def _opened(self) -> Any:
        database = self._connect()
        try:
            database.resource.head()
        except http.ResourceNotFound:
            if not self.makes:
                raise self._no_database() from None
            with suppress(http.PreconditionFailed):  # somebody else was quicker
                database.resource.put_json()
        return database

    def _no_database(self) -> StoreUnavailable:
        return StoreUnavailable(self.name, f"expected a database {self.title} at {self.where}, found none")


def _resource(database: Any, key: str) -> Any:
    """A document's; what stands before the slash of a design document's name is no part of the name."""
    return database.resource(*key.split("/", 1)) if key.startswith("_") else database.resource(key)


def _reason(error: Exception) -> str:
    """The client hands on the answer's `error` and `reason`, where they are JSON."""
    said = error.args[0] if error.args else ""
    return str(said[1]) if isinstance(said, tuple) and len(said) > 1 else str(said)
