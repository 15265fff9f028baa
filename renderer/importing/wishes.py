"""Wishes: where an import puts originals, and what is to be known of them, from what was asked for all and what is said of each."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from renderer.errors import BadRequest
from renderer.importing.candidates import UNNAMED, Candidate
from renderer.ingest import About
from renderer.rendition import Namespace

TITLES, REFERENCES, FILENAMES = ("filename", "stem"), ("path",), ("name", "path")  # what each may be made from


@dataclass(frozen=True)
class Wishes:
    """`title_from`, `references_from` and `filename_from`: one or several of the choices above; '' = not. `user`: whose the tags are."""

    namespace: Namespace
    title: str = ""
    title_from: str = ""
    types: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    references_from: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    user: str = "import"
    filename_from: str = "name"
    name_prefix: str = ""
    placeholder: bool = False
    only_new: bool = False

    def about(self, candidate: Candidate) -> About:
        said, name = candidate.said, os.path.basename(candidate.shown)
        title = said.title or self.title or {"filename": name, "stem": os.path.splitext(name)[0]}.get(self.title_from, "")
        references = dict(self.references)
        if "path" in self.references_from:
            references["path"] = (*references.get("path", ()), _readable(os.path.dirname(candidate.shown)))
        for key, values in said.references.items():
            references[key] = (*references.get(key, ()), *values)
        filename = _readable(candidate.shown if self.filename_from == "path" else name) if candidate.shown != UNNAMED else ""
        return About(_readable(title), (*self.types, *said.types), references, filename)

    def tags_for(self, candidate: Candidate) -> tuple[str, ...]:
        return (*self.tags, *candidate.said.tags)

    def name_for(self, candidate: Candidate) -> str:
        """What a namespace with `naming: path` calls it, '' elsewhere; BadRequest when it cannot."""
        wanted = self._wanted_name(candidate)
        return wanted and self.namespace.ref(wanted).name

    def mark(self, candidate: Candidate) -> bytes:
        """What else must be the same, that something has been done before."""
        return os.fsencode(f"{self.namespace.name}\0{self._wanted_name(candidate)}\0")

    def _wanted_name(self, candidate: Candidate) -> str:
        return "" if self.namespace.naming.immutable else self.name_prefix + candidate.name


class Names:
    """Which names were given in one import, and to what: the second of two files would replace the first. Some 100 bytes a name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: dict[bytes, bytes] = {}

    def give(self, name: str, shown: str) -> None:
        """BadRequest when another file has it. The same file may ask again."""
        digest, owner = _digest(name), _digest(shown)
        with self._lock:
            if self._given.setdefault(digest, owner) != owner:
                raise BadRequest(f"expected a name of its own for each file, got {name!r} for another one too")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _readable(text: str) -> str:
    """A path need not be UTF-8, what is known of an original must be."""
    return os.fsencode(text).decode("utf-8", "replace")
