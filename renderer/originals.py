"""Where a namespace's originals live: its one store, and a local copy nearby. (Legacy sources join them here.)

What came from afar and is named by its hash is kept as a local copy; names whose bytes may change are fetched anew each time. A store on
this disk is its own local copy. What is absent was deleted or never was, and the record of deletions is asked which.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from renderer import locks
from renderer.deletions import Deletions
from renderer.errors import BadRequest, Gone, NotFound, StoreGarbled, StoreUnavailable
from renderer.limits import Limits
from renderer.placing import is_left, own_name, place
from renderer.rendition import Namespace, Ref
from renderer.stores import Facts, OnDisk, Source, Store

ABSENT_SECONDS = 10  # how long "there is none" is believed of a remote store: as long as a 404 may be cached (R22)
ABSENT_MOST = 10_000  # names remembered as absent: some 3 MB


@dataclass(frozen=True)
class Home:
    """Where one namespace lives; `prefix` stands before every key; `legacy`: sources that may still have what the store has not."""

    namespace: Namespace
    store: Store
    prefix: str = ""
    legacy: tuple[Source, ...] = ()

    def key(self, name: str) -> str:
        """sha1: the bare ID (huImages' S3 key), sharded where the store wants it; md5: image-server's layout; path: itself."""
        space = self.namespace
        if space.naming.kind == "md5":
            pieces = (space.name, name[:3], name[3:6], name[6:9], name[9:], "original")
            return self.prefix + "/".join(pieces)
        return self.prefix + (str(space.ref(name).sharded) if self.store.spread else name)

    def name(self, key: str) -> str:
        """The inverse of `key`; BadRequest may follow when it is fed to `Namespace.ref`, for keys that are not ours."""
        rest = key.removeprefix(self.prefix)
        if self.namespace.naming.kind == "md5":
            return "".join(rest.split("/")[1:-1])
        return rest.rpartition("/")[2] if self.namespace.naming.shards else rest


@dataclass(frozen=True)
class Local:
    """An original on this disk: to be read only. `time`: its own, whole seconds since 1970 UTC."""

    path: Path
    time: int


class Originals:
    """All namespaces' homes. `copies`: directory of the local copies, on any file system."""

    def __init__(self, homes: Mapping[str, Home], copies: Path, limits: Limits, deletions: Deletions) -> None:
        self.homes, self._copies, self._limits, self._deletions = homes, copies, limits, deletions
        # Who was deleted is remembered apart: should its record vanish, it was put again, by another process.
        self._absent, self._gone = _Absent(), _Absent()
        self._mine = threading.local()  # `refs`: whom this thread is alone with

    @contextlib.contextmanager
    def local(self, ref: Ref) -> Iterator[Local]:
        """The original as a file that stays while the block runs. NotFound, Gone, TooManyBytes, or what the store raises."""
        home = self.homes[ref.namespace.name]
        self._deletions.check_unfinished(ref)
        if isinstance(home.store, OnDisk):
            yield self._on_disk(home, home.store, ref)
        elif ref.namespace.naming.immutable:
            yield self._nearby(ref) or self._keep(home, ref)
        else:
            with self._fetched(home, ref) as local:
                yield local

    def is_near(self, ref: Ref) -> bool:
        """Whether it can be had without asking a remote store."""
        return isinstance(self.homes[ref.namespace.name].store, OnDisk) or self._copy(ref).exists()

    def _on_disk(self, home: Home, store: OnDisk, ref: Ref) -> Local:
        path = store.locate(home.key(ref.name))
        try:
            stat = path.stat() if path else None
        except FileNotFoundError:
            stat = None  # deleted since we looked
        if path is None or stat is None:
            self._deletions.check(ref)
            raise NotFound(ref)
        self._limits.judge_bytes(stat.st_size)
        return Local(path, int(stat.st_mtime))

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
            self.verify(ref, fetched.path)
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
            facts = home.store.get(home.key(ref.name), target, self._limits.max_original_bytes)
            if facts is None:
                self._note_absence(ref)
                raise NotFound(ref)
            yield Local(target, facts.time)
        finally:
            target.unlink(missing_ok=True)

    def _expect_unforgotten(self, ref: Ref) -> None:
        """NotFound or Gone when the store did not have it a moment ago."""
        is_absent = self._absent.knows(ref)
        if is_absent or self._gone.knows(ref):
            self._deletions.check(ref)
        if is_absent:
            raise NotFound(ref)

    def _note_absence(self, ref: Ref) -> None:
        """Gone when it was deleted."""
        try:
            self._deletions.check(ref)
        except Gone:
            self._gone.add(ref)
            raise
        self._absent.add(ref)

    def verify(self, ref: Ref, path: Path) -> None:
        """StoreGarbled when the bytes do not have the hash that the name promises; names that promise none pass."""
        naming = ref.namespace.naming
        if naming.immutable and naming.name_of(digest_of(ref.namespace, path))[:32] != ref.name[:32]:
            self.discard_copy(ref)
            raise StoreGarbled(self.homes[ref.namespace.name].store.name, f"the bytes of {ref} do not have the hash in their name")

    def facts(self, ref: Ref) -> Facts | None:
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
        the store. Who is that already stays so.
        """
        mine: set[Ref] = vars(self._mine).setdefault("refs", set())
        if ref in mine:
            yield
            return
        claims = self._deletions.claims
        claims.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(str(ref).encode()).digest()
        with locks.held(claims, int.from_bytes(digest[:8], "big") >> 2):
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
        """Every original of a namespace, in the store's order; what is not named as ours is passed over."""
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


def digest_of(namespace: Namespace, path: Path) -> bytes:
    """The hash that names the originals of `namespace`, of a file's bytes."""
    hasher = namespace.naming.hasher()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.digest()


class _Absent:
    """Which names a remote store did not have a moment ago, so that asking for one again and again costs nothing there."""

    def __init__(self) -> None:
        self._until: OrderedDict[Ref, float] = OrderedDict()
        self._lock = threading.Lock()

    def knows(self, ref: Ref) -> bool:
        with self._lock:
            return self._until.get(ref, 0) > time.monotonic()

    def add(self, ref: Ref) -> None:
        with self._lock:
            self._until[ref] = time.monotonic() + ABSENT_SECONDS
            self._until.move_to_end(ref)
            while len(self._until) > ABSENT_MOST:
                self._until.popitem(last=False)

    def discard(self, ref: Ref) -> None:
        with self._lock:
            self._until.pop(ref, None)
