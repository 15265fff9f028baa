"""Config to running objects; the only place that constructs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import renderer
from renderer.cache import Cache
from renderer.catalog import Catalog, open_catalog
from renderer.config import Config
from renderer.debts import Debts
from renderer.deletions import Deletions
from renderer.describing import Describing
from renderer.dialects.links import Links
from renderer.errors import StoreUnavailable
from renderer.ingest import Ingest
from renderer.legacy import Legacy
from renderer.originals import Home, Originals
from renderer.picture import codecs
from renderer.pruning.bounds import Bounds as PruneBounds
from renderer.pruning.pruner import Pruner
from renderer.pruning.pruner import Wishes as PruneWishes
from renderer.quarantine import Quarantine
from renderer.removal import Removal
from renderer.service import Bounds, Service
from renderer.settling import Settling
from renderer.stores import Store, open_store
from renderer.walls import Walls
from renderer.workers import Workers

if TYPE_CHECKING:
    from renderer.web.app import Front


class Wiring:
    """Everything that a command may need, made when it is first asked for."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def cache(self) -> Cache:
        cache = Cache(Path(self.config.cache.root), self.config.generation())
        cache.prepare()
        return cache

    @cached_property
    def stores(self) -> dict[str, Store]:
        for store in self.config.stores.values():
            # Below our root a directory is ours to make; elsewhere its absence may be a disk that is not mounted.
            if store.kind == "file" and store.root.is_relative_to(self.config.root):
                store.root.mkdir(parents=True, exist_ok=True)
        return {name: open_store(store.kind, name, **store.settings()) for name, store in self.config.stores.items()}

    @cached_property
    def deletions(self) -> Deletions:
        return Deletions(self.config.root / "deletions")

    @cached_property
    def debts(self) -> Debts:
        return Debts(self.config.root / "debts.sqlite", self.config.namespaces_built())

    @cached_property
    def homes(self) -> dict[str, Home]:
        spaces, homes = self.config.namespaces_built(), {}
        for name, space in self.config.namespaces.items():
            sources = tuple(self.stores[source] for source in space.legacy)
            homes[name] = Home(spaces[name], self.stores[space.store], space.prefix, sources, space.accept_mismatch)
        return homes

    @property
    def copies(self) -> Path:
        """The directory of the local copies of originals."""
        return Path(self.config.cache.root) / "originals"

    @property
    def is_moving(self) -> bool:
        """Whether legacy sources are still being emptied."""
        return any(space.legacy for space in self.config.namespaces.values())

    @cached_property
    def originals(self) -> Originals:
        legacy = Legacy(self.debts, self.quarantine) if self.is_moving else None
        originals = Originals(self.homes, self.copies, self.config.limits_built(), self.deletions, legacy)
        originals.sweep()
        return originals

    @cached_property
    def settling(self) -> Settling | None:
        """None where nothing can be owed."""
        return Settling(self.originals, self.debts, self.workers) if self.is_moving else None

    @cached_property
    def catalog(self) -> Catalog | None:
        """None where the configuration wants none."""
        chosen = self.config.catalog
        return None if chosen.kind == "none" else open_catalog(chosen.kind, chosen.kind, **chosen.settings())

    @cached_property
    def workers(self) -> Workers:
        render = self.config.render
        walls = Walls(
            memory_bytes=render.memory,
            cpu_seconds=math.ceil(2 * render.seconds),  # so that the time limit strikes first, threads or not
            file_bytes=max(Walls.file_bytes, self.config.limits.max_original_bytes),  # untouched originals are copied under it
            open_files=render.open_files,
        )
        return Workers(self.config.engine(), render.count(), render.seconds, render.queue, render.max_renders, walls)

    @cached_property
    def quarantine(self) -> Quarantine:
        return Quarantine(Path(self.config.cache.root) / "quarantine", codecs.versions() | self.config.engine().reads_as())

    @cached_property
    def pruner(self) -> Pruner:
        return self.pruner_within({})

    def pruner_within(
        self, changes: Mapping[str, Any], show: Callable[[int], object] = int, breathe: Callable[[], object] = bool
    ) -> Pruner:  # fmt: skip
        """`changes`: other values for keys of `cache`, as a command's options say; `show`: is told how many files were seen; `breathe`: is
        called after every directory.
        """
        chosen = self.config.cache.model_copy(update=dict(changes))
        spaces = self.config.namespaces
        bounds = PruneBounds(
            chosen.max_bytes, chosen.max_inodes, chosen.min_free, chosen.min_free_inodes, chosen.low_water / 100, chosen.min_age,
            chosen.max_age, {name: space.quota for name, space in spaces.items() if space.quota is not None},
            {name: space.max_age for name, space in spaces.items() if space.max_age is not None},
        )  # fmt: skip
        budgets = {name: space.local_copy for name, space in spaces.items() if space.local_copy is not None}
        log = Path(self.config.nginx.logs) / "access.log"
        wishes = PruneWishes(bounds, chosen.policy, chosen.recency, log, budgets)
        return Pruner(self.cache, self.config.namespaces_built(), self.homes, self.copies, wishes, show=show, breathe=breathe)

    def _relieve(self, seconds: float) -> bool:
        return self.pruner.relieve(seconds)

    @cached_property
    def service(self) -> Service:
        serve = self.config.serve
        bounds = Bounds(serve.waiting, serve.waiting_per_original, serve.wait_seconds)
        keys = self.config.signing_keys()
        describing = Describing(self.catalog, self.workers)
        limits = self.config.limits_built()
        return Service(self.cache, self.originals, describing, self.workers, self.quarantine, limits, keys, bounds, self._relieve)

    @cached_property
    def ingest(self) -> Ingest:
        scratch = self.cache.root / "tmp"
        limits = self.config.limits_built()
        return Ingest(self.originals, self.catalog, self.workers, self.cache, self.quarantine, limits, scratch)

    @cached_property
    def removal(self) -> Removal:
        return Removal(self.originals, self.catalog, self.cache, self.quarantine, self.config.serve.wait_seconds)

    @cached_property
    def front(self) -> Front:
        from renderer import browser  # Flask and Werkzeug are half of what an application with the client library would load, for nothing
        from renderer.web.app import Admin, Front, Images
        from renderer.web.removing import Removing

        terms = self.config.terms()
        images = Images(self.service, self.cache, terms)
        links = Links(terms, self.config.limits_built(), self.config.hosts.images.base_url(), self.config.signing_keys())
        pages = browser.create(self.originals, terms.namespaces, links, self.config.limits.sizes)
        removing = Removing(self.removal, terms.namespaces, self.config.tokens(), pages.wsgi_app)
        return Front({"images": images, "service": removing, "admin": Admin(self.load)})

    def load(self) -> dict[str, Any]:
        """What the admin host shows."""
        return {
            "version": renderer.__version__,
            "requests": self.service.load(),
            "render_processes": asdict(self.workers.pids()),
            "quarantined": sum(1 for _ in self.quarantine),
            "owed": self._owed(),
        }

    def _owed(self) -> int | None:
        """How many originals are served from legacy sources and not yet in their store; None when that cannot be told."""
        try:
            return self.debts.count()
        except StoreUnavailable:
            return None
