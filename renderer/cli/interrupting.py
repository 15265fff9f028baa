"""Ctrl-C and SIGTERM during long work: the first one finishes what is in work, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # as shells say it of SIGINT


@contextmanager
def interruptible(interrupt: Callable[[], None], say: Callable[[str], None], who: str) -> Iterator[threading.Event]:
    """The event tells that a signal came. `interrupt` and `say` are called from a signal handler; `who`: the command."""
    came = threading.Event()

    def stop(number: int, frame: object) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()
        interrupt()
        say(f"{who}: finishing what is in work; once more ends it at once")

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # whoever started us in the background said no to Ctrl-C
            signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
