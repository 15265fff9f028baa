"""WebP: lossy by the recipe's quality; lossless for what was drawn, where that is shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from renderer.formats import WEBP
from renderer.picture.encode.saving import in_colour, saved
from renderer.recipe import Output

if TYPE_CHECKING:
    from renderer.picture.animation import Frames

_EFFORT = 4  # of 6; sharp's default. 2 takes 40 % of the time for 7 % more bytes
# Lossless: 50 takes 60 to 80 % of the time of the usual 75, and the same bytes to 1 %.
_LOSSLESS = {"lossless": True, "quality": 50, "method": 4}
# The quickest lossless takes an eighth of that. Where it is this much longer than lossy, the better one, which is 8 to 40 % shorter, cannot
# win either; a few kB more are only the tables of colours that the quickest does not make.
_QUICK = {"lossless": True, "quality": 0, "method": 0}
_HOPELESS, _TABLES = 2, 4096
_WORTH_TRYING = 4_000_000  # pixels; noise of 40 million took 14 s, of which lossy has one


def still(image: Image.Image, output: Output, exif: bytes, graphic: bool) -> bytes:
    colours, block = in_colour(image), _block(exif)
    lossy = saved(colours, WEBP, quality=output.quality, method=_EFFORT, alpha_quality=100, exif=block)
    if not graphic or image.width * image.height > _WORTH_TRYING or len(saved(colours, WEBP, **_QUICK)) > _HOPELESS * len(lossy) + _TABLES:
        return lossy
    return min(saved(colours, WEBP, exif=block, **_LOSSLESS), lossy, key=len)


def moving(frames: Frames, output: Output, exif: bytes, graphic: bool) -> bytes:
    """Lossless where the first frame alone is shorter so."""
    first, *others = [in_colour(image) for image in frames.images]
    lossless = graphic and still(first, output, b"", True)[12:16] == b"VP8L"
    settings = _LOSSLESS if lossless else {"quality": output.quality, "method": _EFFORT, "alpha_quality": 100}
    played = {"duration": list(frames.durations), "loop": min(frames.plays, _MOST_PLAYS)}
    content = saved(first, WEBP, save_all=True, append_images=others, exif=_block(exif), **played, **_KEYS, **settings)
    return _with_alpha(content) if first.mode == "RGBA" else content


_MOST_PLAYS = 0xFFFF  # two bytes
# Only the first frame is whole. One in five, libwebp's default, costs half as much CPU again and 15 % more bytes, to jump into the middle.
_KEYS = {"minimize_size": False, "allow_mixed": False, "kmin": 2**31 - 2, "kmax": 2**31 - 1}
_ALPHA_FLAG, _FLAGS_AT = 0x10, 20  # in the VP8X chunk


def _with_alpha(content: bytes) -> bytes:
    """Opaque frames that do not cover the canvas leave the rest transparent; without the flag some readers, Pillow's too, show it black."""
    if content[12:16] != b"VP8X":
        return content
    return content[:_FLAGS_AT] + bytes([content[_FLAGS_AT] | _ALPHA_FLAG]) + content[_FLAGS_AT + 1 :]


def _block(exif: bytes) -> bytes:
    """A WebP has the block without the words that mark it in a JPEG."""
    return exif.removeprefix(b"Exif\0\0")
