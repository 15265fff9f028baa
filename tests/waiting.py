"""The one place in the tests that sleeps: wait for a fact, not for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_NAP = 0.01  # seconds: short beside anything that is waited for, long beside a look


def wait_until(predicate: Callable[[], T], seconds: float = 10, what: str = "") -> T:
    """What `predicate` says as soon as it is true of it; AssertionError when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"expected {what or predicate} within {seconds} s, got {found!r}")
        time.sleep(_NAP)
