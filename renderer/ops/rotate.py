"""Turn clockwise by a multiple of 90 degrees: `rotate-90`. No pixel is resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from PIL import Image

from renderer.box import Size
from renderer.fields import one_of
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster

# Pillow counts against the clock.
_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


@dataclass(frozen=True)
class Rotate(Operation):
    """`degrees` clockwise: 90, 180 or 270."""

    word: ClassVar[str] = "rotate"
    group: ClassVar[str] = "rotate"
    degrees: int

    def argument(self) -> str:
        return str(self.degrees)

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(int(one_of(argument, "rotate", ("90", "180", "270"))))

    def outline(self, size: Size) -> Size:
        return size if self.degrees == 180 else (size[1], size[0])

    def apply(self, raster: Raster) -> Raster:
        return raster.turned(_TURNS[self.degrees], self.outline(raster.size))
