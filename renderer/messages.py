"""Request and Reply, what crosses the wire; and Intent, what a dialect understood.

Dialects see and say nothing else. None of these knows a store, a cache or a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from renderer.recipe import Beside, Qualities, Recipe, Untouched
from renderer.rendition import Alias, Namespace, Ref, Rendition


@dataclass(frozen=True)
class Request:
    """`path`: decoded once, bytes that are no UTF-8 as surrogates; `asked`: path as it was sent, without query.

    `accepts`: the format, by name, that who asks prefers to a JPEG; '' for none that anybody offers.
    """

    method: str
    path: str
    query: str = ""
    asked: str = ""
    accepts: str = ""


@dataclass(frozen=True)
class Reply:
    """`status`: an HTTP status code; `accel`: where nginx finds the file, of `accel_bytes`, that it shall send instead of `body`;
    `file`: what we send ourselves, because it is too long to be held in memory.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    accel: str = ""
    accel_bytes: int = 0
    file: Path | None = None

    @property
    def length(self) -> int:
        """How many bytes the client gets of it, but for those of a `file`."""
        return self.accel_bytes or len(self.body)


@dataclass(frozen=True)
class Show:
    """A rendition to show. `wish` is what the URL says of it, and what a signature covers; `alias` is what may be remembered.

    `archived`: the name under which a remote store of renditions keeps it; '' where it keeps none such. `varies`: the same URL may show
    another format to somebody else.
    """

    rendition: Rendition
    wish: str
    alias: Alias | None = None
    signature: str = ""
    archived: str = ""
    varies: bool = False


@dataclass(frozen=True)
class Wish:
    """A rendition of an original that is not named yet: the rest of a Show."""

    recipe: Recipe | Untouched | Beside
    wish: str
    alias: Alias | None = None
    archived: str = ""

    def of(self, ref: Ref) -> Show:
        return Show(Rendition(ref, self.recipe), self.wish, self.alias, archived=self.archived)


@dataclass(frozen=True)
class Deposit:
    """An original to take in, from the body or from the URL `source`, and to make `wishes` of before it is answered."""

    namespace: Namespace
    source: str = ""
    wishes: tuple[Wish, ...] = ()


@dataclass(frozen=True)
class SideFile:
    """The body is to be stored beside an original; `show` will show it."""

    show: Show

    @property
    def namespace(self) -> Namespace:
        return self.show.rendition.ref.namespace


@dataclass(frozen=True)
class Preparation:
    """Those of `wishes` are to be made of `ref` that nobody has made yet."""

    ref: Ref
    wishes: tuple[Wish, ...]

    @property
    def namespace(self) -> Namespace:
        return self.ref.namespace


@dataclass(frozen=True)
class Batch:
    """The body names originals of which `wishes` are to be made in the background."""

    namespace: Namespace
    wishes: tuple[Wish, ...]


@dataclass(frozen=True)
class BatchQuestion:
    """What became of the batch `job`."""

    namespace: Namespace
    job: str


Intent = Show | Reply
Writing = Deposit | SideFile | Preparation | Batch | BatchQuestion  # what is asked of the service host


@dataclass(frozen=True)
class Terms:
    """What a dialect may know of this installation: its namespaces by name, and what is filled in where a wish is silent."""

    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    qualities: Qualities = Qualities()


Answer = Callable[[int, str, tuple[tuple[str, str], ...]], Reply]  # how a dialect says that something failed: status, sentence, headers


def plain(status: int, sentence: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A short text/plain answer, the way most dialects say that something failed."""
    body = sentence.encode("utf-8", "replace") + b"\n"
    return Reply(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), body)
