"""Make colours stronger or paler: `saturation-150`, in percent of each colour's distance from the gray of its brightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

from renderer.ops.level import Level

_LUMA = 0.299, 0.587, 0.114  # ITU-R BT.601, what `grayscale` uses too


@dataclass(frozen=True)
class Saturation(Level):
    """Gray pictures have none, and stay as they are."""

    word: ClassVar[str] = "saturation"
    group: ClassVar[str] = "saturation"

    def change(self, colours: Image.Image) -> Image.Image:
        if colours.mode == "L":
            return colours
        kept = self.percent / 100
        rows = ((*(luma * (1 - kept) + (kept if column == row else 0) for column, luma in enumerate(_LUMA)), 0.0) for row in range(3))
        return colours.convert("RGB", tuple(value for row in rows for value in row))
