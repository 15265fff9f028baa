"""Entry, Note and Catalog: what is known about originals, beside their bytes.

A catalog is asked by name and answers with values. It never heard of HTTP, stores or renditions; without one everything but titles, tags
and neighbours works. Ordinary absence is None; a catalog that does not answer raises StoreUnavailable or a subclass.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from renderer.errors import ConfigError
from renderer.rendition import Namespace, Ref

# Dotted names, imported when used: nobody needs CouchDB's client who has a file.
KINDS = {
    "sqlite": "renderer.catalog.sqlite:SqliteCatalog",
    "couchdb": "renderer.catalog.couchdb:CouchCatalog",
    "memory": "renderer.catalog.memory:MemoryCatalog",
}


@dataclass(frozen=True)
class Entry:
    """What is known about one original: huImages' document, typed.

    Times are UTC, `YYYYMMDDTHHMMSS.uuuuuu`, "" = not known; `ctime` is the original's own and is never changed once it is known. Sides
    are upright pixels, 0 = not known; titles stand oldest first. `deleted`: it was found broken, or is gone. `automatic`: a machine made
    it, and it is not to turn up by chance (decision 9). `placeholder`: a ThumbHash in base64.
    """

    ctime: str = ""
    mtime: str = ""
    width: int = 0
    height: int = 0
    titles: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filename: str = ""
    length: int = 0
    content_type: str = ""
    deleted: bool = False
    automatic: bool = False
    placeholder: str = ""

    def adding(self, title: str = "", types: Iterable[str] = (), references: Mapping[str, Sequence[str]] | None = None) -> Entry:
        """With these too, each once and after those that are there; nothing is ever taken away."""
        known = dict(self.references)
        for key, values in (references or {}).items():
            known[key] = _each_once((*known.get(key, ()), *values))
        return replace(self, titles=_each_once((*self.titles, title)), types=_each_once((*self.types, *types)), references=known)


@dataclass(frozen=True)
class Note:
    """What one user holds of one original. Tags are lower case, each once, in the order given; `rating` None = not rated."""

    tags: tuple[str, ...] = ()
    favorite: bool = False
    rating: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", _each_once(tag.lower() for tag in self.tags))


def _each_once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


class Catalog(Protocol):
    """`name` is what errors call it. Safe to use from several threads, and by several processes where it outlives one.

    Originals that are marked `deleted` are got, and otherwise never turn up.
    """

    name: str

    def get(self, ref: Ref) -> Entry | None:
        """What is known."""

    def change(self, ref: Ref, change: Callable[[Entry | None], Entry]) -> Entry:
        """Replace what is known by what `change` makes of it, and return that. `change` may be called again when others were quicker."""

    def delete(self, ref: Ref) -> bool:
        """Forget it, and what users noted about it (H-B25); whether there was an entry."""

    def next(self, ref: Ref) -> Ref:
        """The one after it in byte order, whether it is there itself or not; at the end itself (decision 16)."""

    def previous(self, ref: Ref) -> Ref:
        """The one before it; at the beginning itself."""

    def random(self, namespace: Namespace) -> Ref | None:
        """Any that is not automatic; None when there is none."""

    def refs(self, namespace: Namespace, after: str = "") -> Iterator[Ref]:
        """All, beginning behind the name `after`, in byte order of names, in bounded memory."""

    def note(self, ref: Ref, user: str, change: Callable[[Note], Note]) -> Note:
        """Replace what `user` noted by what `change` makes of it, as in `change`."""

    def notes(self, ref: Ref) -> Mapping[str, Note]:
        """What each user noted."""

    def tagged(self, namespace: Namespace, tag: str) -> Iterator[Ref]:
        """Those that somebody gave exactly this tag (decision 10), each once, in a steady order."""

    def tags(self, namespace: Namespace) -> Mapping[str, int]:
        """Each tag, in alphabetical order, and how often it was given."""

    def favorites(self, namespace: Namespace, user: str) -> Iterator[Ref]:
        """The favourites of `user`, in a steady order."""

    def check(self) -> list[tuple[str, bool]]:
        """For `onmiss doctor`: sentences about what was touched, and whether it is well. Raises nothing of its own family."""


def open_catalog(kind: str, name: str, **settings: Any) -> Catalog:
    """The catalog of this kind, not yet connected: clients open on first use."""
    module, _, attribute = KINDS[kind].partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ConfigError("catalog.kind", f"{kind} needs a library that is missing: {error.name}", "pip install it") from error
    catalog: Catalog = factory(name=name, **settings)
    return catalog
