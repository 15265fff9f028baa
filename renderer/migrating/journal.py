"""The journal of a migration: a SQLite file with a row a document, so that whatever stops a run, the next one goes on.

A row is written after what it says is true and durable, in batches: what kill -9 takes with it is only found out again, at the price of a
question to the store. How far the list of documents and the feed of changes are done is written in the same transaction as the rows.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from renderer import locks
from renderer.errors import BadRequest, Conflict, NoSpace, StoreUnavailable
from renderer.migrating import FAILED, IN_STORE, Outcome

BATCH_ROWS, BATCH_SECONDS = 200, 1.0
_BATCH_KEYS = 500  # of a question; SQLite allows 32,766

# What a journal is about; it is of no use for anything else.
IDENTITY = ("namespace", "source", "store", "shard")

_COLUMNS = tuple(field.name for field in fields(Outcome) if field.compare)
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS documents (
        key TEXT PRIMARY KEY, state TEXT NOT NULL, revision TEXT NOT NULL, length INTEGER NOT NULL, sha1 TEXT NOT NULL, md5 TEXT NOT NULL,
        content_type TEXT NOT NULL, attachment TEXT NOT NULL, reason TEXT NOT NULL, is_ours INTEGER NOT NULL,
        verified_at REAL NOT NULL DEFAULT 0, verified_revision TEXT NOT NULL DEFAULT '', at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_failure ON documents (key) WHERE state = 'failed';
    CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Verified:
    """A row that was verified: when (seconds since 1970), and which revision of the document."""

    outcome: Outcome
    at: float
    revision: str


class Journal:
    """Open it with `opened`; for one thread. `now`: seconds since 1970."""

    def __init__(self, database: sqlite3.Connection, path: Path, now: Callable[[], float]) -> None:
        self._database, self.path, self._now = database, path, now
        self._unwritten: dict[str, tuple[Outcome, bool]] = {}
        self._unwritten_facts: dict[str, str] = {}
        self._written_at = time.monotonic()

    def note(self, outcome: Outcome | None, progress: Iterable[tuple[str, str]] = (), is_verified: bool = False) -> None:
        """Written within a second, if the next one comes by then; else by `flush`. `is_verified`: just now, in this revision."""
        if outcome is not None:
            self._unwritten[outcome.key] = (outcome, is_verified)
        self._unwritten_facts.update(progress)
        if len(self._unwritten) >= BATCH_ROWS or time.monotonic() - self._written_at > BATCH_SECONDS:
            self.flush()

    def flush(self) -> None:
        now, names = self._now(), ", ".join(_COLUMNS)
        rows = [(*(getattr(outcome, name) for name in _COLUMNS), *_mark(outcome, is_verified, now), now)
                for outcome, is_verified in self._unwritten.values()]  # fmt: skip
        marks = ", ".join("?" * (len(_COLUMNS) + 3))
        with self._border():
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                f"INSERT OR REPLACE INTO documents ({names}, verified_at, verified_revision, at) VALUES ({marks})", rows
            )
            self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", self._unwritten_facts.items())
            self._database.execute("COMMIT")
        self._unwritten, self._unwritten_facts, self._written_at = {}, {}, time.monotonic()

    def fact(self, name: str) -> str:
        """What was noted under this name; '' for nothing."""
        if name in self._unwritten_facts:
            return self._unwritten_facts[name]
        row = self._one("SELECT value FROM facts WHERE name = ?", name)
        return str(row[0]) if row else ""

    def known(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """Those of these documents of which there is a row."""
        wanted = list(keys)
        found: dict[str, Outcome] = {}
        for start in range(0, len(wanted), _BATCH_KEYS):
            some = wanted[start : start + _BATCH_KEYS]
            found |= {outcome.key: outcome for outcome in self._rows(f"WHERE key IN ({', '.join('?' * len(some))})", *some)}
        return found | {key: self._unwritten[key][0] for key in wanted if key in self._unwritten}

    def failures(self, *others: str) -> Iterator[Outcome]:
        """Each that failed when it was last looked at, or is in one of these other states, in the order of keys; rows may be written
        meanwhile.
        """
        return self._walk(f"state IN ({', '.join('?' * (1 + len(others)))})", FAILED, *others)

    def verified(self) -> Iterator[Verified]:
        """Each whose original is in the store, as was seen when the row was last verified."""
        states = ", ".join("?" * len(IN_STORE))
        for outcome in self._walk(f"verified_at > 0 AND state IN ({states})", *IN_STORE):
            row = self._one("SELECT verified_at, verified_revision FROM documents WHERE key = ?", outcome.key)
            if row:
                yield Verified(outcome, float(row[0]), str(row[1]))

    def counts(self) -> dict[str, tuple[int, int]]:
        """State to number of documents and bytes."""
        with self._border():
            found = self._database.execute("SELECT state, count(*), sum(length) FROM documents GROUP BY state").fetchall()
        return {state: (count, size) for state, count, size in found}

    def _walk(self, condition: str, *values: object) -> Iterator[Outcome]:
        last = ""
        while rows := list(self._rows(f"WHERE {condition} AND key > ? ORDER BY key LIMIT {_BATCH_KEYS}", *values, last)):
            yield from rows
            last = rows[-1].key

    def _rows(self, rest: str, *values: object) -> Iterator[Outcome]:
        with self._border():
            found = self._database.execute(f"SELECT {', '.join(_COLUMNS)} FROM documents {rest}", values).fetchall()
        return (Outcome(*row) for row in found)

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        with self._border():
            row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return row

    @contextmanager
    def _border(self) -> Iterator[None]:
        with _translated(self.path):
            yield


@contextmanager
def opened(path: Path, identity: Mapping[str, str], now: Callable[[], float] = time.time) -> Iterator[Journal]:
    """The journal in the file `path`, made where there is none; Conflict while somebody else has it, BadRequest where it is about something
    else. At the end what is unwritten is written.
    """
    with _translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with locks.held(path.with_name(f"{path.name}.lock"), 0, 0) as is_ours:
        if not is_ours:
            raise Conflict(f"expected a journal that nobody else is using, got {path}", "another --shard has another --journal")
        with _translated(path), closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as database:
            # A commit without a sync may be lost to a power cut, never torn; what is lost is found out again.
            database.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_SCHEMA}")
            journal = Journal(database, path, now)
            _identify(journal, identity)
            try:
                yield journal
            finally:
                journal.flush()


def _identify(journal: Journal, identity: Mapping[str, str]) -> None:
    for name in IDENTITY:
        said, wanted = journal.fact(name), identity[name]
        if said and said != wanted:
            raise BadRequest(f"expected a journal of {name} {wanted} in {journal.path}, got one of {said}; name another with --journal")
    journal.note(None, identity.items())


def _mark(outcome: Outcome, is_verified: bool, now: float) -> tuple[float, str]:
    return (now, outcome.revision) if is_verified else (0.0, "")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            raise NoSpace(f"no space for the journal {path}") from error
        raise StoreUnavailable("journal", f"expected to use {os.fspath(path)}, got {error}") from error
    except sqlite3.DatabaseError as error:
        raise BadRequest(f"expected the journal of a migration in {os.fspath(path)}, got {error}") from error
