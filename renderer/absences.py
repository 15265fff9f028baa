"""Which names a remote store did not have a moment ago, so that asking for one again and again costs nothing there."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from renderer.errors import NotFound
from renderer.rendition import Ref, Rendition

ABSENT_SECONDS = 10  # how long "there is none" is believed of a remote store: as long as a 404 may be cached (R22)
ABSENT_MOST = 10_000  # names remembered as absent: some 3 MB


class Absences:
    """Of originals, and of files beside them. Safe to use from several threads."""

    def __init__(self) -> None:
        self._until: OrderedDict[Ref | Rendition, tuple[float, type[NotFound]]] = OrderedDict()
        self._lock = threading.Lock()

    def knows(self, ref: Ref | Rendition) -> type[NotFound] | None:
        """As what it is absent; None when nothing is known."""
        with self._lock:
            until, kind = self._until.get(ref, (0.0, None))
        return kind if until > time.monotonic() else None

    def add(self, ref: Ref | Rendition, kind: type[NotFound] = NotFound) -> None:
        with self._lock:
            self._until[ref] = time.monotonic() + ABSENT_SECONDS, kind
            self._until.move_to_end(ref)
            while len(self._until) > ABSENT_MOST:
                self._until.popitem(last=False)

    def discard(self, ref: Ref | Rendition) -> None:
        with self._lock:
            self._until.pop(ref, None)
