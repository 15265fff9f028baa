"""Rasters made on the spot, as operations get them."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from renderer.box import Size
from renderer.ops import Mark, Operation, Raster
from renderer.picture.resample import resampler

MODES = ("L", "LA", "RGB", "RGBA")

lanczos = resampler("pillow")


def whole(image: Image.Image, marks: Mapping[str, Mark] | None = None) -> Raster:
    """All of `image`, decoded as it is."""
    return Raster(image, image.size, lanczos, marks or {})


def done(image: Image.Image, *operations: Operation, marks: Mapping[str, Mark] | None = None) -> Image.Image:
    """What `operations` make of `image`."""
    raster = whole(image, marks)
    for operation in operations:
        raster = operation.apply(raster)
    assert raster.image.size == raster.size
    return raster.image


def noise(size: Size, seed: int = 1, strength: int = 256) -> Image.Image:
    """Gray texture, the same every time."""
    values, value = bytearray(), seed
    for _ in range(size[0] * size[1]):
        value = (value * 1_103_515_245 + 12_345) % 2**31
        values.append(128 + (value >> 16) % strength - strength // 2)
    return Image.frombytes("L", size, bytes(values))


def disc(size: Size, mode: str = "RGBA") -> Image.Image:
    """A light disc on what is transparent, and black where it cannot be seen."""
    alpha = Image.radial_gradient("L").point([255] * 100 + [0] * 156).resize(size, Image.Resampling.BOX)
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    image.paste((220, 200, 180), (0, 0, *size), alpha.point([0] + [255] * 255))
    image.putalpha(alpha)
    return image.convert(mode)
