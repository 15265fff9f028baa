"""The operations at work: pixels as they were decoded to pixels as they are seen, in sRGB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from PIL import Image

from renderer.box import Size
from renderer.ops import Operation, outline
from renderer.picture import colour
from renderer.picture.decode import Decoded


def worked(decoded: Decoded, operations: Sequence[Operation], judge: Callable[[Size], None]) -> tuple[Image.Image, tuple[Operation, ...]]:
    """The picture, and the operations with all decided that depended on its pixels: for the frames that follow.

    `judge` is asked about the canvas when only pixels told its size: what is left of a thin line, stretched, may be of any height (R9).
    The profile is followed as late as can be, when there are fewer pixels.
    """
    raster, profile, done = decoded.raster, decoded.profile, []
    for number, operation in enumerate(operations, start=1):
        if operation.wants_colour and profile:
            raster, profile = replace(raster, image=colour.to_srgb(raster.image, profile)), b""
        settled = operation.settled(raster)
        raster = settled.apply(raster)
        done.append(settled)
        if operation.wants_whole:
            judge(outline(operations[number:], raster.size))
    return colour.to_srgb(raster.image, profile), tuple(done)
