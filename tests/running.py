"""Servers that tests start for themselves: on free ports, in directories of their own, stopped by process id."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.waiting import wait_until

SECONDS = 15  # what a start or a stop may take on a machine that does much else


def free_port(following: int = 0) -> int:
    """A TCP port of the loopback on which nobody listens just now, nor on the `following` ones after it.

    Drawn below the ports that the kernel gives to outgoing connections (32768 and up): those come and go while a server starts.
    """
    while True:
        first = random.randrange(10_240, 32_000)
        if all(map(_is_free, range(first, first + following + 1))):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class Nginx:
    """A real nginx from the text of its configuration (with `daemon off`), running inside the `with`.

    `ports`: where it is to listen before the test begins. What it prints stands in `error_log`.
    """

    def __init__(self, text: str, directory: Path, *ports: int, program: str = "nginx") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.conf, self.error_log, self._ports, self._program = directory / "nginx.conf", directory / "stderr.log", ports, program
        self.conf.write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the master process."""
        if self._process is None:
            raise AssertionError("expected a started nginx")
        return self._process.pid

    def check(self) -> str:
        """What `nginx -t` complains of; empty when it is content."""
        command = [self._program, "-t", "-q", "-c", str(self.conf), "-e", "stderr"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS).stderr

    def start(self) -> Self:
        with self.error_log.open("ab") as log:
            command = [self._program, "-c", str(self.conf), "-e", "stderr"]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: not self._alive() or all(map(listens, self._ports)), SECONDS, "nginx to listen")
        if not self._alive():
            raise AssertionError(f"nginx did not start: {self.error_log.read_text()}")
        return self

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """With QUIT what is in flight is finished; a worker that does not come to an end is killed after a while."""
        if self._process is None or not self._alive():
            return
        os.kill(self._process.pid, number)
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(self._process.pid, signal.SIGTERM)
            self._process.wait(SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()


def interrupt_twice(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C, which is told how a second one ends it at once; and that one."""
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr
    assert process.stderr.readline() == b"\n"
    assert b"once more ends it at once" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
