"""The threads that answer requests: started when they are needed, the last idle one used first, a bounded queue when all are busy.

flup's own pool counts its idle threads racily, closes the connection when it finds none (nginx: 502), drops at its end what it had
accepted, and wakes its threads in turn: with hundreds of them every one is used for the first time, and the process grows by a tenth
over thousands of requests that four could have answered.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Protocol

log = logging.getLogger(__name__)


class Job(Protocol):
    """What flup hands over: one connection."""

    def run(self) -> None: ...


class Threads:
    """At most `most` threads, and `most_queued` jobs that wait for one. What flup calls on a pool, it has under flup's names."""

    def __init__(self, most: int, most_queued: int) -> None:
        self._most, self._most_queued = most, most_queued
        self._lock = threading.Lock()  # guards all of the following
        self._idle: list[_Worker] = []
        self._workers: list[_Worker] = []
        self._queue: deque[Job] = deque()
        self._stopping = False

    def addJob(self, job: Job, allowQueuing: bool = True) -> bool:  # flup's names
        """Have `job` run; False when it is not even queued. flup asks for no queue, and gets ours all the same."""
        with self._lock:
            if self._idle:
                self._idle.pop().give(job)
            elif len(self._workers) < self._most:
                worker = _Worker(self)
                self._workers.append(worker)
                worker.give(job)
                worker.start()
            elif len(self._queue) < self._most_queued:
                self._queue.append(job)
            else:
                return False
            return True

    def shutdown(self) -> None:
        """Wait until everything that was taken is done, without limit: that is the caller's business."""
        with self._lock:
            self._stopping = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.give(None)
        for worker in self._workers:
            worker.join()

    def next_job(self, worker: _Worker) -> bool:
        """Called by a worker that has none: it gets one from the queue, or is idle; False when it may end."""
        with self._lock:
            if self._queue:
                worker.give(self._queue.popleft())
            elif self._stopping:
                return False
            else:
                self._idle.append(worker)
            return True


class _Worker(threading.Thread):
    """One thread, and the one job that waits for it."""

    def __init__(self, threads: Threads) -> None:
        super().__init__(name="request", daemon=True)
        self._threads = threads
        self._job: Job | None = None
        self._given = threading.Semaphore(0)

    def give(self, job: Job | None) -> None:
        """`job` is next; None ends the thread."""
        self._job = job
        self._given.release()

    def run(self) -> None:
        while True:
            self._given.acquire()
            job, self._job = self._job, None
            if job is None:
                return
            try:
                job.run()
            except OSError as error:  # nginx went away in the middle
                log.info("connection: %s", error)
            except Exception:
                log.exception("connection")
            if not self._threads.next_job(self):
                return
