"""Mirror: `flip-h` swaps left and right, `flip-v` top and bottom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from PIL import Image

from renderer.fields import one_of
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster

_FLIPS = {"h": Image.Transpose.FLIP_LEFT_RIGHT, "v": Image.Transpose.FLIP_TOP_BOTTOM}


@dataclass(frozen=True)
class Flip(Operation):
    """`direction`: `h` or `v`."""

    word: ClassVar[str] = "flip"
    group: ClassVar[str] = "flip"
    direction: str

    def argument(self) -> str:
        return self.direction

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(one_of(argument, "flip", ("h", "v")))

    def apply(self, raster: Raster) -> Raster:
        return raster.turned(_FLIPS[self.direction], raster.size)
