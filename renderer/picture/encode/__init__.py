"""Pixels to bytes, one format a file.

Settings are pinned, so that the same pixels are the same bytes on every machine. Nothing of the original but its pixels goes out: no
EXIF, XMP, comment, text chunk or thumbnail (R19); Pillow would carry some of them over from `image.info`. An EXIF block that goes out is
one that we built. The pictures handed in may be shared with other recipes: no encoder changes one, not even its `info`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP
from renderer.picture.border import within_memory
from renderer.picture.encode import avif, gif, jpeg, png, webp
from renderer.picture.encode.landing import created
from renderer.recipe import Output

if TYPE_CHECKING:
    from PIL.Image import Image

    from renderer.picture.animation import Frames

_STILL: dict[str, Callable[[Image, Output, bytes, bool], bytes]] = {
    JPEG.name: jpeg.still,
    PNG.name: png.still,
    WEBP.name: webp.still,
    GIF.name: gif.still,
    AVIF.name: avif.still,
}
_MOVING: dict[str, Callable[[Frames, Output, bytes, bool], bytes]] = {
    PNG.name: png.moving,
    WEBP.name: webp.moving,
    GIF.name: gif.moving,
    AVIF.name: avif.moving,
}


def encoded(image: Image, output: Output, exif: bytes = b"", graphic: bool = False) -> bytes:
    """`image` (L, LA, RGB, RGBA) as a file. `exif`: written where the format can hold it; `graphic`: the original was drawn, not taken
    (a palette, one bit): lossless is tried where the format has both."""
    with within_memory():
        return _STILL[output.format.name](image, output, exif, graphic)


def encoded_frames(frames: Frames, output: Output, exif: bytes = b"", graphic: bool = False) -> bytes:
    """An animation as a file; `output.format` is one that moves. Of a single frame it is a still."""
    if len(frames.images) == 1:
        return encoded(frames.images[0], output, exif, graphic)
    with within_memory():
        return _MOVING[output.format.name](frames, output, exif, graphic)


__all__ = ["created", "encoded", "encoded_frames"]
