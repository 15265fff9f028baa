"""What brightness, contrast and saturation have in common: a percentage of what there is, 1 to 300.

100 would change nothing and is refused, so that no picture has a second spelling for it; so is 0, which leaves nothing to be seen of
brightness and contrast, and is `grayscale` for saturation.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from PIL import Image

from renderer.errors import BadRequest
from renderer.fields import whole
from renderer.ops.alpha import on_colours
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster

MOST_PERCENT = 300


@dataclass(frozen=True)
class Level(Operation):
    """`percent`: 1 to 300 of what there is, never 100."""

    wants_colour: ClassVar[bool] = True
    percent: int

    def argument(self) -> str:
        return str(self.percent)

    @classmethod
    def parse(cls, argument: str) -> Self:
        percent = whole(argument, cls.word, 1, MOST_PERCENT)
        if percent == 100:
            raise BadRequest(f"expected another percentage than 100 for {cls.word}, which changes nothing: leave it out")
        return cls(percent)

    def apply(self, raster: Raster) -> Raster:
        return raster.with_image(on_colours(raster.image, self.change))

    @abstractmethod
    def change(self, colours: Image.Image) -> Image.Image:
        """`colours` (L or RGB) changed, in new pixels."""
