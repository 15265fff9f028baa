"""What crosses the pipe between the front and a render process. No PIL here, so that the front loads no codec by asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from renderer.formats import Format
from renderer.recipe import Recipe, Untouched


@dataclass(frozen=True)
class Job:
    """One rendition wanted. `target`: a file that is not there yet; it appears when encoding begins, not before.

    So its absence after a render process died says that the original killed it, and not the recipe's output.
    """

    recipe: Recipe | Untouched
    target: Path


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
