"""A host's name to the addresses behind it, within a deadline.

The system's resolver takes no time limit and can wait for half a minute, so it waits in a thread of its own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from renderer.errors import Busy, SourceUnavailable
from renderer.fetching.addresses import Address, read_address
from renderer.fetching.deadlines import Deadline
from renderer.threads import Threads

Resolve = Callable[[str, int], Sequence[str]]


def ask_system(host: str, port: int) -> list[str]:
    """All addresses, in the order in which the system would try them; OSError when there are none."""
    return [str(sockaddr[0]) for *_, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Resolver:
    """`at_once`: names that may be looked up at the same time; those given up at their deadline count until the system does so too."""

    def __init__(self, resolve: Resolve, at_once: int) -> None:
        self._resolve = resolve
        self._threads = Threads("resolve", at_once, at_once)

    def addresses(self, host: str, port: int, deadline: Deadline) -> tuple[Address, ...]:
        """Each once. SourceSlow; SourceUnavailable for a name without addresses; Busy."""
        found: Future[Sequence[str]] = Future()
        if not self._threads.add(lambda: self._settle(found, host, port)):
            raise Busy("too many names are looked up")
        try:
            texts = found.result(deadline.left())
        except TimeoutError as error:
            raise deadline.missed() from error
        except (OSError, UnicodeError) as error:
            raise SourceUnavailable("no connection") from error  # the same words as for a name that leads nowhere
        addresses = tuple(dict.fromkeys(map(read_address, texts)))
        if not addresses:
            raise SourceUnavailable("no connection")
        return addresses

    def _settle(self, found: Future[Sequence[str]], host: str, port: int) -> None:
        try:
            found.set_result(self._resolve(host, port))
        except Exception as error:
            found.set_exception(error)
