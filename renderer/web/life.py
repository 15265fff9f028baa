"""Whether this process goes on: the server knows first, and those who are asked for its health have to know too."""

from __future__ import annotations

HEALTH = frozenset({"/status_check", "/probe/ready", "/probe/live"})  # asked by whoever sends us requests, and so answered to the last


class Life:
    """One for a process. Draining means: what is in flight is answered, nothing new is begun."""

    def __init__(self) -> None:
        self._draining = False

    def is_draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """From now on, for good. May be called in a signal handler."""
        self._draining = True
