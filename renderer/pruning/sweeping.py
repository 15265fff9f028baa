"""Sweep over the cache: a survey of all of it, and a hand that goes on where it stopped and evicts what ranks lowest.

A survey counts, and takes away what must not be there: files that are not as they were published, files of no bytes, what is too old. It
clears away the first reading of each file, which was its own miss. What is worth keeping the policy says. `atime > ctime` tells that nginx
has read a file since the hand was there; writing its times as they are clears that.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from renderer import memo
from renderer.pruning.bounds import Bounds, Need
from renderer.pruning.evicting import Evictor
from renderer.pruning.policy import EVERYTHING, EVICT, KEEP, MOST_CIRCLES, RANKS, Policy, state_of, threshold, used
from renderer.pruning.tree import ALIAS, File, Leaf, Tree, files, renditions

_SECOND = 1_000_000_000  # nanoseconds
_FUTURE = 60.0  # a time that is so far ahead was not set by this clock, and tells nothing
_BACK = 1.0  # by so many seconds what is published was last read before it was there, see Cache.publish
_OLD_GENERATION = "old generation"
_KIND, _REGULAR = 0o170000, 0o100000  # of st_mode, as in sys/stat.h

_Look = tuple[int, int, bool]


@dataclass
class Usage:
    """What a survey found, in bytes on disk and inodes; histograms by rank, for each namespace with a quota and for all together ('')."""

    bytes: int = 0
    files: int = 0
    directories: int = 0
    visited: int = 0
    by_namespace: Counter[str] = field(default_factory=Counter)
    by_rank: dict[str, list[int]] = field(default_factory=dict)
    inodes_by_rank: list[int] = field(default_factory=lambda: [0] * RANKS)

    @property
    def inodes(self) -> int:
        return self.files + self.directories


class Sweep:
    """`trusts_visits`: whether `atime > ctime` means anything here; `born`: when a file was published, in seconds since 1970, where the
    file system tells; `show`: is told how many files were seen; `breathe`: is called after every
    directory.
    """

    def __init__(
        self, tree: Tree, policy: Policy, bounds: Bounds, evictor: Evictor, now: float, trusts_visits: bool, keeps_memos: bool,
        born: Callable[[str, os.stat_result], float], is_dry: bool = False, show: Callable[[int], object] = int,
        breathe: Callable[[], object] = bool,
    ) -> None:  # fmt: skip
        self._tree, self._policy, self._bounds, self._evictor, self._now = tree, policy, bounds, evictor, now
        self._trusts_visits, self._keeps_memos, self._born, self._is_dry, self._show = trusts_visits, keeps_memos, born, is_dry, show
        self._breathe = breathe
        self._since_atime = policy.since == "atime"
        self.seen = 0

    def survey(self) -> Usage:
        """Look at everything, old generations too."""
        usage = Usage(by_rank={name: [0] * RANKS for name in ("", *self._bounds.quotas)})
        for generation in self._tree.generations():
            is_old = generation != self._tree.generation
            for leaf in self._tree.leaves(generation):
                self._survey(leaf, usage, is_old)
                self._breathe()
            if is_old and not self._is_dry:
                self._tree.forget_empty(generation)
        usage.directories += self._tree.directories - self._evictor.directories
        self._evictor.bury()
        return usage

    def _survey(self, leaf: Leaf, usage: Usage, is_old: bool) -> None:
        space = leaf.ref.namespace.name
        max_age = self._bounds.age_of(space)
        looks = None if is_old or max_age is not None else self._glance(leaf.path)
        if looks is None:
            looks = [self._look(f"{leaf.path}/{name}", status, is_old) for name, status in self._sifted(leaf, is_old, max_age)]
        if not looks:
            self._evictor.tidy(leaf)
            return
        ranks, inodes, of_space, size_of_all = usage.by_rank[""], usage.inodes_by_rank, usage.by_rank.get(space), 0
        for rank, size, is_visited in looks:
            size_of_all += size
            ranks[rank] += size
            inodes[rank] += 1
            usage.visited += is_visited
            if of_space is not None:
                of_space[rank] += size
        usage.files += len(looks)
        usage.bytes += size_of_all
        usage.by_namespace[space] += size_of_all
        self._count(len(looks))

    def _glance(self, path: str) -> list[_Look] | None:
        """What `_look` says of every rendition in a directory; None where one has to be looked at closely, or names do not add up.

        All that a survey does a million times is here, in line: calls would cost as much as the system's `stat`.
        """
        looks: list[_Look] = []
        aliases = others = 0
        now, trusts, keeps, used_to_atime, rank_of = self._now, self._trusts_visits, self._keeps_memos, self._since_atime, self._policy.rank
        is_damaged = memo.is_damaged
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name[0] == ALIAS:
                        aliases += 1
                        continue
                    status = entry.stat(follow_symlinks=False)
                    length, kept = status.st_size, status.st_mtime_ns % _SECOND if keeps else 0
                    if not length or (kept and is_damaged(kept, length)) or status.st_mode & _KIND != _REGULAR:
                        return None
                    others += status.st_nlink - 1
                    is_visited = trusts and status.st_atime_ns > status.st_ctime_ns
                    size, seconds = status.st_blocks * 512, now - (status.st_atime if used_to_atime else status.st_ctime)
                    state, level = ((kept - 1) & 7, (kept - 1) >> 3 & 255) if kept else (0, _level(0, length))
                    if keeps and not state & 1:
                        self._greet(entry.path, status, state)
                    state = used(state) if is_visited else state
                    looks.append((rank_of(state, level, size, seconds if seconds > -_FUTURE else 0.0), size, is_visited))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return looks if aliases == others else None

    def _count(self, more: int) -> None:
        self.seen += more
        self._show(self.seen)

    def _is_wrong(self, status: os.stat_result) -> bool:
        """Whether a file is not as it was published."""
        if status.st_size == 0 or not stat.S_ISREG(status.st_mode):
            return True
        return self._keeps_memos and memo.is_damaged(status.st_mtime_ns % _SECOND, status.st_size)

    def _look(self, path: str, status: os.stat_result, is_old: bool) -> _Look:
        """Rank, as it will be when the hand comes (a visit counts already); bytes on disk; whether it was visited."""
        kept = status.st_mtime_ns % _SECOND if self._keeps_memos else 0
        is_visited = self._trusts_visits and status.st_atime_ns > status.st_ctime_ns
        state, size = state_of(kept), status.st_blocks * 512
        if self._keeps_memos and not state & 1 and not is_old:
            self._greet(path, status, state)
        state = used(state) if is_visited else state
        return self._policy.rank(state, _level(kept, status.st_size), size, self._seconds(status)), size, is_visited

    def _greet(self, path: str, status: os.stat_result, state: int) -> None:
        decision = self._policy.greet(self._is_young(status), state)
        if decision != KEEP:
            self._write(path, status, decision)

    def _seconds(self, status: os.stat_result) -> float:
        """Since the time that the policy counts from."""
        seconds = self._now - (status.st_atime if self._since_atime else status.st_ctime)
        return seconds if seconds > -_FUTURE else 0.0

    def _is_young(self, status: os.stat_result) -> bool:
        """By the time of publication, where the policy leaves it alone; else by that of the last known reading, which is no earlier."""
        seconds = self._now - (status.st_atime if self._since_atime else status.st_ctime)
        return -_FUTURE < seconds < self._bounds.min_age + _BACK

    def _sifted(self, leaf: Leaf, is_old: bool, max_age: float | None) -> list[tuple[str, os.stat_result]]:
        """What stays, of a directory of which something may have to go whatever its rank."""
        found = files(leaf.path)
        going = {file.names: reason for file in found if (reason := self._reason(leaf, file, is_old, max_age))}
        gone: set[tuple[str, ...]] = set()
        if going:
            with self._evictor.alone(leaf) as is_alone:
                for file in found if is_alone else ():
                    if file.names in going and self._evictor.evict(leaf, file, going[file.names]):
                        gone.add(file.names)
        return [(file.names[0], file.status) for file in found if file.names not in gone]

    def _reason(self, leaf: Leaf, file: File, is_old: bool, max_age: float | None) -> str:
        status = file.status
        if is_old:  # nginx may not have been reloaded yet: what it still serves stays until nobody asked for it in a whole round
            return "" if self._is_young(status) or self._is_spared_once(leaf, file) else _OLD_GENERATION
        if self._is_wrong(status):
            return "damaged"
        if max_age is not None and self._now - self._born(f"{leaf.path}/{file.names[0]}", status) > max(max_age, self._bounds.min_age):
            return "max_age"
        return ""

    def _is_spared_once(self, leaf: Leaf, file: File) -> bool:
        status = file.status
        is_visited = self._trusts_visits and status.st_atime_ns > status.st_ctime_ns
        if is_visited:
            self._write(f"{leaf.path}/{file.names[0]}", status, state_of(status.st_mtime_ns % _SECOND))
        return is_visited

    # the hand

    def evict(self, need: Need, marks: Sequence[int], hand: str, only: str = "") -> tuple[Need, str]:
        """Evict from the position `hand` on, a full circle for each of `marks` (thresholds of the policy), until nothing is needed; what
        is needed still, and where it stopped. `only`: files of one namespace.
        """
        for mark in marks:
            for leaf in self._round(hand, only):
                freed, inodes = self._evictor.bytes, self._evictor.all_inodes
                self._pass(leaf, mark, need.reason)
                self._breathe()
                need = need.after(self._evictor.bytes - freed, self._evictor.all_inodes - inodes)
                if not need:
                    self._evictor.bury()
                    return need, leaf.position
        self._evictor.bury()
        return need, hand

    def _round(self, hand: str, only: str) -> Iterator[Leaf]:
        """A full circle. What stands before the hand comes last; what stands on it may come twice."""
        yield from self._tree.leaves(self._tree.generation, hand, only)
        if hand:
            for leaf in self._tree.leaves(self._tree.generation, "", only):
                if leaf.ref.namespace.naming.shards and leaf.position > hand:
                    return
                yield leaf

    def _pass(self, leaf: Leaf, mark: int, reason: str) -> None:
        going: list[str] = []
        for name, status in renditions(leaf.path) or [(file.names[0], file.status) for file in files(leaf.path)]:
            decision = self._decide(f"{leaf.path}/{name}", status, mark)
            if decision == EVICT:
                going.append(name)
            elif decision != KEEP:
                self._write(f"{leaf.path}/{name}", status, decision)
        if going:
            with self._evictor.alone(leaf) as is_alone:
                for file in files(leaf.path) if is_alone else ():
                    first = file.names[0]
                    if first in going and self._decide(f"{leaf.path}/{first}", file.status, mark) == EVICT:
                        self._evictor.evict(leaf, file, reason)
            self._evictor.tidy(leaf)

    def _decide(self, path: str, status: os.stat_result, mark: int) -> int:
        kept = status.st_mtime_ns % _SECOND if self._keeps_memos else 0
        is_visited = self._trusts_visits and status.st_atime_ns > status.st_ctime_ns
        state = state_of(kept)
        rank = self._policy.rank(state, _level(kept, status.st_size), status.st_blocks * 512, self._seconds(status))
        return self._policy.step(is_visited, self._is_spared(path, status, mark), state, rank, mark)

    def _is_spared(self, path: str, status: os.stat_result, mark: int) -> bool:
        """Where nothing else is left to go, what was only read a moment ago is not young: its publication counts."""
        if mark < EVERYTHING or not self._is_young(status):
            return self._is_young(status)
        return -_FUTURE < self._now - self._born(path, status) < self._bounds.min_age + _BACK

    def _write(self, path: str, status: os.stat_result, state: int) -> None:
        """The times as they are, which clears the visited bit, and the state with them."""
        if self._is_dry:
            return
        kept = status.st_mtime_ns % _SECOND
        fresh = memo.spell_state(_level(kept, status.st_size), state >> 1, bool(state & 1), status.st_size) if self._keeps_memos else kept
        with suppress(FileNotFoundError):
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - kept + fresh))


def marks_of(histogram: Sequence[int], wanted: int) -> list[int]:
    """The thresholds of one circle after the other; the policy lets everything go that is not young before the last."""
    return [threshold(histogram, wanted, circle) for circle in range(MOST_CIRCLES + 1)]


def _level(kept: int, length: int) -> int:
    """Of a file's cost; guessed by its length where it has no memo: a millisecond for 2 kB, and 20 for what any rendition takes."""
    return memo.level_of(kept) if kept else _guessed(length)


def _guessed(length: int) -> int:
    return memo.level_of(memo.spell(memo.Memo(20 + length / 2000), length))
