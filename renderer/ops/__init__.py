"""The operations, one a file. PIPELINE is the order in which they are applied, and the only order in which a recipe spells them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from renderer.box import Size
from renderer.ops.background import Background
from renderer.ops.blur import Blur
from renderer.ops.brightness import Brightness
from renderer.ops.contrast import Contrast
from renderer.ops.crop import Crop
from renderer.ops.fill import Fill
from renderer.ops.fit import Fit
from renderer.ops.flip import Flip
from renderer.ops.grayscale import Grayscale
from renderer.ops.operation import Operation
from renderer.ops.orient import Orient
from renderer.ops.pad import Pad
from renderer.ops.raster import Mark, Raster, Resample
from renderer.ops.rotate import Rotate
from renderer.ops.saturation import Saturation
from renderer.ops.scale import Scale
from renderer.ops.sharpen import Sharpen
from renderer.ops.stretch import Stretch
from renderer.ops.trim import Trim
from renderer.ops.watermark import Watermark

PIPELINE: tuple[type[Operation], ...] = (
    Orient, Trim, Crop, Rotate, Flip, Fit, Fill, Stretch, Scale,
    Grayscale, Brightness, Contrast, Saturation, Blur, Sharpen,
    Pad, Background, Watermark,
)  # fmt: skip
BY_WORD = {operation.word: operation for operation in PIPELINE}


def in_order(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """`operations` as PIPELINE has them; a caller that spells or applies a recipe never sees another order."""
    return tuple(sorted(operations, key=lambda operation: PIPELINE.index(type(operation))))


def outline(operations: Sequence[Operation], size: Size) -> Size:
    """The size that `operations` make of an upright picture of `size`."""
    for operation in operations:
        size = operation.outline(size)
    return size


def are_idle(operations: Sequence[Operation], size: Size) -> bool:
    """Whether `operations` leave an upright picture of `size` as it is."""
    return all(operation.is_idle(size) for operation in operations)


def detail(operations: Sequence[Operation], size: Size) -> Fraction:
    """The smallest scale (0 < scale <= 1) at which a picture of `size` may be decoded without losing what `operations` show."""
    scale = Fraction(1)
    if any(operation.wants_whole for operation in operations):
        return scale
    for operation in operations:
        scale *= operation.detail(size)
        size = operation.outline(size)
    return min(scale, Fraction(1))


__all__ = [
    "BY_WORD", "PIPELINE", "Mark", "Operation", "Raster", "Resample",
    "Orient", "Trim", "Crop", "Rotate", "Flip", "Fit", "Fill", "Stretch", "Scale",
    "Grayscale", "Brightness", "Contrast", "Saturation", "Blur", "Sharpen", "Pad", "Background", "Watermark",
    "are_idle", "detail", "in_order", "outline",
]  # fmt: skip
