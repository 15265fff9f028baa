"""Many things done by a few threads, and told in the order in which they were found.

At most `window` of them are on their way, so memory does not grow with their number. What is down is waited for: a server that restarts
is back before the patience of a thread ends.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from renderer.errors import Busy, RendererError, StoreGarbled, StoreRefused, StoreUnavailable

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds; twice as long each time
PATIENCE = 180.0  # seconds of pauses, for a server that is being restarted
GARBLED_TRIES = 5  # of bytes that came down otherwise than promised: a network heals by then, a broken attachment never
WINDOW_PER_JOB = 8

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")


class Crew:
    """`jobs` threads, which end with the process if they must. `wait`: lets seconds pass, and says whether to go on.

    `patience`: how many seconds what is down is waited for in all.
    """

    def __init__(self, jobs: int, patience: float = PATIENCE, wait: Callable[[float], bool] | None = None) -> None:
        self.jobs, self._patience, self.stopping = jobs, patience, threading.Event()
        self._wait = wait or (lambda seconds: not self.stopping.wait(seconds))
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def stop(self) -> None:
        """Begin nothing new, and wait for nothing that is down. Safe in a signal handler? Setting an event is."""
        self.stopping.set()

    def each(self, things: Iterable[_Thing], work: Callable[[_Thing], _Result]) -> Iterator[tuple[_Thing, _Result]]:
        """Every thing with what became of it, in order; after `stop` only those that were begun."""
        waiting: deque[tuple[_Thing, Future[_Result]]] = deque()
        for thing in things:
            if self.stopping.is_set():
                break
            waiting.append((thing, self.given(partial(work, thing))))
            if len(waiting) >= self.jobs * WINDOW_PER_JOB:
                first, result = waiting.popleft()
                yield first, result.result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()

    def patiently(self, attempt: Callable[[], _Result]) -> _Result:
        """What `attempt` returns, once the stores behind it answer; what it raises when they do not for too long."""
        pauses, garbled = _pauses(self._patience), 0
        while True:
            try:
                return attempt()
            except StoreRefused:
                raise
            except (StoreUnavailable, Busy) as error:
                garbled += isinstance(error, StoreGarbled)
                pause = None if garbled >= GARBLED_TRIES else next(pauses, None)
                if pause is None or not self._wait(pause):
                    raise
                log.info("again in %.1f s: %s", pause, error)

    def dismiss(self) -> None:
        """Let the threads go when they have done what they were given."""
        for _ in self._threads:
            self._tasks.put(None)
        self._threads.clear()

    def given(self, work: Callable[[], _Result]) -> Future[_Result]:
        """What will become of `work`, which one of the threads does when it comes to it. From one thread only."""
        future: Future[_Result] = Future()
        if len(self._threads) < self.jobs:
            thread = threading.Thread(target=self._work, name="migrating", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._tasks.put(partial(_fulfil, future, work))
        return future

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


def _fulfil(future: Future[_Result], work: Callable[[], _Result]) -> None:
    try:
        future.set_result(work())
    except RendererError as error:
        future.set_exception(error)
    except Exception as error:
        log.exception("a thread of a migration")
        future.set_exception(error)


def _pauses(patience: float) -> Iterator[float]:
    """Longer and longer, never quite alike, so that threads do not come back together."""
    pause = FIRST_PAUSE
    while patience > 0:
        yield pause * random.uniform(0.75, 1.25)
        patience -= pause
        pause = min(2 * pause, LONGEST_PAUSE)
