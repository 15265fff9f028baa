"""Cut off a border of one colour: `trim-10`, where a border is what differs from the left top pixel by at most 10 percent in any channel.

A picture that is nothing but border stays as it is. Of an animation, the first frame decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from PIL import Image

from renderer.box import Box
from renderer.fields import whole
from renderer.ops.alpha import PREMULTIPLIED
from renderer.ops.crop import Crop
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster

_BAND = 256  # rows looked at together: a copy of a whole original of 100 megapixels would be 400 MB


@dataclass(frozen=True)
class Trim(Operation):
    """`percent`: the tolerance, 0 to 100 of the way from black to white."""

    word: ClassVar[str] = "trim"
    group: ClassVar[str] = "trim"
    wants_whole: ClassVar[bool] = True
    percent: int

    def argument(self) -> str:
        return str(self.percent)

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(whole(argument, "trim", 0, 100))

    def settled(self, raster: Raster) -> Crop:
        image, (width, height) = raster.image, raster.size
        left, top, right, bottom = _content(image, self.percent * 255 // 100)
        left, top = left * width // image.width, top * height // image.height
        right, bottom = -(-right * width // image.width), -(-bottom * height // image.height)
        return Crop(left, top, Box(right - left, bottom - top))

    def apply(self, raster: Raster) -> Raster:
        return self.settled(raster).apply(raster)


def _content(image: Image.Image, tolerance: int) -> tuple[int, int, int, int]:
    """What is inside the border, or all when there is nothing: left, top, right, bottom."""
    corner = _premultiplied(image.crop((0, 0, 1, 1))).tobytes()
    table = [255 if abs(value - own) > tolerance else 0 for own in corner for value in range(256)]
    found = []
    for top in range(0, image.height, _BAND):
        band = _premultiplied(image.crop((0, top, image.width, min(top + _BAND, image.height))))
        box = band.point(table).getbbox(alpha_only=False)
        if box:
            found.append((box[0], top + box[1], box[2], top + box[3]))
    if not found:
        return 0, 0, *image.size
    lefts, tops, rights, bottoms = zip(*found, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _premultiplied(image: Image.Image) -> Image.Image:
    """All that is transparent is one colour, whatever stands there."""
    return image.convert(PREMULTIPLIED.get(image.mode, image.mode))
