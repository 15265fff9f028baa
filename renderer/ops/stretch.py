"""Scale to exactly a box without keeping the shape: `stretch-300x400`. With a free side the shape is kept: `stretch-300x`.

Both ways it enlarges, as fitter's `resize` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from renderer import box as boxes
from renderer.box import Box, Size
from renderer.ops.resize import Resize


@dataclass(frozen=True)
class Stretch(Resize):
    """`box`: width x height in pixels, 0 = free."""

    word: ClassVar[str] = "stretch"

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(Box.parse(argument, free=True))

    def outline(self, size: Size) -> Size:
        if self.box.width and self.box.height:
            return self.box.width, self.box.height
        return boxes.fit(size, self.box, enlarge=True)
