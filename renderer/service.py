"""The one use case: find a rendition, or make it once.

Look, claim, look again, make, rename. A request thread only waits; the making is done by a maker thread per original, which makes whatever
is ordered of it meanwhile, so that a client that goes away changes nothing for the others. What somebody stored beside an original is not
made, and has threads of its own.
"""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from renderer import signing
from renderer.archive import Archive
from renderer.beside import Besides
from renderer.cache import Cache
from renderer.describing import Describing
from renderer.desk import Desk, Order, is_beside, maker_of
from renderer.errors import Busy
from renderer.handing import Handing
from renderer.limits import Limits
from renderer.making import Making
from renderer.messages import Show
from renderer.originals import Originals
from renderer.quarantine import Quarantine
from renderer.recalling import Recalling
from renderer.rendition import Rendition
from renderer.threads import Threads
from renderer.verdicts import Verdicts
from renderer.workers import Workers


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
    """`keys`: signing keys; none means that no signature is needed. `relieve`: makes room on a full disk within so many seconds.

    `archive`: remote stores of renditions, if there are any; `besides`: files beside originals, if there can be any.
    """

    def __init__(
        self, cache: Cache, originals: Originals, describing: Describing, workers: Workers, quarantine: Quarantine, limits: Limits,
        keys: Sequence[bytes] = (), bounds: Bounds = Bounds(),  # frozen
        relieve: Callable[[float], object] = bool, archive: Archive | None = None, besides: Besides | None = None,
    ) -> None:  # fmt: skip
        self._cache, self._originals, self._limits, self._keys, self._bounds = cache, originals, limits, tuple(keys), bounds
        self._recalling, self._verdicts = Recalling(cache, originals, archive), Verdicts(originals, quarantine)
        self._desk = Desk(bounds.waiting, bounds.waiting_per_original)
        self._making = Making(
            cache, originals, describing, workers, self._verdicts, self._desk, self._recalling, archive, bounds.wait_seconds, relieve
        )  # fmt: skip
        self._handing = Handing(cache, self._desk, besides, bounds.wait_seconds, relieve)
        # A hanging store outlives the requests that waited for it: twice as many makers as waiters before new originals queue.
        self._makers = Threads("maker", 2 * bounds.waiting, bounds.waiting)
        self._handers = Threads("beside", 2 * self._desk.waiting_beside, self._desk.waiting_beside)

    def produce(self, show: Show) -> Produced:
        """The rendition's file, published under its alias too. Raises a RendererError that says what is the matter."""
        found = self._found(show)
        if found:
            return found
        with self._ordered([show]) as (awaited,):
            return awaited()

    def produce_all(self, shows: Sequence[Show]) -> list[Produced | Exception]:
        """What became of each, all of one original and ordered before any is begun: one seat, one fetch and few decodes serve them.

        Files beside it are ordered when the others are there.
        """
        outcomes = {show: _caught(partial(self._found, show)) for show in shows}
        missing = [show for show, outcome in outcomes.items() if outcome is None]
        for kind in (False, True):
            wanted = [show for show in missing if is_beside(show.rendition) == kind]
            try:
                with self._ordered(wanted) as awaited:
                    outcomes |= {show: _caught(wait) for show, wait in zip(wanted, awaited, strict=True)}
            except Busy as busy:
                outcomes |= dict.fromkeys(wanted, busy)
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
        if not self._may_recall(show):  # what was made of an original that is broken now can still be had
            self._verdicts.check(rendition)
        return None

    def _may_recall(self, show: Show) -> bool:
        return is_beside(show.rendition) or self._recalling.may(show.rendition, bool(show.archived))

    def _linked(self, show: Show, produced: Produced) -> Produced:
        if show.alias:
            self._cache.link(show.rendition.ref, produced.path, show.alias)
        return produced

    @contextmanager
    def _ordered(self, shows: Sequence[Show]) -> Iterator[list[Callable[[], Produced]]]:
        """What waits for each; all are of one original, and either files beside it or none of them."""
        if not shows:
            yield []
            return
        ref, began = shows[0].rendition.ref, time.monotonic()
        is_far = any(map(self._may_recall, shows)) or not self._originals.is_near(ref)
        with self._desk.seat(ref, is_far, is_beside(shows[0].rendition)):
            placed = [(show, *self._desk.place(show.rendition, show.archived)) for show in shows]
            for show, *_, needs_maker in placed:
                if needs_maker:
                    self._find_maker(show.rendition)
            yield [partial(self._awaited, show, order, is_ours, began) for show, order, is_ours, _ in placed]

    def _find_maker(self, rendition: Rendition) -> None:
        if is_beside(rendition):
            is_found = self._handers.add(partial(self._handing.run, rendition))
        else:
            is_found = self._makers.add(partial(self._making.run, rendition.ref))
        if not is_found:
            self._desk.give_up(maker_of(rendition), Busy("every maker is at work"))

    def _awaited(self, show: Show, order: Order, is_ours: bool, began: float) -> Produced:
        try:
            path = order.made.result(timeout=self._bounds.wait_seconds)
        except concurrent.futures.TimeoutError as error:
            raise Busy(f"{order.rendition} takes longer than {self._bounds.wait_seconds:g} s", retry_after=5) from error
        spent = dict(order.milliseconds) if is_ours else {}  # who joined an order only waited
        spent["wait"] = max(0.0, (time.monotonic() - began) * 1000 - sum(spent.values()))
        return self._linked(show, Produced(path, spent))


def _caught(attempt: Callable[[], Produced | None]) -> Produced | Exception | None:
    try:
        return attempt()
    except Exception as error:
        return error
