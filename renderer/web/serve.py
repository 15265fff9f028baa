"""The FastCGI server: flup's protocol around our application, with manners that flup's own servers lack.

Of flup we take what speaks FastCGI. Its loop ends with the first error of `accept`, its pool drops and refuses connections, its stop
waits without limit, and its socket file stays behind.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from flup.server.fcgi_base import BaseFCGIServer

from renderer.errors import ConfigError
from renderer.threads import Threads
from renderer.web.app import Application

log = logging.getLogger(__name__)

MOST_QUEUED = 512  # connections without a thread
HIGHEST_DESCRIPTOR = 1000  # flup reads with select, which knows 1024
ACCEPT_SECONDS = 0.25  # how long the accept loop may take to see that it shall stop
PAUSE_SECONDS = 0.05  # when the system has no descriptor or memory for another connection
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.EAGAIN, errno.EINTR)


class Server(BaseFCGIServer):  # type: ignore[misc]  # flup has no types
    """Serve `application` on a Unix socket until SIGTERM: then drain for `drain_seconds` at most; a second signal exits at once.

    `on_drain` is called once, when nothing new is taken any more; `on_stop` once, when nothing is in flight any more, or the time is over.
    """

    def __init__(
        self, application: Application, path: Path, threads: int, drain_seconds: float, on_stop: Callable[[], None],
        on_drain: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        super().__init__(application, bindAddress=str(path), debug=False)
        self._threads = Threads("request", threads, MOST_QUEUED)
        self._path, self._drain_seconds, self._on_stop, self._on_drain = path, drain_seconds, on_stop, on_drain
        self._going_on = True
        self._timer = threading.Timer(drain_seconds, self._out_of_time)
        self._timer.daemon = True

    def run(self) -> None:
        """Until told to stop. Returns when every request in flight was answered; the timer ends the process when that takes too long."""
        make_socket_directory(self._path.parent)
        listening = self._setupSocket()  # removes a stale socket file
        self._path.chmod(0o660)
        inode = self._path.stat().st_ino
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)
        log.info("listening on %s", self._path)
        try:
            while self._going_on:
                self._accept(listening)
        finally:
            listening.close()
            self._remove_socket(inode)
        self._on_drain()
        self._threads.finish()
        self._timer.cancel()
        self._on_stop()

    def _accept(self, listening: socket.socket) -> None:
        """One connection, if there is one soon. What is refused here is closed, and nginx says 503."""
        if not select.select([listening], [], [], ACCEPT_SECONDS)[0]:
            return
        try:
            client, address = listening.accept()
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            log.warning("accept: %s", error.strerror)
            time.sleep(PAUSE_SECONDS)
            return
        connection = self._connectionClass(client, address, self, None)
        if client.fileno() > HIGHEST_DESCRIPTOR or not self._threads.add(connection.run):
            client.close()

    def _remove_socket(self, inode: int) -> None:
        """Only ours: a successor may already listen under the same name."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == inode:
                self._path.unlink()
                if self._path.parent.name.startswith("onmiss-"):  # ours alone: the place of sockets with too long a path
                    self._path.parent.rmdir()

    def _told_to_stop(self, number: int, _frame: object) -> None:
        if not self._going_on:
            os._exit(1)
        self._going_on = False
        self._timer.start()
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
