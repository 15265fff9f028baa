"""Threads for what mostly waits: started when they are needed, the last idle one used first, a bounded queue when all are busy.

The standard executor joins its threads at the end of the process, though one may hang in a store's answer; flup's pool counts its idle
threads racily, closes the connection when it finds none (nginx: 502), and wakes its threads in turn: with hundreds of them each is used
for the first time some day, and the process grows by a tenth over thousands of requests that four could have answered.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

Task = Callable[[], object]


class Threads:
    """At most `most` threads, and `most_queued` tasks that wait for one. The process does not wait for them at its end."""

    def __init__(self, name: str, most: int, most_queued: int) -> None:
        self._name, self._most, self._most_queued = name, most, most_queued
        self._lock = threading.Lock()  # guards all of the following
        self._idle: list[_Thread] = []
        self._threads: list[_Thread] = []
        self._queue: deque[Task] = deque()
        self._stopping = False

    def add(self, task: Task) -> bool:
        """Have `task` run; False when it cannot even wait."""
        with self._lock:
            if self._idle:
                self._idle.pop().give(task)
                return True
            if len(self._threads) < self._most and self._started(task):
                return True
            if len(self._queue) < self._most_queued and self._threads:
                self._queue.append(task)
                return True
            return False

    def _started(self, task: Task) -> bool:
        thread = _Thread(self, self._name)
        thread.give(task)
        try:
            thread.start()
        except RuntimeError:  # the system gives us no more: those that we have must do
            log.exception("no thread beyond %d", len(self._threads))
            return False
        self._threads.append(thread)
        return True

    def finish(self, seconds: float | None = None) -> bool:
        """Wait until everything that was taken is done, for so long at most; whether it is. May be asked again."""
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            self._stopping = True
            idle, self._idle = self._idle, []
        for thread in idle:
            thread.give(None)
        for thread in self._threads:
            thread.join(None if deadline is None else max(0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def next_task(self, thread: _Thread) -> bool:
        """For a thread that has none: it gets one from the queue, or is idle; False when it may end."""
        with self._lock:
            if self._queue:
                thread.give(self._queue.popleft())
            elif self._stopping:
                return False
            else:
                self._idle.append(thread)
            return True


class _Thread(threading.Thread):
    """One thread, and the one task that waits for it."""

    def __init__(self, threads: Threads, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._threads = threads
        self._task: Task | None = None
        self._given = threading.Semaphore(0)

    def give(self, task: Task | None) -> None:
        """`task` is next; None ends the thread."""
        self._task = task
        self._given.release()

    def run(self) -> None:
        while True:
            self._given.acquire()
            task, self._task = self._task, None
            if task is None:
                return
            try:
                task()
            except OSError as error:  # nginx went away in the middle
                log.info("%s: %s", self.name, error)
            except Exception:
                log.exception("%s", self.name)
            del task  # or an idle thread keeps alive what it worked on
            if not self._threads.next_task(self):
                return
