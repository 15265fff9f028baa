"""The FastCGI server: flup's protocol around our application, with manners that flup's own servers lack.

Of flup we take what speaks FastCGI. Its loop ends with the first error of `accept`, its pool drops and refuses connections, its stop
waits without limit, and its socket file stays behind.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from flup.server.fcgi_base import BaseFCGIServer

from renderer.errors import Busy
from renderer.threads import Threads
from renderer.web import failures
from renderer.web.app import Application, Environ, StartResponse, send
from renderer.web.door import Door, accepts, make_socket_directory
from renderer.web.life import HEALTH, Life
from renderer.web.parent import SIGNALS, become
from renderer.web.reloading import RETIRE, STOPPING, Successor, Terminal

__all__ = ["Ending", "Server", "accepts", "make_socket_directory"]

log = logging.getLogger(__name__)

MOST_QUEUED = 512  # connections without a thread
RETRY_SECONDS = 5  # who comes too late: the next renderer starts in a second or two, once we are gone
LATE, MOST_LATE = 4, 64  # threads for connections that come while we drain, and how many wait for one
HIGHEST_DESCRIPTOR = 1000  # flup reads with select, which knows 1024
ACCEPT_SECONDS = 0.25  # how long the accept loop may take to see that it shall stop
LOOK_SECONDS = 0.05  # the same for what is waited for: a successor, the end of a drain
PAUSE_SECONDS = 0.05  # when the system has no descriptor or memory for another connection
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.EAGAIN, errno.EINTR)


@dataclass(frozen=True)
class Ending:
    """`seconds`: that requests in flight have. `on_drain` is called once, when nothing new is begun any more; `on_stop` once, when nothing
    is in flight any more, or the time is over.
    """

    seconds: float
    on_stop: Callable[[], None]
    on_drain: Callable[[], None] = lambda: None


class Server(BaseFCGIServer):  # type: ignore[misc]  # flup has no types
    """Serve `application` at `door` until SIGTERM: then drain; a second signal exits at once.

    SIGHUP: `command` starts a successor. Once that takes requests we finish ours and become its parent. What a successor itself was
    started with may be succeeded too, by RETIRE; SIGHUP is its parent's.
    """

    def __init__(self, application: Application, door: Door, life: Life, threads: int, ending: Ending, command: Sequence[str]) -> None:
        super().__init__(application, bindAddress=str(door.path), debug=False)
        self._door, self._life, self._ending, self._command = door, life, ending, command
        self._threads, self._late_threads = Threads("request", threads, MOST_QUEUED), Threads("late", LATE, MOST_LATE)
        self._late = BaseFCGIServer(self._answer_late, bindAddress=str(door.path), debug=False)
        self._reload = self._retired = False
        self._terminal = Terminal()
        self._successor: Successor | None = None  # on its way
        self._heir: Successor | None = None  # the same, once it takes our requests
        self._timer = threading.Timer(ending.seconds, self._out_of_time)
        self._timer.daemon = True

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Until told to stop, or succeeded: then it never returns, and this process is another. `on_ready` is called when we listen.

        Returns when every request in flight was answered; the timer ends the process when that takes too long.
        """
        self._door.open()
        self._catch_signals()
        on_ready()
        log.info("listening on %s", self._door.path)
        while not (self._life.is_draining() or self._retired):
            if self._is_succeeded():
                self._bow_out()
            self._accept(self, self._threads, LOOK_SECONDS if self._successor else ACCEPT_SECONDS)
        self._drain()
        self._door.close()

    def _accept(self, server: BaseFCGIServer, threads: Threads, seconds: float) -> None:
        """One connection, if there is one soon. What is refused here is closed, and nginx says 503."""
        listening = self._door.listening
        watched: list[socket.socket | int] = [listening]
        if self._successor and not self._heir:
            watched.append(self._successor.ready)  # somebody else is to take it then
        if select.select(watched, [], [], seconds)[0] != [listening]:
            return
        try:
            client, address = listening.accept()
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            if error.errno != errno.EAGAIN:  # another process that has the same socket was faster
                log.warning("accept: %s", error.strerror)
                time.sleep(PAUSE_SECONDS)
            return
        connection = self._connectionClass(client, address, server, None)
        if client.fileno() > HIGHEST_DESCRIPTOR or not threads.add(connection.run):
            client.close()

    def _drain(self) -> None:
        """Answer what was taken. Unless somebody else takes requests now, health is told meanwhile; it prolongs nothing."""
        if self._successor:
            self._successor.kill()
            self._successor = None
        if self._retired:
            self._door.close()  # or connections would wait with us if all others go first
        self._ending.on_drain()
        while not self._threads.finish(0):
            if self._retired:
                self._threads.finish(LOOK_SECONDS)
            else:
                self._accept(self._late, self._late_threads, LOOK_SECONDS)
        self._late_threads.finish(LOOK_SECONDS)
        self._timer.cancel()
        self._ending.on_stop()

    def _answer_late(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") in HEALTH:
            answer: Iterable[bytes] = self.application(environ, start_response)
            return answer
        return send(failures.reply_to(Busy("this renderer is stopping", RETRY_SECONDS)), start_response)

    def _is_succeeded(self) -> bool:
        if self._reload and not self._successor:
            self._reload = False
            self._successor = Successor(self._command, self._door.listening.fileno())
        state = self._successor.state() if self._successor else "starting"
        if state == "failed":
            self._successor = None
        return state == "ready"

    def _bow_out(self) -> NoReturn:
        """Answer what was taken, and stay as the parent of who succeeded us; end with it when it ends."""
        successor = self._begin_bowing_out()
        self._ending.on_drain()
        deadline = time.monotonic() + self._ending.seconds
        while not self._threads.finish(0):
            if time.monotonic() > deadline:
                log.error("still requests in flight after %g s: leaving them", self._ending.seconds)
                break
            if not successor.has_ended():
                self._threads.finish(LOOK_SECONDS)
            elif self._life.is_draining():  # it had less to finish than we have
                self._accept(self._late, self._late_threads, LOOK_SECONDS)
            else:
                break
        self._ending.on_stop()
        if not successor.has_ended():
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # whatever comes now waits for the parent
            become(self._door, successor.pid, self._command, self._terminal, self._reload, self._life.is_draining())
        self._door.close()
        sys.exit(successor.code)

    def _begin_bowing_out(self) -> Successor:
        """From now on signals are for who succeeded us, this moment's too."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        self._heir = self._successor
        if self._heir is None:
            raise RuntimeError("expected a successor that is ready")
        if self._life.is_draining():
            self._timer.cancel()
            self._heir.signal(signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._heir

    def _catch_signals(self) -> None:
        for number in STOPPING:
            signal.signal(number, self._told_to_stop)
        if self._door.is_inherited:
            signal.signal(RETIRE, self._told_to_retire)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGHUP, self._told_to_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))

    def _told_to_stop(self, number: int, _frame: object) -> None:
        if self._life.is_draining():
            if self._door.is_inherited:
                return  # its parent ends it; this one may be meant for all of a control group
            self._leave()  # with us a successor, which the kernel ends
        self._life.drain()
        if self._heir:
            self._heir.signal(number)
        elif not self._retired:
            self._timer.start()
        log.info("%s: draining for at most %g s", signal.Signals(number).name, self._ending.seconds)

    def _told_to_retire(self, _number: int, _frame: object) -> None:
        self._retired = True
        if not self._life.is_draining():
            self._timer.start()
            log.info("succeeded: draining for at most %g s", self._ending.seconds)

    def _told_to_reload(self, number: int, frame: object) -> None:
        if self._terminal.is_gone():
            self._told_to_stop(number, frame)
        self._reload = True

    def _out_of_time(self) -> None:
        log.error("still requests in flight after %g s: leaving", self._ending.seconds)
        self._ending.on_stop()
        self._leave()

    def _leave(self) -> NoReturn:
        self._door.close()
        os._exit(1)
