"""Which originals were served from a legacy source and are not in their namespace's store yet.

One small SQLite file, so that a restart forgets none, and so that any number of threads and processes may owe and pay. A connection lives
for one statement or two: nothing is shared, nothing survives a fork, and an original from a legacy source comes at the price of a fetch
anyway.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from renderer.errors import BadRequest, StoreUnavailable
from renderer.rendition import Namespace, Ref

FIRST_BACKOFF, LONGEST_BACKOFF = 60.0, 86_400.0  # seconds; twice as long each time
JITTER = 0.2  # of the backoff, either way, so that what failed together does not come back together
TURN_SECONDS = 600.0  # how long who took a debt on may take; after that he was killed, and it is due again
BUSY_SECONDS = 5.0  # of waiting for another process, which writes for some milliseconds
MOST_AT_ONCE = 100

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS debts (
        namespace TEXT, name TEXT, due REAL NOT NULL, failures INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (namespace, name)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_due ON debts (due);
"""


class Debts:
    """`path` is made when it is first needed; `now`: seconds since 1970. All methods raise StoreUnavailable when the file is of no use."""

    def __init__(self, path: Path, namespaces: Mapping[str, Namespace], now: Callable[[], float] = time.time) -> None:
        self._path, self._namespaces, self._now = path, namespaces, now

    def owe(self, ref: Ref) -> None:
        """Durable on return. What is owed already keeps its turn."""
        with self._connected() as database:
            database.execute("INSERT OR IGNORE INTO debts (namespace, name, due) VALUES (?, ?, ?)", (*_key(ref), self._now()))

    def due(self) -> list[Ref]:
        """The longest due, at most MOST_AT_ONCE. They are the caller's for TURN_SECONDS, in which nobody else gets them.

        Those of namespaces that are not configured (any more) wait until they are.
        """
        if not self._path.exists():
            return []
        now = self._now()
        spaces = ", ".join("?" * len(self._namespaces))
        query = f"SELECT namespace, name FROM debts WHERE due <= ? AND namespace IN ({spaces}) ORDER BY due LIMIT {MOST_AT_ONCE}"
        with self._connected() as database:
            if not database.execute(query, (now, *self._namespaces)).fetchone():
                return []  # as nearly always: nobody has to wait for us
            database.execute("BEGIN IMMEDIATE")
            keys = database.execute(query, (now, *self._namespaces)).fetchall()
            turns = ((now + TURN_SECONDS, *key) for key in keys)
            database.executemany("UPDATE debts SET due = ? WHERE namespace = ? AND name = ?", turns)
            database.execute("COMMIT")
        return list(self._refs(keys))

    def _refs(self, keys: Iterable[tuple[str, str]]) -> Iterator[Ref]:
        for space, name in keys:
            with suppress(BadRequest):  # the namespace names its originals otherwise now
                yield self._namespaces[space].ref(name)

    def paid(self, ref: Ref) -> None:
        """The store has it, or nobody has it any more."""
        with self._connected() as database:
            database.execute("DELETE FROM debts WHERE namespace = ? AND name = ?", _key(ref))

    def failed(self, ref: Ref) -> None:
        """It is due again after a minute, and twice as long each time, up to a day."""
        with self._connected() as database:
            database.execute("BEGIN IMMEDIATE")
            row = database.execute("SELECT failures FROM debts WHERE namespace = ? AND name = ?", _key(ref)).fetchone()
            if row:
                backoff = min(FIRST_BACKOFF * 2.0 ** min(row[0], 20), LONGEST_BACKOFF) * random.uniform(1 - JITTER, 1 + JITTER)
                change = "UPDATE debts SET failures = failures + 1, due = ? WHERE namespace = ? AND name = ?"
                database.execute(change, (self._now() + backoff, *_key(ref)))
            database.execute("COMMIT")

    def count(self) -> int:
        if not self._path.exists():
            return 0
        with self._connected() as database:
            return int(database.execute("SELECT count(*) FROM debts").fetchone()[0])

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
                if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'by_due'").fetchone():
                    database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
                yield database
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable("debts", f"expected to use {os.fspath(self._path)}, got {error}") from error


def _key(ref: Ref) -> tuple[str, str]:
    return ref.namespace.name, ref.name
