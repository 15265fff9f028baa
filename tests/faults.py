"""What can go wrong with an exchange that passes through a proxy of these tests, and with which of them it does.

    proxy.fault = always(drop())
    proxy.fault = nth(2, status(503, "busy"), only=asks("PUT", "/key"))   # or any other Callable[[Asked], bool]
    proxy.fault = first(3, drop(), only=…)
    proxy.fault = sometimes(0.1, 42, garble())          # in each run the same draws; which request gets which, threads decide
    proxy.fault = either(nth(1, drop()), sometimes(0.1, 42, truncate(1000)))

Before the server is asked: `status`, `drop`, `hang`. On the way to it: `garble_request`. On the way back: `lose`, `truncate`, `garble`.
"""

from __future__ import annotations

import json
import random
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from typing import Any

_LOOK_SECONDS = 0.02  # how often one that hangs looks whether anybody still waits for it


class Cut(Exception):
    """The connection to the client ends here, whatever it was promised."""


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; `path` with its query, `is_over(seconds)`: whether the client gave up or the proxy is being stopped,
    after waiting for that so long.
    """

    method: str
    path: str
    headers: Message = field(repr=False)
    is_over: Callable[[float], bool] = field(repr=False, compare=False)

    @property
    def place(self) -> str:
        """The path without its query, as it came: escaped."""
        return self.path.partition("?")[0]

    @property
    def parts(self) -> list[str]:
        """What stands between the slashes of the path, unescaped: ['db', 'document', 'folder', 'attachment.jpg']."""
        return [urllib.parse.unquote(part) for part in self.place.split("/") if part]

    @property
    def query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.path.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True)
class Answer:
    """`length`: of all `blocks` in bytes, None where only the end tells. `close` is called once, whatever happened to the blocks."""

    status: int
    headers: list[tuple[str, str]]
    length: int | None
    blocks: Iterable[bytes]
    close: Callable[[], object] = bool  # nothing to close

    def read(self) -> bytes:
        """All of it; nothing is left open."""
        try:
            return b"".join(self.blocks)
        finally:
            self.close()


def answer_of(code: int, body: str | bytes | dict[str, Any], **headers: str) -> Answer:
    """Made up here. A dict becomes JSON, text that begins like XML is said to be XML; `_` in a header's name stands for `-`."""
    kind = "application/json" if isinstance(body, dict) else "application/xml" if str(body).startswith("<?xml") else "text/plain"
    text = json.dumps(body) + "\n" if isinstance(body, dict) else body
    content = text.encode() if isinstance(text, str) else text
    named = [(name.replace("_", "-"), value) for name, value in {"Content_Type": kind, **headers}.items()]
    return Answer(code, named, len(content), [content])


class Fault:
    """Nothing goes wrong with this one; others say at which point something does."""

    def instead(self, asked: Asked) -> Answer | None:
        """An answer for which the server is not asked at all."""

    def sent(self, blocks: Iterable[bytes], length: int | None) -> Iterable[bytes]:
        """The body of the request, on its way to the server."""
        return blocks

    def answered(self, answer: Answer) -> Answer:
        """On its way back to the client."""
        return answer


Chooser = Callable[[Asked], Fault | None]
Predicate = Callable[[Asked], bool]


def anything(_: Asked) -> bool:
    return True


def asks(method: str, part: str = "") -> Predicate:
    """For `only`: requests of this method that have `part` in path or query."""
    return lambda asked: asked.method == method and part in asked.path


def always(fault: Fault, only: Predicate = anything) -> Chooser:
    return lambda asked: fault if only(asked) else None


def first(count: int, fault: Fault, only: Predicate = anything) -> Chooser:
    return _numbered(lambda number: number <= count, fault, only)


def nth(number: int, fault: Fault, only: Predicate = anything) -> Chooser:
    """The `number`-th that `only` is true of, counted from 1."""
    return _numbered(number.__eq__, fault, only)


def sometimes(probability: float, seed: int, fault: Fault, only: Predicate = anything) -> Chooser:
    draws = random.Random(seed)
    return _numbered(lambda _: draws.random() < probability, fault, only)


def either(*choosers: Chooser) -> Chooser:
    """The first fault that one of them names; all of them count every request."""

    def choose(asked: Asked) -> Fault | None:
        return next(filter(None, [chooser(asked) for chooser in choosers]), None)

    return choose


def _numbered(meant: Callable[[int], bool], fault: Fault, only: Predicate) -> Chooser:
    lock, number = threading.Lock(), 0

    def choose(asked: Asked) -> Fault | None:
        nonlocal number
        if not only(asked):
            return None
        with lock:
            number += 1
            return fault if meant(number) else None

    return choose


@dataclass(frozen=True)
class status(Fault):
    """An error of the server's own; headers as `answer_of`: status(503, "busy", {"Retry_After": "1"})."""

    code: int
    body: str | bytes | dict[str, Any] = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def instead(self, asked: Asked) -> Answer:
        return answer_of(self.code, self.body, **self.headers)


class drop(Fault):
    """Closed without an answer; the server never hears of it."""

    def instead(self, asked: Asked) -> Answer:
        raise Cut


class lose(Fault):
    """The server does what it was asked for, and its answer is lost."""

    def answered(self, answer: Answer) -> Answer:
        answer.close()
        raise Cut


class hang(Fault):
    """Silence until `release()`; then the request goes on, unless its client gave up meanwhile or the proxy is stopped.

    `held` requests hang just now, so that a test can wait for them.
    """

    def __init__(self) -> None:
        self._released, self._lock, self.held = threading.Event(), threading.Lock(), 0

    def release(self) -> None:
        self._released.set()

    def instead(self, asked: Asked) -> None:
        self._count(1)
        try:
            while not self._released.is_set() and not asked.is_over(_LOOK_SECONDS):
                pass
        finally:
            self._count(-1)
        if asked.is_over(0):
            raise Cut

    def _count(self, more: int) -> None:
        with self._lock:
            self.held += more


@dataclass(frozen=True)
class truncate(Fault):
    """The whole length is announced, `after_bytes` at most are sent and never all of them; then the connection is closed."""

    after_bytes: int = 0

    def answered(self, answer: Answer) -> Answer:
        most = self.after_bytes if answer.length is None else min(self.after_bytes, answer.length - 1)
        return answer if answer.length == 0 else replace(answer, blocks=_cut(answer.blocks, most))


@dataclass(frozen=True)
class garble(Fault):
    """One byte of an answer's body is another; number `at`, or the one in the middle. Nothing else looks different."""

    at: int | None = None

    def answered(self, answer: Answer) -> Answer:
        return replace(answer, blocks=_garbled(answer.blocks, answer.length, self.at))


@dataclass(frozen=True)
class garble_request(Fault):
    """One byte of a request's body is another when the server gets it; number `at`, or the one in the middle."""

    at: int | None = None

    def sent(self, blocks: Iterable[bytes], length: int | None) -> Iterable[bytes]:
        return _garbled(blocks, length, self.at)


def _cut(blocks: Iterable[bytes], most: int) -> Iterator[bytes]:
    for block in blocks:
        yield block[:most]
        most -= len(block)
        if most <= 0:
            raise Cut


def _garbled(blocks: Iterable[bytes], length: int | None, at: int | None) -> Iterator[bytes]:
    """Without a length the middle is not known: that of the first block."""
    for block in blocks:
        at = (len(block) if length is None else length) // 2 if at is None else at
        if 0 <= at < len(block):
            yield block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]
        else:
            yield block
        at -= len(block)
