"""Source and Store: where originals are read, and where they can also be written.

A key is a text of parts joined by `/`; what it is made of is `originals.py`'s business. A store keeps bytes and a few facts under a key and
never heard of HTTP, recipes or namespaces. Ordinary absence is None; a store that does not answer raises StoreUnavailable or a subclass.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from renderer.errors import ConfigError

# Dotted names, imported when used: nobody pays for boto3 who has a directory.
KINDS = {
    "file": "renderer.stores.file:FileStore",
    "s3": "renderer.stores.s3:S3Store",
    "couchdb": "renderer.stores.couchdb:CouchSource",  # read only
    "memory": "renderer.stores.memory:MemoryStore",
}


@dataclass(frozen=True)
class Facts:
    """What a store knows of an original. `time`: the original's own time, whole seconds since 1970 UTC; sides in pixels, 0 = not known.

    `md5`: of the bytes, in hexadecimal, where the store tells it without reading them; it is not part of what is put. `made_by`: which
    generation of ours made it, if it is a rendition and the store keeps that; '' for all that was given to us.
    """

    length: int
    time: int
    content_type: str = ""
    width: int = 0
    height: int = 0
    md5: str = field(default="", compare=False)
    made_by: str = field(default="", compare=False)


class Source(Protocol):
    """Can be read. `name` is the store's name in the configuration; `spread`: it wants hash names below shard directories."""

    name: str
    spread: bool

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        """Stream the object into `target` (made or overwritten), length and checksum verified; None when there is none.

        TooManyBytes beyond `max_bytes`, before or while reading; StoreGarbled when the bytes are not what was promised. On any error
        `target` is not left behind.
        """

    def facts(self, key: str) -> Facts | None:
        """What is known without reading the bytes."""

    def names(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with `prefix`, in byte order, in bounded memory."""

    def check(self, known_key: str = "") -> list[tuple[str, bool]]:
        """For `onmiss doctor`: sentences about what was touched, and whether it is well. Raises nothing of its own family.

        `known_key`: of an object that was there once; reading it may tell more than reading one that never was.
        """


class Store(Source, Protocol):
    """Can also be written. `keeps_maker`: it keeps `Facts.made_by`, and so may be a remote store of renditions."""

    keeps_maker: bool

    def put(self, key: str, source: Path, facts: Facts, only_new: bool = False) -> bool:
        """Store a copy of `source` under `key`, whole or not at all, durable on return; what was there is replaced.

        With `only_new` nothing is replaced: False when something is there. Two who come together do not both hear True, but where the
        server behind the store cannot do that.
        """

    def delete(self, key: str) -> bool:
        """Whether there was something to delete."""


@runtime_checkable
class OnDisk(Protocol):
    """A store on this disk is its own local copy."""

    def locate(self, key: str) -> Path | None:
        """The file that holds the object, to be read only; None when there is none."""

    def take(self, key: str, source: Path, facts: Facts, only_new: bool = False) -> bool:
        """As `put`, of a file that is given away: on the same file system it becomes the object without being copied, and may be gone."""


@runtime_checkable
class Lists(Protocol):
    """A remote store whose listing tells more than keys, for who would else ask for one after the other."""

    def listed(self, first: str, last: str, most: int) -> dict[str, Facts] | None:
        """Length and MD5 of every object from the key `first` to `last`, both included, by one request; None when there are more than
        `most`.
        """


def open_store(kind: str, name: str, **settings: Any) -> Store:
    """The store of this kind, not yet connected: clients open on first use."""
    module, _, attribute = KINDS[kind].partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ConfigError(f"stores.{name}.kind", f"{kind} needs a library that is missing: {error.name}", "pip install it") from error
    store: Store = factory(name=name, **settings)
    return store
