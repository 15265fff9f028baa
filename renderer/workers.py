"""The pool of render processes.

pebble kills at time limits and starts anew what died. What it does not do is done here: a pool that breaks for good (its last idle process
was killed, or the forkserver) is replaced and that render tried once more; the queue is bounded; an answer that never comes is given up.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from renderer import walls as render_walls
from renderer.errors import Busy, RendererError, RenderKilled
from renderer.hiding import hide_front
from renderer.picture.engine import Engine
from renderer.picture.jobs import Described, Header, Job, Made
from renderer.walls import Walls

# A call may carry many jobs for one original, and others wait for a process meanwhile: after this long it begins no further one. So a
# call's time limit is that of one job, and this.
BUDGET_SECONDS = 1.0
LOOK_SECONDS = 0.2  # how often a waiting thread asks whether the pool still lives: pebble forgets what is scheduled while it breaks
GRACE_SECONDS = 5  # pebble's own time limit strikes within 0.1 s, and within 3 s more for a process that will not die
STOP_SECONDS = 1  # of the time to stop, what is kept for killing; it takes 0.2
_FORKSERVER_DIED = 255  # what multiprocessing says of a child whose exit status nobody can tell it any more

log = logging.getLogger(__name__)

T = TypeVar("T")


class _PoolBroke(Exception):
    """Nothing is known about the render, only that pebble's pool is of no more use."""


@dataclass(frozen=True)
class Pids:
    """Process numbers, for tests and `doctor`; `forkserver` is None while no render process is there to ask for its parent."""

    forkserver: int | None
    render: tuple[int, ...]


class Workers:
    """`seconds`: time limit of one job; `queue`: how many calls may wait; `max_renders`: after so many calls a process is renewed;
    `on_death`: is told why a process died before its call: by a `limit`, by a `crash`, or with its `pool`.
    """

    def __init__(
        self,
        engine: Engine,
        processes: int = 2,
        seconds: float = 15,
        queue: int = 64,
        max_renders: int = 500,
        walls: Walls = Walls(),
        on_death: Callable[[str], object] = str,
    ) -> None:
        self._engine, self._walls, self._on_death = engine, walls, on_death
        self._processes, self._seconds, self._queue, self._max_renders = processes, seconds, queue, max_renders
        self._changing = threading.Lock()  # held while the pool is looked at or replaced
        self._pool: ProcessPool | None = None
        self._stopping = False
        self._counting = threading.Condition()  # guards the next two lines
        self._in_flight: dict[object, float] = {}  # the time limit of each call
        self._progress = 0.0  # when a call last came to its end, or a pool was new

    def start(self) -> None:
        """Start the forkserver, under a neutral environment, and the render processes; from now on this process is closed to them."""
        render_walls.start_children_neutrally()
        hide_front()
        self._usable_pool()

    def render(self, original: Path, jobs: Sequence[Job]) -> list[Made | RendererError]:
        """What became of the first jobs: of one at least, and of more as far as a second goes.

        Busy when the queue is full or no process can be had, RenderKilled when the render process died or took too long.
        """
        more = BUDGET_SECONDS if len(jobs) > 1 else 0
        arguments = original, tuple(jobs), self._engine, self._walls.cpu_seconds + math.ceil(more)
        return self._run(_render, arguments, self._seconds + more, tuple(job.target for job in jobs))

    def header(self, original: Path) -> Header:
        """What the original's header says; BrokenOriginal, Refused, and as `render`."""
        return self._run(_header, (original, self._engine, self._walls.cpu_seconds), self._seconds, ())

    def describe(self, original: Path, idle_within: float | None = None) -> Described:
        """What its pixels say of the original; BrokenOriginal, Refused, and as `render`.

        `idle_within`: only when there is a process with nothing else to do, or will be in so many seconds; Busy otherwise.
        """
        if idle_within is not None:
            self._await_idle(idle_within)
        return self._run(_describe, (original, self._engine, self._walls.cpu_seconds), self._seconds, ())

    def pids(self) -> Pids:
        with self._changing:
            # pebble does not tell; multiprocessing.active_children() would also reap, in the wrong thread
            found = tuple(self._pool._pool_manager.worker_manager.workers) if self._pool else ()
        return Pids(next(filter(None, map(render_walls.parent_of, found)), None), found)

    def queued(self) -> int:
        """How many calls wait for a process."""
        with self._counting:
            return max(0, len(self._in_flight) - self._processes)

    def is_alive(self) -> bool:
        """Whether there is a pool, or can be: a broken one is replaced."""
        try:
            return self._usable_pool().active
        except (_PoolBroke, Busy):
            return False

    def stop(self, seconds: float) -> None:
        """Take nothing new, let renders in flight end, and after `seconds` at most none is left."""
        deadline = time.monotonic() + seconds
        self._stopping = True
        with self._counting:
            self._counting.wait_for(lambda: not self._in_flight, max(0, seconds - STOP_SECONDS))
        ending = threading.Thread(target=self._end, daemon=True)
        try:
            ending.start()
        except RuntimeError:  # Python 3.12 starts no thread any more while a program ends: then it takes as long as it takes
            self._end()
        else:
            ending.join(max(0, deadline - time.monotonic()))

    def _end(self) -> None:
        with self._changing:
            if self._pool is not None:
                _retire(self._pool)
                self._pool = None

    def _run(self, task: Callable[..., T], arguments: tuple[Any, ...], seconds: float, targets: tuple[Path, ...]) -> T:
        call = self._enter(seconds)
        try:
            try:
                return self._run_once(task, arguments, seconds)
            except _PoolBroke:
                self._on_death("pool")
                self._usable_pool()  # the processes of the broken one are gone after this, and write no more
                for target in targets:
                    target.unlink(missing_ok=True)
                return self._run_once(task, arguments, seconds)
        except _PoolBroke as error:
            # nothing that the original did: the machine gives us no process
            log.error("the pool of render processes broke twice: %s", error.__cause__ or error)
            raise Busy("no render process can be had", 5) from error
        finally:
            self._leave(call)

    def _run_once(self, task: Callable[..., T], arguments: tuple[Any, ...], seconds: float) -> T:
        pool = self._usable_pool()
        try:
            future: ProcessFuture[T] = _scheduled(pool, task, arguments, seconds)
            self._wait(pool, future)
            return future.result()
        except TimeoutError as error:
            if error.args[:1] != ("Task timeout",):  # the disk's, which is an OSError in Python; pebble's has these words
                raise
            self._on_death("limit")
            raise RenderKilled(f"it took more than {seconds:g} seconds") from error
        except ProcessExpired as error:
            if error.exitcode == _FORKSERVER_DIED:
                _give_up(pool)
                raise _PoolBroke("the forkserver died") from error
            self._on_death("limit" if error.exitcode == -signal.SIGXCPU else "crash")
            raise RenderKilled(_obituary(error.exitcode), max(0, -error.exitcode)) from error
        except BrokenProcessPool as error:
            raise _PoolBroke(str(error)) from error

    def _wait(self, pool: ProcessPool, future: ProcessFuture[T]) -> None:
        """Until `future` is done; _PoolBroke when it never will be."""
        while not wait([future], LOOK_SECONDS).done:
            if self._is_stuck():
                _give_up(pool)  # a process died holding pebble's lock, or was stopped: the next look replaces the pool
            if not pool.active:
                raise _PoolBroke("no answer")

    def _is_stuck(self) -> bool:
        """However long the queue is, of a healthy pool some call ends within its time limit."""
        with self._counting:
            return time.monotonic() > self._progress + max(self._in_flight.values(), default=0) + GRACE_SECONDS

    def _enter(self, seconds: float) -> object:
        """Count a call in; Busy when there are too many."""
        call = object()
        with self._counting:
            if len(self._in_flight) >= self._processes + self._queue:
                raise Busy("every render process is at work, and the queue is full")
            if not self._in_flight:
                self._progress = time.monotonic()
            self._in_flight[call] = seconds
        return call

    def _await_idle(self, seconds: float) -> None:
        """Nothing is held for who waits here: whatever comes meanwhile goes first."""
        with self._counting:
            if not self._counting.wait_for(lambda: self._stopping or len(self._in_flight) < self._processes, seconds):
                raise Busy("every render process is at work")

    def _leave(self, call: object) -> None:
        with self._counting:
            del self._in_flight[call]
            self._progress = time.monotonic()
            self._counting.notify_all()

    def _usable_pool(self) -> ProcessPool:
        """The pool; a broken one is replaced, and its processes are gone when this returns."""
        with self._changing:
            if self._stopping:
                raise Busy("the render processes are shutting down", 5)
            if self._pool is None or not self._pool.active:
                if self._pool is not None:
                    _retire(self._pool)
                self._pool = None
                self._pool = self._new_pool()
                with self._counting:
                    self._progress = time.monotonic()
            return self._pool

    def _new_pool(self) -> ProcessPool:
        context = render_walls.RenderContext()
        context.set_forkserver_preload(["renderer.workers", "renderer.picture.render"])  # so that a render process is a fork, not an import
        pool = ProcessPool(self._processes, self._max_renders, _begin, (self._walls, self._engine.resampler), context)
        try:
            if not pool.active:  # asking starts it
                raise _PoolBroke("it did not start")
        except BrokenProcessPool as error:
            raise _PoolBroke(str(error)) from error
        return pool


