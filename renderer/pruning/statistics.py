"""What the access log tells of a cache: how much of it was hits, what another size would have made of that, what should not have gone."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from renderer.pruning.access_log import History
from renderer.pruning.distances import MOST_FILES, Curve, Predicted, hash_of
from renderer.pruning.evicted import Evicted, key_of
from renderer.pruning.log_lines import Logged
from renderer.pruning.sampling import Named, Ordered

FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)  # of the present size
REGRET_SECONDS = 3600


@dataclass
class Ratio:
    """Of answers that were pictures; `bytes` are those that were sent."""

    requests: int = 0
    hits: int = 0
    bytes: int = 0
    hit_bytes: int = 0

    def add(self, logged: Logged) -> None:
        self.requests += 1
        self.bytes += logged.bytes
        if not logged.is_miss:
            self.hits += 1
            self.hit_bytes += logged.bytes

    @property
    def by_requests(self) -> float:
        return self.hits / self.requests if self.requests else 0.0

    @property
    def by_bytes(self) -> float:
        return self.hit_bytes / self.bytes if self.bytes else 0.0


@dataclass
class Regret:
    """`evicted`: files since the log begins, at most as many as the ring file holds; `regretted`: those that were rendered again within an
    hour.
    """

    evicted: int = 0
    regretted: int = 0


@dataclass
class FromLog:
    """`begins`, `ends`: seconds since 1970 of the first and the last line; `predicted`: by FACTORS; `sampled`: share of the originals that
    the prediction follows; `first_hits`: share of the requests that were hits on files which the log has not seen before, and which count
    as hits for every size.
    """

    begins: float = 0.0
    ends: float = 0.0
    lines: int = 0
    passed_over: int = 0
    lost_files: int = 0
    ratio: Ratio = field(default_factory=Ratio)
    predicted: list[Predicted] = field(default_factory=list)
    sampled: float = 1.0
    first_hits: float = 0.0
    regret: Regret | None = None


class Reading:
    """`served`: the cache's `files/`, as nginx's configuration names it; `size`: of the cache, bytes on disk; `only`: one namespace, which
    the ring file cannot tell; `show`: is told of lines so far.
    """

    def __init__(
        self, served: Path, size: int, evicted: Evicted, only: str = "", most_files: int = MOST_FILES,
        show: Callable[[int], object] = int,
    ) -> None:  # fmt: skip
        self._prefix, self._only, self._evicted, self._show = f"{served}/", only, evicted, show
        self._curve = Curve([int(size * factor) for factor in FACTORS], most_files)
        self._named, self._ordered = Named(8 * most_files), Ordered()
        self._gone: dict[int, list[int]] = {}
        self._regretted = 0

    def read(self, log: Path, since: float = 0.0) -> FromLog | None:
        """All that there is of `log` since then; None where there is no line of ours."""
        history, found = History(log, since), FromLog()
        self._gone = {} if self._only else self._evicted.within(time.time() - since)
        evicted = [at for times in self._gone.values() for at in times]
        for logged in history:
            found.begins, found.ends = min(found.begins or logged.time, logged.time), max(found.ends, logged.time)
            if logged.is_answer and logged.filename.startswith(self._prefix):
                self._add(logged, found)
            if not history.told.lines % 4096:
                self._show(history.told.lines)
        for one in self._ordered.rest():
            self._use(*one)
        if not found.begins:
            return None
        if not self._only:
            found.regret = Regret(sum(at >= found.begins for at in evicted), self._regretted)
        told, curve = history.told, self._curve
        return dataclasses.replace(
            found, lines=told.lines, passed_over=told.passed_over, lost_files=told.lost_files, predicted=curve.predict(),
            sampled=curve.share, first_hits=curve.first_hits,
        )  # fmt: skip

    def _add(self, logged: Logged, found: FromLog) -> None:
        below = logged.filename[len(self._prefix) :]
        directory, _, _ = below.rpartition("/")
        if self._only and directory.split("/", 2)[1:2] != [self._only]:
            return
        found.ratio.add(logged)
        key = hash_of(directory)
        if self._curve.is_sampled(key):
            for one in self._ordered.add(key, logged):
                self._use(*one)
        if logged.is_miss and self._gone:
            self._regret(key_of(below), logged.time)

    def _use(self, key: int, logged: Logged) -> None:
        if self._curve.is_followed(key):  # still: it was held for a while
            file = self._named.file(logged)
            self._curve.use(key, file, self._named.size(file, logged), not logged.is_miss)

    def _regret(self, key: int, at: float) -> None:
        """Each eviction counts once."""
        times = self._gone.get(key, [])
        soon = next((gone for gone in times if gone <= at <= gone + REGRET_SECONDS), None)
        if soon is not None:
            times.remove(soon)
            self._regretted += 1
