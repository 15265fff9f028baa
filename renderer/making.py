"""What a maker does: recall what need not be made of one original, fetch it once for all the rest, render, publish, settle.

One maker per original and process, which holds the claim on it. It ends only when nothing is ordered any more, and no order is lost:
whatever happens, each that it took is settled, or put back for itself or who comes after it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from renderer import metrics
from renderer.archive import Archive
from renderer.beside import write_info
from renderer.cache import Cache, Mark
from renderer.catalog import Entry
from renderer.describing import Describing
from renderer.desk import Desk, Order
from renderer.errors import BrokenOriginal, Busy, NoSpace, RendererError, RenderKilled, StoreUnavailable
from renderer.formats import AVIF, WEBP
from renderer.originals import Local, Originals
from renderer.picture.jobs import Job, Made
from renderer.recalling import Recalling
from renderer.recipe import Beside, Recipe
from renderer.rendition import JSON_EXTENSION, Ref, Rendition
from renderer.verdicts import Verdicts
from renderer.workers import Workers

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8  # orders that one call of a render process makes; more would keep the first of them waiting for the last
RELIEF_SECONDS = 5.0  # that a maker waits for room on a full disk, out of the patience of who waits for it
LATER = {WEBP: 1, AVIF: 2}  # seconds, where one URL may answer with these or a JPEG: nginx's ETag knows no more than time and length


class Making:
    """`wait_seconds`: how long a maker waits for one of another process; `relieve`: makes room on a full disk within so many seconds."""

    def __init__(
        self, cache: Cache, originals: Originals, describing: Describing, workers: Workers, verdicts: Verdicts, desk: Desk,
        recalling: Recalling, archive: Archive | None, wait_seconds: float, relieve: Callable[[float], object],
    ) -> None:  # fmt: skip
        self._cache, self._originals, self._describing, self._workers = cache, originals, describing, workers
        self._verdicts, self._desk, self._recalling, self._archive = verdicts, desk, recalling, archive
        self._wait_seconds, self._relieve = wait_seconds, relieve

    def run(self, ref: Ref) -> None:
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
        began, is_shown, fetch = time.monotonic(), False, 0.0
        original: Local | None = None
        with ExitStack() as claimed, ExitStack() as opened:
            mark = claimed.enter_context(self._cache.claim(ref, self._wait_seconds))
            while orders := self._desk.take(ref, MOST_AT_ONCE):
                if self._cache.mark(ref) != mark:
                    self._desk.put_back(ref, orders)
                    return False
                orders = self._recall(ref, orders, mark)
                if orders and original is None:
                    self._desk.put_back(ref, orders)  # should it not be there, they fail with all who come meanwhile
                    is_near = self._originals.is_near(ref)
                    original = opened.enter_context(self._originals.local(ref))
                    if is_near:
                        metrics.fetched("original_download_skipped")  # what is fetched, the store counts
                    fetch = (time.monotonic() - began) * 1000
                elif orders and original:
                    self._fulfil(orders, original, mark, fetch)
                    is_shown = is_shown or any(map(_is_shown, orders))
            claimed.close()
            if is_shown and original:  # what cannot be rendered cannot be described, and may kill who tries
                self._describing.learn(ref, entry, original.path)
        return True

    def _recall(self, ref: Ref, orders: Sequence[Order], mark: Mark) -> list[Order]:
        """Settle or put back what need not be made, each looked for once; those that only the original helps."""
        outcomes: dict[Order, Path | Exception] = {}
        for order in orders:
            rendition, was_sought, order.was_sought = order.rendition, order.was_sought, True
            if was_sought or not self._recalling.may(rendition, bool(order.archived)):
                continue
            try:
                path = self._recalling.recall(order, mark)
                if path:
                    outcomes[order] = path
                else:
                    self._verdicts.check(rendition)
            except Exception as error:
                outcomes[order] = reported(error, f"recalling {rendition}")
        self._conclude(ref, outcomes)
        return [order for order in orders if order not in outcomes]

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
                    recipe = order.rendition.recipe
                    if isinstance(recipe, Beside):
                        self._inform(order, original, mark)
                    else:
                        jobs[order] = Job(recipe, self._cache.temporary())
            if jobs:
                self._render(jobs, original, mark)
        except Exception as error:
            reported(error, f"making renditions of {orders[0].rendition.ref}")
            for order in orders:
                if not order.made.done():
                    self._desk.settle(order, error)
        finally:
            for job in jobs.values():
                job.target.unlink(missing_ok=True)

    def _render(self, jobs: Mapping[Order, Job], original: Local, mark: Mark) -> None:
        ref = next(iter(jobs)).rendition.ref
        try:
            with self._reading(ref, original):
                results = self._workers.render(original.path, list(jobs.values()))
        except RenderKilled as killed:
            guilty = self._verdicts.note_killed(killed, jobs)
            for order in guilty:
                self._desk.settle(order, killed)
            self._desk.put_back(ref, [order for order in jobs if order not in guilty])
            return
        made = zip(jobs.items(), results, strict=False)
        published = {order: self._published(order, job.target, outcome, original, mark) for (order, job), outcome in made}
        self._conclude(ref, published, keep=True)
        self._desk.put_back(ref, list(jobs)[len(results) :])

    def _inform(self, order: Order, original: Local, mark: Mark) -> None:
        """What is known of the original, from its header alone."""
        ref, target, began = order.rendition.ref, self._cache.temporary(), time.monotonic()
        try:
            with self._reading(ref, original):
                length = write_info(ref, self._workers.header(original.path), target)
            outcome: Made | RendererError = Made(JSON_EXTENSION, length, {"decode": (time.monotonic() - began) * 1000})
        except RenderKilled as killed:
            self._verdicts.note_killed_by_header(killed, order.rendition)
            outcome = killed
        except RendererError as error:
            outcome = error
        try:
            self._conclude(ref, {order: self._published(order, target, outcome, original, mark)}, keep=True)
        finally:
            target.unlink(missing_ok=True)

    @contextmanager
    def _reading(self, ref: Ref, original: Local) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:  # pruned or deleted between our look and theirs: the next request fetches it anew
            raise Busy("the original went away meanwhile") from error
        except OSError as error:
            raise StoreUnavailable(self._originals.homes[ref.namespace.name].store.name, f"{error.strerror}: {original.path}") from error

    def _conclude(self, ref: Ref, outcomes: Mapping[Order, Path | Exception], keep: bool = False) -> None:
        """Settle each, or have it made once more when the disk was full. `keep`: in remote stores too, under every name it was asked by."""
        crowded = [order for order, outcome in outcomes.items() if isinstance(outcome, NoSpace) and not order.was_crowded]
        for order, outcome in outcomes.items():
            if order not in crowded:
                self._desk.settle(order, outcome)
            if keep and self._archive and isinstance(outcome, Path):
                for name in order.archived:
                    self._archive.keep_later(ref, name, outcome, anew=name in order.spoilt)
        self._make_room(ref, crowded)

    def _make_room(self, ref: Ref, orders: Sequence[Order]) -> None:
        """The disk is full: have something evicted, and make these once more; they fail where that does not help."""
        if not orders:
            return
        make_room(self._relieve)
        for order in orders:
            order.was_crowded, order.was_sought = True, False
        self._desk.put_back(ref, orders)

    def _published(self, order: Order, target: Path, outcome: Made | RendererError, original: Local, mark: Mark) -> Path | Exception:
        rendition = order.rendition
        try:
            if isinstance(outcome, RendererError):
                if isinstance(outcome, BrokenOriginal):
                    self._verdicts.note_broken(rendition.ref, original, outcome)
                return outcome
            order.milliseconds.update(outcome.milliseconds)
            began = time.monotonic()
            cost = sum(order.milliseconds.values())
            path = self._cache.publish(rendition, target, outcome.extension, original.time + _later(rendition), mark, cost)
            order.milliseconds["publish"] = (time.monotonic() - began) * 1000
        except Exception as error:
            return reported(error, f"publishing {rendition}")
        if isinstance(rendition.recipe, Recipe):  # a copy of the bytes proves nothing about the codecs
            self._verdicts.clear(rendition)
        return path


def make_room(relieve: Callable[[float], object]) -> None:
    """The disk is full: have something evicted. Raises nothing: who waits must not wait for ever."""
    began = time.monotonic()
    log.warning("the disk under the cache is full: asking the pruner for room")
    is_freed: object = False
    try:
        is_freed = relieve(RELIEF_SECONDS)
    except Exception:
        log.exception("making room")
    log.warning("the pruner %s in %.1f s", "made room" if is_freed else "could make no room", time.monotonic() - began)


def reported(error: Exception, what: str) -> Exception:
    """The same; logged where it is a bug."""
    if not isinstance(error, RendererError):
        log.error("%s", what, exc_info=error)
    return error


def _later(rendition: Rendition) -> int:
    """Seconds between the original's own time and the rendition's."""
    recipe = rendition.recipe
    return LATER.get(recipe.output.format, 0) if isinstance(recipe, Recipe) and rendition.ref.namespace.negotiates else 0


def _is_shown(order: Order) -> bool:
    """Whether its pixels could be read."""
    return isinstance(order.rendition.recipe, Recipe) and order.made.done() and order.made.exception() is None
