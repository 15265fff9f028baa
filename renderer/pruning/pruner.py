"""One pass of the pruner: see what is there, see what is too much, and let go of what is worth least.

    <cache>/prune/lock     held by who prunes; another place in it by who counts what nginx answered
    <cache>/prune/state    JSON: where the hand stands, what the last survey found, and sums; lost, it is found anew by the next

Everything else that it needs to know stands with the files themselves.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from renderer import locks
from renderer.cache import Cache
from renderer.errors import Conflict
from renderer.homes import Home
from renderer.placing import own_name
from renderer.pruning import leftovers
from renderer.pruning.bounds import Bounds, Free, Need, excess, over_quota, unmet
from renderer.pruning.copies import Copies, CopyPruning
from renderer.pruning.evicted import Evicted
from renderer.pruning.evicting import Evictor
from renderer.pruning.policy import EVERYTHING, POLICIES, RANKS
from renderer.pruning.recency import LOG, VISITED, Manners, born, chosen, manners
from renderer.pruning.replaying import replay
from renderer.pruning.sweeping import Sweep, Usage, marks_of
from renderer.pruning.totals import added, count_answers
from renderer.pruning.tree import Tree
from renderer.rendition import Namespace

log = logging.getLogger(__name__)

_PRUNING, _COUNTING = 0, 1  # places of the lock
RELIEF_BYTES, RELIEF_SHARE = 64_000_000, 0.02  # what an emergency frees at least: some hundred renditions, or a part of the cache


@dataclass(frozen=True)
class Wishes:
    """How to prune. `access_log`: nginx's, where there is one; `budgets`: of local copies, by namespace."""

    bounds: Bounds
    policy: str = "value"
    recency: str = "auto"
    access_log: Path | None = None
    budgets: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Summary:
    """What a pass did; bytes are those on disk, `evicted` is files by reason. `unmet`: sentences about bounds that are still passed."""

    recency: str = ""
    policy: str = ""
    scanned: int = 0
    visited: int = 0
    evicted: dict[str, int] = field(default_factory=dict)
    evicted_bytes: int = 0
    spared: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    inodes_before: int = 0
    inodes_after: int = 0
    by_namespace: dict[str, int] = field(default_factory=dict)
    foreign: int = 0
    foreign_examples: list[str] = field(default_factory=list)
    leftovers: int = 0
    replayed: int = 0
    copies: dict[str, Any] = field(default_factory=dict)
    unmet: list[str] = field(default_factory=list)
    seconds: float = 0.0
    is_dry: bool = False


