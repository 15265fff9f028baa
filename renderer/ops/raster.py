"""A picture on its way through the operations.

A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for much less work. So a raster has two sizes: `size`, in which the operations
count, and that of `image`, the pixels that are really there. The resampler is handed in (`picture/resample.py` is the one place that
resamples, and stands later in the reading order).

One decode serves several recipes: no operation may ever change an image in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.box import Region, Size

if TYPE_CHECKING:
    from PIL.Image import Image

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
    """`image`: the pixels; `size`: width and height in pixels of the upright picture that they stand for; `marks`: watermarks by name."""

    image: Image
    size: Size
    resample: Resample
    marks: Mapping[str, Mark] = field(default_factory=dict)

    def with_image(self, image: Image, size: Size | None = None) -> Raster:
        return replace(self, image=image, size=size or self.size)

    def inside(self, region: Region) -> tuple[float, float, float, float]:
        """`region`, given in pixels of `size`, in pixels of `image`, clamped to it (R5)."""
        across, down = Fraction(self.image.width, self.size[0]), Fraction(self.image.height, self.size[1])
        left, top, right, bottom = region
        width, height = float(self.image.width), float(self.image.height)
        return (
            max(float(left * across), 0.0),
            max(float(top * down), 0.0),
            min(float(right * across), width),
            min(float(bottom * down), height),
        )

    def resized(self, target: Size, region: Region | None = None) -> Raster:
        """`region` (default: all) resampled to exactly `target` pixels; pixels that are those already are left alone."""
        whole = Fraction(0), Fraction(0), Fraction(self.size[0]), Fraction(self.size[1])
        box = self.inside(region or whole)
        if self.image.size == target and box == (0, 0, *target):
            return self.with_image(self.image, target)
        return self.with_image(self.resample(self.image, target, box), target)
