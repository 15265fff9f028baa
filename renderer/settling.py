"""Pay what is owed to the stores: each original that a legacy source had is put into the store of its namespace, in the background.

Whoever asks for an original never waits for this, and never fails with it. What fails is tried again later and later. A store that does
not answer is left alone for the rest of a round.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path

from renderer.debts import Debts
from renderer.errors import BrokenOriginal, NotFound, Refused, RendererError, RenderKilled, StoreGarbled, StoreUnavailable
from renderer.formats import HEAD_BYTES, sniff
from renderer.originals import Originals
from renderer.rendition import Ref
from renderer.stores import Facts
from renderer.workers import Workers

log = logging.getLogger(__name__)

ROUND_SECONDS = 2.0  # between looks for what is due: one question to a small file
NO_PICTURE = "application/octet-stream"


class Settling:
    """One thread; any number of processes may have one, for what is due to one is not to the others."""

    def __init__(self, originals: Originals, debts: Debts, workers: Workers, round_seconds: float = ROUND_SECONDS) -> None:
        self._originals, self._debts, self._workers, self._round_seconds = originals, debts, workers, round_seconds
        self._stopping = threading.Event()

    def start(self) -> None:
        """Pay what is due from now on until `stop`. The process does not wait for it at its end: what is unpaid then is due again."""
        threading.Thread(target=self._run, name="settling", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                while self.pay() and not self._stopping.is_set():
                    continue
            except Exception as error:
                log.error("what is owed is not paid now: %s", error, exc_info=not isinstance(error, RendererError))
            self._stopping.wait(self._round_seconds)
        log.info("nothing more is put into stores before the next start")

    def pay(self) -> int:
        """One round: how many debts it settled."""
        silent: set[str] = set()
        return sum(self._is_settled(ref, silent) for ref in self._debts.due() if not self._stopping.is_set())

    def _is_settled(self, ref: Ref, silent: set[str]) -> bool:
        """`silent`: the names of stores that did not answer in this round."""
        store = self._originals.homes[ref.namespace.name].store.name
        try:
            if store not in silent:
                self._settle(ref)
                self._debts.paid(ref)
                return True
        except NotFound as error:  # deleted meanwhile, or nobody has it any more
            log.info("not owed any more: %s", error)
            self._debts.paid(ref)
            return True
        except StoreUnavailable as error:
            log.warning("%s is put into its store another time: %s", ref, error)
            if error.store == store and not isinstance(error, StoreGarbled):
                silent.add(store)
        except Exception as error:
            log.warning("%s is put into its store another time: %s", ref, error, exc_info=not isinstance(error, RendererError))
        self._debts.failed(ref)
        return False

    def _settle(self, ref: Ref) -> None:
        if self._originals.facts(ref) is None:  # somebody else may have put it, and a header costs more than this question
            for source, key in self._originals.homes[ref.namespace.name].sources(ref.name):
                with suppress(StoreUnavailable):
                    source.facts(key)  # Gone when it was deleted there since: a local copy does not know
            with self._originals.local(ref) as local:
                self._originals.verify(ref, local.path)
                self._originals.settle(ref, local.path, facts_of(self._workers, local.path, local.time))


def facts_of(workers: Workers, path: Path, own_time: int) -> Facts:
    """What a store is told of an original that is moved. What is no picture is moved too: nothing that legacy sources have may be lost."""
    length, content_type = path.stat().st_size, type_of(path)
    try:
        header = workers.header(path)
    except (BrokenOriginal, Refused, RenderKilled):  # broken, or too large for us
        return Facts(length, own_time, content_type)
    return Facts(length, own_time, content_type, header.width, header.height)


def type_of(path: Path) -> str:
    """By content, whatever it was called."""
    with path.open("rb") as file:
        found = sniff(file.read(HEAD_BYTES))
    return found.mime if found else NO_PICTURE
