"""The one use case: find a rendition, or make it once.

Look, claim, look again, make, rename. A request thread only waits; the making is done by a maker thread per original, which fetches it
once and makes whatever is ordered of it meanwhile, so that a client that goes away changes nothing for the others.
"""

from __future__ import annotations

import concurrent.futures
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from renderer import signing
from renderer.cache import Cache, Mark
from renderer.desk import Desk, Order
from renderer.errors import BrokenOriginal, Busy, RendererError, RenderKilled
from renderer.limits import Limits
from renderer.messages import Show
from renderer.originals import Local, Originals
from renderer.picture.jobs import Job, Made
from renderer.quarantine import Quarantine
from renderer.rendition import Ref, Rendition
from renderer.workers import Workers

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8  # orders that one call of a render process makes; more would keep the first of them waiting for the last
SIGKILL = 9


@dataclass(frozen=True)
class Bounds:
    """How many requests may wait, in all and for one original, and for how long."""

    waiting: int = 112
    waiting_per_original: int = 48
    wait_seconds: float = 30


@dataclass(frozen=True)
class Produced:
    """A published file. `milliseconds` by stage: wait, fetch, decode, operations, encode, publish; empty when it was there."""

    path: Path
    milliseconds: Mapping[str, float] = field(default_factory=dict)


class Service:
    """`keys`: signing keys; none means that no signature is needed."""

    def __init__(
        self, cache: Cache, originals: Originals, workers: Workers, quarantine: Quarantine, limits: Limits,
        keys: Sequence[bytes] = (), bounds: Bounds = Bounds(),  # frozen
    ) -> None:  # fmt: skip
        self._cache, self._originals, self._workers, self._quarantine = cache, originals, workers, quarantine
        self._limits, self._keys, self._bounds = limits, tuple(keys), bounds
        self._desk = Desk(bounds.waiting, bounds.waiting_per_original)
        # A hanging store outlives the requests that waited for it: twice as many makers as waiters before new originals queue.
        self._makers = ThreadPoolExecutor(max_workers=2 * bounds.waiting, thread_name_prefix="maker")

    def produce(self, show: Show) -> Produced:
        """The rendition's file, published under its alias too. Raises a RendererError that says what is the matter."""
        rendition = show.rendition
        self._limits.judge(rendition)
        signing.check(self._keys, rendition.ref, show.wish, show.signature)
        path = self._cache.find(rendition)
        produced = Produced(path) if path else self._make(rendition)
        if show.alias:
            self._cache.link(produced.path, show.alias)
        return produced

    def load(self) -> dict[str, int]:
        return self._desk.load()

    def stop(self) -> None:
        self._makers.shutdown(wait=False, cancel_futures=True)

    def _make(self, rendition: Rendition) -> Produced:
        ref, began = rendition.ref, time.monotonic()
        self._quarantine.check(ref, rendition.recipe.spell())
        with self._desk.seat(ref):
            order, needs_maker = self._desk.place(rendition)
            if needs_maker:
                self._makers.submit(self._run_maker, ref)
            try:
                path = order.made.result(timeout=self._bounds.wait_seconds)
            except concurrent.futures.TimeoutError as error:
                raise Busy(f"{rendition} takes longer than {self._bounds.wait_seconds:g} s", retry_after=5) from error
        spent = dict(order.milliseconds)
        spent["wait"] = max(0.0, (time.monotonic() - began) * 1000 - sum(spent.values()))
        return Produced(path, spent)

    def _run_maker(self, ref: Ref) -> None:
        try:
            began = time.monotonic()
            with self._cache.claim(ref, self._bounds.wait_seconds) as mark, self._originals.local(ref) as original:
                fetch = (time.monotonic() - began) * 1000
                while orders := self._desk.take(ref, MOST_AT_ONCE):
                    self._fulfil(orders, original, mark, fetch)
        except RendererError as error:
            self._desk.give_up(ref, error)
        except Exception as error:
            log.exception("maker of %s", ref)
            self._desk.give_up(ref, error)

    def _fulfil(self, orders: Sequence[Order], original: Local, mark: Mark, fetch: float) -> None:
        """Settle every one of `orders`, whatever happens."""
        left = list(orders)
        jobs: dict[Order, Job] = {}
        try:
            for order in orders:
                found = self._cache.find(order.rendition)  # another process may have made it while we waited for the claim
                if found:
                    left.remove(order)
                    self._desk.settle(order, found)
                else:
                    jobs[order] = Job(order.rendition.recipe, self._cache.temporary())
            for order, outcome in zip(jobs, self._render(jobs, original), strict=True):
                left.remove(order)
                order.milliseconds["fetch"] = fetch
                self._desk.settle(order, self._published(order, jobs[order], outcome, original, mark))
        except Exception as error:
            if not isinstance(error, RendererError):
                log.exception("making %s", ", ".join(str(order.rendition) for order in left))
            for order in left:
                self._desk.settle(order, error)
        finally:
            for job in jobs.values():
                job.target.unlink(missing_ok=True)

    def _render(self, jobs: Mapping[Order, Job], original: Local) -> list[Made | RendererError]:
        if not jobs:
            return []
        try:
            return self._workers.render(original.path, list(jobs.values()))
        except RenderKilled as killed:
            self._note_killed(killed, jobs)
            raise
        except FileNotFoundError as error:  # pruned or deleted between our look and theirs: the next request fetches it anew
            raise Busy("the original went away meanwhile") from error

    def _published(self, order: Order, job: Job, outcome: Made | RendererError, original: Local, mark: Mark) -> Path | Exception:
        ref = order.rendition.ref
        try:
            if isinstance(outcome, RendererError):
                if isinstance(outcome, BrokenOriginal):
                    self._note_broken(ref, original, outcome)
                return outcome
            order.milliseconds.update(outcome.milliseconds)
            began = time.monotonic()
            path = self._cache.publish(order.rendition, job.target, outcome.extension, original.time, mark)
            order.milliseconds["publish"] = (time.monotonic() - began) * 1000
            self._quarantine.clear(ref, order.rendition.recipe.spell())
        except RendererError as error:
            return error
        return path

    def _note_broken(self, ref: Ref, original: Local, broken: BrokenOriginal) -> None:
        """Held against the original only when its bytes are the ones that its name promises; StoreGarbled otherwise."""
        self._originals.verify(ref, original.path)
        record = self._quarantine.strike(ref, broken.reason)
        log.warning("quarantined %s until %s: %s", ref, _clock(record.retry_at), broken.reason)

    def _note_killed(self, killed: RenderKilled, jobs: Mapping[Order, Job]) -> None:
        """Which of the jobs did it? They are made in order, and a job's file is begun when its encoding begins.

        No file at all: the original never got through decoding. Else the last file begun is the one that was too much, and only that
        recipe is held back: one huge wish must not take a picture's thumbnails away. Killed by SIGKILL is more often an operator or a
        full machine than the picture: once is forgiven.
        """
        begun = [order for order, job in jobs.items() if job.target.exists()]
        rendition = begun[-1].rendition if begun else next(iter(jobs)).rendition
        recipe = rendition.recipe.spell() if begun else ""
        record = self._quarantine.strike(rendition.ref, killed.reason, recipe, patience=1 if killed.signal == SIGKILL else 0)
        log.error("%s: %s; try %d, again at %s", rendition, killed, record.tries, _clock(record.retry_at))


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
