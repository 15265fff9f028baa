"""Scale down into a box, keeping the shape and never enlarging: `fit-300x200`, `fit-300x`, `fit-x200`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from renderer import box as boxes
from renderer.box import Box, Size
from renderer.ops.resize import Resize


@dataclass(frozen=True)
class Fit(Resize):
    """`box`: width x height in pixels, 0 = free."""

    word: ClassVar[str] = "fit"

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls(Box.parse(argument, free=True))

    def outline(self, size: Size) -> Size:
        return boxes.fit(size, self.box)
