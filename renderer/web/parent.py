"""What is left of a renderer that was succeeded: a small process with its number, which the operator knows, and the listening socket.

It passes the first SIGTERM or SIGINT on and ends with the second, starts the next successor on SIGHUP, and ends as the renderer at work
ends. The first renderer becomes one by `exec`, so that nothing of its memory stays.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NoReturn

from renderer import loglines
from renderer.web import door
from renderer.web.reloading import RETIRE, STOPPING, Successor, Terminal, exit_code

SIGNALS = (*STOPPING, signal.SIGHUP, signal.SIGCHLD)
LOOK_SECONDS, IDLE_SECONDS = 0.05, 3600.0  # how often to look at a successor that starts; without one there is nothing to look at

log = logging.getLogger(__name__)


def become(way: door.Door, successor: int, command: Sequence[str], terminal: Terminal, reload: bool, stopping: bool) -> NoReturn:
    """Turn this process into the parent of the renderer `successor`. To be called from the main thread, with SIGNALS blocked.

    `reload`: a SIGHUP is still to be seen to; `stopping`: the first SIGTERM came. It writes its log as we do.
    """
    listening = way.listening.fileno()
    os.set_inheritable(listening, True)
    told = {"renderer": successor, "listening": listening, "command": list(command), "reload": reload, "stopping": stopping}
    told |= {"terminal": terminal.had, "path": str(way.path), "inode": way.inode, "log": asdict(loglines.manner())}
    os.execv(sys.executable, [sys.executable, "-m", "renderer.hiding", "renderer.web.parent", json.dumps(told)])


class Parent:
    """Of the process `renderer`, which listens on the descriptor `listening`, and of those that `command` will start."""

    def __init__(self, renderer: int, listening: int, command: Sequence[str], terminal: bool, reload: bool, stopping: bool) -> None:
        self._renderer, self._listening, self._command = renderer, listening, command
        self._reload, self._stopping = reload, stopping
        self._terminal = Terminal(terminal)
        self._next: Successor | None = None
        self._retired: set[int] = set()
        self._code: int | None = None

    def run(self) -> int:
        """Until the renderer has ended; its exit code. Those that it succeeded may finish too, unless it failed."""
        while True:
            self._reap()
            if self._code is not None:
                if not (self._stopping and self._retired):
                    return self._code
                self._refuse()
            self._succeed()
            received = signal.sigtimedwait(SIGNALS, LOOK_SECONDS if self._next else IDLE_SECONDS)
            if received is None:
                continue
            number = received.si_signo
            if number == signal.SIGHUP and self._terminal.is_gone():
                number = signal.SIGTERM
            if self._stopping and number in STOPPING:
                return 1  # the second: our children end with us
            self._receive(number)

    def _refuse(self) -> None:
        """Nobody takes requests any more: nginx is to know at once."""
        if self._listening >= 0:
            os.close(self._listening)
            self._listening = -1

    def _receive(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        elif number in STOPPING:
            self._stopping = True
            if self._next:
                self._next.kill()
                self._next = None
            for pid in (*self._retired, *([self._renderer] if self._code is None else [])):
                os.kill(pid, number)  # not yet reaped, so still ours

    def _reap(self) -> None:
        """All children: of the first renderer there may be some too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid, status = 0, 256
                self._code = 1 if self._code is None else self._code
            if not pid:
                return
            self._retired.discard(pid)
            if pid == self._renderer:
                self._code = exit_code(status)
            elif self._next and pid == self._next.pid:
                self._next.code = exit_code(status)

    def _succeed(self) -> None:
        """Start a successor if one is wanted; when it is ready, it is the renderer."""
        if self._reload and not self._next and not self._stopping:
            self._reload = False
            self._next = Successor(self._command, self._listening)
        state = self._next.state() if self._next else "starting"
        if self._next and state == "ready":
            os.kill(self._renderer, RETIRE)
            self._retired.add(self._renderer)
            self._renderer = self._next.pid
        if state != "starting":
            self._next = None


def main(told: str) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    known = json.loads(told)
    _write_log(loglines.Manner(**known["log"]))
    try:
        return Parent(*(known[name] for name in ("renderer", "listening", "command", "terminal", "reload", "stopping"))).run()
    finally:
        door.remove(Path(known["path"]), known["inode"])


def _write_log(manner: loglines.Manner) -> None:
    """A file that cannot be written any more is no reason to end: with us the renderer would."""
    try:
        loglines.write(manner)
    except OSError as error:
        loglines.write(replace(manner, file=None))
        log.error("log.file: %s", error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
