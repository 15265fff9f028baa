"""One database of CouchDB through its client, made on first use; the one place where the client's errors are read.

The client's cache is not used: it is shared by threads without a lock, and every answer of ours is asked for once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import Any

from couchdb import client, http

from renderer.catalog.couchdb.designs import Views, design, design_id
from renderer.errors import StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from renderer.fields import shown

Row = Mapping[str, Any]

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


class Database:
    """`name` is that of the catalog, `title` the database's own; `views` are made before the first of them is asked."""

    def __init__(self, name: str, url: str, title: str, views: Views, timeout_seconds: float) -> None:
        self.name, self.url, self.title, self.views, self.timeout_seconds = name, url, title, views, timeout_seconds
        self._client: Any = None
        self._process = 0
        self._designed = False

    def get(self, key: str) -> dict[str, Any] | None:
        with self._border() as database:
            document = database.get(key)
            return None if document is None else dict(document)

    def put(self, document: dict[str, Any]) -> bool:
        """False when somebody else was quicker."""
        self._design()
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

    def count(self) -> int:
        """Of documents, design documents included."""
        with self._border() as database:
            return int(database.info()["doc_count"])

    def rows(self, **options: Any) -> list[Row]:
        """Of `_all_docs`."""
        with self._border() as database:
            return list(database.view("_all_docs", **options).rows)

    def all_rows(self, first: int, most: int, **options: Any) -> Iterator[Row]:
        """Page after page; the first asks for `first` rows, each further one for twice as many, up to `most`."""
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
        with self._border() as database:
            rows = database.view("_all_docs", keys=list(keys), include_docs=True).rows
            return {row["id"] for row in rows if (row.get("doc") or {}).get("deleted")}

    def view(self, name: str, **options: Any) -> list[Row]:
        self._design()
        with self._border() as database:
            return list(database.view(name, **options).rows)

    def describe(self) -> str:
        """What a check says. Nothing is made."""
        with self._translated():
            try:
                documents = (self._client or self._connect()).info()["doc_count"]
            except http.ResourceNotFound:
                return f"no database {self.title} at {self._where} yet, it is made when it is needed"
        return f"{documents} documents in {self.title} at {self._where}"

    @property
    def _where(self) -> str:
        """Without a password."""
        return str(http.extract_credentials(self.url)[0])

    @contextmanager
    def _border(self) -> Iterator[Any]:
        with self._translated():
            if self._client is None or self._process != os.getpid():  # a fork shares no connection with its parent
                self._client, self._process = self._made(), os.getpid()  # threads that come together each ask; the last one's is kept
            yield self._client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _FOREIGN as error:
            _Tidy.abandon()
            kind = next(kind for foreign, kind in _MEANINGS if isinstance(error, foreign))
            said = f"{type(error).__name__} {shown(str(error))}"
            raise kind(self.name, f"expected an answer about {self.title} from {self._where}, got {said}") from error

    def _connect(self) -> Any:
        session = http.Session(timeout=self.timeout_seconds)
        session.cache, session.connection_pool = _Forgetful(), _Tidy(self.timeout_seconds)
        return client.Database(client.Server(self.url, session=session).resource(self.title), self.title)

    def _made(self) -> Any:
        database = self._connect()
        try:
            database.resource.head()
        except http.ResourceNotFound:
            with suppress(http.PreconditionFailed):  # somebody else was quicker
                database.resource.put_json()
        return database

    def _design(self) -> None:
        """Once a process. Whoever may not write design documents may still do everything for which the views are there already."""
        if self._designed:
            return
        for name, views in self.views.items():
            self._design_one(name, views)
        self._designed = True

    def _design_one(self, name: str, views: Mapping[str, Mapping[str, str]]) -> None:
        with self._border() as database:
            wanted = design(name, views, database.get(design_id(name)))
            if wanted is not None:
                with suppress(http.ResourceConflict, http.Unauthorized, http.Forbidden):
                    database.save(wanted)
