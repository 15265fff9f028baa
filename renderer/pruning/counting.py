"""Counters whose memory has a bound, whatever is counted."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Heavy:
    """One of those that weigh most. `bytes` and `files` are at least so many; `missing`: bytes that may be lacking, 0 for an exact count.
    `used_at`: seconds since 1970, the latest that was counted.
    """

    name: str
    files: int = 0
    bytes: int = 0
    missing: int = 0
    used_at: float = 0.0


class Heaviest:
    """By name, what holds most bytes: exact while there are no more than `room` names, and sure to know each that holds more than one
    part in `room` of all bytes. (Space saving: Metwally, Agrawal and El Abbadi 2005, with weights.)
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._known: dict[str, Heavy] = {}
        self._lightest: list[tuple[int, str]] = []  # as they were once: they have gained since
        self.is_exact = True

    def add(self, name: str, size: int, used_at: float) -> None:
        heavy = self._known.get(name)
        if heavy is None:
            heavy = self._known[name] = Heavy(name, missing=self._displaced())
            heapq.heappush(self._lightest, (heavy.missing + size, name))
        heavy.files += 1
        heavy.bytes += size
        heavy.used_at = max(heavy.used_at, used_at)

    def _displaced(self) -> int:
        """What the lightest may have had, which goes where there is no room; whoever takes its place may have had that much before."""
        if len(self._known) < self._room:
            return 0
        self.is_exact = False
        while True:
            was, name = heapq.heappop(self._lightest)
            found = self._known[name]
            if found.bytes + found.missing == was:
                del self._known[name]
                return was
            heapq.heappush(self._lightest, (found.bytes + found.missing, name))

    def __iter__(self) -> Iterator[Heavy]:
        """The heaviest first."""
        return iter(sorted(self._known.values(), key=lambda heavy: (-heavy.bytes, heavy.name)))


AGES = (
    ("an hour", 3600.0), ("a day", 86_400.0), ("a week", 7 * 86_400.0), ("30 days", 30 * 86_400.0), ("90 days", 90 * 86_400.0),
    ("a year", 365 * 86_400.0), ("longer", float("inf")),
)  # fmt: skip


def age_of(seconds: float) -> int:
    """Which of AGES."""
    return next(number for number, (_, most) in enumerate(AGES) if seconds < most or most == float("inf"))
