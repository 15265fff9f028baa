"""What need not be made from its original: a rendition that a remote store keeps.

One question each, before the original is fetched; so a miss that finds its rendition costs neither that fetch nor a render.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from renderer.archive import Archive
from renderer.beside import is_info
from renderer.cache import Cache, Mark
from renderer.desk import Order
from renderer.errors import Gone
from renderer.formats import HEAD_BYTES, sniff
from renderer.originals import Originals
from renderer.recipe import INFO, Recipe
from renderer.rendition import JSON_EXTENSION, Ref, Rendition
from renderer.stores import Facts

log = logging.getLogger(__name__)


class Recalling:
    """Without an `archive` nothing is recalled."""

    def __init__(self, cache: Cache, originals: Originals, archive: Archive | None) -> None:
        self._cache, self._originals, self._archive = cache, originals, archive

    def may(self, rendition: Rendition, archived: bool) -> bool:
        """Whether it is worth asking for. `archived`: it has a name there."""
        return archived and self._archive is not None and self._archive.keeps(rendition.ref)

    def recall(self, order: Order, mark: Mark) -> Path | None:
        """The published file; None when only the original helps. Gone while that is being deleted."""
        rendition, began, target = order.rendition, time.monotonic(), self._cache.temporary()
        if not self.may(rendition, bool(order.archived)):
            return None
        if self._originals.is_being_deleted(rendition.ref):
            raise Gone(rendition.ref)
        found = self._cache.find(rendition)
        if found:
            return found
        if self._was_deleted(rendition.ref):  # another machine may have kept it later than that; or put the original again, and that tells
            return None
        try:
            facts, extension = self._fetched(order, target)
            if facts is None:
                return None
            cost = order.milliseconds["fetch"] = (time.monotonic() - began) * 1000
            return self._cache.publish(rendition, target, extension, facts.time, mark, cost)
        finally:
            target.unlink(missing_ok=True)

    def _fetched(self, order: Order, target: Path) -> tuple[Facts | None, str]:
        """With the extension that the bytes have."""
        rendition = order.rendition
        for name in order.archived:
            kept = self._archive.recall(rendition.ref, name, target) if self._archive else None
            extension = _extension_of(rendition, target) if kept else ""
            if extension:
                return kept, extension
            if kept:
                log.warning("%s of %s is made and replaced, not recalled: it calls itself ours, and is no such thing", name, rendition.ref)
                order.spoilt += (name,)
        return None, ""

    def _was_deleted(self, ref: Ref) -> bool:
        """As far as this machine knows."""
        try:
            self._originals.check_deleted(ref)
        except Gone:
            return True
        return False


def _extension_of(rendition: Rendition, path: Path) -> str:
    """The extension of what was fetched; '' when it is no such thing, whatever the store calls it."""
    recipe = rendition.recipe
    if recipe == INFO:
        return JSON_EXTENSION if is_info(rendition.ref, path) else ""
    with path.open("rb") as file:
        form = sniff(file.read(HEAD_BYTES))
    if isinstance(recipe, Recipe):
        return recipe.extension if form is recipe.output.format else ""
    return form.extension if form else ""
