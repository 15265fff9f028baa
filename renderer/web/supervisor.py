"""nginx and the renderer under one parent: started in order, restarted when they die, stopped in order.

Stopping, nginx is told QUIT first (TERM cuts a miss in flight), then the renderer TERM. Each child is a session of its own, so that a
Ctrl-C in the terminal reaches only us, and so that the workers that a killed nginx leaves behind, with its port, can be found and ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from renderer.web.reloading import STOPPING, Terminal

log = logging.getLogger(__name__)

_SIGNALS = (*STOPPING, signal.SIGHUP, signal.SIGCHLD)
_DONE = object()
_PR_SET_PDEATHSIG = 1
HEALTHY_SECONDS, LONGEST_PAUSE = 10, 30  # a child that lived this long starts again at once; one that keeps dying less and less often
ENDING_SECONDS = 4  # after a drain: what a renderer keeps then, and the end of its render processes, take 3
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """One process that shall run. `gentle`: the signal that lets it finish what is in flight; `ready`: whether it can be used."""

    def __init__(
        self, name: str, command: Sequence[str], gentle: signal.Signals, ready: Callable[[], bool], environ: Mapping[str, str]
    ) -> None:
        self.name, self._command, self._gentle, self._ready, self._environ = name, list(command), gentle, ready, dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._began, self._deaths = 0.0, 0
        self.next_start = 0.0
        self.is_renewing = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            self._command, env=self._environ, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=_before_exec,  # noqa: PLW1509  # a supervisor has no threads
        )  # fmt: skip
        log.info("%s started, process %d", self.name, self._process.pid)

    def wait_ready(self, seconds: float) -> bool:
        """Whether it became usable in time; false at once when it died."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.is_alive():
                return False
            if self._ready():
                return True
            time.sleep(0.02)
        return False

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def bury(self) -> None:
        """After a death nobody asked for: end what it left behind, and say when it may start again."""
        if self._process is None:
            return
        code = self._process.returncode
        self.signal_group(signal.SIGKILL)
        self._deaths = self._deaths + 1 if time.monotonic() - self._began < HEALTHY_SECONDS else 0
        pause = min(2**self._deaths - 1, LONGEST_PAUSE) if self._deaths else 0
        log.error("%s died (%s); starting it again in %d s", self.name, _cause(code), pause)
        self._process, self.next_start = None, time.monotonic() + pause

    def send(self, number: signal.Signals) -> None:
        """To the process alone, if it is there."""
        if self._process is not None and self.is_alive():
            self._process.send_signal(number)

    def renew(self, seconds: float) -> Iterator[None]:
        """Stop it gently, firmly after `seconds`, and start it again; yields while there is nothing to do but wait."""
        self.is_renewing, deadline = True, time.monotonic() + seconds
        try:
            self.send(self._gentle)
            while self.is_alive() and time.monotonic() < deadline:
                yield
            self.signal_group(signal.SIGKILL)
            if self._process is not None:
                self._process.wait(2)
            self.start()
        finally:
            self.is_renewing = False

    def stop(self, seconds: float, hurried: Callable[[], bool]) -> None:
        """Gently, then firmly after `seconds` or as soon as `hurried` says so."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self._gentle)
        deadline = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < deadline and not hurried():
            time.sleep(0.02)
        for firm in (signal.SIGTERM, signal.SIGKILL):
            if self.is_alive():
                self.signal_group(firm)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(2)
        log.info("%s stopped", self.name)

    def signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def supervise(
    children: Sequence[Child], drain_seconds: Callable[[], float], on_ready: Callable[[], None], reload: Callable[[], Iterator[None]]
) -> int:
    """Start `children` in order, keep them running until a signal, stop them in reverse order. Returns the exit code.

    SIGHUP begins a `reload`, which yields where it has to wait; meanwhile the children are looked after as ever.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        for child in children:
            child.start()
            if not child.wait_ready(30):
                log.error("%s did not start; its log says why", child.name)
                return 1
        on_ready()
        _watch(children, reload)
        return 0
    finally:
        for child in reversed(children):
            child.stop(drain_seconds() + ENDING_SECONDS, _asked_again)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _watch(children: Sequence[Child], reload: Callable[[], Iterator[None]]) -> None:
    terminal, wanted = Terminal(), False
    course: Iterator[None] | None = None
    while True:
        received = signal.sigtimedwait(_SIGNALS, 1.0 if course is None else 0.05)
        number = received.si_signo if received else 0
        if number in STOPPING or (number == signal.SIGHUP and terminal.is_gone()):
            log.info("%s: stopping", signal.Signals(number).name)
            return
        wanted = wanted or number == signal.SIGHUP
        if wanted and course is None:
            wanted, course = False, reload()
        if course is not None and next(course, _DONE) is _DONE:
            course = None
        for child in children:
            _look_after(child)


def _look_after(child: Child) -> None:
    if child.is_renewing or child.is_alive():
        return
    if not child.next_start:
        child.bury()
    if time.monotonic() >= child.next_start:
        child.next_start = 0.0
        child.start()


def _asked_again() -> bool:
    """A second signal means at once."""
    return signal.sigtimedwait(STOPPING, 0) is not None


def _before_exec() -> None:
    """In the child: end with our parent whatever happens to it, and take signals again: SIGHUP once it is up, it would die of it."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, set(_SIGNALS) - {signal.SIGHUP})


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def find_program(name: str) -> str | None:
    """The program called `name`; also where Debian puts nginx, which an ordinary account's PATH lacks."""
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


def renderer_command(options: Sequence[str]) -> list[str]:
    """How the renderer is started: by the interpreter that runs us."""
    return [sys.executable, "-m", "renderer", "serve", *options]


def pruner_command(options: Sequence[str]) -> list[str]:
    """How the resident pruner is started."""
    return [sys.executable, "-m", "renderer", "prune", "--watch", *options]
