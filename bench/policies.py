"""Policies: what the misses cost under ours and others, over the families of traces and five sizes of the cache each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import simulator, traces
from bench.report import Section, Table, at_most
from bench.simulator import Outcome, Pruned, Stage
from renderer.pruning.policy import POLICIES

SIZES = (0.01, 0.03, 0.1, 0.3, 0.6)  # of the bytes of all that is asked for
WORST, MEAN = 1.02, 1.0  # of what LRU misses: bounds for each family and for the mean of all
OURS, PEER = "value", "LRU"


def _ours(name: str) -> Callable[[Stage, int], Outcome]:
    return lambda stage, capacity: Pruned(stage, capacity, POLICIES[name]).run()


CACHES: dict[str, Callable[[Stage, int], Outcome]] = {
    OURS: _ours("value"),
    "lru, by the bit": _ours("lru"),
    "age": _ours("age"),
    PEER: simulator.lru,
    "SIEVE": simulator.sieve,
    "FIFO": partial(simulator.lru, moves=False),
    "random": simulator.chance,
    "GDSF": simulator.gdsf,
    "Belady": simulator.belady,
}
RIVALS = [name for name in CACHES if name != PEER]


@dataclass(frozen=True)
class Cell:
    """One family at one size: what came out under each policy, and the least that can be missed, in milliseconds."""

    family: str
    size: float
    requests: int
    cost: int
    outcomes: Mapping[str, Outcome]
    least: float

    def missed(self, name: str) -> float:
        """As part of what LRU misses."""
        return self.outcomes[name].missed / self.outcomes[PEER].missed

    def limit(self) -> float:
        return self.least / self.outcomes[PEER].missed

    def hits(self, name: str) -> float:
        return self.outcomes[name].hits / self.requests


def measure(_directory: Path) -> Section:
    return _section([cell for name in traces.FAMILIES for cell in _cells(traces.draw(name))])


def measure_log(log: Path) -> Section:
    """Of an access log of one's own."""
    trace = traces.read_log(log)
    if not trace.asked:
        raise SystemExit(f"bench: expected GETs with status 200 or 206 as docs/nginx.md describes them in {log}, got none")
    return _section(list(_cells(trace)))


def _cells(trace: traces.Trace) -> Iterable[Cell]:
    stage = Stage(trace)
    footprint = stage.footprint()
    for size in SIZES:
        capacity = int(footprint * size)
        outcomes = {name: run(stage, capacity) for name, run in CACHES.items()}
        yield Cell(trace.name, size, len(stage.asked), stage.cost(), outcomes, simulator.least_missed(stage, capacity))


def _section(cells: Sequence[Cell]) -> Section:
    return Section((
        "What the misses cost (milliseconds to make each file that was missed), as part of what they cost under exact LRU; geometric "
        f"means over caches of {', '.join(f'{size:.0%}' for size in SIZES)} of the bytes of all that is asked for. Ours are `value`, `lru, "
        "by the bit` and `age`: the policies of `cache.policy`, which see a visited bit and are brought to 95% of the capacity whenever "
        "they exceed it. The others see every request and use all of it. The limit is a true lower bound, also for who knows the future; "
        "Belady's policy, which is blind for cost and size, has the most hits possible where all renditions are alike (`equal`).",
        _by_family(cells),
        f"The worst single cell of `value` is {max(cell.missed(OURS) for cell in cells):.3f} of LRU; in "
        f"{sum(cell.missed(OURS) > WORST for cell in cells)} of {len(cells)} it misses more than {WORST} of LRU. Of what is possible at "
        f"all, from LRU to the limit, `value` gains {_gained(cells, OURS):.0%}, GDSF {_gained(cells, 'GDSF'):.0%}, SIEVE "
        f"{_gained(cells, 'SIEVE'):.0%}; its misses cost {_distance(cells):.2f} times the limit.",
        "Hits, as part of all requests, means over the five sizes:",
        _hits(cells),
        "Each size; in front how many hits there were, and how much of the cost without a cache LRU misses:",
        _by_cell(cells),
    ))  # fmt: skip


def _mean(figures: Iterable[float]) -> float:
    """The geometric one."""
    logarithms = [math.log(figure) for figure in figures]
    return math.exp(sum(logarithms) / len(logarithms))


def _gained(cells: Sequence[Cell], name: str) -> float:
    """Of the way from LRU to the limit, by the geometric means."""
    return (1 - _mean(cell.missed(name) for cell in cells)) / (1 - _mean(cell.limit() for cell in cells))


def _distance(cells: Sequence[Cell]) -> float:
    return _mean(cell.missed(OURS) / cell.limit() for cell in cells)


def _families(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.family, []).append(cell)
    return found


def _by_family(cells: Sequence[Cell]) -> Table:
    rows = [_ratios(name, some, WORST) for name, some in _families(cells).items()]
    return Table(("family", *RIVALS, "limit", "bound for value", ""), [*rows, _ratios("**all**", cells, MEAN)])


def _ratios(name: str, cells: Sequence[Cell], bound: float) -> list[str]:
    means = {rival: _mean(cell.missed(rival) for cell in cells) for rival in RIVALS}
    figures = [f"**{mean:.3f}**" if rival == OURS else f"{mean:.3f}" for rival, mean in means.items()]
    return [name, *figures, f"{_mean(cell.limit() for cell in cells):.3f}", *at_most(means[OURS], bound, "×")]


def _hits(cells: Sequence[Cell]) -> Table:
    rows = [
        [family, *(f"{sum(cell.hits(name) for cell in some) / len(some):.3f}" for name in CACHES)]
        for family, some in _families(cells).items()
    ]
    return Table(("family", *CACHES), rows)


def _by_cell(cells: Sequence[Cell]) -> Table:
    rows = [
        [
            cell.family, f"{cell.size:.0%}", f"{cell.hits(OURS):.3f}", f"{cell.hits(PEER):.3f}",
            f"{cell.outcomes[PEER].missed / cell.cost:.3f}", *(f"{cell.missed(rival):.3f}" for rival in RIVALS), f"{cell.limit():.3f}",
        ]
        for cell in cells
    ]  # fmt: skip
    return Table(("family", "cache", "hits: value", "hits: LRU", "LRU misses", *RIVALS, "limit"), rows)
