"""The one use case: find a rendition, or make it once.

Look, claim, look again, make, rename. A request thread only waits; the making is done by a maker thread per original, which fetches it
once and makes whatever is ordered of it meanwhile, so that a client that goes away changes nothing for the others.
"""

from __future__ import annotations

import concurrent.futures
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from renderer import signing
from renderer.cache import Cache, Mark
from renderer.catalog import Entry
from renderer.describing import Describing
from renderer.desk import Desk, Order
from renderer.errors import BrokenOriginal, Busy, NoSpace, RendererError, RenderKilled, StoreUnavailable
from renderer.limits import Limits
from renderer.messages import Show
from renderer.originals import Local, Originals
from renderer.picture.jobs import Job, Made
from renderer.quarantine import Quarantine, Record
from renderer.recipe import Recipe, Untouched
from renderer.rendition import Ref, Rendition
from renderer.threads import Threads
from renderer.workers import Workers

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8  # orders that one call of a render process makes; more would keep the first of them waiting for the last
RELIEF_SECONDS = 5.0  # that a maker waits for room on a full disk, out of the patience of who waits for it
SIGKILL = 9


@dataclass(frozen=True)
class Bounds:
    """How many requests may wait, in all and for one original, and for how long."""

    waiting: int = 176
    waiting_per_original: int = 104
    wait_seconds: float = 30


@dataclass(frozen=True)
class Produced:
    """A published file. `milliseconds` by stage: wait, fetch, decode, operations, encode, publish; empty when it was there."""

    path: Path
    milliseconds: Mapping[str, float] = field(default_factory=dict)


