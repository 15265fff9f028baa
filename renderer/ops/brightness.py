"""Make lighter or darker: `brightness-120`, in percent of each value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

from renderer.ops.level import Level


@dataclass(frozen=True)
class Brightness(Level):
    """Every value times `percent`, cut off at white."""

    word: ClassVar[str] = "brightness"
    group: ClassVar[str] = "brightness"

    def change(self, colours: Image.Image) -> Image.Image:
        table = [min(255, (value * self.percent + 50) // 100) for value in range(256)]
        return colours.point(table * len(colours.getbands()))
