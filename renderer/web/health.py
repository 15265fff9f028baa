"""Is it well: for who sends us requests. All is looked at in the background, so that what hangs makes an answer and no wait."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from renderer.errors import NotFound, RendererError
from renderer.messages import Reply
from renderer.placing import own_name
from renderer.stores import Source
from renderer.web.app import Environ, StartResponse, read_request, send

log = logging.getLogger(__name__)

FRESH_SECONDS = 3.0  # many may ask, and ask often
PATIENCE_SECONDS = 1.0  # for an answer; kubelet's own limit for a probe
LIVE = "/probe/live"
UNWELL, DRAINING = 503, 501  # the latter is image-server's
PROBE_BYTES = 4096  # a block: an empty file can be made on a full disk


class Check:
    """One thing that must be well. `look` returns what is the matter, '' for nothing; it may raise, and take as long as it likes.

    `fresh_seconds`: for so long what was found is still said.
    """

    def __init__(self, name: str, look: Callable[[], str], fresh_seconds: float = FRESH_SECONDS) -> None:
        self.name, self._look, self._fresh_seconds = name, look, fresh_seconds
        self._changing = threading.Condition()  # guards all of the following
        self._running_since: float | None = None
        self._looked_at: float | None = None
        self._trouble = ""

    def begin(self) -> None:
        """Have it looked at, if that is due and nobody does."""
        with self._changing:
            if self._running_since is not None or not self._is_due():
                return
            self._running_since = time.monotonic()
        try:
            threading.Thread(target=self._run, name=f"health of {self.name}", daemon=True).start()
        except RuntimeError as error:
            self._end(str(error))

    def trouble(self) -> str:
        """What is the matter, as far as can be told after a little patience; '' for nothing."""
        with self._changing:
            if self._running_since is None:
                return self._trouble
            left = self._running_since + PATIENCE_SECONDS - time.monotonic()
            if self._changing.wait_for(lambda: self._running_since is None, max(0.0, left)):
                return self._trouble
            return f"{self.name} has not answered for {time.monotonic() - (self._running_since or 0):.0f} s"

    def is_well(self) -> bool | None:
        """What was found last; None before anybody looked."""
        with self._changing:
            if self._running_since is not None and time.monotonic() > self._running_since + PATIENCE_SECONDS:
                return False
            return None if self._looked_at is None else not self._trouble

    def _is_due(self) -> bool:
        return self._looked_at is None or time.monotonic() > self._looked_at + self._fresh_seconds

    def _run(self) -> None:
        try:
            trouble = self._look()
        except (RendererError, OSError) as error:
            trouble = f"{self.name}: {type(error).__name__}"  # its words may hold addresses and paths: those are for the log
            log.warning("health: %s: %s", self.name, error)
        except Exception:
            trouble = f"{self.name}: internal error"
            log.exception("health of %s", self.name)
        self._end(trouble)

    def _end(self, trouble: str) -> None:
        with self._changing:
            self._trouble, self._looked_at, self._running_since = trouble, time.monotonic(), None
            self._changing.notify_all()


class Health:
    """`checks`: all that must be well for a request to succeed; `is_discreet`: for a public host, which hears whether, and not what."""

    def __init__(self, checks: Sequence[Check], is_draining: Callable[[], bool], is_discreet: bool = False) -> None:
        self._checks, self._is_draining, self._is_discreet = checks, is_draining, is_discreet

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return send(self.reply(read_request(environ).path), start_response)

    def reply(self, path: str) -> Reply:
        """Alive is who answers; ready is who can make a picture."""
        if path == LIVE:
            return _said(200, "OK")
        if self._is_draining():
            return _said(DRAINING, "Shutting down")
        troubles = self.troubles()
        if troubles:
            return _said(UNWELL, "Not ready" if self._is_discreet else "; ".join(troubles))
        return _said(200, "OK")

    def troubles(self) -> list[str]:
        for check in self._checks:
            check.begin()
        return [trouble for check in self._checks if (trouble := check.trouble())]


def _said(status: int, message: str) -> Reply:
    body = json.dumps({"message": message}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    return Reply(status, (("Content-Type", "application/json"), ("Cache-Control", "no-store")), body)


def of_store(store: Source, fresh_seconds: float = FRESH_SECONDS) -> Check:
    """Whether it answers; that it has nothing of this name is an answer."""

    def look() -> str:
        with suppress(NotFound):
            store.facts("onmiss-health")
        return ""

    return Check(f"store {store.name}", look, fresh_seconds)


def of_disk(scratch: Path) -> Check:
    """Whether a rendition could be written."""

    def look() -> str:
        path = scratch / own_name()
        try:
            path.write_bytes(bytes(PROBE_BYTES))
        except OSError as error:
            return f"the disk under the cache cannot be written: {os.strerror(error.errno or 0)}"
        finally:
            path.unlink(missing_ok=True)
        return ""

    return Check("the disk under the cache", look)


def of_pool(is_alive: Callable[[], bool]) -> Check:
    return Check("the pool of render processes", lambda: "" if is_alive() else "no render process can be had")