class Service:
    """`keys`: signing keys; none means that no signature is needed. `relieve`: makes room on a full disk within so many seconds."""

    def __init__(
        self, cache: Cache, originals: Originals, describing: Describing, workers: Workers, quarantine: Quarantine, limits: Limits,
        keys: Sequence[bytes] = (), bounds: Bounds = Bounds(),  # frozen
        relieve: Callable[[float], object] = bool,
    ) -> None:  # fmt: skip
        self._cache, self._originals, self._describing, self._workers, self._quarantine = cache, originals, describing, workers, quarantine
        self._limits, self._keys, self._bounds, self._relieve = limits, tuple(keys), bounds, relieve
        self._desk = Desk(bounds.waiting, bounds.waiting_per_original)
        # A hanging store outlives the requests that waited for it: twice as many makers as waiters before new originals queue.
        self._makers = Threads("maker", 2 * bounds.waiting, bounds.waiting)

    def produce(self, show: Show) -> Produced:
        """The rendition's file, published under its alias too. Raises a RendererError that says what is the matter."""
        found = self._found(show)
        if found:
            return found
        with self._ordered([show]) as (awaited,):
            return awaited()

    def produce_all(self, shows: Sequence[Show]) -> list[Produced | Exception]:
        """What became of each, all of one original and ordered before any is begun: one seat, one fetch and few decodes serve them."""
        outcomes = {show: _caught(partial(self._found, show)) for show in shows}
        missing = [show for show, outcome in outcomes.items() if outcome is None]
        try:
            with self._ordered(missing) as awaited:
                outcomes |= {show: _caught(wait) for show, wait in zip(missing, awaited, strict=True)}
        except Busy as busy:
            outcomes |= dict.fromkeys(missing, busy)
        return [outcome for show in shows if (outcome := outcomes[show])]

    def load(self) -> dict[str, int]:
        return self._desk.load()

    def _found(self, show: Show) -> Produced | None:
        """None when it may be made, and has to be."""
        rendition = show.rendition
        self._limits.judge(rendition)
        signing.check(self._keys, rendition.ref, show.wish, show.signature)
        path = self._cache.find(rendition)
        if path:
            return self._linked(show, Produced(path))
        if rendition.recipe != Untouched(scrubbed=False):  # the bytes as they are can be had of a broken original too
            self._quarantine.check(rendition.ref, rendition.recipe.spell())
        return None

    def _linked(self, show: Show, produced: Produced) -> Produced:
        if show.alias:
            self._cache.link(show.rendition.ref, produced.path, show.alias)
        return produced

    @contextmanager
    def _ordered(self, shows: Sequence[Show]) -> Iterator[list[Callable[[], Produced]]]:
        """What waits for each; all are of one original."""
        if not shows:
            yield []
            return
        ref, began = shows[0].rendition.ref, time.monotonic()
        with self._desk.seat(ref, far=not self._originals.is_near(ref)):
            placed = [(show, *self._desk.place(show.rendition)) for show in shows]
            if any(needs_maker for *_, needs_maker in placed) and not self._makers.add(partial(self._run_maker, ref)):
                self._desk.give_up(ref, Busy("every maker is at work"))
            yield [partial(self._awaited, show, order, is_ours, began) for show, order, is_ours, _ in placed]

    def _awaited(self, show: Show, order: Order, is_ours: bool, began: float) -> Produced:
        try:
            path = order.made.result(timeout=self._bounds.wait_seconds)
        except concurrent.futures.TimeoutError as error:
            raise Busy(f"{order.rendition} takes longer than {self._bounds.wait_seconds:g} s", retry_after=5) from error
        spent = dict(order.milliseconds) if is_ours else {}  # who joined an order only waited
        spent["wait"] = max(0.0, (time.monotonic() - began) * 1000 - sum(spent.values()))
        return self._linked(show, Produced(path, spent))

    def _run_maker(self, ref: Ref) -> None:
        """Make what is ordered of `ref` until nothing is. After a purge all begins anew: the bytes may be others now."""
        try:
            entry = self._describing.known(ref)
            while not self._make_all(ref, entry):
                continue
        except RendererError as error:
            self._desk.give_up(ref, error)
        except Exception as error:
            log.exception("maker of %s", ref)
            self._desk.give_up(ref, error)

    def _make_all(self, ref: Ref, entry: Entry | None) -> bool:
        """Whether nothing is left to make; not so when the original was purged meanwhile.

        Then there is time to learn about the original, as long as it is here. Whoever orders now finds another maker, and no claim.
        """
        began, is_shown = time.monotonic(), False
        with ExitStack() as claimed:
            mark = claimed.enter_context(self._cache.claim(ref, self._bounds.wait_seconds))
            with self._originals.local(ref) as original:
                fetch = (time.monotonic() - began) * 1000
                while orders := self._desk.take(ref, MOST_AT_ONCE):
                    if self._cache.mark(ref) != mark:
                        self._desk.put_back(ref, orders)
                        return False
                    self._fulfil(orders, original, mark, fetch)
                    is_shown = is_shown or any(map(_is_shown, orders))
                claimed.close()
                if is_shown:  # what cannot be rendered cannot be described, and may kill who tries
                    self._describing.learn(ref, entry, original.path)
        return True

    def _fulfil(self, orders: Sequence[Order], original: Local, mark: Mark, fetch: float) -> None:
        """Settle or put back every one of `orders`, whatever happens."""
        jobs: dict[Order, Job] = {}
        try:
            for order in orders:
                found = self._cache.find(order.rendition)  # another process may have made it while we waited for the claim
                if found:
                    self._desk.settle(order, found)
                else:
                    order.milliseconds["fetch"] = fetch
                    jobs[order] = Job(order.rendition.recipe, self._cache.temporary())
            if jobs:
                self._render(jobs, original, mark)
        except Exception as error:
            if not isinstance(error, RendererError):
                log.exception("making renditions of %s", orders[0].rendition.ref)
            for order in orders:
                if not order.made.done():
                    self._desk.settle(order, error)
        finally:
            for job in jobs.values():
                job.target.unlink(missing_ok=True)

    def _render(self, jobs: Mapping[Order, Job], original: Local, mark: Mark) -> None:
        ref = next(iter(jobs)).rendition.ref
        try:
            results = self._workers.render(original.path, list(jobs.values()))
        except RenderKilled as killed:
            guilty = self._note_killed(killed, jobs)
            for order in guilty:
                self._desk.settle(order, killed)
            self._desk.put_back(ref, [order for order in jobs if order not in guilty])
            return
        except FileNotFoundError as error:  # pruned or deleted between our look and theirs: the next request fetches it anew
            raise Busy("the original went away meanwhile") from error
        except OSError as error:
            raise StoreUnavailable(self._originals.homes[ref.namespace.name].store.name, f"{error.strerror}: {original.path}") from error
        crowded: list[Order] = []
        for (order, job), outcome in zip(jobs.items(), results, strict=False):
            published = self._published(order, job, outcome, original, mark)
            if isinstance(published, NoSpace) and not order.was_crowded:
                crowded.append(order)
            else:
                self._desk.settle(order, published)
        self._make_room(ref, crowded)
        self._desk.put_back(ref, list(jobs)[len(results) :])

    def _make_room(self, ref: Ref, orders: Sequence[Order]) -> None:
        """The disk is full: have something evicted, and make these once more; they fail where that does not help."""
        if not orders:
            return
        began = time.monotonic()
        log.warning("the disk under the cache is full: asking the pruner for room")
        is_freed = self._relieve(RELIEF_SECONDS)
        log.warning("the pruner %s in %.1f s", "made room" if is_freed else "could make no room", time.monotonic() - began)
        for order in orders:
            order.was_crowded = True
        self._desk.put_back(ref, orders)

    def _published(self, order: Order, job: Job, outcome: Made | RendererError, original: Local, mark: Mark) -> Path | Exception:
        rendition = order.rendition
        try:
            if isinstance(outcome, RendererError):
                if isinstance(outcome, BrokenOriginal):
                    self._note_broken(rendition.ref, original, outcome)
                return outcome
            order.milliseconds.update(outcome.milliseconds)
            began = time.monotonic()
            cost = sum(order.milliseconds.values())
            path = self._cache.publish(rendition, job.target, outcome.extension, original.time, mark, cost)
            order.milliseconds["publish"] = (time.monotonic() - began) * 1000
        except Exception as error:
            if not isinstance(error, RendererError):
                log.exception("publishing %s", rendition)
            return error
        if isinstance(rendition.recipe, Recipe):  # a copy of the bytes proves nothing about the codecs
            self._clear(rendition)
        return path

    def _note_broken(self, ref: Ref, original: Local, broken: BrokenOriginal) -> None:
        """Held against the original only when its bytes are the ones that its name promises; StoreGarbled otherwise."""
        self._originals.verify(ref, original.path)
        record = self._strike(ref, broken.reason)
        if record:
            log.warning("quarantined %s until %s: %s", ref, _clock(record.retry_at), broken.reason)

    def _note_killed(self, killed: RenderKilled, jobs: Mapping[Order, Job]) -> list[Order]:
        """Whose fault was it? The orders that shall fail for it; the others are made another time.

        Jobs are made in order, so it was the first that is not whole. When it was not even begun, and none before it is whole, the
        original never got through decoding, and all fail. Otherwise only that recipe is held back: one huge wish must not take a
        picture's thumbnails away. Killed by SIGKILL is more often an operator or a full machine than the picture: once is forgiven.
        """
        unfinished = [order for order, job in jobs.items() if not job.is_whole()] or list(jobs)
        first = unfinished[0]
        original_at_fault = len(unfinished) == len(jobs) and not jobs[first].is_begun()
        recipe = "" if original_at_fault else first.rendition.recipe.spell()
        record = self._strike(first.rendition.ref, killed.reason, recipe, patience=1 if killed.signal == SIGKILL else 0)
        if record:
            log.error("%s: %s; try %d, again at %s", first.rendition, killed, record.tries, _clock(record.retry_at))
        return list(jobs) if original_at_fault else [first]

    def _strike(self, ref: Ref, reason: str, recipe: str = "", patience: int = 0) -> Record | None:
        """Note it, if the disk takes it: what is to be reported is the failure, not that."""
        try:
            return self._quarantine.strike(ref, reason, recipe, patience)
        except OSError:
            log.exception("no record of %s: %s", ref, reason)
            return None

    def _clear(self, rendition: Rendition) -> None:
        """It could be read after all. A record that cannot be removed is no reason to withhold a picture."""
        try:
            self._quarantine.clear(rendition.ref, rendition.recipe.spell())
        except OSError:
            log.exception("records of %s stay", rendition)


def _caught(attempt: Callable[[], Produced | None]) -> Produced | Exception | None:
    try:
        return attempt()
    except Exception as error:
        return error


def _is_shown(order: Order) -> bool:
    """Whether its pixels could be read."""
    return isinstance(order.rendition.recipe, Recipe) and order.made.done() and order.made.exception() is None


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
