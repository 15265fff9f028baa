"""What stands in an old huImages cache: `<size>/<ID>.jpeg`, `o/<ID>.jpeg`, and what else has gathered there in years.

Every directory is read as it comes, entry by entry and in no order: there may be millions in one. Nothing is opened, nothing changed.

    o/EQ53…01.jpeg              an original
    150x150!/EQ53…01.jpeg       somebody asked for this size of it
    0075x075/EQ53…01.jpeg       for 75x75: leading zeros made directories of their own (H-B8)
    tmp_150x150_EQ53…01Xy12     what a process left that died (H-B16)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from renderer import markup
from renderer.errors import BadRequest
from renderer.formats import JPEG
from renderer.importing.candidates import Passed
from renderer.limits import Limits
from renderer.recipe import Qualities, Recipe
from renderer.rendition import Namespace, Ref, Rendition

# why something is passed over
LEFTOVER = "left by a process that died"
STRANGE = "no name of that cache"
NO_FILE = "no file"
NOT_ANSWERED = "a size that is not answered here"

_SIZE = re.compile(r"([0-9]+)x([0-9]+)(!?)")  # what huImages took for a size, as far as it is one
_EXTENSION = ".jpeg"  # huImages' only one, whatever the format


@dataclass(frozen=True)
class Kept:
    """An original, by its name at least."""

    path: str
    ref: Ref


@dataclass(frozen=True)
class Asked:
    """Somebody asked for this size of it; `size` as URLs spell it."""

    ref: Ref
    size: str


class OldCache:
    """`limits`: which sizes are answered here."""

    def __init__(self, top: Path, namespace: Namespace, limits: Limits) -> None:
        """BadRequest for what is no such cache."""
        self.top, self.namespace, self._limits = top, namespace, limits
        try:
            with os.scandir(top) as entries:
                if not any((entry.name == markup.ORIGINAL or _SIZE.fullmatch(entry.name)) and _is_folder(entry) for entry in entries):
                    raise BadRequest(f"expected huImages' cache, with directories o and WIDTHxHEIGHT, got {top}")
        except OSError as error:
            raise BadRequest(f"expected huImages' cache, got {top}: {error.strerror}") from error

    def originals(self) -> Iterator[Kept | Passed]:
        """None where there is no directory `o`."""
        folder = self.top / markup.ORIGINAL
        if not folder.is_dir():
            return
        for found in self._in(folder):
            yield found if isinstance(found, Passed) else Kept(str(folder / f"{found.name}{_EXTENSION}"), found)

    def asked(self) -> Iterator[Asked | Passed]:
        """What stands beside `o`: sizes of originals that somebody asked for, and what is no part of a cache."""
        for entry in _scan(self.top):
            if isinstance(entry, Passed):
                yield entry
            elif entry.name.startswith("tmp_") and not _is_folder(entry):
                yield Passed(entry.path, LEFTOVER, is_wanted=True)
            elif _is_folder(entry) and _SIZE.fullmatch(entry.name):
                yield from self._of_size(entry.name)
            elif not (entry.name == markup.ORIGINAL and _is_folder(entry)):
                yield Passed(entry.path, STRANGE)

    def _of_size(self, name: str) -> Iterator[Asked | Passed]:
        folder = self.top / name
        try:
            size = self._spelled(name)
        except BadRequest as error:
            yield Passed(str(folder), f"{NOT_ANSWERED}: {error}")
            return
        for found in self._in(folder):
            if isinstance(found, Passed):
                yield found
            elif name == size or not (self.top / size / f"{found.name}{_EXTENSION}").exists():  # or it comes from there
                yield Asked(found, size)

    def _spelled(self, name: str) -> str:
        """A directory's name as URLs spell that size; BadRequest when none is answered."""
        match = _SIZE.fullmatch(name)
        if not match:
            raise BadRequest(f"expected a size, got {name}")
        size = f"{int(match[1])}x{int(match[2])}{match[3]}"
        recipe = Recipe.of((markup.operation_of(size),), Qualities().output(JPEG))
        self._limits.judge(Rendition(Ref(self.namespace, ""), recipe))
        return size

    def _in(self, folder: Path) -> Iterator[Ref | Passed]:
        for entry in _scan(folder):
            yield entry if isinstance(entry, Passed) else self._read(entry)

    def _read(self, entry: os.DirEntry[str]) -> Ref | Passed:
        name = entry.name.removesuffix(_EXTENSION)
        try:
            if name == entry.name:
                raise BadRequest(STRANGE)
            ref = self.namespace.ref(name)
        except BadRequest:
            is_leftover = entry.name.startswith("tmp_")
            return Passed(entry.path, LEFTOVER if is_leftover else STRANGE, is_wanted=is_leftover)
        return ref if entry.is_file(follow_symlinks=False) else Passed(entry.path, NO_FILE)


def _scan(folder: Path) -> Iterator[os.DirEntry[str] | Passed]:
    """A directory that cannot be read to its end is a failure, and no end of the others."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        yield Passed(str(folder), error.strerror or str(error), is_failure=True)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Or a link to one: who ran short of space moved some of them to another disk."""
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False
