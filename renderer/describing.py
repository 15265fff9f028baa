"""Keep the catalog true: what it calls deleted is gone, and what it does not know of an original is learnt when that is first rendered.

Renditions do not need a catalog. So one that does not answer is left alone for a while, and one that takes long is asked by nobody else
meanwhile: a catalog in trouble costs some requests its time limit, not all of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from renderer.catalog import Catalog, Entry
from renderer.errors import Busy, Conflict, Gone, RendererError, StoreUnavailable
from renderer.picture.jobs import Described
from renderer.rendition import Ref
from renderer.rests import Patience, Rest
from renderer.workers import Workers

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0  # of an answer that is still waited for, before nobody else asks: SQLite takes 0.05 ms, CouchDB a few
IDLE_SECONDS = 5.0  # how long a description waits for a render process that nobody else wants
MOST_LEARNING = 4  # originals: each holds a thread that could make renditions
FAILED_SECONDS, FAILED_MOST = 3600.0, 10_000  # how long and of how many it is remembered that they could not be described: some 3 MB


class Describing:
    """Without a catalog, or while it does not answer, nothing is known and everything goes on.

    `rest_seconds`: for how long a catalog that did not answer is not asked again.
    """

    def __init__(
        self, catalog: Catalog | None, workers: Workers, rest_seconds: float = 30.0, now: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self._catalog, self._workers = catalog, workers
        self._rest = Rest("the catalog", Patience(rest_seconds, SLOW_SECONDS), now)
        self._failed = _Failed(now)
        self._learning = threading.BoundedSemaphore(MOST_LEARNING)

    def known(self, ref: Ref) -> Entry | None:
        """What the catalog knows; Gone when it calls the original deleted."""
        if self._catalog is None:
            return None
        try:
            with self._rest.asking():
                entry = self._catalog.get(ref)
        except StoreUnavailable as error:
            log.debug("%s is rendered without its entry: %s", ref, error)
            return None
        except Exception:  # somebody else may write there
            log.exception("%s is rendered without its entry, which cannot be read", ref)
            return None
        if entry is not None and entry.deleted:
            raise Gone(ref)
        return entry

    def learn(self, ref: Ref, entry: Entry | None, original: Path) -> None:
        """Upright sides and a placeholder, from the original's own pixels, unless `entry` has them. Never raises; nobody waits for it."""
        if self._catalog is None or entry is None or entry.placeholder or self._failed.knows(ref):
            return
        if not self._learning.acquire(blocking=False):
            return  # the next miss of this original is another chance
        try:
            self._note(self._catalog, ref, entry, original)
        except (Busy, Conflict, OSError) as error:
            log.debug("%s is described another time: %s", ref, error)
        except StoreUnavailable as error:
            log.warning("what was learnt of %s is not noted: %s", ref, error)
        except Exception as error:
            self._failed.add(ref)
            log.warning("%s cannot be described: %s", ref, error, exc_info=not isinstance(error, RendererError))
        finally:
            self._learning.release()

    def _note(self, catalog: Catalog, ref: Ref, entry: Entry, original: Path) -> None:
        length = original.stat().st_size
        described = self._workers.describe(original, IDLE_SECONDS)

        def change(current: Entry | None) -> Entry:
            if current != entry:  # deleted, replaced or changed meanwhile: then this is about something else
                raise Busy("its entry changed meanwhile")
            return _completed(entry, described, length)

        catalog.change(ref, change)


def _completed(entry: Entry, described: Described, length: int) -> Entry:
    """Old documents hold sides as they are stored in the file, whichever way is up."""
    header = described.header
    return replace(
        entry,
        width=header.width,
        height=header.height,
        length=entry.length or length,
        content_type=entry.content_type or header.format.mime,
        placeholder=described.placeholder,
    )


class _Failed:
    """Which originals could not be described a while ago. A restart, with other codecs perhaps, tries again."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._until: OrderedDict[Ref, float] = OrderedDict()

    def knows(self, ref: Ref) -> bool:
        with self._lock:
            return self._until.get(ref, 0.0) > self._now()

    def add(self, ref: Ref) -> None:
        with self._lock:
            self._until[ref] = self._now() + FAILED_SECONDS
            self._until.move_to_end(ref)
            while len(self._until) > FAILED_MOST:
                self._until.popitem(last=False)
