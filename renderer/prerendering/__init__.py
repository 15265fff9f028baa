"""Make many renditions ahead of their first visitor, by the use case of a miss, so that nginx finds them.

What is wished of one original in a row is ordered together: one fetch and few decodes serve it. A few threads wait for the renditions, and
outcomes come back in the order of the wishes, as a generator that its reader drives. At most WINDOW originals are on their way, so memory
does not grow with their number. The cache is the record of what is done: a repeat looks each rendition up, and makes what is not there,
what was pruned since too. It never heard of command lines, and prints nothing.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from renderer.cache import Cache
from renderer.crew import Crew
from renderer.errors import Busy, RendererError, StoreGarbled, StoreUnavailable
from renderer.importing import MOST_IN_A_ROW
from renderer.making import MOST_AT_ONCE
from renderer.messages import Show
from renderer.prerendering.wishes import Unreadable, Wish
from renderer.service import Produced

log = logging.getLogger(__name__)

WINDOW = 256  # originals between being found and being reported, some kilobytes each
# Of one original together: as many as one call of a render process makes. A visitor who wants the same original waits for no more.
MOST_TOGETHER = MOST_AT_ONCE

MADE, THERE, FAILED = "made", "already there", "failed"


class Produces(Protocol):
    """What is needed of a service."""

    def produce_all(self, shows: Sequence[Show]) -> Sequence[Produced | Exception]: ...


class Looking:
    """In place of a service: what it would make counts as made, and nothing is. Whether there is an original is not asked."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def produce_all(self, shows: Sequence[Show]) -> list[Produced | Exception]:
        found = map(self._cache.find, (show.rendition for show in shows))
        return [Produced(path) if path else Produced(Path(), _NEW) for path in found]


_NEW = {"publish": 0.0}  # what a rendition took that was made for us, and not found nor made for somebody else


@dataclass(frozen=True)
class Outcome:
    """What became of one line. `what`: MADE, THERE or FAILED; `length`: of what was made, in bytes; `is_down`: through no fault of it."""

    shown: str
    what: str
    reason: str = ""
    wish: Wish | None = None
    length: int = 0
    is_down: bool = False


@dataclass
class Tally:
    """What became of all. `bytes`: of what was made; `halted`: why not everything was tried, '' when it was."""

    counts: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    halted: str = ""


_Group = list[Wish]


