"""Request and Reply, what crosses the wire; and Intent, what a dialect understood.

Dialects see and say nothing else. None of these knows a store, a cache or a socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from renderer.recipe import Qualities
from renderer.rendition import Alias, Namespace, Rendition


@dataclass(frozen=True)
class Request:
    """`path`: decoded once, bytes that are no UTF-8 as surrogates; `asked`: path as it was sent, without query."""

    method: str
    path: str
    query: str = ""
    asked: str = ""


@dataclass(frozen=True)
class Reply:
    """`status`: an HTTP status code; `accel`: where nginx finds the file, of `accel_bytes`, that it shall send instead of `body`."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    accel: str = ""
    accel_bytes: int = 0

    @property
    def length(self) -> int:
        """How many bytes the client gets of it."""
        return self.accel_bytes or len(self.body)


@dataclass(frozen=True)
class Show:
    """A rendition to show. `wish` is what the URL says of it, and what a signature covers; `alias` is what may be remembered."""

    rendition: Rendition
    wish: str
    alias: Alias | None = None
    signature: str = ""


Intent = Show | Reply


@dataclass(frozen=True)
class Terms:
    """What a dialect may know of this installation: its namespaces by name, and what is filled in where a wish is silent."""

    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    qualities: Qualities = Qualities()


def plain(status: int, sentence: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A short text/plain answer, the way most dialects say that something failed."""
    body = sentence.encode("utf-8", "replace") + b"\n"
    return Reply(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), body)
