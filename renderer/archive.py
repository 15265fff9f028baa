"""Renditions that live in a remote store too, beside their originals: recalled from there instead of rendered, and kept there once made.

Only what this generation of ours made is used again: whatever else has such a name, made by another program or before rendering changed, is
made anew and replaced. Renditions can be had without the store, so nobody waits for one that does not answer, nor for what is kept later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path

from renderer.cache import Cache
from renderer.errors import Busy, NotFound, StoreGarbled, StoreSlow, StoreUnavailable, TooManyBytes
from renderer.formats import BY_EXTENSION
from renderer.homes import ORIGINAL, Home
from renderer.rendition import JSON_EXTENSION, Ref
from renderer.rests import Patience, Rest
from renderer.stores import Facts, Store
from renderer.threads import Threads

log = logging.getLogger(__name__)

# A failure that came quickly is one too many as well: every miss would pay for it, and to render costs less than a second.
PATIENCE = Patience(rest_seconds=10, slow_seconds=5, answers=(NotFound, TooManyBytes, StoreGarbled))
PAUSES = (1.0, 4.0, 16.0, 64.0)  # seconds between the tries to keep something: a restart of the store fits in
MOST_RECALLED = 128  # at once; what more there is to recall is rendered
MOST_QUEUED = 1000  # renditions that wait to be kept: some 1 MB; a store that takes 10 a second needs so long as for all tries


class Archive:
    """The remote stores of renditions of all namespaces; some have none. `max_bytes`: the most that is recalled of one rendition.

    `pauses`: seconds between the tries of what is kept later; `threads` of those try at once. `patience`: with what is recalled.
    """

    def __init__(
        self, homes: Mapping[str, Home], cache: Cache, max_bytes: int, pauses: Sequence[float] = PAUSES, threads: int = 4,
        most_queued: int = MOST_QUEUED, patience: Patience = PATIENCE,
    ) -> None:  # fmt: skip
        self._homes, self._cache, self._max_bytes, self._pauses = homes, cache, max_bytes, tuple(pauses)
        self._threads, self._askers = Threads("archive", threads, most_queued), Threads("recall", MOST_RECALLED, 0)
        self._patience = patience
        self._stopping = threading.Event()
        self._rests: dict[str, Rest] = {}

    def keeps(self, ref: Ref) -> bool:
        """Whether its namespace has such a store."""
        return self._store(ref) is not None

    def recall(self, ref: Ref, file: str, target: Path) -> Facts | None:
        """Fetch what is kept under `file` into `target`; None when that is nothing of ours, or the store does not answer.

        Nor when it is silent for longer than our patience: its own time limits, tries and all, may be longer than anybody waits.
        """
        store = self._store(ref)
        if store is None:
            return None
        try:
            facts = self._fetched(store, self._key(ref, file), target)
        except (StoreGarbled, TooManyBytes) as error:
            log.warning("%s of %s is rendered, not recalled: %s", file, ref, error)
            return None
        except StoreUnavailable as error:
            log.debug("%s of %s is rendered, not recalled: %s", file, ref, error)  # that it does not answer is told once
            return None
        if facts and self._is_ours(facts):
            return facts
        target.unlink(missing_ok=True)
        return None

    def _fetched(self, store: Store, key: str, target: Path) -> Facts | None:
        """As Store.get; StoreSlow when it was silent for too long."""
        answer: Future[Facts | None] = Future()
        own, size = self._cache.temporary(), 0  # should we not wait for it, `target` is not touched any more
        if not self._askers.add(partial(self._ask, store, key, own, answer)):
            raise StoreSlow(store.name, "too many renditions are recalled")
        while not wait([answer], self._patience.slow_seconds).done:
            before, size = size, _size_of(own)
            if size == before and answer.cancel():
                raise StoreSlow(store.name, f"nothing came for {self._patience.slow_seconds:g} s")
        facts = answer.result()
        if facts:
            own.replace(target)
        return facts

    def _ask(self, store: Store, key: str, own: Path, answer: Future[Facts | None]) -> None:
        """Whoever gave up waiting has cancelled `answer`: then nobody else takes the file away."""
        facts: Facts | None = None
        failure: Exception | None = None
        try:
            with self._rests.setdefault(store.name, Rest(store.name, self._patience)).asking(own):
                facts = store.get(key, own, self._max_bytes)
        except Exception as error:
            failure = error
        if not answer.set_running_or_notify_cancel():
            own.unlink(missing_ok=True)
        elif failure:
            answer.set_exception(failure)
        else:
            answer.set_result(facts)

    def has(self, ref: Ref, files: Collection[str]) -> set[str]:
        """Those of `files` that need not be made, one request each; StoreUnavailable when the store does not say."""
        store = self._store(ref)
        return {file for file in files if store and self._is_ours(store.facts(self._key(ref, file)))}

    def keep(self, ref: Ref, file: str, path: Path) -> None:
        """Put the published file `path` there as `file` before this returns, unless it is there already.

        StoreUnavailable, or Busy when the file was evicted or purged meanwhile.
        """
        try:
            self._put(ref, file, path)
        except FileNotFoundError as error:
            raise Busy(f"{file} of {ref} went away meanwhile") from error

    def keep_later(self, ref: Ref, file: str, path: Path, anew: bool = False) -> None:
        """The same, some time, and if it can be. It costs a render at most when it cannot: the next miss keeps it.

        `anew`: what is there is not what it calls itself, and replaced.
        """
        if self.keeps(ref) and not self._threads.add(partial(self._put_patiently, ref, file, path, anew)):
            log.warning("%s of %s is not kept in the remote store: too many wait", file, ref)

    def _put_patiently(self, ref: Ref, file: str, path: Path, anew: bool) -> None:
        for pause in (*self._pauses, None):
            try:
                self._put(ref, file, path, anew)
            except FileNotFoundError:
                log.debug("%s of %s went away before it was kept", file, ref)
            except StoreUnavailable as error:
                if pause is not None:
                    self._stopping.wait(pause)
                    continue
                log.warning("%s of %s is not kept: %s", file, ref, error)
            return

    def _put(self, ref: Ref, file: str, path: Path, anew: bool = False) -> None:
        """Nothing is put twice (G-B12). A purge waits for it, and takes it away; so what is there cannot be of what was purged."""
        store, key = self._store(ref), self._key(ref, file)
        if store is None:
            return
        with self._cache.archiving(ref):
            if not anew and self._is_ours(store.facts(key)):
                return
            stat = path.stat()
            own_time = stat.st_mtime_ns // 1_000_000_000
            store.put(key, path, Facts(stat.st_size, own_time, _type_of(path), made_by=self._cache.generation))

    def forget(self, ref: Ref) -> tuple[int, int]:
        """As Cache.forget, and what is kept of the original goes too. What the store raises comes when all is gone from this disk.

        What was recalled in between goes with the second time. What was not made by us, side files among them, stays: it is not recalled.
        """
        files, size = self._cache.forget(ref)
        store = self._store(ref)
        if store is None:
            return files, size
        with self._cache.archiving(ref):
            for key in self._kept(store, ref):
                facts = store.facts(key)
                if facts and facts.made_by:
                    store.delete(key)
            more_files, more_size = self._cache.forget(ref)
        return files + more_files, size + more_size

    def drop(self, ref: Ref) -> None:
        """Remove everything that stands beside an original that was deleted, whoever made it."""
        store = self._store(ref)
        if store is not None:
            with self._cache.archiving(ref):
                for key in self._kept(store, ref):
                    store.delete(key)

    def _kept(self, store: Store, ref: Ref) -> list[str]:
        """Every key there but the original's own."""
        prefix = self._key(ref, "")
        return [key for key in store.names(prefix) if key != prefix + ORIGINAL]

    def drain(self, seconds: float) -> bool:
        """Keep what waits to be kept, without pauses from now on; whether all was done in time."""
        self._stopping.set()
        is_done = self._threads.finish(seconds)
        if not is_done:
            log.warning("not every rendition was kept in the remote store within %g s", seconds)
        return is_done

    def _is_ours(self, facts: Facts | None) -> bool:
        return facts is not None and facts.made_by == self._cache.generation

    def _store(self, ref: Ref) -> Store | None:
        return self._homes[ref.namespace.name].renditions

    def _key(self, ref: Ref, file: str) -> str:
        return self._homes[ref.namespace.name].rendition_key(ref.name, file)


def _size_of(path: Path) -> int:
    """0 before it is there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _type_of(path: Path) -> str:
    extension = path.suffix[1:]
    return "application/json" if extension == JSON_EXTENSION else BY_EXTENSION[extension].mime
