"""Put a colour behind what is transparent: `background-ffcc00`, red, green and blue in lower-case hexadecimal digits."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import ClassVar, Self

from PIL import Image

from renderer.errors import BadRequest
from renderer.fields import shown
from renderer.ops.alpha import has_alpha
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster

_DIGITS = frozenset(string.digits + "abcdef")


@dataclass(frozen=True)
class Background(Operation):
    """`colour`: red, green, blue in sRGB, 0 to 255 each. A gray one leaves a gray picture gray."""

    word: ClassVar[str] = "background"
    group: ClassVar[str] = "background"
    wants_colour: ClassVar[bool] = True
    colour: tuple[int, int, int]

    def argument(self) -> str:
        return bytes(self.colour).hex()

    @classmethod
    def parse(cls, argument: str) -> Self:
        if len(argument) != 6 or not _DIGITS.issuperset(argument):
            raise BadRequest(f"expected six of 0123456789abcdef for background, got {shown(argument)}")
        red, green, blue = bytes.fromhex(argument)
        return cls((red, green, blue))

    def apply(self, raster: Raster) -> Raster:
        image = raster.image
        if not has_alpha(image):
            return raster
        gray = image.mode == "LA" and len(set(self.colour)) == 1
        canvas = Image.new("L", image.size, self.colour[0]) if gray else Image.new("RGB", image.size, self.colour)
        canvas.paste(image.convert(canvas.mode), (0, 0), image.getchannel("A"))
        return raster.with_image(canvas)
