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

Point = tuple[Fraction, Fraction]  # across and down, in fractions of a whole (0 to 1)

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


CENTRE = "c"
_LOW, _HALF, _HIGH = Fraction(0), Fraction(1, 2), Fraction(1)

# Where a smaller rectangle lies in a larger one: how much of the surplus stands before it. Compass points, as everywhere in this field.
GRAVITIES: dict[str, Point] = {
    "nw": (_LOW, _LOW), "n": (_HALF, _LOW), "ne": (_HIGH, _LOW),
    "w": (_LOW, _HALF), CENTRE: (_HALF, _HALF), "e": (_HIGH, _HALF),
    "sw": (_LOW, _HIGH), "s": (_HALF, _HIGH), "se": (_HIGH, _HIGH),
}  # fmt: skip
SIDES = tuple(name for name in GRAVITIES if name != CENTRE)  # what a recipe may say: the centre is said by saying nothing


def placed(inner: Size, outer: Size, gravity: Point) -> Size:
    """Left and top of `inner` inside `outer`, which is as large or larger: the floor of its part of the surplus (decision 1)."""
    return int((outer[0] - inner[0]) * gravity[0]), int((outer[1] - inner[1]) * gravity[1])


@dataclass(frozen=True)
class Cover:
    """What covering a box means: `scaled` is the size of the whole picture, `region` the part of the source that fills the box."""

    scaled: Size
    offset: Size
    region: Region


def cover(size: Size, box: Box, gravity: Point = GRAVITIES[CENTRE]) -> Cover:
    """Scale (also upwards) until both sides reach `box`, then crop the surplus (decision 1).

    Centred, an odd surplus comes off right and bottom: left offset = floor(surplus / 2).
    """
    scaled, scale = _scaled(size, box)
    return _cut(scaled, scale, box, placed((box.width, box.height), scaled, gravity))


def cover_around(size: Size, box: Box, focus: Point) -> Cover:
    """As `cover`, with the point `focus` of the picture as near to the middle of what is kept as the picture's edges let it be."""
    scaled, scale = _scaled(size, box)
    across, down = focus[0] * size[0] * scale, focus[1] * size[1] * scale
    left = min(max(int(across - Fraction(box.width, 2)), 0), scaled[0] - box.width)
    top = min(max(int(down - Fraction(box.height, 2)), 0), scaled[1] - box.height)
    return _cut(scaled, scale, box, (left, top))


def _scaled(size: Size, box: Box) -> tuple[Size, Fraction]:
    width, height = size
    if width * box.height >= height * box.width:  # wider than the box: the height decides
        scale = Fraction(box.height, height)
        return (int(width * scale), box.height), scale
    scale = Fraction(box.width, width)
    return (box.width, int(height * scale)), scale


def _cut(scaled: Size, scale: Fraction, box: Box, offset: Size) -> Cover:
    left, top = offset[0] / scale, offset[1] / scale
    return Cover(scaled, offset, (left, top, left + box.width / scale, top + box.height / scale))
