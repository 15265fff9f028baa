"""What a library holds once it is used: the running objects, the documents that it remembers, and where pages find pictures."""

from __future__ import annotations

from functools import partial

from renderer.catalog import Entry
from renderer.client.documents import Documents
from renderer.config import Config
from renderer.errors import ConfigError
from renderer.markup import NAMESPACE, Site
from renderer.rendition import Ref
from renderer.wiring import Wiring

STOP_SECONDS = 1.0  # what the end of an application may take longer because of us


class Opened:
    """ConfigError when there is no namespace of huImages. Nothing is connected yet."""

    def __init__(self, config: Config, base_url: str) -> None:
        spaces = config.namespaces_built()
        if NAMESPACE not in spaces:
            raise ConfigError("namespaces", f"expected one called {NAMESPACE} for huImages' functions, got {', '.join(spaces)}")
        self.space = spaces[NAMESPACE]
        # An application reads a header now and then; with as many processes as there are processors in each of its own it would fill the
        # machine.
        self.wiring = Wiring(config.model_copy(update={"render": config.render.model_copy(update={"processes": 1})}))
        self.documents = Documents(partial(_asked, self.wiring))
        self._site = Site(base_url, "", next(iter(config.signing_keys()), b""), config.limits_built())

    def site(self, alt_addition: str) -> Site:
        site = self._site
        if site.alt_addition != alt_addition:
            self._site = site = Site(site.base_url, alt_addition, site.key, site.limits)
        return site

    def close(self) -> None:
        """End the render process, if there ever was one."""
        if "workers" in vars(self.wiring):
            self.wiring.workers.stop(STOP_SECONDS)


def _asked(wiring: Wiring, ref: Ref) -> Entry | None:
    return wiring.catalog.get(ref) if wiring.catalog else None
