"""Files that somebody stored beside an original, handed out: fetched once each, and published like renditions.

Apart from what is made of the original, in threads of its own and without its claim: anybody can ask for names that nobody stored, as many
as he likes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from renderer.beside import Besides
from renderer.cache import Cache
from renderer.desk import Desk, Order
from renderer.errors import NoSpace, NotFound
from renderer.formats import HEAD_BYTES, sniff
from renderer.making import make_room, reported
from renderer.rendition import TEXT_EXTENSION, Rendition


class Handing:
    """Without `besides` there are no such files. `wait_seconds`: how long who fetches one waits for another process that does, or that
    replaces it; `relieve`: makes room on a full disk within so many seconds.
    """

    def __init__(
        self, cache: Cache, desk: Desk, besides: Besides | None, wait_seconds: float, relieve: Callable[[float], object]
    ) -> None:  # fmt: skip
        self._cache, self._desk, self._besides, self._wait_seconds, self._relieve = cache, desk, besides, wait_seconds, relieve

    def run(self, rendition: Rendition) -> None:
        """Settle every order for this file until there is none."""
        while orders := self._desk.take(rendition, 1):
            for order in orders:
                self._desk.settle(order, self._outcome(order))

    def _outcome(self, order: Order) -> Path | Exception:
        try:
            try:
                return self._handed(order)
            except NoSpace:
                make_room(self._relieve)
                return self._handed(order)
        except Exception as error:
            return reported(error, f"fetching {order.rendition}")

    def _handed(self, order: Order) -> Path:
        """The published file. NotFound, Gone, Busy, NoSpace, or what its store raises."""
        rendition, began, target = order.rendition, time.monotonic(), self._cache.temporary()
        if self._besides is None:
            raise NotFound(rendition)
        with self._cache.claim(rendition, self._wait_seconds) as mark:
            found = self._cache.find(rendition)  # another process may have fetched it while we waited
            if found:
                return found
            try:
                facts = self._besides.fetch(rendition, target)
                cost = order.milliseconds["fetch"] = (time.monotonic() - began) * 1000
                return self._cache.publish(rendition, target, _extension_of(target), facts.time, mark, cost)
            finally:
                target.unlink(missing_ok=True)


def _extension_of(path: Path) -> str:
    """By its bytes: what is no picture is text."""
    with path.open("rb") as file:
        form = sniff(file.read(HEAD_BYTES))
    return form.extension if form else TEXT_EXTENSION
