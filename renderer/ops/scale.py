"""Scale to exactly one side, keeping the shape, also upwards: `scale-200x`, `scale-x200`; image-server's `w200`.

The other side is rounded to the nearest pixel, halves up, as ImageMagick does; `stretch-200x` rounds down, as fitter does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from renderer.box import Box, Size
from renderer.errors import BadRequest
from renderer.fields import shown
from renderer.ops.resize import Resize


@dataclass(frozen=True)
class Scale(Resize):
    """`box`: width x height in pixels, one of them 0 = free."""

    word: ClassVar[str] = "scale"

    @classmethod
    def parse(cls, argument: str) -> Self:
        box = Box.parse(argument, free=True)
        if box.width and box.height:
            raise BadRequest(f"expected WIDTHx or xHEIGHT in pixels for scale, got {shown(argument)}")
        return cls(box)

    def outline(self, size: Size) -> Size:
        width, height = size
        if self.box.width:
            return self.box.width, _nearest(height * self.box.width, width)
        return _nearest(width * self.box.height, height), self.box.height


def _nearest(dividend: int, divisor: int) -> int:
    """The quotient, halves up, and never nothing."""
    return max(1, (2 * dividend + divisor) // (2 * divisor))
