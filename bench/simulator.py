"""A cache of renditions without files: who would have been hit, had this policy or that one decided who is evicted.

Ours walks as the sweep does, with the policy's own functions, over a ring in an order that has nothing to do with age. It sees what kernel
and memo tell of a file: a visited bit, when it was first read since that was cleared, three bits of state. The others see every request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import accumulate
from typing import NamedTuple

from bench.traces import DAY, Drawing, Trace
from renderer import memo
from renderer.pruning.policy import EVICT, KEEP, MOST_CIRCLES, RANKS, Policy, threshold, used

BLOCK = 4096
LOW = 0.95  # of the capacity: the default of `cache.low_water`
MIN_AGE = 60.0  # seconds, the default of `cache.min_age`
SURVEY_SECONDS = 3600.0  # a survey is made this often at the least
_NEVER = 1 << 60


class Outcome(NamedTuple):
    hits: int
    missed: int  # milliseconds that the misses cost


class Stage:
    """A trace, with the renditions in the order of the ring."""

    def __init__(self, trace: Trace) -> None:
        order = Drawing(1).shuffled(len(trace.sizes))
        self.times = trace.times.tolist()
        self.asked = [order[thing] for thing in trace.asked]
        self.count = len(order)
        self.sizes, self.costs = [0] * self.count, [0] * self.count
        for thing, place in enumerate(order):
            self.sizes[place] = (trace.sizes[thing] + BLOCK - 1) // BLOCK * BLOCK
            self.costs[place] = trace.costs[thing]
        self.levels = [memo.level_of(memo.spell(memo.Memo(float(cost)), 1)) for cost in self.costs]

    def footprint(self) -> int:
        """Bytes on disk of all that is asked for."""
        return sum(self.sizes[thing] for thing in set(self.asked))

    def cost(self) -> int:
        """Milliseconds, had there been no cache."""
        return sum(self.costs[thing] for thing in self.asked)


class Pruned:
    """The cache that `onmiss prune --watch` would leave, on a mount with relatime."""

    def __init__(self, stage: Stage, capacity: int, policy: Policy, min_age: float = MIN_AGE) -> None:
        self._stage, self._capacity, self._policy, self._min_age = stage, capacity, policy, min_age
        self._states, self._visited = bytearray(stage.count), bytearray(stage.count)
        self._atimes, self._ctimes = [0.0] * stage.count, [0.0] * stage.count
        self._since = self._atimes if policy.since == "atime" else self._ctimes
        self.kept: set[int] = set()
        self.bytes = self._hand = 0
        self._surveyed = 0.0

    def run(self) -> Outcome:
        stage, kept, visited, atimes = self._stage, self.kept, self._visited, self._atimes
        hits = missed = 0
        for now, thing in zip(stage.times, stage.asked, strict=True):
            if now - self._surveyed > SURVEY_SECONDS:
                self._survey(now, sorted(kept))
            if thing in kept:
                hits += 1
                if not visited[thing] or now - atimes[thing] > DAY:  # what relatime writes
                    visited[thing], atimes[thing] = 1, now
            else:
                missed += stage.costs[thing]
                self._publish(thing, now)
        return Outcome(hits, missed)

    def _publish(self, thing: int, now: float) -> None:
        """The reply to the miss reads the file at once."""
        self.kept.add(thing)
        self._states[thing], self._visited[thing] = 0, 1
        self._atimes[thing] = self._ctimes[thing] = now
        self.bytes += self._stage.sizes[thing]
        if self.bytes > self._capacity:
            self._prune(now)

    def _survey(self, now: float, ring: Sequence[int]) -> tuple[dict[int, int], list[int]]:
        """The rank of each, bytes by rank; who is new is greeted."""
        sizes, levels, states, visited = self._stage.sizes, self._stage.levels, self._states, self._visited
        rank, greet, since, min_age = self._policy.rank, self._policy.greet, self._since, self._min_age
        ranks, histogram = {}, [0] * RANKS
        for thing in ring:
            state = states[thing]
            found = rank(used(state) if visited[thing] else state, levels[thing], sizes[thing], now - since[thing])
            ranks[thing] = found
            histogram[found] += sizes[thing]
            if (decision := greet(now - since[thing] < min_age, state)) != KEEP:
                states[thing], visited[thing] = decision, 0
        self._surveyed = now
        return ranks, histogram

    def _prune(self, now: float) -> None:
        ring = sorted(self.kept)
        ranks, histogram = self._survey(now, ring)
        start = bisect_left(ring, self._hand)
        ring = ring[start:] + ring[:start]
        wanted = self.bytes - int(self._capacity * LOW)
        for circle in range(MOST_CIRCLES + 1):
            if self._walk(now, ring, ranks, threshold(histogram, wanted, circle)):
                return

    def _walk(self, now: float, ring: Sequence[int], ranks: dict[int, int], mark: int) -> bool:
        """A full circle of the hand; whether it stopped early since enough is gone."""
        sizes, states, visited, since, kept = self._stage.sizes, self._states, self._visited, self._since, self.kept
        step, low, min_age = self._policy.step, self._capacity * LOW, self._min_age
        for thing in ring:
            if thing not in kept:
                continue
            if self.bytes <= low:
                self._hand = thing
                return True
            decision = step(bool(visited[thing]), now - since[thing] < min_age, states[thing], ranks[thing], mark)
            if decision == EVICT:
                kept.remove(thing)
                self.bytes -= sizes[thing]
            elif decision != KEEP:
                states[thing], visited[thing] = decision, 0
        return self.bytes <= low


def lru(stage: Stage, capacity: int, moves: bool = True) -> Outcome:
    """Exactly: every request counts, room is made as it is needed. Without `moves`, first in, first out."""
    sizes, costs = stage.sizes, stage.costs
    queue: dict[int, None] = {}
    hits = missed = held = 0
    for thing in stage.asked:
        if thing in queue:
            hits += 1
            if moves:
                del queue[thing]
                queue[thing] = None
            continue
        missed += costs[thing]
        held += sizes[thing]
        queue[thing] = None
        while held > capacity:
            victim = next(iter(queue))
            del queue[victim]
            held -= sizes[victim]
    return Outcome(hits, missed)


def chance(stage: Stage, capacity: int) -> Outcome:
    """Evicts whom a random number names."""
    sizes, costs, drawing = stage.sizes, stage.costs, Drawing(2)
    inside, things = bytearray(stage.count), list[int]()
    hits = missed = held = 0
    for thing in stage.asked:
        if inside[thing]:
            hits += 1
            continue
        missed += costs[thing]
        held += sizes[thing]
        inside[thing] = 1
        things.append(thing)
        while held > capacity:
            chosen = drawing.below(len(things))
            things[chosen], things[-1] = things[-1], things[chosen]
            victim = things.pop()
            inside[victim] = 0
            held -= sizes[victim]
    return Outcome(hits, missed)


def sieve(stage: Stage, capacity: int) -> Outcome:
    """SIEVE as published (NSDI '24): one queue, a bit each, a hand from the oldest to the newest; blind for cost and size."""
    sizes, costs, end = stage.sizes, stage.costs, stage.count
    newer, older = [end] * (end + 1), [end] * (end + 1)
    inside, visited = bytearray(end), bytearray(end)
    hits = missed = held = 0
    hand = end
    for thing in stage.asked:
        if inside[thing]:
            hits += 1
            visited[thing] = 1
            continue
        missed += costs[thing]
        if sizes[thing] > capacity:
            continue
        held += sizes[thing]
        while held > capacity:
            while hand == end or visited[hand]:
                if hand != end:
                    visited[hand] = 0
                hand = newer[hand]
            before, after = older[hand], newer[hand]
            newer[before], older[after] = after, before
            inside[hand] = 0
            held -= sizes[hand]
            hand = after
        inside[thing] = 1
        older[thing], newer[thing] = older[end], end
        newer[older[end]] = older[end] = thing
    return Outcome(hits, missed)


def gdsf(stage: Stage, capacity: int) -> Outcome:
    """GreedyDual-Size-Frequency: counts every hit, and ages by what the last victim was worth."""
    sizes, costs = stage.sizes, stage.costs
    worths: dict[int, float] = {}
    counts, age = [0] * stage.count, 0.0
    queue: list[tuple[float, int]] = []
    hits = missed = held = 0
    for thing in stage.asked:
        if thing in worths:
            hits += 1
            counts[thing] += 1
            worths[thing] = age + counts[thing] * costs[thing] / sizes[thing]
            continue
        missed += costs[thing]
        held += sizes[thing]
        counts[thing] = 1
        worths[thing] = age + costs[thing] / sizes[thing]
        heappush(queue, (worths[thing], thing))
        while held > capacity:
            worth, victim = heappop(queue)
            if worth < worths[victim]:  # it was hit since
                heappush(queue, (worths[victim], victim))
                continue
            age = worth
            del worths[victim]
            held -= sizes[victim]
    return Outcome(hits, missed)


def _next_uses(stage: Stage) -> list[int]:
    """Of each request, the number of the next one for the same."""
    following, found = [_NEVER] * stage.count, [_NEVER] * len(stage.asked)
    for number in range(len(stage.asked) - 1, -1, -1):
        thing = stage.asked[number]
        found[number], following[thing] = following[thing], number
    return found


def belady(stage: Stage, capacity: int) -> Outcome:
    """Evicts what is asked for last, the newcomer too: no policy has more hits where all sizes are equal."""
    sizes, costs = stage.sizes, stage.costs
    following: dict[int, int] = {}
    queue: list[tuple[int, int]] = []
    hits = missed = held = 0
    for thing, use in zip(stage.asked, _next_uses(stage), strict=True):
        if thing in following:
            hits += 1
        else:
            missed += costs[thing]
            held += sizes[thing]
        following[thing] = use
        heappush(queue, (-use, thing))
        while held > capacity:
            farthest, victim = heappop(queue)
            if following.get(victim) == -farthest:
                del following[victim]
                held -= sizes[victim]
    return Outcome(hits, missed)


def least_missed(stage: Stage, capacity: int) -> float:
    """Milliseconds that every policy misses at the least, also one that knows the future: a true lower bound, mostly not attained.

    A hit keeps its bytes from one request to the next. Who keeps within the capacity on average only, and takes the hits with most
    milliseconds for bytes x requests first, the last in part, gains no less than who keeps within it at each moment (PFOO-L, Berger et al.
    2018, with costs). Until all that was asked for exceeds the capacity, keeping is free.
    """
    free, missed = _requests_that_fit(stage, capacity), float(stage.cost())
    takers: list[tuple[float, int, int]] = []
    for number, use in enumerate(_next_uses(stage)):
        if use != _NEVER:
            thing = stage.asked[number]
            room = stage.sizes[thing] * max(use - max(number, free), 0)
            takers.append((room / stage.costs[thing], room, stage.costs[thing]))
    left = capacity * (len(stage.asked) - free)
    for _, room, cost in sorted(takers):
        if room > left:
            return missed - cost * left / room
        missed -= cost
        left -= room
    return missed


def _requests_that_fit(stage: Stage, capacity: int) -> int:
    """How many, until all that was asked for exceeds the capacity."""
    firsts: dict[int, int] = {}
    for number, thing in enumerate(stage.asked):
        firsts.setdefault(thing, number)
    held = accumulate(stage.sizes[thing] for thing in firsts)
    return next((number for number, total in zip(firsts.values(), held, strict=True) if total > capacity), len(stage.asked))
