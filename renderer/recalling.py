"""What need not be made from its original: a rendition that a remote store keeps, and a file that stands beside the original.

One question each, before the original is fetched; so a miss that finds its rendition costs neither that fetch nor a render.
"""

from __future__ import annotations

import time
from pathlib import Path

from renderer.archive import Archive
from renderer.beside import Besides
from renderer.cache import Cache, Mark
from renderer.desk import Order
from renderer.errors import Gone, NotFound
from renderer.formats import HEAD_BYTES, sniff
from renderer.originals import Originals
from renderer.recipe import INFO, Beside, Recipe
from renderer.rendition import JSON_EXTENSION, TEXT_EXTENSION, Rendition
from renderer.stores import Facts


class Recalling:
    """Without an `archive` no rendition is recalled; without `besides` there are no files beside originals."""

    def __init__(self, cache: Cache, originals: Originals, archive: Archive | None, besides: Besides | None) -> None:
        self._cache, self._originals, self._archive, self._besides = cache, originals, archive, besides

    def may(self, rendition: Rendition, archived: bool) -> bool:
        """Whether it is worth asking for. `archived`: it has a name there."""
        return _is_file(rendition) or (archived and self._archive is not None and self._archive.keeps(rendition.ref))

    def recall(self, order: Order, mark: Mark) -> Path | None:
        """The published file; None when only the original helps. For a file beside an original NotFound, Gone, or what its store raises."""
        rendition, began, target = order.rendition, time.monotonic(), self._cache.temporary()
        if not self.may(rendition, bool(order.archived)):
            return None
        if self._originals.is_being_deleted(rendition.ref):
            raise Gone(rendition.ref)
        found = self._cache.find(rendition)
        if found:
            return found
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
        if _is_file(rendition):
            if self._besides is None:
                raise NotFound(rendition)
            facts = self._besides.fetch(rendition, target)
            return facts, _extension_of(rendition, target)
        for name in order.archived:
            kept = self._archive.recall(rendition.ref, name, target) if self._archive else None
            extension = _extension_of(rendition, target) if kept else ""
            if extension:
                return kept, extension
        return None, ""


def _is_file(rendition: Rendition) -> bool:
    """Whether somebody stored it, or nobody has it."""
    return isinstance(rendition.recipe, Beside) and rendition.recipe != INFO


def _extension_of(rendition: Rendition, path: Path) -> str:
    """The extension of what was fetched; '' when it is no such thing, whatever the store calls it."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    form, recipe = sniff(head), rendition.recipe
    if recipe == INFO:
        return JSON_EXTENSION if head.startswith(b"{") else ""
    if isinstance(recipe, Recipe):
        return recipe.extension if form is recipe.output.format else ""
    if isinstance(recipe, Beside):
        return form.extension if form else TEXT_EXTENSION
    return form.extension if form else ""
