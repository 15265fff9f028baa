"""JPEG: alpha goes on white, gray stays one channel."""

from __future__ import annotations

from PIL import Image

from renderer.formats import JPEG
from renderer.picture.encode.saving import saved
from renderer.recipe import Output


def still(image: Image.Image, output: Output, exif: bytes, graphic: bool) -> bytes:
    """The Huffman tables are optimised: some 3 % smaller for half a millisecond."""
    settings = {"quality": output.quality, "subsampling": "4:2:0", "optimize": True, "progressive": output.progressive}
    return saved(_flat(image), JPEG, exif=exif, **settings)


def _flat(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    flat = Image.new("L" if image.mode == "LA" else "RGB", image.size, "white")
    flat.paste(image.convert(flat.mode), mask=image.getchannel("A"))
    return flat
