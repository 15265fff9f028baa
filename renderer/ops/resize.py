"""What fit, stretch and scale have in common: a box, and pixels made anew for a size that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from renderer.box import Box, Size
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster


@dataclass(frozen=True)
class Resize(Operation):
    """`box`: width x height in pixels, 0 = free. Subclasses say in `outline` what size that makes."""

    group: ClassVar[str] = "resize"
    box: Box

    def argument(self) -> str:
        return self.box.spell()

    def wish(self) -> Box | None:
        return self.box

    def detail(self, size: Size) -> Fraction:
        width, height = self.outline(size)
        return min(Fraction(1), max(Fraction(width, size[0]), Fraction(height, size[1])))

    def is_idle(self, size: Size) -> bool:
        return self.outline(size) == size

    def apply(self, raster: Raster) -> Raster:
        return raster.resized(self.outline(raster.size))
