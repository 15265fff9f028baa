"""The FastCGI server: flup's threads around our application, with the manners that flup lacks.

flup joins its threads without limit when told to stop: ours has a timer. flup leaves its socket file behind: ours removes it, and only its
own. The threads are our own too (`threads.py`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from flup.server.fcgi import WSGIServer
from flup.server.threadedserver import ThreadedServer

from renderer.errors import ConfigError
from renderer.web.app import Application
from renderer.web.threads import Threads

log = logging.getLogger(__name__)

MOST_QUEUED = 512  # connections without a thread; below select's 1024 descriptors, which flup's connections are read with
ACCEPT_SECONDS = 0.25  # how long flup's accept loop may take to see that it shall stop


class Server(WSGIServer):  # type: ignore[misc]  # flup has no types
    """Serve `application` on a Unix socket until SIGTERM: then drain for `drain_seconds` at most; a second signal exits at once.

    `on_stop` is called when nothing is in flight any more, or the time is over.
    """

    _keepGoing: bool  # flup's: whether its accept loop shall go on

    def __init__(self, application: Application, path: Path, threads: int, drain_seconds: float, on_stop: Callable[[], None]) -> None:
        super().__init__(application, bindAddress=str(path), debug=False, minSpare=0, maxSpare=0)  # no threads of flup's own
        self._threadPool = Threads(threads, MOST_QUEUED)
        self._path, self._drain_seconds, self._on_stop = path, drain_seconds, on_stop
        self._web_server_addrs = None

    def run(self) -> None:
        """Until told to stop. Returns when every request in flight was answered; the timer ends the process when that takes too long."""
        make_socket_directory(self._path.parent)
        listening = self._setupSocket()  # removes a stale socket file
        self._path.chmod(0o660)
        inode = self._path.stat().st_ino
        log.info("listening on %s", self._path)
        try:
            ThreadedServer.run(self, listening, timeout=ACCEPT_SECONDS)
        finally:
            listening.close()
            self._remove_socket(inode)
        self.shutdown()
        self._on_stop()

    def _remove_socket(self, inode: int) -> None:
        """Only ours: a successor may already listen under the same name."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == inode:
                self._path.unlink()
                if self._path.parent.name.startswith("onmiss-"):  # ours alone: the place of sockets with too long a path
                    self._path.parent.rmdir()

    def _installSignalHandlers(self) -> None:  # flup's name
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)

    def _restoreSignalHandlers(self) -> None:  # flup's name; a second signal must still find us
        return

    def _told_to_stop(self, number: int, _frame: object) -> None:
        if not self._keepGoing:
            os._exit(1)
        self._keepGoing = False
        timer = threading.Timer(self._drain_seconds, self._out_of_time)
        timer.daemon = True
        timer.start()
        log.info("%s: draining for at most %g s", signal.Signals(number).name, self._drain_seconds)

    def _out_of_time(self) -> None:
        log.error("still requests in flight after %g s: leaving", self._drain_seconds)
        self._on_stop()
        os._exit(1)


def make_socket_directory(directory: Path) -> None:
    """Make it, for us to write and others to pass through; ConfigError when somebody else could put a socket of his own there."""
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    status = directory.stat()
    if status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o002:
        cure = "remove it, or name another place in serve.socket"
        raise ConfigError("serve.socket", f"expected a directory that only we can write, got {directory}", cure)


def accepts(path: Path) -> bool:
    """Whether somebody listens on the socket at `path`; a file alone means nothing."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
