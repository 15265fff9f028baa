"""What an operation is: one thing done to pixels, a frozen value that can spell, parse and apply itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import ClassVar, Self

from renderer.box import Box, Size
from renderer.ops.raster import Raster


class Operation(ABC):
    """Subclasses are frozen dataclasses: equal wishes are equal values.

    `word` is the operation's name in a recipe; of a `group` a recipe has at most one. `wants_colour`: works on the colours that are seen,
    so that the original's profile is followed before it. `wants_whole`: only the pixels tell what size it makes, so that nothing may be
    left out while decoding.
    """

    word: ClassVar[str]
    group: ClassVar[str]
    wants_colour: ClassVar[bool] = False
    wants_whole: ClassVar[bool] = False
    has_argument: ClassVar[bool] = True

    @abstractmethod
    def argument(self) -> str:
        """What follows `word-` in the spelling; nothing where `has_argument` is not so, and the word stands alone."""

    @classmethod
    @abstractmethod
    def parse(cls, argument: str) -> Self:
        """The inverse of `argument`; BadRequest for anything that `argument` would not have written."""

    @abstractmethod
    def apply(self, raster: Raster) -> Raster:
        """Do it, in new pixels. Refused when the picture is not large enough for it."""

    def spell(self) -> str:
        return f"{self.word}-{self.argument()}" if self.has_argument else self.word

    def wish(self) -> Box | None:
        """The box that this asks for, judged by `limits` before a byte is fetched; None when it asks for none."""
        return None

    def outline(self, size: Size) -> Size:
        """The size that `apply` makes of `size`, without touching a pixel; where only pixels tell, the largest that it can be."""
        return size

    def settled(self, raster: Raster) -> Operation:
        """This operation with all decided that depends on pixels, so that it does the same to every frame of an animation."""
        return self

    def is_idle(self, size: Size) -> bool:
        """Whether it leaves a picture of `size` as it is."""
        return False

    def detail(self, size: Size) -> Fraction:
        """Pixels made per pixel of `size` along the needier side: a picture decoded at this scale or above suffices."""
        return Fraction(1)
