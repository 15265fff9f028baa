"""What a cache must keep within, and by how much it does not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bounds:
    """None = no such bound. Bytes are those on disk; `low`: the part of a bound to which the cache is brought once it was passed;
    ages in seconds; `quotas` and `max_ages` by namespace.
    """

    max_bytes: int | None = None
    max_inodes: int | None = None
    min_free: int | None = None
    min_free_inodes: int | None = None
    low: float = 0.95
    min_age: float = 60.0
    max_age: float | None = None
    quotas: Mapping[str, int] = field(default_factory=dict)
    max_ages: Mapping[str, float] = field(default_factory=dict)

    def age_of(self, namespace: str) -> float | None:
        return self.max_ages.get(namespace, self.max_age)


@dataclass(frozen=True)
class Free:
    """Of a file system, for an ordinary user; `inodes` is None where they are not counted."""

    bytes: int
    inodes: int | None

    @classmethod
    def below(cls, path: str | os.PathLike[str]) -> Free:
        status = os.statvfs(path)
        return cls(status.f_bavail * status.f_frsize, status.f_favail if status.f_files else None)


@dataclass(frozen=True)
class Need:
    """What has to go. `reason`: for the summary, the bound that asks for most."""

    bytes: int = 0
    inodes: int = 0
    reason: str = ""

    def __bool__(self) -> bool:
        return self.bytes > 0 or self.inodes > 0

    def after(self, freed_bytes: int, freed_inodes: int) -> Need:
        return Need(self.bytes - freed_bytes, self.inodes - freed_inodes, self.reason)


def excess(bounds: Bounds, used_bytes: int, used_inodes: int, free: Free) -> Need:
    """What must go so that every bound that is passed is kept with room to spare."""
    by_bytes, by_inodes = {}, {}
    if bounds.max_bytes is not None and used_bytes > bounds.max_bytes:
        by_bytes["max_bytes"] = used_bytes - int(bounds.max_bytes * bounds.low)
    if bounds.min_free is not None and free.bytes < bounds.min_free:
        by_bytes["min_free"] = int(bounds.min_free / bounds.low) - free.bytes
    if bounds.max_inodes is not None and used_inodes > bounds.max_inodes:
        by_inodes["max_inodes"] = used_inodes - int(bounds.max_inodes * bounds.low)
    if bounds.min_free_inodes is not None and free.inodes is not None and free.inodes < bounds.min_free_inodes:
        by_inodes["min_free_inodes"] = int(bounds.min_free_inodes / bounds.low) - free.inodes
    most_bytes, most_inodes = max(by_bytes.values(), default=0), max(by_inodes.values(), default=0)
    reason = max(by_bytes, key=by_bytes.__getitem__, default="") or max(by_inodes, key=by_inodes.__getitem__, default="")
    return Need(most_bytes, most_inodes, reason)


def over_quota(bounds: Bounds, namespace: str, used_bytes: int) -> Need:
    """The same for one namespace."""
    quota = bounds.quotas.get(namespace)
    return Need() if quota is None or used_bytes <= quota else Need(used_bytes - int(quota * bounds.low), 0, "quota")


def unmet(bounds: Bounds, used_bytes: int, used_inodes: int, by_namespace: Mapping[str, int], free: Free) -> list[str]:
    """Sentences about bounds that are still passed."""
    found = [
        (bounds.max_bytes is not None and used_bytes > bounds.max_bytes, f"max_bytes {bounds.max_bytes}, got {used_bytes}"),
        (bounds.max_inodes is not None and used_inodes > bounds.max_inodes, f"max_inodes {bounds.max_inodes}, got {used_inodes}"),
        (bounds.min_free is not None and free.bytes < bounds.min_free, f"min_free {bounds.min_free}, got {free.bytes}"),
        (
            bounds.min_free_inodes is not None and free.inodes is not None and free.inodes < bounds.min_free_inodes,
            f"min_free_inodes {bounds.min_free_inodes}, got {free.inodes}",
        ),
    ]
    quotas = ((name, quota) for name, quota in bounds.quotas.items() if by_namespace.get(name, 0) > quota)
    return [f"expected {text}" for is_passed, text in found if is_passed] + [
        f"expected the quota {quota} of {name}, got {by_namespace[name]}" for name, quota in quotas
    ]
