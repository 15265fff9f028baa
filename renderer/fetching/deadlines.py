"""One time limit over many waits."""

from __future__ import annotations

import time

from renderer.errors import SourceSlow


class Deadline:
    """`seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, more than none; SourceSlow after the last."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.missed()
        return left

    def missed(self) -> SourceSlow:
        """The error to raise for a wait that took all that was left."""
        return SourceSlow(f"nothing whole within {self._seconds:g} s")
