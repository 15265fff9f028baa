"""Where a namespace's originals live: its one store, the legacy sources still being emptied into it, and a local copy nearby.

What came from afar and is named by its hash is kept as a local copy; names whose bytes may change are fetched anew each time. A store on
this disk is its own local copy. What is absent was deleted or never was, and the record of deletions is asked which: what was deleted is
never looked for in legacy sources. What those had is served, and owed to the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from renderer import locks
from renderer.absences import Absences
from renderer.deletions import Deletions
from renderer.errors import BadRequest, Busy, Gone, NotFound, StoreMismatch, StoreUnavailable
from renderer.homes import Home
from renderer.legacy import Legacy
from renderer.limits import Limits
from renderer.placing import is_left, own_name, place
from renderer.rendition import Namespace, Ref
from renderer.stores import Facts, OnDisk, Store

__all__ = ["Home", "Local", "Originals"]


@dataclass(frozen=True)
class Local:
    """An original on this disk: to be read only. `time`: its own, whole seconds since 1970 UTC."""

    path: Path
    time: int


class Originals:
    """All namespaces' homes. `copies`: directory of the local copies, on any file system; `wait_seconds`: the longest wait of who puts or
    deletes for another who does so with the same original, whose store may hang.
    """

    def __init__(
        self, homes: Mapping[str, Home], copies: Path, limits: Limits, deletions: Deletions, legacy: Legacy | None = None,
        wait_seconds: float = 60,
    ) -> None:  # fmt: skip
        self._wait_seconds = wait_seconds
        self.homes, self._copies, self._limits, self._deletions, self._legacy = homes, copies, limits, deletions, legacy or Legacy()
        # Who was deleted is remembered apart: should its record vanish, it was put again, by another process.
        self._absent, self._gone = Absences(), Absences()
        self._mine = threading.local()  # `refs`: whom this thread is alone with

    @contextlib.contextmanager
    def local(self, ref: Ref) -> Iterator[Local]:
        """The original as a file that stays while the block runs. NotFound, Gone, TooManyBytes, or what the store raises."""
        home = self.homes[ref.namespace.name]
        self._deletions.check_unfinished(ref)
        on_disk = self._on_disk(home, home.store, ref) if isinstance(home.store, OnDisk) else None
        if on_disk:
            yield on_disk
        elif ref.namespace.naming.immutable:
            yield self._nearby(ref) or self._keep(home, ref)
        else:
            with self._fetched(home, ref) as local:
                yield local

    def is_near(self, ref: Ref) -> bool:
        """Whether it can be had without asking a remote store. What only a legacy source has counts as its store's."""
        return isinstance(self.homes[ref.namespace.name].store, OnDisk) or self._copy(ref).exists()

    def _on_disk(self, home: Home, store: OnDisk, ref: Ref) -> Local | None:
        """None when legacy sources are to be asked: it is not there, or the disk is not."""
        # It may be deleted after we looked.
        passing = (FileNotFoundError, StoreUnavailable) if home.legacy else (FileNotFoundError,)
        with contextlib.suppress(*passing):
            path = store.locate(home.key(ref.name))
            if path:
                stat = path.stat()
                self._limits.judge_bytes(stat.st_size)
                return Local(path, int(stat.st_mtime))
        if home.legacy:
            return None
        self._deletions.check(ref)
        raise NotFound(ref)

    def _nearby(self, ref: Ref) -> Local | None:
        path = self._copy(ref)
        try:
            return Local(path, int(path.stat().st_mtime))
        except FileNotFoundError:
            return None

    def _keep(self, home: Home, ref: Ref) -> Local:
        """Gone when it was deleted while it was fetched: nobody would take that copy away again."""
        mark = self._deletions.mark(ref)
        with self._fetched(home, ref) as fetched:
            self._deletions.check_since(ref, mark)
            path = place(fetched.path, self._copy(ref))
            try:
                self._deletions.check_since(ref, mark)  # any later deletion takes the copy away itself
            except Gone:
                self.discard_copy(ref)
                raise
            return Local(path, fetched.time)

    @contextlib.contextmanager
    def _fetched(self, home: Home, ref: Ref) -> Iterator[Local]:
        self._expect_unforgotten(ref)
        self._copies.mkdir(parents=True, exist_ok=True)
        target = self._copies / f".{own_name()}"
        try:
            facts = self._fetch(home, ref, target)
            if facts is None:
                self._absent.add(ref)
                raise NotFound(ref)
            yield Local(target, facts.time)
        finally:
            target.unlink(missing_ok=True)

    def _fetch(self, home: Home, ref: Ref, target: Path) -> Facts | None:
        """From the store, or from a legacy source; None only when all of them answered that they have none: an outage is no absence."""
        silence: StoreUnavailable | None = None
        try:
            if facts := self._from_store(home, ref, target):
                return facts
        except StoreUnavailable as error:
            if not home.legacy:
                raise
            silence = error
        self._expect_undeleted(ref, silence)
        try:
            facts = self._legacy.fetch(home, ref, target, self._limits.max_original_bytes)
        except (StoreUnavailable, Gone) as error:
            if silence:
                raise silence from error
            if isinstance(error, Gone):
                self._absent.add(ref, Gone)
                raise Gone(ref) from error
            raise
        if silence and not facts:
            raise silence
        return facts

    def _from_store(self, home: Home, ref: Ref, target: Path) -> Facts | None:
        """A store that hangs is left alone where there is another place to look."""
        with self._legacy.asking(home.store, target) if home.legacy else contextlib.nullcontext():
            facts = home.store.get(home.key(ref.name), target, self._limits.max_original_bytes)
        if facts:
            self.verify(ref, target)
            if home.legacy:
                self._legacy.forget(ref)
        return facts

    def _expect_unforgotten(self, ref: Ref) -> None:
        """NotFound or Gone when the store did not have it a moment ago."""
        absence = self._absent.knows(ref)
        if absence or self._gone.knows(ref):
            self._deletions.check(ref)
        if absence:
            raise absence(ref)

    def _expect_undeleted(self, ref: Ref, silence: StoreUnavailable | None) -> None:
        """Gone when it was deleted and the store has none; `silence` when that did not say: another machine may have put it again."""
        try:
            self._deletions.check(ref)
        except Gone:
            if silence:
                raise silence from None
            self._gone.add(ref)
            raise

    def verify(self, ref: Ref, path: Path) -> None:
        """As Home.verify; a local copy goes too."""
        try:
            self.homes[ref.namespace.name].verify(ref, path)
        except StoreMismatch:
            self.discard_copy(ref)
            raise

    def facts(self, ref: Ref) -> Facts | None:
        """Of the store: what only a legacy source has is not known."""
        home = self.homes[ref.namespace.name]
        return home.store.facts(home.key(ref.name))

    def put(self, ref: Ref, source: Path, facts: Facts, only_new: bool = False, given: bool = False) -> bool:
        """Store a copy of `source`; it is found at once, whatever was looked for before. `only_new` and the answer: as Store.put.
        `given`: that file is nobody else's; where the store is on this disk it need not be copied, and may be gone.

        The record of its deletion goes last: who is killed before that has not put it, and does so when he repeats it. A name that is
        taken stays deleted when it was: what is there is not what was brought.
        """
        home = self.homes[ref.namespace.name]
        put = home.store.take if given and isinstance(home.store, OnDisk) else home.store.put
        with self.alone(ref):
            stored = put(home.key(ref.name), source, facts, only_new)
            if stored or ref.namespace.naming.immutable:
                self._deletions.clear(ref)
        self._absent.discard(ref)
        return stored

    def settle(self, ref: Ref, source: Path, facts: Facts) -> bool:
        """Put what a legacy source had, unless something is there. Gone when it was deleted: unlike `put`, this brings nothing back."""
        home = self.homes[ref.namespace.name]
        with self.alone(ref):
            self._deletions.check(ref)
            return home.store.put(home.key(ref.name), source, facts, only_new=True)

    def begin_deletion(self, ref: Ref) -> None:
        """From here on it is gone, whatever the store has. For good where legacy sources may have it: nothing can be deleted there."""
        self._deletions.record(ref, for_good=bool(self.homes[ref.namespace.name].legacy))

    def delete(self, ref: Ref) -> bool:
        """Whether the store had it. The local copy goes first: when the store does not answer, nothing is made of it all the same.

        Of a deletion and a `put` at once the later one wins, and the record agrees.
        """
        home = self.homes[ref.namespace.name]
        with self.alone(ref):
            self.begin_deletion(ref)
            self.discard_copy(ref)
            return home.store.delete(home.key(ref.name))

    def finish_deletion(self, ref: Ref) -> None:
        """Nothing of it is left: should the store have it another time, it was put again."""
        with self.alone(ref):
            self._deletions.finish(ref)

    @contextlib.contextmanager
    def alone(self, ref: Ref) -> Iterator[None]:
        """Be the only one on this machine who puts or deletes it, so that the record of its deletion and what is noted of it agree with
        the store. Who is that already stays so. Busy when another one is for too long.
        """
        mine: set[Ref] = vars(self._mine).setdefault("refs", set())
        if ref in mine:
            yield
            return
        claims = self._deletions.claims
        claims.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(str(ref).encode()).digest()
        with locks.held(claims, int.from_bytes(digest[:8], "big") >> 2, self._wait_seconds) as is_ours:
            if not is_ours:
                raise Busy(f"somebody else puts or deletes {ref}")
            mine.add(ref)
            try:
                yield
            finally:
                mine.remove(ref)

    def is_being_deleted(self, ref: Ref) -> bool:
        """Whether its deletion began, is not finished, and it was not put again since."""
        return self._deletions.is_unfinished(ref)

    def may_have(self, ref: Ref) -> bool:
        """Whether there may be something to delete; False only when that is certain."""
        if self.homes[ref.namespace.name].legacy or self._copy(ref).exists() or self.is_being_deleted(ref):
            return True
        try:
            return self.facts(ref) is not None
        except StoreUnavailable:
            return True

    def check_deleted(self, ref: Ref) -> None:
        """Gone when it was deleted, and not put again since."""
        self._deletions.check(ref)

    def known_key(self, store: Store) -> str:
        """The key of some original that was fetched from `store`, for a check that reads it; '' when none is known."""
        for home in self.homes.values():
            copies = (path for path in (self._copies / home.namespace.name).rglob("*") if path.is_file())
            found = next(copies, None) if home.store is store else None
            if found:
                return home.key(found.name)
        return ""

    def sweep(self) -> None:
        """Remove what dead processes of ours were fetching."""
        for left in self._copies.glob(".*-*-*"):
            if is_left(left.name):
                left.unlink(missing_ok=True)
        self._deletions.sweep()

    def names(self, namespace: Namespace) -> Iterator[Ref]:
        """Every original that a namespace's store has, in its order; what is not named as ours is passed over."""
        home = self.homes[namespace.name]
        for key in home.store.names(home.prefix):
            with contextlib.suppress(BadRequest):
                ref = namespace.ref(home.name(key))
                if home.key(ref.name) == key:
                    yield ref

    def discard_copy(self, ref: Ref) -> None:
        self._copy(ref).unlink(missing_ok=True)

    def _copy(self, ref: Ref) -> Path:
        return self._copies / ref.namespace.name / ref.sharded
