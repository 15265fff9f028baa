"""PNG: lossless, so all that is to choose is the shortest way to say it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from renderer.formats import PNG
from renderer.picture.encode import indexed
from renderer.picture.encode.saving import saved
from renderer.recipe import Output

if TYPE_CHECKING:
    from renderer.picture.animation import Frames

# What sharp and libvips take; Pillow filters rows besides, which they do not: files of photographs are 20 to 40 % smaller than theirs.
_LEVEL = 6
# After filtering, all that is left of a photograph are runs: to look only for those costs a third to a sixth of the CPU (1280 pixels: 35 ms
# for 104, 98 for 573) and, over 12 pictures of the corpus, -4 to +11 % of the bytes. Where a sample says that it costs more than this:
_MOST_LONGER = 1.05
_STRIPS, _MOST_ROWS, _SAMPLED = 4, 16, 20  # strips of a sample; rows of each; of a low picture a twentieth of all rows
_MOST_MILLISECONDS = 65_535_000  # two bytes of seconds
_BITS = ((1, 255), (2, 85), (4, 17))  # of gray, where all levels are multiples of a step


def still(image: Image.Image, output: Output, exif: bytes, graphic: bool) -> bytes:
    if image.mode == "L":
        return saved(image, PNG, exif=exif, bits=_bits(image), **_compression(image))
    content = saved(image, PNG, exif=exif, **_compression(image))
    found = _tabled([image])
    return min(saved(found.planes[0], PNG, exif=exif, compress_level=_LEVEL), content, key=len) if found else content


def moving(frames: Frames, output: Output, exif: bytes, graphic: bool) -> bytes:
    """Pillow writes of each frame what changed, and of one like the one before nothing but the time."""
    found = _tabled(frames.images)
    first, *others = found.planes if found else frames.images
    times = [min(time, _MOST_MILLISECONDS) for time in frames.durations]
    compression = {"compress_level": _LEVEL} if found else _compression(first)
    played = {"duration": times, "loop": frames.plays, "disposal": 0, "blend": 0}
    return saved(first, PNG, save_all=True, append_images=others, exif=exif, **played, **compression)


def _tabled(images: Sequence[Image.Image]) -> indexed.Indexed | None:
    return indexed.exact(images, 256) if images[0].mode in ("RGB", "RGBA") else None


def _compression(image: Image.Image) -> dict[str, Any]:
    """How to compress, by a sample of rows."""
    runs = {"compress_level": _LEVEL, "compress_type": zlib.Z_RLE}
    usual = {"compress_level": _LEVEL, "compress_type": zlib.Z_FILTERED}
    sample = _sample(image)
    return runs if len(saved(sample, PNG, **runs)) <= _MOST_LONGER * len(saved(sample, PNG, **usual)) else usual


def _sample(image: Image.Image) -> Image.Image:
    """Strips of rows as they are, from top to bottom; all of a very low picture."""
    rows = min(_MOST_ROWS, image.height // _STRIPS // _SAMPLED)
    if not rows:
        return image
    sheet = Image.new(image.mode, (image.width, rows * _STRIPS))
    for number in range(_STRIPS):
        top = (2 * number + 1) * image.height // (2 * _STRIPS) - rows // 2
        sheet.paste(image.crop((0, top, image.width, top + rows)), (0, number * rows))
    return sheet


def _bits(image: Image.Image) -> int:
    """1, 2 or 4 where that is exact, 8 otherwise."""
    levels = [level for level, count in enumerate(image.histogram()) if count]
    return next((bits for bits, step in _BITS if not any(level % step for level in levels)), 8)
