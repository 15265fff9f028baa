"""Who waits for what: orders for renditions, and one maker per original to whom they are handed.

A future per rendition, so that waiters do not poll; bounds on how many may wait, for one original and in all, so that a slow original
holds up nobody else (a hanging one once had every thread of the server waiting for it).
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from renderer.errors import Busy
from renderer.rendition import Ref, Rendition


@dataclass(eq=False)
class Order:
    """One rendition wished for, and what became of it. `milliseconds`: what each stage took, filled in by its maker; `was_crowded`: the
    disk was full when it was made the first time; `was_sought`: it was looked for where it need not be made.

    `archived`: every name under which a remote store shall keep it; complete when it is settled.
    """

    rendition: Rendition
    made: Future[Path] = field(default_factory=Future)
    milliseconds: dict[str, float] = field(default_factory=dict)
    was_crowded: bool = False
    was_sought: bool = False
    archived: tuple[str, ...] = ()


class Desk:
    """Orders by original. `waiting` requests may wait in all, `waiting_per_original` for one.

    Of all, two thirds at most may wait for originals that are far, in a remote store: when that hangs, what is near is still rendered.
    """

    def __init__(self, waiting: int, waiting_per_original: int) -> None:
        self._waiting, self._per_original, self._waiting_far = waiting, waiting_per_original, max(1, waiting * 2 // 3)
        self._lock = threading.Lock()
        self._waiters: Counter[Ref] = Counter()
        self._far = 0
        self._orders: dict[Rendition, Order] = {}
        self._untaken: dict[Ref, list[Order]] = {}  # an entry, even an empty one, means that a maker is at work

    @contextlib.contextmanager
    def seat(self, ref: Ref, far: bool) -> Iterator[None]:
        """Wait for `ref` inside the block; Busy at once when too many do, before anything was claimed."""
        with self._lock:
            if self._waiters.total() >= self._waiting:
                raise Busy("too many misses wait")
            if self._waiters[ref] >= self._per_original:
                raise Busy(f"too many misses wait for {ref}")
            if far and self._far >= self._waiting_far:
                raise Busy("too many misses wait for remote stores")
            self._waiters[ref] += 1
            self._far += far
        try:
            yield
        finally:
            with self._lock:
                self._far -= far
                self._waiters[ref] -= 1
                if not self._waiters[ref]:
                    del self._waiters[ref]

    def place(self, rendition: Rendition, archived: str = "") -> tuple[Order, bool, bool]:
        """The order for `rendition`; whether it is new or somebody's already; whether the caller must find a maker for its original.

        `archived`: one more name for a remote store, or ''.
        """
        with self._lock:
            order = self._orders.get(rendition)
            if order is not None:
                order.archived += (archived,) * bool(archived and archived not in order.archived)
                return order, False, False
            order = self._orders[rendition] = Order(rendition, archived=(archived,) * bool(archived))
            untaken = self._untaken.get(rendition.ref)
            if untaken is None:
                self._untaken[rendition.ref] = [order]
            else:
                untaken.append(order)
            return order, True, untaken is None

    def take(self, ref: Ref, most: int) -> list[Order]:
        """The next orders for the maker of `ref`; none means that it may go, and that the next order finds a new one."""
        with self._lock:
            untaken = self._untaken[ref]
            if not untaken:
                del self._untaken[ref]
            taken, untaken[:] = untaken[:most], untaken[most:]
            return taken

    def put_back(self, ref: Ref, orders: Sequence[Order]) -> None:
        """Orders that were taken and not made come first again."""
        with self._lock:
            self._untaken[ref][:0] = orders

    def settle(self, order: Order, outcome: Path | Exception) -> None:
        with self._lock:
            self._orders.pop(order.rendition, None)
            untaken = self._untaken.get(order.rendition.ref, [])
            if order in untaken:  # it was put back before its maker came to grief
                untaken.remove(order)
        if isinstance(outcome, Exception):
            order.made.set_exception(outcome)
        else:
            order.made.set_result(outcome)

    def give_up(self, ref: Ref, error: Exception) -> None:
        """The maker of `ref` failed: so do all orders that it had not taken."""
        with self._lock:
            untaken = self._untaken.pop(ref, [])
        for order in untaken:
            self.settle(order, error)

    def load(self) -> dict[str, int]:
        """How many wait, and for how many originals there is a maker."""
        with self._lock:
            return {"waiting": self._waiters.total(), "originals": len(self._untaken)}
