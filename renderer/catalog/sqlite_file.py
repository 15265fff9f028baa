"""The file below the SQLite catalog: its schema, its connections, and what SQLite says when it cannot.

Connections are kept for the next use and belong to the process that opened them: SQLite's locks do not survive a fork.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from renderer.errors import StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from renderer.locks import held

# One script a version; a file's `user_version` counts those that it has seen. Only ever append.
_SCHEMA = (
    """
    CREATE TABLE entries (
        namespace TEXT, name TEXT, document TEXT NOT NULL, shown INTEGER NOT NULL, lot INTEGER, PRIMARY KEY (namespace, name)
    ) WITHOUT ROWID;
    CREATE INDEX drawn ON entries (namespace, lot) WHERE lot IS NOT NULL;
    CREATE TABLE notes (
        namespace TEXT, name TEXT, user TEXT, favorite INTEGER NOT NULL, rating INTEGER, PRIMARY KEY (namespace, name, user)
    ) WITHOUT ROWID;
    CREATE INDEX favorites ON notes (namespace, user, name) WHERE favorite;
    CREATE TABLE tags (
        namespace TEXT, tag TEXT, name TEXT, user TEXT, place INTEGER NOT NULL, PRIMARY KEY (namespace, tag, name, user)
    ) WITHOUT ROWID;
    CREATE INDEX given ON tags (namespace, name, user);
    """,
)
_MEANINGS = {
    sqlite3.SQLITE_BUSY: StoreSlow,
    sqlite3.SQLITE_CORRUPT: StoreGarbled,
    sqlite3.SQLITE_NOTADB: StoreGarbled,
    sqlite3.SQLITE_PERM: StoreRefused,
    sqlite3.SQLITE_READONLY: StoreRefused,
}


class SqliteFile:
    """`name` is that of the catalog."""

    def __init__(self, name: str, path: Path, busy_seconds: float) -> None:
        self.name, self.path, self.busy_seconds = name, path, busy_seconds
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._inherited: list[list[sqlite3.Connection]] = []  # of the process that we were forked from: never touched, never closed
        self._process = os.getpid()
        weakref.finalize(self, _close, self._idle, self._process)

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """For single statements: each is a transaction."""
        with self._border():
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._give(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several statements that see the same moment."""
        with self.connected() as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; nobody else writes meanwhile."""
        with self.connected() as connection:
            connection.execute("BEGIN IMMEDIATE")  # a lock that is asked for later is refused at once when somebody else wrote
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            _close(self._idle, self._process)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._process != os.getpid():
                self._inherited.append(self._idle)
                self._idle, self._process = [], os.getpid()
                weakref.finalize(self, _close, self._idle, self._process)
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _give(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = self._connect()
        try:
            if self._version(connection) < len(_SCHEMA):
                connection.close()
                self._make()
                connection = self._connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=self.busy_seconds, isolation_level=None, check_same_thread=False)
        # The last changes may be lost with the machine's power, nothing else: repeating an import brings them back.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(_SCHEMA):
            raise StoreUnavailable(self.name, f"expected at most version {len(_SCHEMA)} of the schema in {self.path}, got {version}")
        return version

    def _make(self) -> None:
        """One process at a time: SQLite does not wait for others when a file changes to write-ahead logging."""
        with held(self.path.with_name(f"{self.path.name}-lock"), 0, self.busy_seconds) as got:
            if not got:
                raise StoreSlow(self.name, f"expected {self.path} to be made in {self.busy_seconds:g} s")
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                for version in range(self._version(connection), len(_SCHEMA)):
                    connection.executescript(f"BEGIN; {_SCHEMA[version]} PRAGMA user_version = {version + 1}; COMMIT;")

    @contextmanager
    def _border(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the family
            kind = _MEANINGS.get(code, StoreUnavailable)
            raise kind(self.name, f"expected an answer from {self.path}, got {error}") from error
        except PermissionError as error:
            raise StoreRefused(self.name, f"expected to use {self.path}, got {error.strerror}") from error
        except OSError as error:
            raise StoreUnavailable(self.name, f"expected to use {self.path}, got {error.strerror or error}") from error


def _close(connections: list[sqlite3.Connection], process: int) -> None:
    """At exit, or before; a fork's child has no business with them."""
    while process == os.getpid() and connections:
        connections.pop().close()
