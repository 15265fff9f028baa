"""A catalog in one file: the embedded default, for any number of processes of one machine.

Write-ahead logging lets readers go on while somebody writes; writers wait for one another. What no entry knows survives, because
documents are kept whole; columns beside them are what is searched for.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from renderer.catalog import Entry, Note
from renderer.catalog.document import read, written
from renderer.catalog.sqlite_file import SqliteFile
from renderer.errors import StoreUnavailable
from renderer.rendition import Namespace, Ref

_PAGE = 500  # names in memory at a time
_MOST_LOT = 2**62
_NEXT_FEW = 16


class SqliteCatalog:
    """`path` is made when it is first used; `busy_seconds`: how long to wait for other writers."""

    def __init__(self, name: str, path: Path | str, busy_seconds: float = 10.0) -> None:
        self.name = name
        self._file = SqliteFile(name, Path(path), busy_seconds)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        self._file.close()

    def get(self, ref: Ref) -> Entry | None:
        with self._file.connected() as database:
            document = _document(database, ref)
        return read(document) if document is not None else None

    def change(self, ref: Ref, change: Callable[[Entry | None], Entry]) -> Entry:
        with self._file.writing() as database:
            old = _document(database, ref)
            document = written(change(read(old) if old is not None else None), old)
            entry = read(document)
            lot = None if entry.deleted or entry.automatic else random.randrange(_MOST_LOT)
            database.execute(
                "INSERT INTO entries (namespace, name, document, shown, lot) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET document = excluded.document, shown = excluded.shown,"
                " lot = CASE WHEN excluded.lot IS NULL THEN NULL ELSE coalesce(lot, excluded.lot) END",
                (*_key(ref), json.dumps(document, ensure_ascii=False), not entry.deleted, lot),
            )
        return entry

    def delete(self, ref: Ref) -> bool:
        with self._file.writing() as database:
            for table in ("tags", "notes"):
                database.execute(f"DELETE FROM {table} WHERE namespace = ? AND name = ?", _key(ref))
            return database.execute("DELETE FROM entries WHERE namespace = ? AND name = ?", _key(ref)).rowcount > 0

    def next(self, ref: Ref) -> Ref:
        return self._neighbour(ref, "name > ? AND shown ORDER BY name")

    def previous(self, ref: Ref) -> Ref:
        return self._neighbour(ref, "name < ? AND shown ORDER BY name DESC")

    def _neighbour(self, ref: Ref, condition: str) -> Ref:
        found = self._names(f"SELECT name FROM entries WHERE namespace = ? AND {condition} LIMIT 1", *_key(ref))
        return ref.namespace.ref(found[0]) if found else ref

    def random(self, namespace: Namespace) -> Ref | None:
        """Each entry drew a lot when it was made: a look into an index instead of a count.

        One of the next few, because the very next would be the same again and again behind a wide gap, and one in a narrow gap never.
        """
        query = f"SELECT name FROM entries WHERE namespace = ? AND lot IS NOT NULL AND lot >= ? ORDER BY lot LIMIT {_NEXT_FEW}"
        found = self._names(query, namespace.name, random.randrange(_MOST_LOT))
        if len(found) < _NEXT_FEW:
            found = list(dict.fromkeys([*found, *self._names(query, namespace.name, 0)]))[:_NEXT_FEW]
        return namespace.ref(random.choice(found)) if found else None

    def refs(self, namespace: Namespace, after: str = "") -> Iterator[Ref]:
        return self._pages(namespace, "SELECT name FROM entries WHERE namespace = ? AND name > ? AND shown", after=after)

    def note(self, ref: Ref, user: str, change: Callable[[Note], Note]) -> Note:
        with self._file.writing() as database:
            note = change(_notes(database, ref, user).get(user, Note()))
            database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?)", (*_key(ref), user, note.favorite, note.rating))
            database.execute("DELETE FROM tags WHERE namespace = ? AND name = ? AND user = ?", (*_key(ref), user))
            rows = ((*_key(ref), user, tag, place) for place, tag in enumerate(note.tags))
            database.executemany("INSERT INTO tags (namespace, name, user, tag, place) VALUES (?, ?, ?, ?, ?)", rows)
        return note

    def notes(self, ref: Ref) -> Mapping[str, Note]:
        with self._file.reading() as database:
            return _notes(database, ref)

    def tagged(self, namespace: Namespace, tag: str) -> Iterator[Ref]:
        query = f"SELECT DISTINCT name FROM tags WHERE namespace = ? AND name > ? AND tag = ? AND {_not_deleted('tags')}"
        return self._pages(namespace, query, tag.lower())

    def tags(self, namespace: Namespace) -> Mapping[str, int]:
        with self._file.connected() as database:
            query = "SELECT tag, count(*) FROM tags WHERE namespace = ? GROUP BY tag ORDER BY tag"
            return dict(database.execute(query, (namespace.name,)).fetchall())

    def favorites(self, namespace: Namespace, user: str) -> Iterator[Ref]:
        query = f"SELECT name FROM notes WHERE namespace = ? AND name > ? AND user = ? AND favorite AND {_not_deleted('notes')}"
        return self._pages(namespace, query, user)

    def check(self) -> list[tuple[str, bool]]:
        try:
            with self._file.connected() as database:
                (entries,) = database.execute("SELECT count(*) FROM entries").fetchone()
        except StoreUnavailable as error:
            return [(f"catalog {self.name}: {error.reason}", False)]
        return [(f"catalog {self.name}: {entries} entries in {self._file.path}", True)]

    def _names(self, query: str, *arguments: Any) -> list[str]:
        with self._file.connected() as database:
            return [name for (name,) in database.execute(query, arguments)]

    def _pages(self, namespace: Namespace, query: str, *arguments: Any, after: str = "") -> Iterator[Ref]:
        """No transaction stays open between pages, or whoever stops reading would keep the log from being folded in."""
        while names := self._names(f"{query} ORDER BY name LIMIT {_PAGE}", namespace.name, after, *arguments):
            yield from map(namespace.ref, names)
            after = names[-1]


def _not_deleted(table: str) -> str:
    same = f"entries.namespace = {table}.namespace AND entries.name = {table}.name"
    return f"NOT EXISTS (SELECT 1 FROM entries WHERE {same} AND NOT shown)"


def _key(ref: Ref) -> tuple[str, str]:
    return ref.namespace.name, ref.name


def _document(database: sqlite3.Connection, ref: Ref) -> dict[str, Any] | None:
    row = database.execute("SELECT document FROM entries WHERE namespace = ? AND name = ?", _key(ref)).fetchone()
    return json.loads(row[0]) if row else None


def _notes(database: sqlite3.Connection, ref: Ref, user: str | None = None) -> dict[str, Note]:
    """Of one user or of all."""
    where, key = "WHERE namespace = ? AND name = ? AND (? IS NULL OR user = ?)", (*_key(ref), user, user)
    tags: dict[str, list[str]] = {}
    for own, tag in database.execute(f"SELECT user, tag FROM tags {where} ORDER BY place", key):
        tags.setdefault(own, []).append(tag)
    rows = database.execute(f"SELECT user, favorite, rating FROM notes {where}", key)
    return {own: Note(tuple(tags.get(own, ())), bool(favorite), rating) for own, favorite, rating in rows}
