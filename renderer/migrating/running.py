"""One run of a migration: what failed before, then the list of documents, then what changed since, until nothing did.

The feed of changes is marked before the list is begun, so that nothing that happens meanwhile is missed, however long the list takes; a run
that finds the list done goes straight to the changes. The list and the feed move on only past what is noted in the journal.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from renderer.crew import Crew
from renderer.errors import StoreUnavailable
from renderer.migrating import BEGUN, IN_STORE, MISMATCH, ODD, Outcome, Task
from renderer.migrating.copying import Copying
from renderer.migrating.journal import Journal
from renderer.migrating.listing import Row, pages
from renderer.migrating.shards import Shard
from renderer.stores.couchdb import Change, CouchSource, is_own
from renderer.stores.couchdb.attachments import Document

CURSOR, LISTED, POSITION = "cursor", "listed", "position"  # what the journal remembers of a run's way
MOST_IN_A_ROW = 10  # that failed because something is down, before nothing more is tried
CHANGES_AT_ONCE = 500
MOST_SMALL_ROUNDS = 10  # of the feed, each of less than it may tell at once
FOLLOWED_SECONDS = 600.0  # between two tries of what failed, for who follows
_LISTENING = 0.5  # of the source's timeout: a server that has nothing to say answers well before we give it up


@dataclass
class Halt:
    """Why a run ended before its end; '' when it did not."""

    reason: str = ""


class Run:
    """`limit`: how many documents at most, 0 for all; `position`: only what changed since; `follows`: go on until stopped."""

    def __init__(
        self, source: CouchSource, copying: Copying, journal: Journal, crew: Crew, shard: Shard, limit: int = 0, position: str = "",
        follows: bool = False,
    ) -> None:  # fmt: skip
        self._source, self._copying, self._journal, self._crew, self._shard = source, copying, journal, crew, shard
        self._left, self._position, self._follows = limit or None, position, follows
        self.halt = Halt()
        self._in_a_row = 0

    def outcomes(self) -> Iterator[Outcome]:
        """What becomes of each document, noted in the journal by the time that its reader asks for the next."""
        try:
            self._begin()
            if self._left is None:  # or what always fails would use up a limit every time
                yield from self._all(self._failed())
            if not self._position and not self._journal.fact(LISTED):
                yield from self._all(self._listed())
            yield from self._followed()
            if not self._ends():
                yield from self._all(self._failed())
        except StoreUnavailable as error:
            self._end(str(error))
        self._journal.flush()

    def _followed(self) -> Iterator[Outcome]:
        """What changed, until nothing does; a database that is written all the time is never quiet, and the next run goes on."""
        small, mended_at = 0, time.monotonic()
        while not self._ends() and (tasks := self._changed()):
            yield from self._all(tasks)
            small += len(tasks) < CHANGES_AT_ONCE
            if self._follows and time.monotonic() - mended_at > FOLLOWED_SECONDS:
                mended_at = time.monotonic()
                yield from self._all(self._failed())
            if small >= MOST_SMALL_ROUNDS and not self._follows:
                return

    def _begin(self) -> None:
        """A position that is given is for this run only: what the journal knows of its own way stays."""
        if not self._position and not self._journal.fact(POSITION):
            self._journal.note(None, ((POSITION, self._crew.patiently(self._source.position)),))
        self._journal.flush()

    def _all(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        for task, outcome in self._crew.each(self._limited(tasks), self._copying.copy):
            if self.halt.reason:
                continue  # was begun, is not noted, and will be found done
            self._journal.note(outcome, task.progress)
            if outcome is not None:
                yield outcome
                self._in_a_row = self._in_a_row + 1 if outcome.is_down else 0
                if self._in_a_row == MOST_IN_A_ROW:
                    self._in_a_row = 0
                    if outcome.is_refused or not self._copying.is_well():
                        self._end(outcome.reason)

    def _end(self, reason: str) -> None:
        self.halt.reason = self.halt.reason or reason
        self._crew.stop()

    def _ends(self) -> bool:
        return self._crew.stopping.is_set() or self._left == 0

    def _limited(self, tasks: Iterable[Task]) -> Iterator[Task]:
        for task in tasks:
            if task.key and self._left is not None:
                if not self._left:
                    return
                self._left -= 1
            yield task

    def _failed(self) -> Iterator[Task]:
        self._journal.flush()  # what a moment ago was not yet mended is read from the file
        others = (MISMATCH,) if self._copying.accepts_mismatch else ()  # which may have been said since
        return (Task(known.key, known=known) for known in self._journal.failures(*others))

    def _listed(self) -> Iterator[Task]:
        """The documents of this shard from where the last run was."""
        for rows in pages(self._source, self._crew, self._shard, self._journal.fact(CURSOR)):
            yield from self._tasks(rows, CURSOR)
        yield Task("", progress=((LISTED, "yes"),))

    def _changed(self) -> list[Task]:
        """Some of what changed since the list was begun, or since the last of them; none when there are none."""
        wait = self._source.timeout_seconds * _LISTENING if self._follows else 0
        while not self._crew.stopping.is_set():
            position = self._position or self._journal.fact(POSITION)
            changes = self._crew.patiently(partial(self._source.changes, position, CHANGES_AT_ONCE, wait))
            if not changes.rows and not wait:
                return []
            if changes.rows:
                if self._position:
                    self._position = changes.position
                    return list(self._changes(changes.rows))
                return [*self._changes(changes.rows), Task("", progress=((POSITION, changes.position),))]
        return []

    def _changes(self, rows: Iterable[Change]) -> Iterator[Task]:
        ours = [row for row in rows if self._shard.holds(row.key)]
        gone = {row.key for row in ours if row.document is None}
        tasks = self._tasks([(row.key, row.document) for row in ours])
        return (replace(task, is_deleted=task.key in gone) for task in tasks)

    def _tasks(self, rows: list[Row], progress: str = "") -> Iterator[Task]:
        """Without what is known to be done. `progress`: under which name the journal shall remember each key."""
        known = self._journal.known(key for key, _ in rows)
        held = self._copying.held([key for key, document in rows if document and not is_own(key)]) if progress else None
        if held is not None:
            self._note_begun([key for key, document in rows if document and key not in held and key not in known])
        for key, document in rows:
            past = ((progress, key),) if progress else ()
            if is_own(key) or _is_done(known.get(key), document):
                yield Task("", progress=past)
            else:
                yield Task(key, document, False, known.get(key), (held or {}).get(key), held is not None, past)


    def _note_begun(self, keys: Iterable[str]) -> None:
        """Before anything is put: a kill between that and its note would leave an object of which nobody knows that it is ours."""
        for key in keys:
            if not is_own(key):
                self._journal.note(Outcome(key, BEGUN, is_ours=True))
        self._journal.flush()


def _is_done(known: Outcome | None, document: Document | None) -> bool:
    """Whether the same revision was looked at, and a look would find the same."""
    if known is None or document is None or known.revision != document.get("_rev"):
        return False
    return known.state in (*IN_STORE, MISMATCH, ODD)
