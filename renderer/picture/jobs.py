"""What crosses the pipe between the front and a render process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from renderer.formats import Format
from renderer.recipe import Recipe, Untouched


@dataclass(frozen=True)
class Job:
    """One rendition wanted. `target`: a file that is not there yet.

    It appears when the original is decoded and is readable for others when it is whole, so that after the death of a render process the
    front can tell what it died of.
    """

    recipe: Recipe | Untouched
    target: Path

    def is_begun(self) -> bool:
        return self.target.exists()

    def is_whole(self) -> bool:
        try:
            return bool(self.target.stat().st_mode & 0o004)
        except FileNotFoundError:
            return False


@dataclass(frozen=True)
class Made:
    """One rendition made: its true extension, its length in bytes, and what took how long: decode, operations, encode."""

    extension: str
    length: int
    milliseconds: Mapping[str, float]


@dataclass(frozen=True)
class Header:
    """What an original's header says. `width`, `height`: in pixels, of the upright picture; `frames`: 1 for a still."""

    format: Format
    width: int
    height: int
    frames: int
    has_gps: bool


@dataclass(frozen=True)
class Described:
    """What an original's pixels had to be read for: `placeholder` is a ThumbHash in base64."""

    header: Header
    placeholder: str
