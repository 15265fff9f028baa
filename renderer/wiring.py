"""Config to running objects; the only place that constructs."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import renderer
from renderer import metrics
from renderer.archive import Archive
from renderer.beside import Besides
from renderer.build import build
from renderer.cache import Cache
from renderer.catalog import Catalog, open_catalog
from renderer.config import Config
from renderer.debts import Debts
from renderer.deletions import Deletions
from renderer.describing import Describing
from renderer.dialects import imageserver
from renderer.dialects.links import Links
from renderer.errors import StoreUnavailable
from renderer.fetching import Fetcher, Rules
from renderer.homes import Home, Homes
from renderer.ingest import Ingest
from renderer.jobs import Jobs
from renderer.legacy import Legacy
from renderer.originals import Originals
from renderer.picture import codecs
from renderer.preparing import Preparing
from renderer.pruning.bounds import Bounds as PruneBounds
from renderer.pruning.pruner import Pruner
from renderer.pruning.pruner import Wishes as PruneWishes
from renderer.quarantine import Quarantine
from renderer.removal import Removal
from renderer.rendition import Namespace
from renderer.service import Bounds, Service
from renderer.settling import Settling
from renderer.stores import Store, open_store
from renderer.walls import Walls
from renderer.web.life import Life
from renderer.workers import Workers

if TYPE_CHECKING:
    from renderer.web.app import Application, Front


class Wiring:
    """Everything that a command may need, made when it is first asked for."""

    def __init__(self, config: Config, profile: bool = False) -> None:
        """`profile`: whether the admin host may show where memory goes."""
        self.config, self.profile = config, profile

    @cached_property
    def life(self) -> Life:
        return Life()

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
        return {name: metrics.watched(open_store(store.kind, name, **store.settings()), name) for name, store in self.config.stores.items()}

    @cached_property
    def deletions(self) -> Deletions:
        return Deletions(self.config.root / "deletions")

    @cached_property
    def debts(self) -> Debts:
        return Debts(self.config.root / "debts.sqlite", self.config.namespaces_built())

    @cached_property
    def homes(self) -> Homes:
        return Homes(self.config.namespaces_built(), partial(_home, self.config, self.stores))

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
        limits, wait_seconds = self.config.limits_built(), self.config.serve.wait_seconds
        originals = Originals(self.homes, self.copies, limits, self.deletions, legacy, wait_seconds)
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
        return Workers(self.config.engine(), render.count(), render.seconds, render.queue, render.max_renders, walls, metrics.render_died)

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
        spaces = {name: self.config.settings_of(name) for name in self.config.namespaces_built()}
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
        return Service(
            self.cache, self.originals, describing, self.workers, self.quarantine, limits, keys, bounds, self._relieve, self.archive,
            self.besides,
        )  # fmt: skip

    @cached_property
    def archive(self) -> Archive:
        return Archive(self.homes, self.cache, self.config.limits.max_original_bytes)

    @cached_property
    def besides(self) -> Besides:
        return Besides(self.originals, self.cache, self.config.limits_built(), self.config.serve.wait_seconds)

    @cached_property
    def fetcher(self) -> Fetcher:
        chosen = self.config.fetch
        networks = tuple(map(ipaddress.ip_network, chosen.private_networks))
        rules = Rules(networks, tuple(chosen.hosts), chosen.seconds, chosen.connect_seconds, chosen.redirects)
        return Fetcher(rules, chosen.at_once, chosen.waiting)

    @cached_property
    def preparing(self) -> Preparing:
        return Preparing(self.service, self.archive, self.config.limits_built(), self.config.signing_keys())

    @cached_property
    def jobs(self) -> Jobs:
        terms, base_url, keys = self.config.terms(), self.config.hosts.images.base_url(), self.config.signing_keys()
        read_wish = partial(imageserver.wish_of, qualities=terms.qualities)
        url = partial(imageserver.original_url, base_url, keys=keys)
        return Jobs(self.config.root / "jobs", terms.namespaces, self.preparing, read_wish, url)

    @cached_property
    def ingest(self) -> Ingest:
        scratch = self.cache.root / "tmp"
        limits = self.config.limits_built()
        return Ingest(self.originals, self.catalog, self.workers, self.cache, self.quarantine, limits, scratch, self.archive)

    @cached_property
    def removal(self) -> Removal:
        wait_seconds = self.config.serve.wait_seconds
        return Removal(self.originals, self.catalog, self.cache, self.quarantine, wait_seconds, self.archive, self.besides)

    @cached_property
    def front(self) -> Front:
        from renderer import browser  # Flask and Werkzeug are half of what an application with the client library would load, for nothing
        from renderer.web.app import Front, Images
        from renderer.web.removing import Removing
        from renderer.web.seats import Seats, seats_for_writes
        from renderer.web.taking import Helpers, Taking
        from renderer.web.tokens import MADE, Tokens

        terms = self.config.terms()
        images = Images(self.service, self.cache, terms)
        links = Links(terms, self.config.limits_built(), self.config.hosts.images.base_url(), self.config.signing_keys())
        pages = browser.create(self.originals, terms.namespaces, links, self.config.limits.sizes)
        tokens = Tokens(self.config.tokens(), {name: self.config.tokens_of(name) for name in (*self.config.namespaces, MADE)})
        seats = Seats(seats_for_writes(self.config.serve.threads, self.config.serve.waiting))
        helpers = Helpers(self.ingest, self.fetcher, self.besides, self.preparing, self.jobs, self.cache, seats)
        taking = Taking(terms, tokens, helpers, self.config.limits.max_original_bytes, links.base_url, pages.wsgi_app)
        removing = Removing(self.removal, terms.namespaces, tokens, seats, taking)
        return Front({"images": images, "service": removing, **self._operator()})

    def _operator(self) -> dict[str, Application]:
        """Hosts for who looks after us: the admin's; and health, of which the other two show a little."""
        from renderer.web import health
        from renderer.web.admin import Admin
        from renderer.web.profiling import Profiling
        from renderer.web.readings import Limits, Places, Readings, remembered

        serve, root = self.config.serve, self.cache.root
        stores = {name: health.of_store(store) for name, store in self.stores.items()}
        spaces = (*self.config.namespaces_built().served(),)  # without the stores of others some pictures can still be made
        homes = {_home(self.config, self.stores, space).store.name for space in spaces}
        checks = [stores[name] for name in sorted(homes)] + [health.of_pool(self.workers.is_alive), health.of_disk(root / "tmp")]
        quarantined = remembered(lambda: sum(1 for _ in self.quarantine))
        limits = Limits(serve.waiting, self.config.render.queue, self.config.cache.max_bytes)
        places = Places(root, self.cache.pruning, self.config.hosts.admin.listen)
        readings = Readings(lambda: self._load(quarantined()), self.workers.queued, limits, places, stores)
        full = health.Health(checks, self.life.is_draining)
        admin = Admin(self.load, readings, full, Profiling() if self.profile else None)
        return {"admin": admin, "health": health.Health(checks, self.life.is_draining, is_discreet=True)}

    def count(self, is_anew: bool) -> None:
        """Count from now on, for metrics; before stores are opened. `is_anew`: this is no successor of a renderer that was reloaded."""
        statsd = self.config.statsd
        address = metrics.Address(statsd.host, statsd.port, statsd.prefix) if statsd.enabled else None
        build()  # while this is the code that runs: an update may come at any time
        metrics.start(self.config.root / "run" / "metrics", self.config.namespaces, is_anew, address)

    def load(self) -> dict[str, Any]:
        """What the admin host shows."""
        return self._load(sum(1 for _ in self.quarantine))

    def _load(self, quarantined: int) -> dict[str, Any]:
        return {
            "version": renderer.__version__,
            "requests": self.service.load(),
            "render_processes": asdict(self.workers.pids()),
            "quarantined": quarantined,
            "owed": self._owed(),
        }

    def _owed(self) -> int | None:
        """How many originals are served from legacy sources and not yet in their store; None when that cannot be told."""
        try:
            return self.debts.count()
        except StoreUnavailable:
            return None


def _home(config: Config, stores: Mapping[str, Store], space: Namespace) -> Home:
    """It knows no Wiring: that would not end with its last user, but some time later, and stores would leave connections open."""
    chosen = config.settings_of(space.name)
    sources = tuple(stores[source] for source in chosen.legacy)
    renditions = stores[chosen.renditions] if chosen.renditions else None
    return Home(space, stores[chosen.store], chosen.prefix, sources, chosen.accept_mismatch, renditions)
