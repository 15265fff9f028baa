"""The dialects, one grammar a file; DIALECTS lists them. A request is read by exactly one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from renderer.dialects import huimages, imageserver, native, negotiation
from renderer.dialects.hits import Hit
from renderer.errors import BadRequest, NotUnderstood
from renderer.messages import Answer, Intent, Reply, Request, Show, Terms, Writing, plain
from renderer.rendition import Namespace


class Dialect(Protocol):
    """One way of asking and of being answered. `SHAPE` matches every path that is this dialect's, well formed or not."""

    NAME: str
    SHAPE: str
    answer: Answer

    def read(self, request: Request, terms: Terms) -> Intent | None: ...

    def hits(self, terms: Terms) -> tuple[Hit, ...]: ...

    def space_of(self, path: str, terms: Terms) -> Namespace | None: ...


class Receiver(Dialect, Protocol):
    """A dialect that also takes in, on the service host. `TAKES` matches every path there that is this dialect's."""

    TAKES: str

    def receive(self, request: Request, terms: Terms) -> Writing | None: ...

    def deposited(self, facts: Mapping[str, Any]) -> Reply: ...

    def stored(self) -> Reply: ...

    def prepared(self) -> Reply: ...

    def batched(self, job: str) -> Reply: ...

    def batch_told(self, is_done: bool, content: Mapping[str, Any] | Path) -> Reply: ...


DIALECTS: tuple[Dialect, ...] = (native, huimages, imageserver)  # type: ignore[assignment]  # modules as values
RECEIVERS: tuple[Receiver, ...] = tuple(dialect for dialect in DIALECTS if hasattr(dialect, "receive"))  # type: ignore[misc]

# In a URL as it was sent. nginx normalises these before anyone else sees them, and would answer 200 from a file: dot segments, an
# encoded dot, slash or backslash, control characters. Refused by nginx and by us alike.
REFUSED_URI = r"(?:^|/)\.\.?(?:/|$|\?)|//|\\|%2[eEfF]|%5[cC]|%[01][0-9a-fA-F]|%7[fF]"
_REFUSED_PATH = re.compile(r"[\x00-\x1f\x7f\\]")


def read(request: Request, terms: Terms) -> Intent:
    """What `request` wants: NotUnderstood for no dialect's shape, BadRequest for a shape with an impossible part.

    A picture has one URL: a query on it is answered by a permanent redirect to the path.
    """
    _expect_plain(request)
    for dialect in DIALECTS:
        intent = dialect.read(request, terms)
        if intent is None:
            continue
        if isinstance(intent, Show) and request.query:
            return plain(301, "expected no query for a picture", (("Location", request.asked),))
        return negotiation.negotiated(intent, request.accepts, terms.qualities) if isinstance(intent, Show) else intent
    raise NotUnderstood("File not found")


def instead(show: Show, request: Request, terms: Terms) -> Show | None:
    """The JPEG in place of `show`, for which `request` was read and which is refused; None where that is none by negotiation."""
    unaccepted = read(replace(request, accepts=""), terms)
    if not isinstance(unaccepted, Show) or unaccepted.rendition == show.rendition:
        return None
    return negotiation.remembered(unaccepted, show)


def varies(request: Request, terms: Terms) -> bool:
    """Whether who accepts another format may be answered otherwise: in doubt it is said of a URL that has only the shape of such."""
    dialect = dialect_of(request)
    space = dialect.space_of(request.path, terms) if dialect else None
    return space is not None and bool(space.negotiates)


def receive(request: Request, terms: Terms) -> tuple[Receiver, Writing] | None:
    """Who understands what is asked of the service host, and what it is; None when nobody does. Raises as `read` does."""
    dialect = _receiver_of(request)
    writing = dialect.receive(request, terms) if dialect else None
    if dialect is None or writing is None:
        return None
    _expect_plain(request)
    return dialect, writing


def _receiver_of(request: Request) -> Receiver | None:
    return next((dialect for dialect in RECEIVERS if re.fullmatch(dialect.TAKES, request.path, re.DOTALL)), None)


def _expect_plain(request: Request) -> None:
    if re.search(REFUSED_URI, request.asked) or _REFUSED_PATH.search(request.path):
        raise BadRequest("expected a path without dot segments, double slashes, backslashes and control characters")


def answer_to(request: Request) -> Answer:
    """How the dialect that this request looks like says that something failed."""
    dialect = dialect_of(request)
    return dialect.answer if dialect else plain


def dialect_of(request: Request) -> Dialect | None:
    """Whose shape it has, read or refused; None for nobody's."""
    return next((dialect for dialect in DIALECTS if re.fullmatch(dialect.SHAPE, request.path, re.DOTALL)), None)


def answer_to_writing(request: Request) -> Answer:
    """The same of the service host."""
    dialect = _receiver_of(request)
    return dialect.answer if dialect else plain


__all__ = [
    "DIALECTS", "RECEIVERS", "REFUSED_URI", "Dialect", "Hit", "Receiver", "answer_to", "answer_to_writing", "dialect_of",
    "instead", "read", "receive", "varies",
]  # fmt: skip