class Pruner:
    """`namespaces`: all that are configured; `homes` say where originals have their home; `now`: seconds since 1970."""

    def __init__(
        self, cache: Cache, namespaces: Mapping[str, Namespace], homes: Mapping[str, Home], copies: Path, wishes: Wishes,
        now: Callable[[], float] = time.time, show: Callable[[int], object] = int, breathe: Callable[[], object] = bool,
    ) -> None:  # fmt: skip
        self._cache, self._namespaces, self._homes, self._copies, self.wishes = cache, namespaces, homes, copies, wishes
        self._now, self._show, self._breathe = now, show, breathe
        self._folder = cache.pruning
        self._manners: Manners | None = None

    def run(self, is_dry: bool = False) -> Summary:
        """A whole pass. Conflict while somebody else prunes; OSError where the cache cannot be changed."""
        with self._alone():
            summary = self._run(is_dry)
        if not is_dry:
            self._count_answers()
        return summary

    def relieve(self, seconds: float) -> bool:
        """The disk is full now: free something at once, without a survey; or wait for who prunes already. Whether something was freed.

        For a thread that has just failed to publish: it is back within `seconds`, and what was being evicted goes on without it.
        """
        done: list[int] = []

        def work() -> None:
            with suppress(OSError, Conflict), self._alone(seconds):
                done.append(self._relieve())

        thread = threading.Thread(target=work, name="relief", daemon=True)
        thread.start()
        thread.join(seconds)
        return bool(done and done[0])

    def _run(self, is_dry: bool) -> Summary:
        began, now, bounds = time.monotonic(), self._now(), self.wishes.bounds
        found = self._found_manners(is_dry)
        way = chosen(self.wishes.recency, found, bool(self.wishes.access_log and self.wishes.access_log.exists()))
        summary = Summary(way, self.wishes.policy, is_dry=is_dry)
        if not is_dry:
            summary.leftovers = leftovers.sweep(self._cache.root, now, is_dry)
        if way == LOG and self.wishes.access_log and not is_dry:
            summary.replayed = replay(self.wishes.access_log, self._folder / "log", self._cache.served).visits
        with self._noted(is_dry) as note:
            tree = Tree(self._cache.served, self._cache.generation, self._namespaces)
            evictor = Evictor(self._cache, is_dry, note)
            sweep = self._sweep(tree, evictor, now, way, found, is_dry)
            state = self._state()
            usage = sweep.survey()
            self._tell(summary, usage, tree, evictor)
            freed = evictor.bytes, evictor.all_inodes
            self._shrink(sweep, usage, evictor, state)
            usage.bytes -= evictor.bytes - freed[0]
            self._conclude(summary, usage, usage.inodes - (evictor.all_inodes - freed[1]), evictor, bounds, is_dry)
        summary.copies = asdict(self._prune_copies(now, way, is_dry, summary))
        summary.seconds = round(time.monotonic() - began, 3)
        if not is_dry:
            totals = added(state.get("totals"), summary.evicted, summary.evicted_bytes, summary.seconds, passes=1)
            state |= {"total": summary.bytes_after, "last": asdict(summary), "at": now, "totals": totals}
            self._keep(state)
        return summary

    def _count_answers(self) -> None:
        """After the pruning: a long log must not keep an emergency waiting. One that cannot be read, or a full disk, is no failure."""
        access_log = self.wishes.access_log
        try:
            with locks.held(self._folder / "lock", _COUNTING, 0) as is_ours:
                if is_ours and access_log and access_log.exists():
                    count_answers(access_log, self._folder, self._cache.served, frozenset(self._namespaces))
        except OSError as error:
            log.info("hits are not counted: %s", error)

    def _sweep(self, tree: Tree, evictor: Evictor, now: float, way: str, found: Manners, is_dry: bool) -> Sweep:
        trusts = way in (VISITED, LOG)
        policy = POLICIES[self.wishes.policy]
        keeps = found.keeps_nanoseconds
        return Sweep(tree, policy, self.wishes.bounds, evictor, now, trusts, keeps, born, is_dry, self._show, self._breathe)

    def _shrink(self, sweep: Sweep, usage: Usage, evictor: Evictor, state: dict[str, Any]) -> None:
        """Quotas first, then what concerns all. `state`: where the hands stand, one for each namespace with a quota and one for all; and
        the threshold that an emergency begins with.
        """
        bounds, before, hands = self.wishes.bounds, (evictor.bytes, evictor.all_inodes), state.setdefault("hands", {})
        free = Free.below(self._cache.root)
        for name in bounds.quotas:
            need = over_quota(bounds, name, usage.by_namespace[name])
            if need:
                freed = evictor.bytes
                _, hands[name] = sweep.evict(need, marks_of(usage.by_rank[name], need.bytes), hands.get(name, ""), name)
                usage.by_namespace[name] -= evictor.bytes - freed
        gone_bytes, gone_inodes = evictor.bytes - before[0], evictor.all_inodes - before[1]
        inodes = None if free.inodes is None else free.inodes + gone_inodes
        need = excess(bounds, usage.bytes - gone_bytes, usage.inodes - gone_inodes, Free(free.bytes + gone_bytes, inodes))
        by_bytes = usage.by_rank[""], max(need.bytes, int(usage.bytes * RELIEF_SHARE))
        marks = marks_of(*by_bytes) if need.bytes > 0 or not need else marks_of(usage.inodes_by_rank, need.inodes)
        state["mark"] = marks[0]
        if need:
            _, hands[""] = sweep.evict(need, marks, hands.get("", ""))

    def _relieve(self) -> int:
        """Bytes that are free now: of the first that the hand finds unread."""
        now, found = self._now(), self._found_manners(False)
        state = self._state()
        way = chosen(self.wishes.recency, found, has_log=False)
        with self._noted(False) as note:
            evictor = Evictor(self._cache, note=note)
            sweep = self._sweep(Tree(self._cache.served, self._cache.generation, self._namespaces), evictor, now, way, found, False)
            wanted = max(RELIEF_BYTES, int(state.get("total", 0) * RELIEF_SHARE))
            hands = state.setdefault("hands", {})
            _, hands[""] = sweep.evict(Need(wanted, 0, "emergency"), [state.get("mark", 0), RANKS - 1, EVERYTHING], hands.get("", ""))
        state["totals"] = added(state.get("totals"), evictor.files, evictor.bytes)
        with suppress(OSError):
            self._keep(state)
        return evictor.bytes

    def _prune_copies(self, now: float, way: str, is_dry: bool, summary: Summary) -> Copies:
        bounds = self.wishes.bounds
        pruning = CopyPruning(
            self._copies, self._homes, self._cache, self.wishes.budgets, bounds.min_age, bounds.low, now, way == VISITED, is_dry
        )
        copies = pruning.run()
        summary.unmet += [f"expected the local copies of {name} within their budget, got more" for name in copies.unmet]
        return copies

    def _tell(self, summary: Summary, usage: Usage, tree: Tree, evictor: Evictor) -> None:
        summary.scanned, summary.visited = usage.files, usage.visited
        summary.bytes_before, summary.inodes_before = usage.bytes + evictor.bytes, usage.inodes + evictor.all_inodes
        summary.foreign, summary.foreign_examples = tree.foreign.count, list(tree.foreign.examples)

    def _conclude(
        self, summary: Summary, usage: Usage, inodes: int, evictor: Evictor, bounds: Bounds, is_dry: bool
    ) -> None:  # fmt: skip
        summary.bytes_after, summary.inodes_after = usage.bytes, inodes
        summary.evicted, summary.evicted_bytes, summary.spared = dict(evictor.files), evictor.bytes, evictor.spared
        summary.by_namespace = dict(usage.by_namespace)
        summary.foreign += evictor.foreign.count
        summary.foreign_examples += evictor.foreign.examples
        free = Free.below(self._cache.root)
        if is_dry:
            free = Free(free.bytes + evictor.bytes, None if free.inodes is None else free.inodes + evictor.all_inodes)
        summary.unmet = unmet(bounds, usage.bytes, inodes, usage.by_namespace, free)

    def _found_manners(self, is_dry: bool) -> Manners:
        if self._manners is None:
            self._manners = manners(self._cache.root / "tmp")
        return self._manners

    @contextmanager
    def _alone(self, wait_seconds: float = 0) -> Iterator[None]:
        with locks.held(self._folder / "lock", _PRUNING, wait_seconds) as is_ours:
            if not is_ours:
                raise Conflict(f"another pruner is at work on {self._cache.root}")
            yield

    @contextmanager
    def _noted(self, is_dry: bool) -> Iterator[Callable[[str], object]]:
        """What remembers who was evicted, for the regret that `onmiss cache stats` tells."""
        if is_dry:
            yield str
            return
        with Evicted(self._folder / "evicted").opened() as evicted:
            yield lambda path: evicted.note(path, self._now())

    def _state(self) -> dict[str, Any]:
        try:
            content = json.loads((self._folder / "state").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _keep(self, state: Mapping[str, Any]) -> None:
        fresh = self._folder / own_name()
        try:
            fresh.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
            os.replace(fresh, self._folder / "state")
        finally:
            fresh.unlink(missing_ok=True)
