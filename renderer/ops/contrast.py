"""Raise or lower the contrast: `contrast-120`, in percent of each value's distance from the middle gray.

The middle is that of the scale, not the mean of the picture: a table of values alone, it is the same for all frames of an animation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

from renderer.ops.level import Level


@dataclass(frozen=True)
class Contrast(Level):
    """Every value's distance from 127.5 times `percent`, cut off at black and white."""

    word: ClassVar[str] = "contrast"
    group: ClassVar[str] = "contrast"

    def change(self, colours: Image.Image) -> Image.Image:
        table = [min(255, max(0, ((2 * value - 255) * self.percent + 25_600) // 200)) for value in range(256)]
        return colours.point(table * len(colours.getbands()))
