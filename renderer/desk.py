"""Who waits for what: orders for renditions, and one maker per original to whom they are handed; one more per file beside an original.

A future per rendition, so that waiters do not poll; bounds on how many may wait, for one original and in all, so that a slow original
holds up nobody else (a hanging one once had every thread of the server waiting for it). Anybody can invent names of files beside an
original: who waits for those takes no seat from who waits for what is made of it, and no maker.
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
from renderer.recipe import INFO, Beside
from renderer.rendition import Ref, Rendition


@dataclass(eq=False)
class Order:
    """One rendition wished for, and what became of it. `milliseconds`: what each stage took, filled in by its maker; `was_crowded`: the
    disk was full when it was made the first time; `was_sought`: it was looked for where it need not be made.

    `archived`: every name under which a remote store shall keep it; complete when it is settled. `spoilt`: those under which it has what
    calls itself ours and is no such thing.
    """

    rendition: Rendition
    made: Future[Path] = field(default_factory=Future)
    milliseconds: dict[str, float] = field(default_factory=dict)
    was_crowded: bool = False
    was_sought: bool = False
    archived: tuple[str, ...] = ()
    spoilt: tuple[str, ...] = ()


Whose = Ref | Rendition  # whom a maker works for: an original, or a file beside one


def is_beside(rendition: Rendition) -> bool:
    """Whether it is a file that somebody stored beside the original, or that nobody has; never made."""
    return isinstance(rendition.recipe, Beside) and rendition.recipe != INFO


def maker_of(rendition: Rendition) -> Whose:
    """For whom its maker works."""
    return rendition if is_beside(rendition) else rendition.ref


class Desk:
    """Orders by original. `waiting` requests may wait in all, `waiting_per_original` for one.

    Of all, two thirds at most may wait for originals that are far, in a remote store: when that hangs, what is near is still rendered.
    A quarter, `waiting_beside`, may wait for files beside originals, and a quarter of those for files beside one.
    """

    def __init__(self, waiting: int, waiting_per_original: int) -> None:
        self._waiting, self._waiting_far, self.waiting_beside = waiting, max(1, waiting * 2 // 3), max(1, waiting // 4)
        self._per_original = {False: waiting_per_original, True: max(1, self.waiting_beside // 4)}  # by whether it is beside
        self._lock = threading.Lock()
        self._waiters: Counter[tuple[Ref, bool]] = Counter()
        self._far = self._beside = 0
        self._orders: dict[Rendition, Order] = {}
        self._untaken: dict[Whose, list[Order]] = {}  # an entry, even an empty one, means that a maker is at work

    @contextlib.contextmanager
    def seat(self, ref: Ref, far: bool, beside: bool = False) -> Iterator[None]:
        """Wait for `ref`, or for files beside it, inside the block; Busy at once when too many do, before anything was claimed."""
        seat = ref, beside
        with self._lock:
            if self._waiters.total() >= self._waiting:
                raise Busy("too many misses wait")
            if self._waiters[seat] >= self._per_original[beside]:
                raise Busy(f"too many misses wait for {'files beside ' if beside else ''}{ref}")
            if beside and self._beside >= self.waiting_beside:
                raise Busy("too many misses wait for files beside originals")
            if far and self._far >= self._waiting_far:
                raise Busy("too many misses wait for remote stores")
            self._waiters[seat] += 1
            self._far += far
            self._beside += beside
        try:
            yield
        finally:
            with self._lock:
                self._far -= far
                self._beside -= beside
                self._waiters[seat] -= 1
                if not self._waiters[seat]:
                    del self._waiters[seat]

    def place(self, rendition: Rendition, archived: str = "") -> tuple[Order, bool, bool]:
        """The order for `rendition`; whether it is new or somebody's already; whether the caller must find it a maker, by `maker_of`.

        `archived`: one more name for a remote store, or ''.
        """
        with self._lock:
            order = self._orders.get(rendition)
            if order is not None:
                order.archived += (archived,) * bool(archived and archived not in order.archived)
                return order, False, False
            order = self._orders[rendition] = Order(rendition, archived=(archived,) * bool(archived))
            untaken = self._untaken.get(maker_of(rendition))
            if untaken is None:
                self._untaken[maker_of(rendition)] = [order]
            else:
                untaken.append(order)
            return order, True, untaken is None

    def take(self, whose: Whose, most: int) -> list[Order]:
        """The next orders for the maker of `whose`; none means that it may go, and that the next order finds a new one."""
        with self._lock:
            untaken = self._untaken[whose]
            if not untaken:
                del self._untaken[whose]
            taken, untaken[:] = untaken[:most], untaken[most:]
            return taken

    def put_back(self, ref: Ref, orders: Sequence[Order]) -> None:
        """Orders that were taken and not made come first again."""
        with self._lock:
            self._untaken[ref][:0] = orders

    def settle(self, order: Order, outcome: Path | Exception) -> None:
        with self._lock:
            self._orders.pop(order.rendition, None)
            untaken = self._untaken.get(maker_of(order.rendition), [])
            if order in untaken:  # it was put back before its maker came to grief
                untaken.remove(order)
        if isinstance(outcome, Exception):
            order.made.set_exception(outcome)
        else:
            order.made.set_result(outcome)

    def give_up(self, whose: Whose, error: Exception) -> None:
        """The maker of `whose` failed: so do all orders that it had not taken."""
        with self._lock:
            untaken = self._untaken.pop(whose, [])
        for order in untaken:
            self.settle(order, error)

    def load(self) -> dict[str, int]:
        """How many wait, and for how many originals there is a maker."""
        with self._lock:
            return {"waiting": self._waiters.total(), "originals": sum(isinstance(whose, Ref) for whose in self._untaken)}
