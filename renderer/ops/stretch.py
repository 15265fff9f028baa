"""Scale to exactly a box without keeping the shape: `stretch-300x400`. With a free side the shape is kept: `stretch-300x`.

Both ways it enlarges, as fitter's `resize` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self

from renderer import box as boxes
from renderer.box import Box, Size
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster


@dataclass(frozen=True)
class Stretch(Operation):
    """`box`: width x height in pixels, 0 = free."""

    word: ClassVar[str] = "stretch"
    group: ClassVar[str] = "resize"
    box: Box

    def argument(self) -> str:
        return self.box.spell()

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(Box.parse(argument, free=True))

    def wish(self) -> Box | None:
        return self.box

    def outline(self, size: Size) -> Size:
        if self.box.width and self.box.height:
            return self.box.width, self.box.height
        return boxes.fit(size, self.box, enlarge=True)

    def detail(self, size: Size) -> Fraction:
        width, height = self.outline(size)
        return min(Fraction(1), max(Fraction(width, size[0]), Fraction(height, size[1])))

    def is_idle(self, size: Size) -> bool:
        return self.outline(size) == size

    def apply(self, raster: Raster) -> Raster:
        return raster.resized(self.outline(raster.size))
