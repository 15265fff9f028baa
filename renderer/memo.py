"""What the file of a rendition remembers of itself, in the nanoseconds of its mtime: what it cost, how often it was used, how long it is.

nginx's ETag and Last-Modified know whole seconds only, so the nanoseconds are ours. They come with the `stat` that a sweep needs anyway and
are written by the `utime` that clears the visited bit anyway, all names of the file share them, and copies that keep times keep them; an
extended attribute would be two more system calls a file, and not every file system has those. 29 bits:

    length: 18 bits of a hash | cost: 8 bits, a logarithm | uses: 2 bits | seen: 1 bit

A file without a memo (0, as another program or an older version leaves it) is as good as new: its cost is guessed. A memo that belongs to
another length means that the file is not as it was published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MOST_USES = 3
_COST_STEP = math.log(1.05)  # 256 steps of 5 % reach from 1 ms to four minutes
_COST_BITS, _USES_BITS, _SEEN_BITS, _LENGTH_BITS = 8, 2, 1, 18
_STATE_BITS = _COST_BITS + _USES_BITS + _SEEN_BITS
_GOLDEN = 0x9E3779B97F4A7C15  # Knuth's multiplicative hash: neighbours and multiples of a power of two end far apart


@dataclass(frozen=True)
class Memo:
    """`cost`: milliseconds to make it again, fetch included, within 5 %; `uses`: 0 to MOST_USES; `is_seen`: a sweep has come by."""

    cost: float
    uses: int = 0
    is_seen: bool = False


def spell(memo: Memo, length: int) -> int:
    """Nanoseconds from 1 to 2^29 for a file of `length` bytes."""
    level = round(math.log(max(memo.cost, 1.0)) / _COST_STEP)
    return spell_state(min(level, 255), memo.uses, memo.is_seen, length)


def spell_state(level: int, uses: int, is_seen: bool, length: int) -> int:
    """As `spell`, with the cost as `level_of` found it: what a sweep does a million times."""
    return (((_hashed(length) << _COST_BITS | level) << _USES_BITS | uses) << _SEEN_BITS | is_seen) + 1


def parse(nanoseconds: int, length: int) -> Memo | None:
    """None where there is no memo, or one that belongs to another length; `is_damaged` tells these two apart."""
    if not nanoseconds or is_damaged(nanoseconds, length):
        return None
    return Memo(cost_of(level_of(nanoseconds)), uses_of(nanoseconds), is_seen_in(nanoseconds))


def is_damaged(nanoseconds: int, length: int) -> bool:
    """Whether there is a memo, and not of a file of this length."""
    return nanoseconds != 0 and (nanoseconds - 1) >> _STATE_BITS != _hashed(length)


def level_of(nanoseconds: int) -> int:
    return (nanoseconds - 1) >> (_USES_BITS + _SEEN_BITS) & 255


def uses_of(nanoseconds: int) -> int:
    return (nanoseconds - 1) >> _SEEN_BITS & MOST_USES


def is_seen_in(nanoseconds: int) -> bool:
    return bool((nanoseconds - 1) & 1)


def cost_of(level: int) -> float:
    """Milliseconds."""
    return math.exp(level * _COST_STEP)


def _hashed(length: int) -> int:
    return (length * _GOLDEN & 0xFFFFFFFFFFFFFFFF) >> (64 - _LENGTH_BITS)
