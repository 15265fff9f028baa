"""Turn a picture upright, by an EXIF orientation from 1 to 8.

Every recipe begins upright: without this operation the picture's own tag is applied. With it (`orient-6`) the tag is not looked at,
which is the cure for cameras that wrote a wrong one; `orient-1` takes the pixels as they are stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from PIL import Image

from renderer.box import Size
from renderer.fields import whole
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster

# EXIF 2.3, tag 0x0112: what to do to the stored pixels so that they stand upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)


@dataclass(frozen=True)
class Orient(Operation):
    """`tag`: an EXIF orientation, 1 to 8."""

    word: ClassVar[str] = "orient"
    group: ClassVar[str] = "orient"
    tag: int

    def argument(self) -> str:
        return str(self.tag)

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(whole(argument, "orient", 1, 8))

    def outline(self, size: Size) -> Size:
        return (size[1], size[0]) if self.tag in _SIDEWAYS else size

    def is_idle(self, size: Size) -> bool:
        return self.tag not in _TURNS

    def apply(self, raster: Raster) -> Raster:
        turn = _TURNS.get(self.tag)
        return raster.turned(turn, self.outline(raster.size)) if turn is not None else raster
