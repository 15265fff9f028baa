"""What the catalog says of originals, kept for a moment, so that a page of a hundred tags does not ask a hundred times.

huImages kept six documents until its process ended, and changes were never seen (H-B22). Here a change by this process is seen at once, and
one by another within LIFETIME_SECONDS.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from renderer.catalog import Entry
from renderer.errors import StoreUnavailable
from renderer.rendition import Ref

# Long enough for a page and the next one, short enough that who edited a title in another process does not look for the mistake. As long as
# a 404 may be cached (R22).
LIFETIME_SECONDS = 10.0
MOST = 2000  # entries of some 2 kB

# A catalog that does not answer costs its whole time limit each time. It is left alone nine times as long as that took, so that a tenth of
# the time at most goes into waiting for it, and only one thread does the waiting.
PATIENCE = 9.0
LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 5.0, 90.0


class Documents:
    """`ask`: what the catalog says; `now`: a clock in seconds."""

    def __init__(self, ask: Callable[[Ref], Entry | None], now: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._now = ask, now
        self._lock = threading.Lock()
        self._known: OrderedDict[Ref, tuple[float, Entry | None]] = OrderedDict()  # until when, and what
        self._changes = 0
        self._paused_until: float | None = None
        self._failure = ("", "")

    def get(self, ref: Ref) -> Entry | None:
        """None when there is no entry; StoreUnavailable when the catalog does not answer. While it does not, what was known is still."""
        kept = self._known.get(ref)
        if kept and kept[0] > self._now():
            return kept[1]
        try:
            return self._asked(ref)
        except StoreUnavailable:
            if kept:
                return kept[1]
            raise

    def forget(self, ref: Ref) -> None:
        """It was changed just now: whoever asked before does not keep what he was told."""
        with self._lock:
            self._changes += 1
            self._known.pop(ref, None)

    def _asked(self, ref: Ref) -> Entry | None:
        with self._lock:
            changes, began = self._changes, self._now()
            if self._paused_until is not None:
                if began < self._paused_until:
                    raise StoreUnavailable(*self._failure)
                self._paused_until = began + MOST_PAUSE_SECONDS  # for the others, while we try
        try:
            entry = self._ask(ref)
        except BaseException as error:
            self._pause(began, error)
            raise
        with self._lock:
            self._paused_until = None
            if changes == self._changes:
                self._keep(ref, entry)
        return entry

    def _pause(self, began: float, error: BaseException) -> None:
        with self._lock:
            self._paused_until = None  # what is no answer of the catalog's says nothing about it
            if isinstance(error, StoreUnavailable):
                pause = min(max(PATIENCE * (self._now() - began), LEAST_PAUSE_SECONDS), MOST_PAUSE_SECONDS)
                self._paused_until, self._failure = self._now() + pause, (error.store, error.reason)

    def _keep(self, ref: Ref, entry: Entry | None) -> None:
        self._known[ref] = self._now() + LIFETIME_SECONDS, entry
        self._known.move_to_end(ref)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
