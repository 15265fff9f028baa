"""The one place that resamples: Lanczos over a box of fractional pixels, crop and scale in one pass (decision 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from renderer.box import Size


def resample(image: Image.Image, target: Size, box: tuple[float, float, float, float]) -> Image.Image:
    """`box` (left, top, right, bottom in pixels of `image`) as `target` pixels.

    Alpha: Pillow multiplies LA and RGBA before and divides after, so that colours of transparent pixels do not bleed (tested).
    """
    return image.resize(target, Image.Resampling.LANCZOS, box=box)
