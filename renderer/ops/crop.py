"""Cut a rectangle out: `crop-LEFT-TOP-WIDTHxHEIGHT`, in pixels of the upright original."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self

from renderer.box import MOST_SIDE, Box, Size
from renderer.errors import BadRequest, Refused
from renderer.fields import shown, whole
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster


@dataclass(frozen=True)
class Crop(Operation):
    """`left`, `top`: the corner; `box`: the size cut out. What stands over the picture's edge is left out."""

    word: ClassVar[str] = "crop"
    group: ClassVar[str] = "crop"
    left: int
    top: int
    box: Box

    def argument(self) -> str:
        return f"{self.left}-{self.top}-{self.box.spell()}"

    @classmethod
    def parse(cls, argument: str) -> Self:
        parts = argument.split("-")
        if len(parts) != 3:
            raise BadRequest(f"expected LEFT-TOP-WIDTHxHEIGHT for crop, got {shown(argument)}")
        left, top = (whole(part, "crop", 0, MOST_SIDE) for part in parts[:2])
        return cls(left, top, Box.parse(parts[2]))

    def outline(self, size: Size) -> Size:
        width, height = min(self.box.width, size[0] - self.left), min(self.box.height, size[1] - self.top)
        if width <= 0 or height <= 0:
            raise Refused(f"expected a crop inside {size[0]}x{size[1]}, got one that begins at {self.left},{self.top}")
        return width, height

    def is_idle(self, size: Size) -> bool:
        return not self.left and not self.top and self.outline(size) == size

    def apply(self, raster: Raster) -> Raster:
        width, height = self.outline(raster.size)
        if (width, height) == raster.size:
            return raster
        corners = self.left, self.top, self.left + width, self.top + height
        left, top, right, bottom = map(Fraction, corners)
        return raster.cut((left, top, right, bottom), (width, height))