def _scheduled(pool: ProcessPool, task: Callable[..., T], arguments: tuple[Any, ...], seconds: float) -> ProcessFuture[T]:
    try:
        future: ProcessFuture[T] = pool.schedule(task, args=arguments, timeout=seconds)
    except RuntimeError as error:  # BrokenProcessPool is one too; another thread may have given the pool up since we looked
        raise _PoolBroke(str(error)) from error
    return future


def _begin(walls: Walls, resampler: str) -> None:
    """In a new render process. The resampler is loaded now, behind the walls: the first picture need not wait for it."""
    from renderer.picture.resample import prepare

    render_walls.raise_walls(walls)
    prepare(resampler)


def _render(original: Path, jobs: Sequence[Job], engine: Engine, cpu_seconds: int) -> list[Made | RendererError]:
    """In a render process. The import stands here because the front, which imports this module, opens no picture."""
    from renderer.picture.render import render_all

    render_walls.allow_cpu(cpu_seconds)
    return render_all(original, jobs, engine, BUDGET_SECONDS)


def _header(original: Path, engine: Engine, cpu_seconds: int) -> Header:
    from renderer.picture.render import read_header

    render_walls.allow_cpu(cpu_seconds)
    return read_header(original, engine)


def _describe(original: Path, engine: Engine, cpu_seconds: int) -> Described:
    from renderer.picture.render import describe

    render_walls.allow_cpu(cpu_seconds)
    return describe(original, engine)


def _retire(pool: ProcessPool) -> None:
    """Kill what is left of a pool."""
    _give_up(pool)
    with suppress(RuntimeError, OSError):  # a process that does not even die by SIGKILL waits for the disk, and will
        pool.join()


def _give_up(pool: ProcessPool) -> None:
    stop: Callable[[], None] = pool.stop  # pebble leaves it untyped
    stop()


def _obituary(exitcode: int) -> str:
    return f"killed by signal {-exitcode}" if exitcode < 0 else f"it ended with status {exitcode}"
