"""What a cache of another size would have answered: the share of hits that LRU would have had, from a sample of the requests.

A request is a hit where the bytes of all other files that were asked for since the same one was last, and its own, fit into the cache: its
stack distance. Of all originals only those are followed whose hash lies below a threshold, which falls so that no more than so many files
are known at any time; each distance and each miss counts for as many as the sample stands for. (SHARDS with a fixed size: Waldspurger,
Park, Garthwaite and Ahmad, FAST 2015. Here a byte weighs, not a file; and misses are counted, so that it makes little difference whether
the few files that are asked for most are in the sample, which is what their adjustment is for.)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_FILES = 16_384  # of the sample: some 10 MB
GROUPS = 16  # independent parts of the sample, whose difference tells the error

_WHOLE = 1 << 64
_DEVIATIONS = 3  # two would do for misses alone; that bytes are sampled too, the groups do not tell
_BLOCK = 256
_KEPT = 7 / 8  # of the sample, when it is full


class Stack:
    """Files in the order of their last use, with their bytes. A position is a slot; a file takes a new one whenever it is used."""

    def __init__(self, most: int) -> None:
        self._blocks = max(4 * most // _BLOCK, 4)
        self._slots: dict[int, int] = {}  # by file, the least recently used first
        self._clear()

    def __len__(self) -> int:
        return len(self._slots)

    def _clear(self) -> None:
        self._sizes, self._sums, self._next = [0] * (self._blocks * _BLOCK), [0] * self._blocks, 0

    def use(self, file: int, size: int) -> int | None:
        """Bytes of those that were used since this one was; None when it never was."""
        if self._next == len(self._sizes):
            self._compact()
        slot = self._slots.pop(file, None)
        distance = None if slot is None else self._above(slot)
        if slot is not None:
            self._put(slot, 0)
        self._put(self._next, size)
        self._slots[file] = self._next
        self._next += 1
        return distance

    def drop(self, file: int) -> None:
        self._put(self._slots.pop(file), 0)

    def _above(self, slot: int) -> int:
        block = slot // _BLOCK
        return sum(self._sizes[slot + 1 : (block + 1) * _BLOCK]) + sum(self._sums[block + 1 : self._next // _BLOCK + 1])

    def _put(self, slot: int, size: int) -> None:
        self._sums[slot // _BLOCK] += size - self._sizes[slot]
        self._sizes[slot] = size

    def _compact(self) -> None:
        kept = [(file, self._sizes[slot]) for file, slot in self._slots.items()]
        self._clear()
        for file, size in kept:
            self._slots[file] = self._next
            self._put(self._next, size)
            self._next += 1


@dataclass(frozen=True)
class Predicted:
    """`ratio`: of requests that would have been hits in a cache of `bytes`; `error`: hardly ever is it off by more."""

    bytes: int
    ratio: float
    error: float


class Curve:
    """For caches of these `sizes` in bytes. Tell every request to `is_sampled`: most cost no more than that."""

    def __init__(self, sizes: Sequence[int], most_files: int = MOST_FILES) -> None:
        self._sizes, self._most = sizes, most_files
        self._stack, self._hashes = Stack(most_files), dict[int, int]()
        self._threshold = _WHOLE
        self._missed = [[0.0] * len(sizes) for _ in range(GROUPS)]
        self._first_hits = 0.0
        self.requests = 0

    @property
    def share(self) -> float:
        """Of all originals, how many are followed."""
        return self._threshold / _WHOLE

    @property
    def followed(self) -> int:
        """Files of the sample."""
        return len(self._stack)

    @property
    def first_hits(self) -> float:
        """Share of the requests that were hits on files not asked for before: what a smaller cache would have made of them nobody knows."""
        return self._first_hits / self.requests if self.requests else 0.0

    def is_sampled(self, key: int) -> bool:
        """`key`: `hash_of` the original. Counts the request."""
        self.requests += 1
        return key < self._threshold

    def is_followed(self, key: int) -> bool:
        """Whether it still is."""
        return key < self._threshold

    def use(self, key: int, file: int, size: int, is_hit: bool) -> None:
        """A request of a file of a sampled original. `size`: its bytes on disk; `is_hit`: what it was in truth."""
        distance, weight = self._stack.use(file, size), _WHOLE / self._threshold
        if distance is None:
            self._hashes[file] = key
            self._count_first(key, weight, is_hit)
            if self.followed > self._most:
                self._lower()
            return
        missed, needed = self._missed[key % GROUPS], distance * weight + size
        for number, bytes_of_cache in enumerate(self._sizes):
            if needed > bytes_of_cache:
                missed[number] += weight

    def _count_first(self, key: int, weight: float, is_hit: bool) -> None:
        """Nothing tells its distance, so it counts as what it was."""
        if is_hit:
            self._first_hits += weight
        else:
            missed = self._missed[key % GROUPS]
            for number in range(len(self._sizes)):
                missed[number] += weight

    def _lower(self) -> None:
        """The originals with the largest hashes leave the sample, and do not come back."""
        hashes = sorted(self._hashes.values())
        self._threshold = hashes[int(len(hashes) * _KEPT)]
        for file in [file for file, key in self._hashes.items() if key >= self._threshold]:
            del self._hashes[file]
            self._stack.drop(file)

    def predict(self) -> list[Predicted]:
        """In the order of the sizes; none without a request."""
        if not self.requests:
            return []
        found = []
        for number, size in enumerate(self._sizes):
            missed = [group[number] for group in self._missed]
            mean = sum(missed) / GROUPS
            spread = math.sqrt(sum((each - mean) ** 2 for each in missed) * GROUPS / (GROUPS - 1) * (1 - self.share))
            ratio = 1 - sum(missed) / self.requests
            found.append(Predicted(size, min(max(ratio, 0.0), 1.0), min(_DEVIATIONS * spread / self.requests, 1.0)))
        return found


def hash_of(text: str) -> int:
    """64 bits, the same in every run."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
