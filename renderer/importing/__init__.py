"""Take in many originals: walk, skip, count, resume.

Somebody finds candidates, a few threads take them in, and outcomes come back in the order in which candidates were found, as a generator
that its reader drives. At most WINDOW candidates are on their way, so memory does not grow with their number, and a slow one at the front
holds up no more than that. It never heard of command lines, and prints nothing.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, BinaryIO, Protocol

from renderer.catalog import Catalog
from renderer.errors import BrokenOriginal, Busy, Conflict, NoSpace, RendererError, StoreRefused, StoreUnavailable
from renderer.formats import BY_EXTENSION, HEAD_BYTES, sniff
from renderer.importing.candidates import Candidate, Found, Passed
from renderer.importing.resume import State
from renderer.importing.wishes import Names, Wishes
from renderer.ingest import About, Taken
from renderer.limits import Limits
from renderer.rendition import Namespace, Ref
from renderer.stores.landing import NO_SPACE

log = logging.getLogger(__name__)

WINDOW = 1000  # candidates between being found and being reported, some kilobytes each
PAUSES = (0.5, 2.0, 8.0)  # seconds before what is down is asked again: a store that restarts is back by then
MOST_IN_A_ROW = 10  # files that failed because something is down, before nothing more is tried

TAKEN, THERE, SKIPPED, FAILED = "taken in", "already there", "skipped", "failed"
NO_PICTURE, DONE_BEFORE, NAME_TAKEN = "no picture", "done before", "its name is taken"


class Takes(Protocol):
    """What an import needs of an ingest."""

    def take(
        self, namespace: Namespace, stream: BinaryIO, own_time: int, name: str = "", about: About = About(),
        placeholder: bool = False, only_new: bool = False,
    ) -> Taken: ...  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one candidate. `what`: TAKEN, THERE, SKIPPED or FAILED; `is_wanted`: somebody asked for it to be passed over."""

    shown: str
    what: str
    reason: str = ""
    ref: Ref | None = None
    length: int = 0
    is_wanted: bool = False
    is_down: bool = False  # nothing that the file did
    mark: bytes = b""


@dataclass
class Tally:
    """What became of all. `halted`: why not everything was tried, '' when it was."""

    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    halted: str = ""

    def count(self, outcome: Outcome) -> None:
        self.counts[outcome.what] += 1
        self.bytes += outcome.length
        if outcome.what == SKIPPED:
            self.skipped[outcome.reason] += 1


