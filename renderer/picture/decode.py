"""An original's bytes to pixels.

The type is decided by content alone, before PIL is called, and PIL may try only that one (R1). The header is judged before a pixel is
read (R8). A JPEG is decoded no larger than its recipe needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

# The plugins are registered here once: otherwise the first file of a kind makes Pillow import its whole zoo, EPS and PSD included.
from PIL import (  # noqa: F401  # imported for what importing does
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from renderer.box import Size
from renderer.errors import BrokenOriginal
from renderer.formats import HEAD_BYTES, Format, sniff
from renderer.limits import Limits
from renderer.ops import Operation, Orient, Raster, detail, outline
from renderer.picture import colour, metadata
from renderer.picture.border import reading
from renderer.picture.resample import resample
from renderer.recipe import Recipe

# A JPEG is decoded at 1/8, 1/4 or 1/2 when that still is this much larger than the result. libjpeg's small IDCTs are no Lanczos: at 1.0
# thumbnails of 13 photos differ from those of a full decode by 1.2 to 2.2 levels (root mean square, median), at 1.5 by 0.8 to 1.5, and
# at 2.0, which would make most decodes four times as large, by 0.7 to 1.1.
SPARE_SCALE = Fraction(3, 2)
_DENOMINATORS = (8, 4, 2)  # what Pillow's `draft` offers of libjpeg's n/8

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a render process is one of as many as there are cores

_UNDONE = {6: 8, 8: 6}  # the orientation that takes back another; the rest take back themselves


@dataclass(frozen=True)
class Decoded:
    """`raster`: pixels that can be worked on; `operations`: what is to be done to them; `profile`: how their colours are meant."""

    raster: Raster
    operations: tuple[Operation, ...]
    profile: colour.Profile


@contextmanager
def opened(original: Path, limits: Limits) -> Iterator[tuple[Format, ImageFile]]:
    """The original's format and header, judged; its pixels are not read yet. PIL's errors in the `with` come out as ours."""
    with original.open("rb") as file:
        limits.judge_bytes(os.fstat(file.fileno()).st_size)
        form = sniff(file.read(HEAD_BYTES))
        if form is None:
            raise BrokenOriginal("bytes that begin like no format that we read")
        file.seek(0)
        with reading(form, limits), Image.open(file, formats=[form.pillow]) as image:
            limits.judge_header(image.size)  # as PIL has, by the same number, if its plugin asked
            if 0 in image.size:
                raise BrokenOriginal(f"{form.pillow} data of {image.width}x{image.height} pixels")
            yield form, image


def decode(original: Path, recipe: Recipe, limits: Limits) -> Decoded:
    """The first frame, ready for the recipe's operations, which come back with the turn that the picture itself asks for in front."""
    with opened(original, limits) as (form, image):
        steps = (*own_turn(image, recipe.operations), *recipe.operations)
        size = image.size
        limits.judge_canvas(outline(steps, size), recipe.output.format)
        _reduce(image, size, detail(steps, size))
        reduced = image.size
        image.load()
        if image.width * image.height != reduced[0] * reduced[1]:  # an icon's directory may lie about its entries
            raise BrokenOriginal(f"{form.pillow} data whose header says {size[0]}x{size[1]} and whose pixels do not")
        pixels, profile = colour.workable(image)
        return Decoded(Raster(pixels, size if reduced != size else image.size, resample), steps, profile)


def own_turn(image: ImageFile, operations: Sequence[Operation] = ()) -> tuple[Operation, ...]:
    """What turns the picture upright by its own tag; nothing when `operations` say which way is up."""
    tag = metadata.orientation(image)
    told = any(isinstance(operation, Orient) for operation in operations)
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # Pillow turns these by itself while loading
        return (Orient(_UNDONE.get(tag, tag)),) if told and tag > 1 else ()
    return (Orient(tag),) if tag > 1 and not told else ()


def _reduce(image: ImageFile, size: Size, wanted: Fraction) -> None:
    """Let libjpeg leave out what `wanted` (a scale up to 1) does not show; all other formats decode whole."""
    denominator = next((d for d in _DENOMINATORS if wanted * SPARE_SCALE * d <= 1), 1)
    if denominator > 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (max(1, size[0] // denominator), max(1, size[1] // denominator)))