class Prerendering:
    """Orders for as many originals at once as `crew` has jobs, and by its patience."""

    def __init__(self, service: Produces, crew: Crew) -> None:
        self._service, self._crew = service, crew
        self._window = threading.Semaphore(WINDOW)
        self._groups: SimpleQueue[tuple[int, _Group] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[int, list[Outcome] | None]] = SimpleQueue()  # None: a thread has ended
        self._in_a_row = 0
        self.tally = Tally()

    def outcomes(self, found: Iterable[Wish | Unreadable]) -> Iterator[Outcome]:
        """Make all of it, and tell what became of each."""
        tasks: list[Callable[[], None]] = [partial(self._find, found), *[self._work] * self._crew.jobs]
        for task in tasks:
            threading.Thread(target=task, name="prerender", daemon=True).start()
        early: dict[int, list[Outcome]] = {}
        turn = ended = 0
        try:
            while ended < self._crew.jobs:
                number, outcomes = self._results.get()
                if number == _INTERRUPTED:
                    self._halt("interrupted")
                elif outcomes is None:
                    ended += 1
                else:
                    early[number] = outcomes
                while turn in early:
                    yield from self._reported(early.pop(turn))
                    turn += 1
            for number in sorted(early):  # of what was stopped, there are gaps
                yield from self._reported(early[number])
        finally:
            self._halt(self.tally.halted)
            self._window.release()

    def interrupt(self) -> None:
        """End when what is in work is done. May be called by a signal handler, at any moment."""
        self._results.put((_INTERRUPTED, None))  # a SimpleQueue alone is safe there

    def _halt(self, why: str) -> None:
        self.tally.halted = self.tally.halted or why
        self._crew.stop()
        for _ in range(self._crew.jobs):
            self._groups.put(None)

    def _reported(self, outcomes: list[Outcome]) -> Iterator[Outcome]:
        self._window.release()
        for outcome in outcomes:
            self.tally.counts[outcome.what] += 1
            self.tally.bytes += outcome.length
            yield outcome
        last = outcomes[-1]
        if last.is_down:
            self._in_a_row += 1
            if self._in_a_row == MOST_IN_A_ROW and not self._crew.stopping.is_set():
                self._halt(f"{MOST_IN_A_ROW} originals in a row failed through no fault of theirs, and so would all others: {last.reason}")
        elif last.wish:
            self._in_a_row = 0

    def _find(self, found: Iterable[Wish | Unreadable]) -> None:
        number = -1
        try:
            for number, each in enumerate(together(found)):
                self._window.acquire()
                if self._crew.stopping.is_set():
                    break
                if isinstance(each, Unreadable):
                    self._results.put((number, [Outcome(each.shown, FAILED, each.reason)]))
                else:
                    self._groups.put((number, each))
        except Exception as error:
            self._results.put((number + 1, [Outcome("what is to be made", FAILED, f"could not be read to its end: {said(error)}")]))
        for _ in range(self._crew.jobs):
            self._groups.put(None)

    def _work(self) -> None:
        while (task := self._groups.get()) is not None and not self._crew.stopping.is_set():
            number, wishes = task
            self._results.put((number, self._made(wishes)))
        self._results.put((0, None))

    def _made(self, wishes: _Group) -> list[Outcome]:
        shows = list(dict.fromkeys(show for wish in wishes for show in wish.shows))
        try:
            known = self._patiently(shows)
        except Exception as error:  # a bug of ours is no reason to stop
            known = dict.fromkeys(shows, error)
        return [_outcome(wish, [known[show] for show in wish.shows]) for wish in wishes]

    def _patiently(self, shows: Sequence[Show]) -> dict[Show, Produced | Exception]:
        """What is down is asked again, and only that."""
        known: dict[Show, Produced | Exception] = {}

        def attempt() -> None:
            left = [show for show in shows if isinstance(known.get(show), (*_PASSING, type(None)))]
            known.update(zip(left, self._service.produce_all(left), strict=True))
            for outcome in known.values():
                if isinstance(outcome, _PASSING):
                    raise outcome

        with suppress(*_PASSING):
            self._crew.patiently(attempt)
        return known


_INTERRUPTED = -1
_PASSING = (StoreUnavailable, Busy)


def together(found: Iterable[Wish | Unreadable]) -> Iterator[_Group | Unreadable]:
    """Wishes for one original that follow each other, MOST_TOGETHER at most."""
    group: _Group = []
    for each in found:
        if group and (isinstance(each, Unreadable) or each.ref != group[0].ref or len(group) == MOST_TOGETHER):
            yield group
            group = []
        if isinstance(each, Unreadable):
            yield each
        else:
            group.append(each)
    if group:
        yield group


def _outcome(wish: Wish, results: Sequence[Produced | Exception]) -> Outcome:
    for error in results:
        if isinstance(error, Exception):
            is_down = isinstance(error, _PASSING) and not isinstance(error, StoreGarbled)
            return Outcome(wish.shown, FAILED, said(error), wish, is_down=is_down)
    made = [result for result in results if isinstance(result, Produced) and result.milliseconds.keys() >= _NEW.keys()]
    return Outcome(wish.shown, MADE if made else THERE, wish=wish, length=_length(made[0]) if made else 0)


def _length(produced: Produced) -> int:
    with suppress(OSError):  # it may be gone already
        return produced.path.stat().st_size if produced.path.name else 0
    return 0


def said(error: Exception) -> str:
    """What went wrong, in a sentence; what is a bug of ours is logged too."""
    if isinstance(error, RendererError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    log.error("renditions made ahead", exc_info=error)
    return f"internal error: {error!r}"
