"""Take the colours away: `grayscale`. What comes out has one channel, and alpha where there was any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from renderer.errors import BadRequest
from renderer.fields import shown
from renderer.ops.alpha import has_alpha
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster


@dataclass(frozen=True)
class Grayscale(Operation):
    """Brightness as ITU-R BT.601 weighs it."""

    word: ClassVar[str] = "grayscale"
    group: ClassVar[str] = "grayscale"
    has_argument: ClassVar[bool] = False
    wants_colour: ClassVar[bool] = True

    def argument(self) -> str:
        return ""

    @classmethod
    def parse(cls, argument: str) -> Self:
        if argument:
            raise BadRequest(f"expected nothing after grayscale, got {shown(argument)}")
        return cls()

    def apply(self, raster: Raster) -> Raster:
        wanted = "LA" if has_alpha(raster.image) else "L"
        return raster if raster.image.mode == wanted else raster.with_image(raster.image.convert(wanted))
