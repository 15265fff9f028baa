"""How many series each family may have: what a client chooses fills the room of its own family, and takes none from another.

Room is in bytes of the file that they are counted in, because that must never grow (renderer/metrics/files.py).
"""

from __future__ import annotations

import json

from renderer.metrics.families import COUNTED, Family

ROOM_BYTES = 256 << 10  # of a family with labels: some 900 counters, or 80 histograms; a busy installation has a tenth of that
FOLDED_BYTES = 64 << 10  # beyond it, for those that share: two hosts and a hundred statuses at the most
KEPT = ("host", "status", "call", "outcome", "cause", "handler", "stage")  # labels with few values, all ours: 5xx is 5xx to the last
OTHER = "other"
_AROUND = 28 + 32  # bytes of a value with its times and padding; and what prometheus_client adds to the name and the labels

Labels = tuple[str, ...]


class Room:
    """What is left of it in this process's files. Two threads that ask at once are charged twice at the most."""

    def __init__(self) -> None:
        self._left = dict.fromkeys((family.name for family in COUNTED), ROOM_BYTES)

    def labels(self, family: Family, labels: Labels) -> Labels:
        """Those under which a new series of `labels` is counted: its own, or where there is no room left those that many share."""
        needed = _bytes(family, labels)
        if needed <= self._left[family.name]:
            self._left[family.name] -= needed
            return labels
        return tuple(value if label in KEPT else OTHER for label, value in zip(family.labels, labels, strict=True))


def needed(kind: str) -> int:
    """Bytes of a file with all that may ever be counted there."""
    return sum(ROOM_BYTES + FOLDED_BYTES if family.labels else _bytes(family, ()) for family in COUNTED if family.kind == kind) + 8


def _bytes(family: Family, labels: Labels) -> int:
    series = len(family.buckets) + 2 if family.buckets else 1  # the last bucket is +Inf; and a sum
    key = json.dumps([family.name, family.name, dict(zip(family.labels, labels, strict=True)), family.help])
    return series * (len(key) + _AROUND)
