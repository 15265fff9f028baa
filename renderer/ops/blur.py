"""Blur: `blur-25`, the standard deviation in tenths of a pixel of the rendition, 1 to 500."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from renderer.fields import whole
from renderer.ops.alpha import blurred
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster

MOST_TENTHS = 500  # 50 pixels: nothing can be made out any more in what is shown on a page


@dataclass(frozen=True)
class Blur(Operation):
    """`tenths`: of a pixel, the standard deviation of a Gaussian."""

    word: ClassVar[str] = "blur"
    group: ClassVar[str] = "blur"
    tenths: int

    def argument(self) -> str:
        return str(self.tenths)

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(whole(argument, "blur", 1, MOST_TENTHS))

    def apply(self, raster: Raster) -> Raster:
        return raster.with_image(blurred(raster.image, self.tenths / 10))
