"""Which part of a picture people look at: skin, edges and strong colours, on a proxy of at most 128 pixels a side.

All in integers, so that every machine finds the same place. There is no model of a face: a hand is skin as well, and so is some wood.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

from PIL import Image, ImageChops, ImageFilter

from renderer.box import Point
from renderer.ops.alpha import has_alpha, opaque

_MOST_SIDE = 128
_MIDDLE = Fraction(1, 2)

# Per pixel at most 64 for an edge, 160 for skin and 2 * 15 for colour: 254, so that nothing is cut off at 255. Skin outweighs any texture.
_EDGE = [0 if step < 6 else min(step, 64) for step in range(256)]  # below 6 it is noise
_COLOUR = [abs(value - 128) // 8 for value in range(256)]
_SKIN = 160
# Skin of all tones in YCbCr: Chai and Ngan, "Face segmentation using skin-color map in videophone applications", 1999; Cb, Cr as there
_SKIN_CB = [_SKIN if 77 <= value <= 127 else 0 for value in range(256)]
_SKIN_CR = [_SKIN if 136 <= value <= 173 else 0 for value in range(256)]  # theirs begins at 133: with sand and concrete
_SKIN_Y = [_SKIN if value >= 50 else 0 for value in range(256)]
_NEAR = 6  # pixels of the proxy: skin has edges so near, more than one straight one makes; else it is a table or a wall
_SKIN_EDGES = [_SKIN if value >= 6 else 0 for value in range(256)]


def focus(image: Image.Image, shown: tuple[Fraction, Fraction]) -> Point:
    """The middle of the most telling part of `image`; `shown`: which part of its width and of its height is kept, 1 for all."""
    if min(image.size) < 2:
        return _MIDDLE, _MIDDLE
    interest = _interest(_proxy(image))
    width, height = interest.size
    weights = interest.tobytes()
    across = _MIDDLE if shown[0] >= 1 else _best([sum(weights[column::width]) for column in range(width)], shown[0])
    down = _MIDDLE if shown[1] >= 1 else _best([sum(weights[row * width : (row + 1) * width]) for row in range(height)], shown[1])
    return across, down


def _proxy(image: Image.Image) -> Image.Image:
    """Reduced by whole numbers, and on middle gray where it is transparent: there dark and light things stand out."""
    small = image.reduce((-(-image.width // _MOST_SIDE), -(-image.height // _MOST_SIDE)))
    if not has_alpha(small):
        return small
    canvas = Image.new(opaque(small.mode), small.size, "#808080")
    canvas.paste(small.convert(canvas.mode), (0, 0), small.getchannel("A"))
    return canvas


def _interest(proxy: Image.Image) -> Image.Image:
    """What each pixel counts, 0 to 255; one row and one column less than `proxy`, because edges are between pixels."""
    inner = (0, 0, proxy.width - 1, proxy.height - 1)
    luma, *chroma = proxy.convert("YCbCr").split() if proxy.mode == "RGB" else (proxy,)
    found = _edges(luma, inner).point(_EDGE)
    if not chroma:
        return found
    blue, red = (channel.crop(inner) for channel in chroma)
    skin = ImageChops.darker(blue.point(_SKIN_CB), red.point(_SKIN_CR))
    for needed in (luma.crop(inner).point(_SKIN_Y), found.filter(ImageFilter.BoxBlur(_NEAR)).point(_SKIN_EDGES)):
        skin = ImageChops.darker(skin, needed)
    colour = ImageChops.add(blue.point(_COLOUR), red.point(_COLOUR))
    return ImageChops.add(ImageChops.add(found, skin), colour)


def _edges(luma: Image.Image, inner: tuple[int, int, int, int]) -> Image.Image:
    """How much each pixel differs from the ones right of it and below."""
    here, (_, _, width, height) = luma.crop(inner), inner
    right = ImageChops.difference(here, luma.crop((1, 0, width + 1, height)))
    return ImageChops.add(right, ImageChops.difference(here, luma.crop((0, 1, width, height + 1))))


def _best(weights: list[int], part: Fraction) -> Fraction:
    """The middle of the stretch of `part` of `weights` that weighs most, its own middle half counting twice: who is looked at stands in
    the middle. Among equals the one nearest to the centre."""
    count = len(weights)
    length = max(1, int(count * part + _MIDDLE))
    sums = [0, *accumulate(weights)]
    inset = length // 4

    def rank(start: int) -> tuple[int, int]:
        end = start + length
        weight = sums[end] - sums[start] + sums[end - inset] - sums[start + inset]
        return weight, -abs(start + end - count)

    start = max(range(count - length + 1), key=rank)
    middle = 2 * start + length
    return _MIDDLE if abs(middle - count) <= 1 else Fraction(middle, 2 * count)
