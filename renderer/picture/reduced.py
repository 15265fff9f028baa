"""A PNG or WebP read by libvips at a fraction of its size, as libjpeg reads a JPEG: for installations that resample with libvips.

Pillow decodes these whole. libvips averages the rows of a PNG while they come, and libwebp scales before it makes colours of a WebP: less
time, and a picture of 50 megapixels needs a few. Only what both read alike is read this way: eight bits, one frame, no alpha, no palette.
Pillow has judged the header before; what libvips then does not like is Pillow's to decide upon.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.ImageFile import ImageFile

from renderer.formats import PNG, WEBP, Format
from renderer.picture.vips import library

_MODES = {"L": 1, "RGB": 3}  # and how many bands libvips must find


def is_reducible(form: Format, image: ImageFile) -> bool:
    """Whether `read` can be asked for this picture, by its header."""
    if form not in (PNG, WEBP) or image.mode not in _MODES or getattr(image, "n_frames", 1) != 1:
        return False
    return form is WEBP or (_rawmode(image) == image.mode and not {"interlace", "transparency"} & image.info.keys())


def _rawmode(image: ImageFile) -> str:
    """How a PNG stores its pixels: `RGB`, or `RGB;16B`."""
    arguments = image.tile[0].args if image.tile else None
    return arguments if isinstance(arguments, str) else ""


def read(original: Path, form: Format, image: ImageFile, denominator: Fraction) -> Image.Image | None:
    """The pixels at one by `denominator`, with the profile of `image`, which is its opened header; None where libvips fails."""
    with original.open("rb") as file:
        source = library().Source.new_from_descriptor(file.fileno())
        try:
            pixels = _png(source, denominator) if form is PNG else _webp(source, denominator)
            if (pixels.bands, pixels.format) != (_MODES[image.mode], "uchar"):
                return None
            made = Image.frombytes(image.mode, (pixels.width, pixels.height), pixels.write_to_memory())
        except library().Error:
            return None
    made.info = {key: image.info[key] for key in ("icc_profile",) if key in image.info}
    return made


def _png(source: Any, denominator: Fraction) -> Any:
    pixels = library().Image.pngload_source(source, access="sequential", fail_on="error")
    return pixels.shrink(int(denominator), int(denominator), ceil=True)


def _webp(source: Any, denominator: Fraction) -> Any:
    return library().Image.webpload_source(source, access="sequential", fail_on="error", scale=float(1 / denominator))
