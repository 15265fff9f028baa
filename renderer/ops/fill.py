"""Fill a box exactly, enlarging if need be, and crop what stands over in the middle: `fill-300x200` (huImages' `300x200!`)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self

from renderer.box import Box, Size, cover
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster


@dataclass(frozen=True)
class Fill(Operation):
    """`box`: width x height in pixels, both given."""

    word: ClassVar[str] = "fill"
    group: ClassVar[str] = "resize"
    box: Box

    def argument(self) -> str:
        return self.box.spell()

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(Box.parse(argument))

    def wish(self) -> Box | None:
        return self.box

    def outline(self, size: Size) -> Size:
        return self.box.width, self.box.height

    def detail(self, size: Size) -> Fraction:
        return min(Fraction(1), max(Fraction(self.box.width, size[0]), Fraction(self.box.height, size[1])))

    def apply(self, raster: Raster) -> Raster:
        return raster.resized(self.outline(raster.size), cover(raster.size, self.box).region)
