"""Fill a box exactly, enlarging if need be, and crop what stands over (huImages' `300x200!`):

    fill-300x200           in the middle
    fill-300x200-n         at a side or corner: n ne e se s sw w nw is what is kept
    fill-300x200-33,50     around a focal point, in percent of width and height
    fill-300x200-smart     where there is most to see
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, Self

from renderer.box import CENTRE, GRAVITIES, SIDES, Box, Cover, Point, Size, cover, cover_around
from renderer.errors import BadRequest
from renderer.fields import one_of, shown, whole
from renderer.ops import smart
from renderer.ops.operation import Operation
from renderer.ops.raster import Raster

SMART = "smart"
_BY_POINT = {point: name for name, point in GRAVITIES.items()}


@dataclass(frozen=True)
class Fill(Operation):
    """`box`: width x height in pixels, both given; `gravity`: a name of `box.GRAVITIES`, `smart`, or a point of the picture."""

    word: ClassVar[str] = "fill"
    group: ClassVar[str] = "resize"
    box: Box
    gravity: str | Point = CENTRE

    def argument(self) -> str:
        if self.gravity == CENTRE:
            return self.box.spell()
        spelled = self.gravity if isinstance(self.gravity, str) else ",".join(str(part * 100) for part in self.gravity)
        return f"{self.box.spell()}-{spelled}"

    @classmethod
    def parse(cls, argument: str) -> Self:
        size, dash, gravity = argument.partition("-")
        return cls(Box.parse(size), _parse_gravity(gravity) if dash else CENTRE)

    def wish(self) -> Box | None:
        return self.box

    def outline(self, size: Size) -> Size:
        return self.box.width, self.box.height

    def detail(self, size: Size) -> Fraction:
        return min(Fraction(1), max(Fraction(self.box.width, size[0]), Fraction(self.box.height, size[1])))

    def is_idle(self, size: Size) -> bool:
        return self.outline(size) == size

    def settled(self, raster: Raster) -> Fill:
        if self.gravity != SMART:
            return self
        scaled = cover(raster.size, self.box).scaled
        kept = Fraction(self.box.width, scaled[0]), Fraction(self.box.height, scaled[1])
        return replace(self, gravity=smart.focus(raster.image, kept))

    def apply(self, raster: Raster) -> Raster:
        return raster.resized(self.outline(raster.size), self.settled(raster).covering(raster.size).region)

    def covering(self, size: Size) -> Cover:
        """What of a picture of `size` is kept; `smart` has to be settled before."""
        if isinstance(self.gravity, str):
            return cover(size, self.box, GRAVITIES[self.gravity])
        return cover_around(size, self.box, self.gravity)


def _parse_gravity(text: str) -> str | Point:
    """Points that are a side, a corner or the centre whatever the picture's shape have a name, and only that."""
    across, comma, down = text.partition(",")
    if not comma:
        return one_of(text, "gravity", (*SIDES, SMART))
    point = Fraction(whole(across, "a focal point", 0, 100), 100), Fraction(whole(down, "a focal point", 0, 100), 100)
    if point in _BY_POINT:
        name = "no gravity" if _BY_POINT[point] == CENTRE else f"gravity {_BY_POINT[point]}"
        raise BadRequest(f"expected {name} for this focal point, got {shown(text)}")
    return point
