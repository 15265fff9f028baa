"""Whose fault it was that something could not be rendered, and what follows: the original, one recipe of it, or nobody, is left alone.

A failure is held against an original only when its bytes are the ones that its name promises (decision 23); and that a record of it cannot
be written is never what is reported.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from renderer.desk import Order
from renderer.errors import BrokenOriginal, RenderKilled
from renderer.originals import Local, Originals
from renderer.picture.jobs import Job
from renderer.quarantine import Quarantine, Record
from renderer.recipe import Untouched
from renderer.rendition import Ref, Rendition

log = logging.getLogger(__name__)

SIGKILL = 9


class Verdicts:
    def __init__(self, originals: Originals, quarantine: Quarantine) -> None:
        self._originals, self._quarantine = originals, quarantine

    def check(self, rendition: Rendition) -> None:
        """BrokenOriginal while the original, or this recipe of it, is to be left alone; its bytes as they are can be had all the same."""
        if rendition.recipe != Untouched(scrubbed=False):
            self._quarantine.check(rendition.ref, rendition.recipe.spell())

    def note_broken(self, ref: Ref, original: Local, broken: BrokenOriginal) -> None:
        """Held against the original only when its bytes are the ones that its name promises; StoreGarbled otherwise."""
        self._originals.verify(ref, original.path)
        record = self._strike(ref, broken.reason)
        if record:
            log.warning("quarantined %s until %s: %s", ref, _clock(record.retry_at), broken.reason)

    def note_killed(self, killed: RenderKilled, jobs: Mapping[Order, Job]) -> list[Order]:
        """Whose fault was it? The orders that shall fail for it; the others are made another time.

        Jobs are made in order, so it was the first that is not whole. When it was not even begun, and none before it is whole, the
        original never got through decoding, and all fail. Otherwise only that recipe is held back: one huge wish must not take a
        picture's thumbnails away.
        """
        unfinished = [order for order, job in jobs.items() if not job.is_whole()] or list(jobs)
        first = unfinished[0]
        original_at_fault = len(unfinished) == len(jobs) and not jobs[first].is_begun()
        self._hold_back(killed, first.rendition, "" if original_at_fault else first.rendition.recipe.spell())
        return list(jobs) if original_at_fault else [first]

    def note_killed_by_header(self, killed: RenderKilled, rendition: Rendition) -> None:
        """What is known of the original is held back, and not what is rendered of it: nobody tried that."""
        self._hold_back(killed, rendition, rendition.recipe.spell())

    def _hold_back(self, killed: RenderKilled, rendition: Rendition, recipe: str) -> None:
        """Killed by SIGKILL is more often an operator or a full machine than the picture: once is forgiven."""
        record = self._strike(rendition.ref, killed.reason, recipe, patience=1 if killed.signal == SIGKILL else 0)
        if record:
            log.error("%s: %s; try %d, again at %s", rendition, killed, record.tries, _clock(record.retry_at))

    def _strike(self, ref: Ref, reason: str, recipe: str = "", patience: int = 0) -> Record | None:
        """Note it, if the disk takes it: what is to be reported is the failure, not that."""
        try:
            return self._quarantine.strike(ref, reason, recipe, patience)
        except OSError:
            log.exception("no record of %s: %s", ref, reason)
            return None

    def clear(self, rendition: Rendition) -> None:
        """It could be read after all. A record that cannot be removed is no reason to withhold a picture."""
        try:
            self._quarantine.clear(rendition.ref, rendition.recipe.spell())
        except OSError:
            log.exception("records of %s stay", rendition)


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
