"""One database of a catalog, with its views, which are made before the first of them is asked."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from renderer.catalog.couchdb.designs import Views, design, design_id
from renderer.couch import Couch, Row
from renderer.errors import StoreRefused


class Database(Couch):
    """`name` is that of the catalog, `title` the database's own, which is made when it is not there."""

    def __init__(self, name: str, url: str, title: str, views: Views, timeout_seconds: float) -> None:
        super().__init__(name, url, title, timeout_seconds, makes=True)
        self.views = views
        self._designed = False

    def put(self, document: dict[str, Any]) -> bool:
        self._design()
        return super().put(document)

    def view(self, name: str, **options: Any) -> list[Row]:
        self._design()
        return self.asked(name, **options)

    def _design(self) -> None:
        """Once a process. Whoever may not write design documents may still do everything for which the views are there already."""
        if self._designed:
            return
        for name, views in self.views.items():
            self._design_one(name, views)
        self._designed = True

    def _design_one(self, name: str, views: Mapping[str, Mapping[str, str]]) -> None:
        wanted = design(name, views, self.get(design_id(name)))
        if wanted is not None:
            with suppress(StoreRefused):
                super().put(wanted)
