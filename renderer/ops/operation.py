"""What an operation is: one thing done to pixels, a frozen value that can spell, parse and apply itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import ClassVar, Self

from renderer.box import Box, Size
from renderer.ops.raster import Raster


class Operation(ABC):
    """Subclasses are frozen dataclasses: equal wishes are equal values.

    `word` is the operation's name in a recipe; of a `group` a recipe has at most one.
    """

    word: ClassVar[str]
    group: ClassVar[str]

    @abstractmethod
    def argument(self) -> str:
        """What follows `word-` in the spelling."""

    @classmethod
    @abstractmethod
    def parse(cls, argument: str) -> Self:
        """The inverse of `argument`; BadRequest for anything that `argument` would not have written."""

    @abstractmethod
    def apply(self, raster: Raster) -> Raster:
        """Do it. Refused when the picture is not large enough for it."""

    def spell(self) -> str:
        return f"{self.word}-{self.argument()}"

    def wish(self) -> Box | None:
        """The box that this asks for, judged by `limits` before a byte is fetched; None when it asks for none."""
        return None

    def outline(self, size: Size) -> Size:
        """The size that `apply` makes of `size`, without touching a pixel."""
        return size

    def detail(self, size: Size) -> Fraction:
        """Pixels made per pixel of `size` along the needier side: a picture decoded at this scale or above suffices."""
        return Fraction(1)
