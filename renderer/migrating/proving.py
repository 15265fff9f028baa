"""Verify all documents of a source, and write down what was found: a report that somebody can sign.

Every document is looked at, not what the journal says. The report ends with a digest over what was found identical, in the order of names:
two runs that saw the same have the same digest, and so have two sets of shards of which the lines are put together.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from renderer.crew import Crew
from renderer.errors import StoreUnavailable
from renderer.migrating import EMPTY, GONE, IN_STORE, MARKED, TROUBLE, Outcome, Task
from renderer.migrating.journal import Journal
from renderer.migrating.listing import pages
from renderer.migrating.running import MOST_IN_A_ROW, Halt
from renderer.migrating.shards import Shard
from renderer.migrating.verifying import Verifying
from renderer.stores.couchdb import CouchSource, is_own


@dataclass
class Proof:
    """What a verification found. `documents`: with an original to compare, and without; `exceptions` are on disk, not here."""

    counts: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    digest: str = ""

    @property
    def identical(self) -> int:
        return sum(self.counts[state] for state in IN_STORE)

    @property
    def wrong(self) -> int:
        return sum(self.counts[state] for state in TROUBLE)

    @property
    def total(self) -> int:
        return self.identical + self.wrong

    def __str__(self) -> str:
        return f"{self.identical} of {self.total} identical"


class Proving:
    """`limit`: how many documents at most, 0 for all; with a limit the proof is of those only."""

    def __init__(
        self, source: CouchSource, verifying: Verifying, journal: Journal, crew: Crew, shard: Shard, limit: int = 0
    ) -> None:  # fmt: skip
        self._source, self._verifying, self._journal, self._crew, self._shard = source, verifying, journal, crew, shard
        self._limit, self._hasher = limit, hashlib.sha256()
        self.proof, self.halt = Proof(), Halt()

    def outcomes(self) -> Iterator[Outcome]:
        """What each document is found to be, noted in the journal as verified when it is identical."""
        in_a_row = 0
        try:
            for _, outcome in self._crew.each(self._tasks(), self._verifying.verify):
                if outcome is None or self.halt.reason:
                    continue
                self._note(outcome)
                yield outcome
                in_a_row = in_a_row + 1 if outcome.is_down else 0
                if in_a_row == MOST_IN_A_ROW:
                    self._end(outcome.reason)
        except StoreUnavailable as error:
            self._end(str(error))
        self.proof.digest = self._hasher.hexdigest()
        self._journal.flush()

    def _end(self, reason: str) -> None:
        self.halt.reason = reason
        self._crew.stop()

    def _note(self, outcome: Outcome) -> None:
        self.proof.counts[outcome.state] += 1
        if outcome.state in IN_STORE:
            self.proof.bytes += outcome.length
            self._hasher.update(f"{outcome.key} {outcome.sha1} {outcome.length}\n".encode())
        if outcome.state not in (EMPTY, MARKED, GONE) and not outcome.is_down:  # of those the journal knows as much already
            self._journal.note(outcome, is_verified=outcome.state in IN_STORE)

    def _tasks(self) -> Iterator[Task]:
        return itertools.islice(self._documents(), self._limit or None)

    def _documents(self) -> Iterator[Task]:
        for rows in pages(self._source, self._crew, self._shard):
            known = self._journal.known(key for key, _ in rows)
            yield from (Task(key, document, known=known.get(key)) for key, document in rows if document is not None and not is_own(key))


class Report:
    """The text that is written while a verification goes on; its end says what it all came to."""

    def __init__(self, path: Path, head: list[tuple[str, str]]) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._file.writelines(f"{name}: {value}\n" for name, value in [("onmiss", "verification of a migration"), *head])
        self._file.write("\n")

    def add(self, outcome: Outcome) -> None:
        """A line for everything that is not identical."""
        if outcome.state not in IN_STORE:
            reason = f"\t{json.dumps(outcome.reason)}" if outcome.reason else ""
            self._file.write(f"{outcome.state}\t{json.dumps(outcome.key)}{reason}\n")

    def conclude(self, proof: Proof, facts: list[tuple[str, str]]) -> None:
        self._file.write("\n")
        self._file.writelines(f"{name}: {value}\n" for name, value in facts)
        self._file.writelines(f"{state}: {count}\n" for state, count in sorted(proof.counts.items()))
        self._file.write(f"bytes identical: {proof.bytes}\ndigest of names, SHA-1 and lengths: sha256 {proof.digest}\n\n{proof}\n")

    def close(self) -> None:
        self._file.close()
