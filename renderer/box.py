"""Width and height in pixels, either may be free (0); fit and cover in exact integers.

Floats misfire by a pixel (huImages made 476x357 of 800x600 in 477x800); the client library and the renderer use these same functions,
so that a page never announces a size that the picture does not have (H-B3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from renderer.errors import BadRequest
from renderer.fields import shown, whole

Size = tuple[int, int]  # width, height in pixels, both > 0
Region = tuple[Fraction, Fraction, Fraction, Fraction]  # left, top, right, bottom in pixels, exact

MOST_SIDE = 99_999  # five digits: what nginx's regex lets through; the configured limit is far below


@dataclass(frozen=True)
class Box:
    """A wished size: width x height in pixels, 0 = free."""

    width: int
    height: int

    def spell(self) -> str:
        return f"{self.width or ''}x{self.height or ''}"

    @classmethod
    def parse(cls, text: str, free: bool = False) -> Box:
        """`300x200`; with `free`, also `300x` and `x200`."""
        match = _BOX.fullmatch(text)
        if not match or text == "x" or not (free or all(match.groups())):
            wish = "WIDTHxHEIGHT, WIDTHx or xHEIGHT" if free else "WIDTHxHEIGHT"
            raise BadRequest(f"expected {wish} in pixels for a size, got {shown(text)}")
        width, height = (whole(side, "a side", 1, MOST_SIDE) if side else 0 for side in match.groups())
        return cls(width, height)


_BOX = re.compile(r"([0-9]{0,9})x([0-9]{0,9})")


def fit(size: Size, box: Box, enlarge: bool = False) -> Size:
    """The largest size of the same shape inside `box`; never larger than `size` unless `enlarge`.

    The limiting side equals the box, the other is max(1, floor(other * box / limiting)) (decision 2).
    """
    width, height = size
    box_width, box_height = box.width, box.height
    if not enlarge and width <= (box_width or width) and height <= (box_height or height):
        return size
    if not box_height or (box_width and width * box_height >= height * box_width):
        return box_width, max(1, height * box_width // width)
    return max(1, width * box_height // height), box_height


@dataclass(frozen=True)
class Cover:
    """What covering a box means: `scaled` is the size of the whole picture, `region` the part of the source that fills the box."""

    scaled: Size
    offset: Size
    region: Region


def cover(size: Size, box: Box, gravity: tuple[Fraction, Fraction] | None = None) -> Cover:
    """Scale (also upwards) until both sides reach `box`, then crop the surplus (decision 1).

    Without `gravity` the crop is centred and an odd surplus comes off right and bottom: left offset = floor(surplus / 2).
    """
    width, height = size
    if width * box.height >= height * box.width:  # wider than the box: the height decides
        scale = Fraction(box.height, height)
        scaled = int(width * scale), box.height
    else:
        scale = Fraction(box.width, width)
        scaled = box.width, int(height * scale)
    surplus = scaled[0] - box.width, scaled[1] - box.height
    across, down = gravity or (Fraction(1, 2), Fraction(1, 2))
    offset = int(surplus[0] * across), int(surplus[1] * down)
    left, top = offset[0] / scale, offset[1] / scale
    region = left, top, left + box.width / scale, top + box.height / scale
    return Cover(scaled, offset, region)
