"""AVIF: one thread, gray as one channel (4:0:0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from renderer.formats import AVIF
from renderer.picture.encode.saving import in_colour, saved
from renderer.recipe import Output

if TYPE_CHECKING:
    from renderer.picture.animation import Frames

# CPU ms, bytes and SSIM of the 13 photographs of the corpus at 1280 pixels, quality 60, with libavif 1.4.2 and aom:
#   6: 593 (at most 1074), 74058, .9713      7: 383 (587), 78776, .9703      8: 196 (357), 79484, .9691      9: 62 (93), 83225, .9690
# 8 is the slowest that stays below 400 ms for every one of them.
_SPEED = 8


def still(image: Image.Image, output: Output, exif: bytes, graphic: bool) -> bytes:
    return saved(_accepted(image), AVIF, exif=exif, **_settings(image, output))


def moving(frames: Frames, output: Output, exif: bytes, graphic: bool) -> bytes:
    """How often it plays is not said: Pillow cannot, and viewers repeat it forever. In `exif` no orientation may stand, as it never does in
    what goes out: libavif 1.4.2 crashes at one with more than one frame."""
    first, *others = [_accepted(image) for image in frames.images]
    times = list(frames.durations)
    content = bytearray(saved(first, AVIF, save_all=True, append_images=others, duration=times, exif=exif, **_settings(first, output)))
    _undate(content, 0, len(content))
    return bytes(content)


def _settings(image: Image.Image, output: Output) -> dict[str, Any]:
    """One thread: libavif tiles a picture by the number of threads, and other tiles are other bytes."""
    subsampling = "4:0:0" if image.mode == "L" else "4:2:0"
    return {"quality": output.quality, "speed": _SPEED, "subsampling": subsampling, "max_threads": 1, "codec": "aom"}


_FOLDERS = (b"moov", b"trak", b"mdia")
_DATED = (b"mvhd", b"tkhd", b"mdhd")


def _undate(content: bytearray, start: int, end: int) -> None:
    """Take out when it was made: the clock's time would make other bytes every second (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2)."""
    while start + 8 <= end:
        length, kind = int.from_bytes(content[start : start + 4]), bytes(content[start + 4 : start + 8])
        if kind in _FOLDERS:
            _undate(content, start + 8, start + length)
        elif kind in _DATED:
            times = 16 if content[start + 8] else 8  # by the box's version: made, and changed
            content[start + 12 : start + 12 + times] = bytes(times)
        start += max(length, 8)


def _accepted(image: Image.Image) -> Image.Image:
    return image if image.mode == "L" else in_colour(image)
