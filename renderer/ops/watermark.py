"""Put a configured picture on top: `watermark-NAME`. What it is, how large, how strong and where is the configuration's to say."""

from __future__ import annotations

import functools
import string
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from PIL import Image

from renderer import box as boxes
from renderer.box import GRAVITIES, Box, Size
from renderer.errors import BadRequest, ConfigError
from renderer.fields import shown
from renderer.formats import JPEG, PNG, WEBP
from renderer.ops.alpha import has_alpha, opaque
from renderer.ops.operation import Operation
from renderer.ops.raster import Mark, Raster, Resample

MOST_LETTERS = 30
_LETTERS = frozenset(string.ascii_lowercase + string.digits)
_FORMATS = tuple(form.pillow for form in (PNG, WEBP, JPEG))
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Watermark(Operation):
    """`name`: of a watermark in the configuration, lower-case letters and digits. A coloured one makes a gray picture a coloured one."""

    word: ClassVar[str] = "watermark"
    group: ClassVar[str] = "watermark"
    wants_colour: ClassVar[bool] = True
    name: str

    def argument(self) -> str:
        return self.name

    @classmethod
    def parse(cls, argument: str) -> Self:
        if not 1 <= len(argument) <= MOST_LETTERS or not _LETTERS.issuperset(argument):
            raise BadRequest(f"expected 1 to {MOST_LETTERS} of a-z and 0-9 for the name of a watermark, got {shown(argument)}")
        return cls(argument)

    def apply(self, raster: Raster) -> Raster:
        mark = raster.marks.get(self.name)
        if mark is None:
            raise BadRequest(f"expected the name of a configured watermark, got {shown(self.name)}")
        try:
            stamp = _stamp(mark, raster.image.size, raster.resample)
        except _UNREADABLE as error:  # an operator's mistake, and no fault of the original
            problem = f"expected a PNG, WebP or JPEG file of 8 bits that can be read, got {type(error).__name__}"
            raise ConfigError(f"watermarks.{self.name}.file", problem, "look at the file and its permissions") from error
        return raster.with_image(_stamped(raster.image, stamp, boxes.placed(stamp.size, raster.image.size, GRAVITIES[mark.gravity])))


def _stamp(mark: Mark, size: Size, resample: Resample) -> Image.Image:
    """The mark as it is put on a picture of `size`, never larger than that. A file that was replaced is another one."""
    stat = mark.file.stat()
    own = _loaded(mark.file, stat.st_mtime_ns, stat.st_size)
    target = boxes.fit(own.size, Box(max(1, size[0] * mark.percent // 100), size[1]), enlarge=True)
    return _scaled(mark.file, stat.st_mtime_ns, stat.st_size, target, mark.opacity, resample)


@functools.lru_cache(maxsize=4)
def _loaded(file: Path, modified: int, length: int) -> Image.Image:
    """LA where the file is gray, else RGBA. `modified` (nanoseconds) and `length` (bytes) tell versions apart."""
    with Image.open(file, formats=_FORMATS) as image:
        if image.mode not in _MODES:
            raise ValueError(f"expected a picture of 8 bits in gray or RGB, got {image.mode}")
        return image.convert("LA" if image.mode in ("1", "L", "LA") else "RGBA")


@functools.lru_cache(maxsize=4)  # the frames of an animation, and the few sizes that a site has
def _scaled(file: Path, modified: int, length: int, target: Size, opacity: int, resample: Resample) -> Image.Image:
    own = _loaded(file, modified, length)
    scaled = resample(own, target, (0.0, 0.0, float(own.width), float(own.height)))
    faint = scaled.getchannel("A").point([(value * opacity + 50) // 100 for value in range(256)])
    scaled = scaled.convert(opaque(scaled.mode))
    scaled.putalpha(faint)
    return scaled


def _stamped(image: Image.Image, stamp: Image.Image, at: Size) -> Image.Image:
    mode = "L" if opaque(image.mode) == opaque(stamp.mode) == "L" else "RGB"
    if has_alpha(image):
        canvas = image.convert(f"{mode}A") if image.mode != f"{mode}A" else image.copy()
        canvas.alpha_composite(stamp.convert(canvas.mode), at)
        return canvas
    canvas = image.convert(mode) if image.mode != mode else image.copy()
    canvas.paste(stamp.convert(mode), at, stamp.getchannel("A"))
    return canvas
