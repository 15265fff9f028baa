"""Keep the catalog true: what it calls deleted is gone, and what it does not know of an original is learnt when that is first rendered."""

from __future__ import annotations

from pathlib import Path

from renderer.catalog import Catalog, Entry
from renderer.rendition import Ref
from renderer.workers import Workers


class Describing:
    """Without a catalog, or while it does not answer, nothing is known and everything goes on."""

    def __init__(self, catalog: Catalog | None, workers: Workers) -> None:
        self._catalog, self._workers = catalog, workers

    def known(self, ref: Ref) -> Entry | None:
        """What the catalog knows; Gone when it calls the original deleted."""
        return None

    def learn(self, ref: Ref, entry: Entry | None, original: Path) -> None:
        """Upright sides and a placeholder, from the original's own pixels, unless `entry` has them."""
