"""Animations made on the spot, and what is seen of one: read with Pillow's own iteration, never with ours."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from PIL import GifImagePlugin, Image, ImageChops, ImageDraw, ImageStat, WebPImagePlugin

from renderer.box import Size
from tests.picture.pictures import quarters, saved

SIZE = (64, 48)
TIMES = (40, 70, 100, 250)
PLAYS = {"gif": lambda loop: 1 if loop is None else loop and loop + 1, "avif": lambda _: 0}  # of the rest `loop` is how often in all


@dataclass(frozen=True)
class Seen:
    """What a viewer shows: each picture, RGBA, from when to when in milliseconds, and how often all of it (0 is forever)."""

    pictures: Sequence[Image.Image]
    times: Sequence[float]
    plays: int

    @property
    def total(self) -> float:
        return sum(self.times)

    def at(self, millisecond: float) -> Image.Image:
        spans = pairwise(accumulate(self.times, initial=0))
        return next(picture for picture, (_, end) in zip(self.pictures, spans, strict=True) if millisecond < end)


def seen(file: Path) -> Seen:
    pictures, times = [], []
    with Image.open(file) as image:
        loop = image.info.get("loop")
        if isinstance(image, WebPImagePlugin.WebPImageFile):
            image._mode = image.rawmode = "RGBA"  # Pillow shows black where no frame is, if the file says that it has no alpha
        for number in range(int(getattr(image, "default_image", False)), getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            pictures.append(image.convert("RGBA"))
            times.append(float(image.info.get("duration") or 0))
    return Seen(pictures, times, PLAYS.get(file.suffix[1:], lambda loop: loop or 0)(loop))


def drawn(count: int = 4, alpha: bool = False, size: Size = SIZE) -> list[Image.Image]:
    """A yellow square on its way across: over four colours, or over nothing."""
    return [_step(number, alpha, size) for number in range(count)]


def _step(number: int, alpha: bool, size: Size) -> Image.Image:
    image = Image.new("RGBA", size) if alpha else quarters(size)
    left, top = 2 + 12 * number % (size[0] - 16), size[1] // 3
    ImageDraw.Draw(image).rectangle((left, top, left + 11, top + 11), fill=(255, 255, 0))
    return image


def animated(images: Sequence[Image.Image], file: Path, times: Sequence[int] = TIMES, plays: int = 0, **settings: object) -> Path:
    """`images` as Pillow writes them in the format that the name says."""
    if file.suffix == ".gif" and plays != 1:
        settings["loop"] = plays and plays - 1
    elif file.suffix in (".png", ".webp"):
        settings["loop"] = plays
    if file.suffix == ".gif":
        settings.setdefault("disposal", 2)
    if file.suffix == ".webp":
        settings.setdefault("lossless", True)
    if file.suffix == ".avif":
        settings |= {"quality": 95, "subsampling": "4:4:4", "speed": 9}
    return saved(images[0], file, save_all=True, append_images=list(images[1:]), duration=list(times), **settings)


def gif_of(size: Size, parts: Sequence[tuple[Image.Image, tuple[int, int], int]], time: int = 100, unseen: int = 3) -> bytes:
    """A GIF of exactly these parts: pixels (mode P, numbers in red, green, blue, nothing), where they stand, and what becomes of them."""
    header = b"GIF89a" + struct.pack("<HHBBB", *size, 0xF1, 0, 0) + bytes((255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9))
    coded = (GifImagePlugin.getdata(part, at, duration=time, disposal=kind, transparency=unseen) for part, at, kind in parts)
    return b"".join([header, *(b"".join(each) for each in coded), b";"])


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of the two as they are seen on magenta, 0 to 255."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(_on_magenta(one), _on_magenta(other))).mean)


def _on_magenta(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGBA", image.size, "magenta")
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")
