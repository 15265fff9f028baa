"""Who is evicted: ranks, thresholds, and what is done with the file that the sweep stands on. No I/O, no clock.

A sweep is, with `policy = POLICIES[name]` and `state = state_of(nanoseconds)` of each file's memo (0 where there is none):

    survey  for each file: histogram[policy.rank(state, level, bytes_on_disk, seconds)] += bytes_on_disk
            (of a visited file, `used(state)`); then policy.greet(is_young, state), where memos are kept
    marks   threshold(histogram, wanted, circle) for circle 0 to MOST_CIRCLES
    hand    from where it stopped, a full circle for each mark: policy.step(is_visited, is_young, state, rank, mark)
            it stops when `wanted` is gone

`greet` and `step` say EVICT, KEEP (write nothing), or the state to write with the utime that clears the visited bit. `seconds` is the time
since `policy.since`: "atime" is when a file was first read after its bit was cleared last, or else was published; "ctime", under a policy
that never writes, is when it was published. `is_young`: that time is below min_age.

A file is worth what it saves: (uses + EPSILON) x cost for every block and idle second. The time does what a decay of `uses` would, and
better: with one use less each time that the hand finds a file unread, misses cost 0.905 of what they cost under LRU, without 0.872, both
over the traces of `python -m bench policies`. The first reading of a file is its own miss and no use. Until that is cleared away nothing
tells a favourite from a file that nobody wants again, so a survey does it, and not the hand, which may be hours away: 0.869.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from renderer.memo import MOST_USES, cost_of

RANKS = 1024
# Tuned by the traces of `python -m bench policies`. The ground is flat there: half or double of each costs less than 1 %.
EPSILON = 0.2  # what a file is worth that was not used since it was published, in uses
SHARE = 0.1  # of all bytes lies below the first threshold: twice what usually has to go, of which some was visited
MOST_CIRCLES = 4  # for which there is a threshold; then everything goes that is not young
EVERYTHING = RANKS  # the threshold below which all ranks are
EVICT, KEEP = -2, -1

Rank = Callable[[int, int, int, float], int]  # state, level of cost, bytes on disk, seconds
Greet = Callable[[bool, int], int]
Step = Callable[[bool, bool, int, int, int], int]

_SHARES = (SHARE, 2 * SHARE, 4 * SHARE, 1.0)
_SEEN = 1  # in a state
_USED = tuple(min((state >> 1) + (state & _SEEN), MOST_USES) << 1 | _SEEN for state in range(8))


def state_of(nanoseconds: int) -> int:
    """The low bits of a memo: uses << 1 | is_seen."""
    return (nanoseconds - 1) & 7 if nanoseconds else 0


def used(state: int) -> int:
    """The state of a file that was found visited: one use more, but for the first reading."""
    return _USED[state]


_BLOCK_BITS = 12  # 4 kB
_MOST_BLOCKS = 16_384  # 64 MB; a larger file counts as that large
_GRACE = 300  # seconds, in which idleness says little
_SCALE = 26  # ranks for a factor of e, 3.9 % each: 1 ms to 4 minutes, 4 kB to 64 MB and now to ten years ago fit in
_OFFSET = 808
_GAINS = tuple(
    _OFFSET + round((math.log(uses + EPSILON) + math.log(cost_of(level))) * _SCALE) for level in range(256) for uses in range(MOST_USES + 1)
)
_LOSSES = tuple(round(math.log(max(blocks, 1)) * _SCALE) for blocks in range(_MOST_BLOCKS + 1))


def rank_by_value(state: int, level: int, bytes_on_disk: int, seconds: float) -> int:
    """0 to RANKS - 1, rising with (uses + EPSILON) x cost / (blocks x idle seconds); `level`: of the cost, as `memo.level_of` finds it."""
    blocks = (bytes_on_disk + 4095) >> _BLOCK_BITS
    loss = _LOSSES[blocks if blocks < _MOST_BLOCKS else _MOST_BLOCKS]
    rank = _GAINS[level << 2 | state >> 1] - loss - int(math.log(seconds + _GRACE) * _SCALE)
    return rank if 0 <= rank < RANKS else 0 if rank < 0 else RANKS - 1


_STEPS = (RANKS - 1) / math.log(10 * 366 * 86_400)  # from a second to ten years in steps of 1.9 %


def rank_by_seconds(_state: int, _level: int, _bytes_on_disk: int, seconds: float) -> int:
    """RANKS - 1 for a second and less, 0 for ten years and more."""
    if seconds <= 1:
        return RANKS - 1
    return max(RANKS - 1 - int(math.log(seconds) * _STEPS), 0)


def threshold(histogram: Sequence[int], wanted: int, circle: int = 0) -> int:
    """The least rank such that files of it and below hold `wanted`, and the share of all that this circle of the hand may choose from."""
    if circle >= MOST_CIRCLES:
        return EVERYTHING
    least = max(wanted, sum(histogram) * _SHARES[circle])
    return next((rank for rank, below in enumerate(accumulate(histogram)) if below >= least), RANKS - 1)


def greet(is_young: bool, state: int) -> int:
    """What a survey does with a file that is new: from now on, a visit is a use."""
    return KEEP if is_young or state & _SEEN else state | _SEEN


def greet_nobody(_is_young: bool, _state: int) -> int:
    return KEEP


def step(is_visited: bool, is_young: bool, state: int, rank: int, threshold: int) -> int:
    """What the hand does: visited files survive and get their use, of the others those go that are worth least."""
    if is_visited and threshold < EVERYTHING:
        return _USED[state]
    if is_young:
        return KEEP
    if rank <= threshold:
        return EVICT
    return KEEP if state & _SEEN else state | _SEEN


def step_blindly(_is_visited: bool, is_young: bool, _state: int, rank: int, threshold: int) -> int:
    """Visits do not matter, and nothing is written."""
    return EVICT if rank <= threshold and not is_young else KEEP


@dataclass(frozen=True)
class Policy:
    """`since`: the time of a file whose distance in seconds `rank` takes."""

    rank: Rank
    greet: Greet
    step: Step
    since: str


POLICIES = {
    "value": Policy(rank_by_value, greet, step, "atime"),
    "lru": Policy(rank_by_seconds, greet, step, "atime"),
    "age": Policy(rank_by_seconds, greet_nobody, step_blindly, "ctime"),
}
