"""Which originals were deleted: for a while they are gone rather than unknown, and what legacy sources still have stays deleted for good.

One small file a deletion, outside the cache, which may be thrown away.
"""

from __future__ import annotations

from pathlib import Path

from renderer.rendition import Ref

GONE_SECONDS = 30 * 24 * 3600.0


class Deletions:
    """`seconds`: how long a deleted original is gone (410) before it is as if it had never been (404)."""

    def __init__(self, directory: Path, seconds: float = GONE_SECONDS) -> None:
        self._directory, self._seconds = directory, seconds

    def record(self, ref: Ref, for_good: bool = False) -> None:
        """Durable on return."""

    def check(self, ref: Ref) -> None:
        """Gone when it was deleted, and not put again since."""

    def clear(self, ref: Ref) -> None:
        """It was put again."""