class Importing:
    """`take` runs in as many threads as there are `jobs`. `pause` waits, and says whether to try again."""

    def __init__(
        self, ingest: Takes | None, wishes: Wishes, jobs: int = 1, state: State | None = None, catalog: Catalog | None = None,
        limits: Limits = Limits(), pause: Callable[[float], bool] | None = None,
    ) -> None:  # fmt: skip
        """`ingest` None: everything is looked at, and nothing taken in."""
        self._ingest, self._wishes, self._jobs, self._state, self._catalog, self._limits = ingest, wishes, jobs, state, catalog, limits
        self._stopping = threading.Event()
        self._pause = pause or (lambda seconds: not self._stopping.wait(seconds))
        self._window = threading.Semaphore(WINDOW)
        self._candidates: SimpleQueue[tuple[int, Candidate] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[int, Outcome | None]] = SimpleQueue()  # None: a thread has ended
        self._names, self._in_a_row = Names(), 0
        self.tally = Tally()

    def outcomes(self, found: Iterable[Found]) -> Iterator[Outcome]:
        """Take all of it in. An outcome is remembered as done when its reader asks for the next."""
        for task in [lambda: self._find(found), *[self._work] * self._jobs]:
            threading.Thread(target=task, name="import", daemon=True).start()
        early: dict[int, Outcome] = {}
        turn = ended = 0
        try:
            while ended < self._jobs:
                number, outcome = self._results.get()
                if number == _INTERRUPTED:
                    self._halt("interrupted")
                elif outcome is None:
                    ended += 1
                else:
                    early[number] = outcome
                while turn in early:
                    yield from self._reported(early.pop(turn))
                    turn += 1
            for number in sorted(early):  # of what was stopped, there are gaps
                yield from self._reported(early[number])
        finally:
            self._halt(self.tally.halted)
            self._window.release()

    def interrupt(self) -> None:
        """End when what is being taken in is done. May be called by a signal handler, at any moment."""
        self._results.put((_INTERRUPTED, None))  # a SimpleQueue alone is safe there

    def _halt(self, why: str) -> None:
        self.tally.halted = self.tally.halted or why
        self._stopping.set()
        for _ in range(self._jobs):
            self._candidates.put(None)

    def _reported(self, outcome: Outcome) -> Iterator[Outcome]:
        self._window.release()
        self.tally.count(outcome)
        yield outcome
        if self._state is not None and outcome.ref:
            self._state.add(outcome.mark, str(outcome.ref), outcome.shown)
        if outcome.ref:
            self._in_a_row = 0
        elif outcome.is_down:
            self._in_a_row += 1
            if self._in_a_row == MOST_IN_A_ROW and not self._stopping.is_set():
                self._halt(f"{MOST_IN_A_ROW} files in a row failed through no fault of theirs, and so would all others: {outcome.reason}")

    def _find(self, found: Iterable[Found]) -> None:
        number = -1
        try:
            for number, each in enumerate(found):
                self._window.acquire()
                if self._stopping.is_set():
                    break
                if isinstance(each, Candidate):
                    self._candidates.put((number, each))
                else:
                    self._results.put((number, _passed(each)))
        except Exception as error:
            log.exception("looking for pictures")
            self._results.put((number + 1, Outcome("what is to be imported", FAILED, f"could not be read to its end: {error}")))
        for _ in range(self._jobs):
            self._candidates.put(None)

    def _work(self) -> None:
        while (task := self._candidates.get()) is not None and not self._stopping.is_set():
            number, candidate = task
            self._results.put((number, self._attempts(candidate)))
        self._results.put((0, None))

    def _attempts(self, candidate: Candidate) -> Outcome:
        """What is down is asked again, until the pauses are used up."""
        pauses = iter(PAUSES)
        while True:
            try:
                return self._attempt(candidate)
            except (StoreUnavailable, Busy) as error:
                pause = None if isinstance(error, StoreRefused) else next(pauses, None)
                if pause is None or not self._pause(pause):
                    return Outcome(candidate.shown, FAILED, str(error), is_down=True)
            except (RendererError, OSError) as error:
                return Outcome(candidate.shown, FAILED, getattr(error, "strerror", None) or str(error))
            except Exception as error:  # a bug of ours is no reason to stop either
                log.exception("%r", candidate.shown)
                return Outcome(candidate.shown, FAILED, f"internal error: {error!r}")

    def _attempt(self, candidate: Candidate) -> Outcome:
        try:
            return self._looked_at(candidate)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise NoSpace(str(error.strerror)) from error
            raise

    def _looked_at(self, candidate: Candidate) -> Outcome:
        mark = b""
        if self._state is not None:
            mark = self._wishes.mark(candidate) + candidate.origin.mark()
            if self._state.knows(mark):
                self._named(candidate)
                return Outcome(candidate.shown, SKIPPED, DONE_BEFORE, is_wanted=True)
        if self._ingest is None and not candidate.origin.is_near:
            self._named(candidate)
            return Outcome(candidate.shown, TAKEN)
        with candidate.origin.opened() as opened:
            head = opened.stream.read(HEAD_BYTES)
            if sniff(head) is None:
                if _is_promised(candidate):
                    raise BrokenOriginal("bytes that begin like no format that we read" if head else "an empty file")
                return Outcome(candidate.shown, SKIPPED, NO_PICTURE)
            name = self._named(candidate)  # not before: what is no picture needs none
            opened.stream.seek(0)
            self._limits.judge_bytes(opened.length)
            return replace(self._taken(candidate, name, opened.stream, opened.time), mark=mark, length=opened.length)

    def _named(self, candidate: Candidate) -> str:
        name = self._wishes.name_for(candidate)
        if name:
            self._names.give(name, candidate.shown)
        return name

    def _taken(self, candidate: Candidate, name: str, stream: BinaryIO, own_time: int) -> Outcome:
        wishes = self._wishes
        if self._ingest is None:
            return Outcome(candidate.shown, TAKEN)
        more: dict[str, Any] = {"placeholder": wishes.placeholder, "only_new": wishes.only_new}
        try:
            taken = self._ingest.take(wishes.namespace, stream, own_time, name, wishes.about(candidate), **more)
        except Conflict:
            if not wishes.only_new or wishes.namespace.naming.immutable:
                raise
            return Outcome(candidate.shown, SKIPPED, NAME_TAKEN, is_wanted=True)
        tags = wishes.tags_for(candidate)
        if tags and self._catalog is not None:
            self._catalog.note(taken.ref, wishes.user, lambda note: replace(note, tags=(*note.tags, *tags)))
        return Outcome(candidate.shown, TAKEN if taken.new else THERE, ref=taken.ref)


_INTERRUPTED = -1


def _passed(passed: Passed) -> Outcome:
    return Outcome(passed.shown, FAILED if passed.is_failure else SKIPPED, passed.reason, is_wanted=passed.is_wanted)


def _is_promised(candidate: Candidate) -> bool:
    """Whether it is a failure when this is no picture: somebody named it, or its name says that it is one."""
    return candidate.is_named or candidate.name.rpartition(".")[2].lower() in BY_EXTENSION
