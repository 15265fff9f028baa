"""A URL that somebody else gave us to a file, and no way for it into the network that we stand in (R15, G-B3).

A name is looked up once, every address behind it is checked, and the connection goes to the address that was checked: who answers
differently the second time is never asked a second time. Each redirect is a URL like the first. What the bytes are is not known here.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from renderer.errors import Busy, RendererError, SourceNotFound, SourceRefused, SourceUnavailable
from renderer.fetching.addresses import Address, Network, objection_to
from renderer.fetching.asking import Answer, HTTPConnection, asked, connected
from renderer.fetching.deadlines import Deadline
from renderer.fetching.resolving import Resolve, Resolver, ask_system
from renderer.fetching.urls import Place, read_redirect, read_url
from renderer.fields import in_line
from renderer.stores.landing import landing

log = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABSENT = frozenset({404, 410})
_MOST_TRIES = 4  # addresses of one host; a name may have hundreds, all of them silent


@dataclass(frozen=True)
class Rules:
    """What may be fetched, and how long that may take.

    `private_networks`: the only way to an address that is not public. `hosts`: names, `*.example.net` for all below one; none = all.
    `seconds`: the whole, redirects and body included. `ca_file`: who may sign certificates, instead of the system's choice.
    """

    private_networks: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    seconds: float = 30
    connect_seconds: float = 5
    redirects: int = 5
    ca_file: Path | None = None

    def may_ask(self, host: str) -> bool:
        """Whether `host` is on the list, if there is one."""
        names = [name.lower().removesuffix(".") for name in self.hosts]
        return not names or any(host.endswith(name[1:]) if name.startswith("*.") else host == name for name in names)


class Fetcher:
    """`at_once` fetches at a time and `waiting` that wait for their turn, none longer than a fetch may take.

    `resolve`: host and port to addresses as text.
    """

    def __init__(self, rules: Rules, at_once: int = 8, waiting: int = 64, resolve: Resolve = ask_system) -> None:
        self.rules = rules
        self._resolver = Resolver(resolve, at_once)
        self._turns = threading.Semaphore(at_once)
        self._room = threading.Semaphore(at_once + waiting)

    def fetch(self, url: str, target: Path, max_bytes: int) -> int:
        """The bytes written to `target`, which is there if, and only if, all went well.

        SourceRefused, SourceNotFound, SourceSlow, SourceUnavailable, TooManyBytes, Busy, NoSpace.
        """
        place = read_url(url)
        with self._turn():
            deadline = Deadline(self.rules.seconds)
            try:
                return self._follow(place, target, max_bytes, deadline)
            except RendererError as error:
                log.info("%s is not fetched: %s (%s)", place.shown, error, in_line(str(error.__cause__ or "no more is known")))
                raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise Busy("too many wait for a URL")
        try:
            if not self._turns.acquire(timeout=self.rules.seconds):
                raise Busy("those before did not end in time")
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._room.release()

    def _follow(self, place: Place, target: Path, max_bytes: int, deadline: Deadline) -> int:
        for _ in range(self.rules.redirects + 1):
            with self._answer(place, deadline) as answer:
                if answer.status not in _REDIRECTS:
                    return _take(answer, target, max_bytes)
                if not answer.location:
                    raise SourceUnavailable("a redirect to nowhere", answer.status)
                place = read_redirect(place, answer.location)
        raise SourceUnavailable(f"more than {self.rules.redirects} redirects")

    @contextmanager
    def _answer(self, place: Place, deadline: Deadline) -> Iterator[Answer]:
        with ExitStack() as stack:
            connection = self._connection(place, deadline, stack)
            yield stack.enter_context(asked(connection, place, deadline))

    def _connection(self, place: Place, deadline: Deadline, stack: ExitStack) -> HTTPConnection:
        """To the first address that takes one; `stack` closes it."""
        *others, last = self._checked(place, deadline)
        connect = partial(connected, place, seconds=self.rules.connect_seconds, deadline=deadline, context=self._context)
        for address in others:
            with suppress(SourceUnavailable):  # when the time is over, the next one says so
                return stack.enter_context(connect(address))
        return stack.enter_context(connect(last))

    def _checked(self, place: Place, deadline: Deadline) -> Sequence[Address]:
        """All addresses of the host, or none of them: who has one in our network besides others has no good reason."""
        if not self.rules.may_ask(place.host):
            raise SourceRefused("a host that is not on the list")
        addresses = (place.address,) if place.address else self._resolver.addresses(place.host, place.port, deadline)
        for address in addresses:
            if objection := objection_to(address, self.rules.private_networks):
                log.warning("%s leads to %s (%s)", place.shown, address, objection)
                raise SourceRefused("a private address")
        return addresses[:_MOST_TRIES]

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.rules.ca_file)


def _take(answer: Answer, target: Path, max_bytes: int) -> int:
    if answer.status in _ABSENT:
        raise SourceNotFound(f"status {answer.status}", answer.status)
    if answer.status != 200:
        raise SourceUnavailable(f"status {answer.status}", answer.status)
    with landing(target, max_bytes) as ground:
        ground.expect(answer.length)
        for block in answer.blocks():
            ground.write(block)
        ground.settle(int(time.time()))
        return ground.length
