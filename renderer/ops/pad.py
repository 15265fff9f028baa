"""Extend to a box with transparent space around the picture: `pad-300x200`, `pad-300x200-n` with the picture at the top.

Nothing is scaled or cropped: a side that is longer than the box stays. What the space looks like is `background`'s to say; without it a
JPEG has white there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from PIL import Image

from renderer.box import CENTRE, GRAVITIES, SIDES, Box, Size, placed
from renderer.fields import one_of
from renderer.ops.alpha import opaque
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster


@dataclass(frozen=True)
class Pad(Operation):
    """`box`: width x height in pixels, both given; `gravity`: where the picture lies in it, a name of `box.GRAVITIES`."""

    word: ClassVar[str] = "pad"
    group: ClassVar[str] = "pad"
    box: Box
    gravity: str = CENTRE

    def argument(self) -> str:
        return self.box.spell() if self.gravity == CENTRE else f"{self.box.spell()}-{self.gravity}"

    @classmethod
    def parse(cls, argument: str) -> Self:
        size, dash, gravity = argument.partition("-")
        return cls(Box.parse(size), one_of(gravity, "gravity", SIDES) if dash else CENTRE)

    def wish(self) -> Box | None:
        return self.box

    def outline(self, size: Size) -> Size:
        return max(size[0], self.box.width), max(size[1], self.box.height)

    def is_idle(self, size: Size) -> bool:
        return self.outline(size) == size

    def apply(self, raster: Raster) -> Raster:
        if self.is_idle(raster.size):
            return raster
        target, image = self.outline(raster.size), raster.resized(raster.size).image
        mode = opaque(image.mode) + "A"
        canvas = Image.new(mode, target)  # all zeros: transparent
        canvas.paste(image.convert(mode), placed(raster.size, target, GRAVITIES[self.gravity]))
        return raster.with_image(canvas, target)
