"""A renderer that takes over from one that runs: started beside it, with the same listening socket, and used once it says that it is ready.

Whoever starts it polls, and goes on with its own work. It never outlives them. Imports little: the process that stays is to be small.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import logging
import os
import select
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

START_SECONDS = 60  # a start takes 1 s, and some on a machine that is busy; one that hangs must not wait for ever in memory
RETIRE = signal.SIGUSR1  # to a renderer that was succeeded: take nothing new, finish, go
STOPPING = (signal.SIGTERM, signal.SIGINT)
_READY = b"+"
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


class Successor:
    """A renderer on its way, started by `command`; to be started in a main thread, with whose end it ends."""

    def __init__(self, command: Sequence[str], listening: int) -> None:
        self.ready, theirs = os.pipe()
        self.code: int | None = None
        self._deadline = time.monotonic() + START_SECONDS
        keep = [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in (listening, theirs)]  # onto itself: takes close-on-exec off
        line = [*command, "--succeed", f"{listening},{theirs},{os.getpid()}"]
        try:
            # A group of its own, so that a Ctrl-C reaches only us; of the signals that we block only the one it would die of.
            self.pid = os.posix_spawn(line[0], line, os.environ, file_actions=keep, setpgroup=0, setsigmask=(signal.SIGHUP,))
        finally:
            os.close(theirs)
        log.info("SIGHUP: starting a successor, process %d", self.pid)

    def state(self) -> Literal["starting", "ready", "failed"]:
        """Never waits. One that failed is gone."""
        if select.select([self.ready], [], [], 0)[0] and os.read(self.ready, 1) == _READY:
            os.close(self.ready)
            log.info("process %d has taken over", self.pid)
            return "ready"
        why = "it took too long" if time.monotonic() > self._deadline else f"it ended with {self.code}" if self.has_ended() else ""
        if not why:
            return "starting"
        self.kill()
        log.error("not reloaded, and going on as before: %s%s", why, "; its own message says more" if self.code else "")
        return "failed"

    def has_ended(self) -> bool:
        """Then `code` is its exit code."""
        if self.code is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.code = exit_code(status)
        return self.code is not None

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if not self.has_ended():
                os.kill(self.pid, number)

    def kill(self) -> None:
        """One that is not needed after all."""
        os.close(self.ready)
        self.signal(signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def exit_code(status: int) -> int:
    """As a shell says it: 128 and the signal of who was killed."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


@dataclass(frozen=True)
class Heritage:
    """What a successor gets: descriptors of the listening socket and of the pipe to say that it is ready, and who gave them."""

    listening: int
    ready: int
    giver: int

    def adopt(self) -> None:
        """At the start of a successor, before it starts anything itself."""
        for descriptor in (self.listening, self.ready):
            os.set_inheritable(descriptor, False)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.giver:  # gone already
            os._exit(1)

    def announce(self) -> None:
        """We take requests from now on."""
        os.write(self.ready, _READY)
        os.close(self.ready)


def heritage(text: str) -> Heritage:
    """What `--succeed` says."""
    try:
        listening, ready, giver = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected two descriptors and a process, got {text!r}") from None
    return Heritage(listening, ready, giver)


class Terminal:
    """The one that we were started from, if any: its end is a SIGHUP too, and means that nobody wants us any more, but under nohup."""

    def __init__(self, had: bool | None = None) -> None:
        """`had`: what it was for the program that this process was before; None: look."""
        self.had = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and _is_there() if had is None else had

    def is_gone(self) -> bool:
        return self.had and not _is_there()


def _is_there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
