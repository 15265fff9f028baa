"""A picture on its way through the operations.

A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for much less work. So a raster has two sizes: `size`, in which the operations
count, and that of `image`, the pixels that are really there. The resampler is handed in (`picture/resample.py` is the one place that
resamples, and stands later in the reading order).

One decode serves several recipes: no operation may ever change an image in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.box import Region, Size

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

Resample = Callable[["Image", Size, tuple[float, float, float, float]], "Image"]


@dataclass(frozen=True)
class Mark:
    """A watermark as the configuration has it: a picture in `file`, `percent` of the rendition's width wide, `opacity` in percent, where
    `gravity` says."""

    file: Path
    percent: int = 20
    opacity: int = 50
    gravity: str = "se"


@dataclass(frozen=True)
class Raster:
    """`image`: the pixels; `size`: width and height in pixels of the upright picture that they stand for; `marks`: watermarks by name.

    `area`: the part of `image` that stands for `size`, None for all. At 1/8 a picture of 1001 pixels has 126, of which the last is there
    for one of the 1001 only: to take 126 for 1001 would shift everything.
    """

    image: Image
    size: Size
    resample: Resample
    marks: Mapping[str, Mark] = field(default_factory=dict)
    area: Region | None = None

    def with_image(self, image: Image, size: Size | None = None) -> Raster:
        """Other pixels in the places of the old ones or, with `size`, all that stands for it."""
        return replace(self, image=image, size=size or self.size, area=None if size else self.area)

    def turned(self, turn: Transpose, size: Size) -> Raster:
        """Mirrored or turned, to stand for `size`."""
        width, height = self.image.size
        area = _TURNED_AREAS[turn.name](*self.area, width, height) if self.area else None
        return replace(self, image=self.image.transpose(turn), size=size, area=area)

    def cut(self, region: Region, size: Size) -> Raster:
        """The pixels that `region`, in pixels of `size` as it was, touches."""
        left, top, right, bottom = self._inside(region)
        # a reduced decode may have less than one pixel for a thin region; at the edge that pixel is the last one, not the one beyond (R5)
        start_x, start_y = min(math.floor(left), self.image.width - 1), min(math.floor(top), self.image.height - 1)
        end_x, end_y = max(math.ceil(right), start_x + 1), max(math.ceil(bottom), start_y + 1)
        area = left - start_x, top - start_y, right - start_x, bottom - start_y
        is_all = area == (Fraction(0), Fraction(0), Fraction(end_x - start_x), Fraction(end_y - start_y))
        return replace(self, image=self.image.crop((start_x, start_y, end_x, end_y)), size=size, area=None if is_all else area)

    def inside(self, region: Region) -> tuple[float, float, float, float]:
        """`region`, given in pixels of `size`, in pixels of `image`, clamped to it (R5)."""
        left, top, right, bottom = map(float, self._inside(region))
        return left, top, right, bottom

    def _inside(self, region: Region) -> Region:
        width, height = self.image.size
        start_x, start_y, end_x, end_y = self.area or (Fraction(0), Fraction(0), Fraction(width), Fraction(height))
        across, down = (end_x - start_x) / self.size[0], (end_y - start_y) / self.size[1]
        left, top, right, bottom = region
        return (
            max(start_x + left * across, Fraction(0)),
            max(start_y + top * down, Fraction(0)),
            min(start_x + right * across, Fraction(width)),
            min(start_y + bottom * down, Fraction(height)),
        )

    def resized(self, target: Size, region: Region | None = None) -> Raster:
        """`region` (default: all) resampled to exactly `target` pixels; pixels that are those already are left alone."""
        whole = Fraction(0), Fraction(0), Fraction(self.size[0]), Fraction(self.size[1])
        box = self.inside(region or whole)
        if self.image.size == target and box == (0, 0, *target):
            return self.with_image(self.image, target)
        return self.with_image(self.resample(self.image, target, box), target)


# Where an area goes when its image, of `width` and `height`, is turned; against the clock, as Pillow counts.
_TURNED_AREAS: dict[str, Callable[..., Region]] = {
    "FLIP_LEFT_RIGHT": lambda left, top, right, bottom, width, height: (width - right, top, width - left, bottom),
    "FLIP_TOP_BOTTOM": lambda left, top, right, bottom, width, height: (left, height - bottom, right, height - top),
    "ROTATE_180": lambda left, top, right, bottom, width, height: (width - right, height - bottom, width - left, height - top),
    "TRANSPOSE": lambda left, top, right, bottom, width, height: (top, left, bottom, right),
    "ROTATE_90": lambda left, top, right, bottom, width, height: (top, width - right, bottom, width - left),
    "ROTATE_270": lambda left, top, right, bottom, width, height: (height - bottom, left, height - top, right),
    "TRANSVERSE": lambda left, top, right, bottom, width, height: (height - bottom, width - right, height - top, width - left),
}
