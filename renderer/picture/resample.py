"""The one place that resamples: Lanczos-3 over a box of fractional pixels, crop and scale in one pass (decision 1).

Two engines do it, and the configuration names one; neither ever stands in for the other. Pillow is always there. libvips has SIMD for
reducing and takes a quarter of the time; its engine leaves to Pillow, by the geometry alone, what is small, what is to be enlarged, and
grids that it cannot place well enough. Both give the same sizes, and pictures that nobody tells apart (tested).

Alpha is multiplied in before and divided out after, so that colours of transparent pixels do not bleed. No original gets into libvips,
only pixels that are in memory: all its loaders are locked.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from PIL import Image

from renderer.box import Size
from renderer.picture.vips import library

if TYPE_CHECKING:
    from renderer.ops.raster import Resample

Area = tuple[float, float, float, float]  # left, top, right, bottom in pixels of an image

# From here on a box filter goes before, over whole pixels, by at most a third of the way: 0.9991 to 0.9996 SSIM on two photographs of 15
# megapixels, in a sixth of the time. At 2 it would be 0.9983.
_GAP = 3.0

# In libvips a grid lies centred on whole pixels. A few pixels more on either side give other centres, and where none comes this near (in
# pixels of the target), Pillow does it. Moved by 0.08, the sharpest photograph keeps an SSIM of 0.9948 only; so it keeps 0.998.
_NEAR = 0.05
_TRIES = 8
_LOBES = 3  # what Lanczos-3 looks at beyond the box, in pixels of the target

# Below so many pixels Pillow is done before a thread of libvips has begun: 300x225 take 0.7 ms by either.
_FEW = 60_000

_STRIP_BYTES = 1 << 24  # Pillow's own blocks, so that malloc finds the same again


def resampler(name: str) -> Resample:
    """`name`: "pillow" or "vips"; an image (L, LA, RGB, RGBA), a target size and a box to an image of that mode and size."""
    return _ENGINES[name]


def missing(name: str) -> str:
    """What an engine lacks on this machine, in words; "" for nothing. Loads no library: the front asks, and needs none."""
    lacking = [module for module in _MODULES.get(name, {}) if find_spec(module) is None]
    return f"{_MODULES[name][lacking[0]]} is not installed" if lacking else ""


def prepare(name: str) -> None:
    """Load what the engine needs, before walls go up or a picture waits; without it the first picture does."""
    if name == "vips":
        library()


def _by_pillow(image: Image.Image, target: Size, box: Area) -> Image.Image:
    if image.mode in ("LA", "RGBA"):  # as `resize` does by itself, which would not reduce before
        image = image.convert(_PREMULTIPLIED[image.mode])
    image, box = _reduced(image, target, box)
    resized = image.resize(target, Image.Resampling.LANCZOS, box=box)
    return resized.convert(_STRAIGHT.get(resized.mode, resized.mode))


_PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}
_STRAIGHT = {premultiplied: straight for straight, premultiplied in _PREMULTIPLIED.items()}


def _reduced(image: Image.Image, target: Size, box: Area) -> tuple[Image.Image, Area]:
    """The part of `image` around `box`, by a box filter over whole pixels, and `box` in it; `image` itself where that is too coarse."""
    left, top, right, bottom = box
    across, down = (max(1, int(length / count / _GAP)) for length, count in zip((right - left, bottom - top), target, strict=True))
    if across == down == 1:
        return image, box
    part = (*_around(left, right, image.width, target[0]), *_around(top, bottom, image.height, target[1]))
    start_x, end_x, start_y, end_y = part
    small = image.reduce((across, down), (start_x, start_y, end_x, end_y))
    found = (left - start_x) / across, (top - start_y) / down, (right - start_x) / across, (bottom - start_y) / down
    return small, (found[0], found[1], min(found[2], small.width), min(found[3], small.height))


def _around(low: float, high: float, length: int, count: int) -> tuple[int, int]:
    """The whole pixels that Lanczos looks at for those from `low` to `high`."""
    margin = (high - low) / count * _LOBES
    return max(0, int(low - margin)), min(length, int(high + margin) + 1)


def _by_vips(image: Image.Image, target: Size, box: Area) -> Image.Image:
    try:
        return _in_vips(image, target, box)
    except library().Error as error:  # of pixels that are there, there is nothing else that it could not do
        raise MemoryError from error


def _in_vips(image: Image.Image, target: Size, box: Area) -> Image.Image:
    if (box[2] - box[0]) * (box[3] - box[1]) < _FEW:
        return _by_pillow(image, target, box)
    if image.mode == "LA":  # four equal bands are as fast as two
        return _in_vips(image.convert("RGBA"), target, box).convert("LA")
    if image.mode == "RGBA":
        resized = _placed(image.convert("RGBa"), target, box)
        return resized.convert("RGBA")
    return _placed(image, target, box)


def _placed(image: Image.Image, target: Size, box: Area) -> Image.Image:
    image, box = _reduced(image, target, box)
    across = _grid(image.width, box[0], box[2], target[0])
    down = _grid(image.height, box[1], box[3], target[1])
    if across is None or down is None:
        return image.resize(target, Image.Resampling.LANCZOS, box=box)
    if image.mode == "L":  # libvips has no SIMD for one band across, and down is ten times as fast as across without
        return _lowered(_lowered(image, down).transpose(_TURNED), across).transpose(_TURNED)
    made = _taken(_pixels(image), across, down).reducev(down.pitch).reduceh(across.pitch)
    if (made.width, made.height) != target:
        made = made.crop(across.skip, down.skip, *target)
    return Image.frombytes(image.mode, target, made.write_to_memory(), "raw", "RGBX" if image.mode == "RGB" else image.mode, 0, 1)


_TURNED = Image.Transpose.TRANSPOSE


def _lowered(image: Image.Image, down: _Grid) -> Image.Image:
    """A gray image, reduced in height."""
    size = image.width, down.count
    made = _taken(_pixels(image), _Grid(0, image.width, 1, 0, image.width), down).reducev(down.pitch).crop(0, down.skip, *size)
    return Image.frombytes("L", size, made.write_to_memory(), "raw", "L", 0, 1)


def _taken(pixels: Any, across: _Grid, down: _Grid) -> Any:
    """What the grids lie on; a call saved where that is everything: each takes a tenth of a millisecond."""
    if (across.start, down.start, across.length, down.length) == (0, 0, pixels.width, pixels.height):
        return pixels
    return pixels.embed(-across.start, -down.start, across.length, down.length, extend="copy")


@dataclass(frozen=True)
class _Grid:
    """One axis for libvips: `length` pixels from `start`, taken by `pitch`; of what that gives, `count` after the first `skip`.

    At either end it may reach beyond the image, where the outermost pixels are repeated.
    """

    start: int
    length: int
    pitch: float
    skip: int
    count: int


def _grid(length: int, low: float, high: float, count: int) -> _Grid | None:
    """Where libvips takes `count` pixels from `low` to `high` of `length`; None when it cannot, or not near enough."""
    if high - low < count:
        return None
    found = min(_grids(length, low, high, count), key=lambda pair: pair[0], default=None)
    return found[1] if found and found[0] <= _NEAR else None


def _grids(length: int, low: float, high: float, count: int) -> Iterator[tuple[float, _Grid]]:
    """Grids, each with its distance from the one that is wanted in pixels of the target.

    libvips makes round(length / pitch) pixels and centres them over those that it is given.
    """
    pitch = (high - low) / count
    for before in _more(low):
        origin = low - before * pitch
        start = round(origin)
        for after in _more(length - high):
            number = before + count + after
            taken = round(2 * (origin - start) + number * pitch)
            if int(taken / pitch + 0.5) == number:
                yield abs(start + (taken - number * pitch) / 2 - origin) / pitch, _Grid(start, taken, pitch, before, count)


def _more(room: float) -> range:
    """How many pixels of the target are made besides those that are wanted: none where the image ends, else at least what Lanczos sees."""
    return range(_LOBES, _LOBES + _TRIES) if room else range(1)


def _pixels(image: Image.Image) -> Any:
    """`image` for libvips, which borrows its memory: `image` must live until the pixels are computed."""
    image.load()
    bands = 1 if image.mode == "L" else 4
    try:
        return library().Image.new_from_memory(_borrowed(image, bands), image.width, image.height, bands, "uchar")
    except ValueError:  # more than one block: Pillow's PILLOW_BLOCK_SIZE
        rows = max(1, _STRIP_BYTES // (image.width * bands))
        strips = [image.crop((0, top, image.width, min(top + rows, image.height))) for top in range(0, image.height, rows)]
        return library().Image.arrayjoin([_pixels(strip) for strip in strips], across=1)


class _ArrowArray(ctypes.Structure):
    """The beginning of `struct ArrowArray` of the Arrow C data interface, as Pillow exports it."""


_ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),  # validity, which is NULL, and data
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),  # of pixels with several bands: their bands
]


def _borrowed(image: Image.Image, bands: int) -> Any:
    """The memory of `image` as a buffer; ValueError where it is in several pieces."""
    capsule = image.__arrow_c_array__()[1]
    array = ctypes.cast(_pointer(capsule, b"arrow_array"), ctypes.POINTER(_ArrowArray)).contents
    values = array.children[0].contents if array.n_children else array
    buffer: Any = (ctypes.c_ubyte * (image.width * image.height * bands)).from_address(values.buffers[1])
    buffer.owner = capsule  # which keeps Pillow from freeing it
    return buffer


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


_ENGINES: dict[str, Callable[[Image.Image, Size, Area], Image.Image]] = {"pillow": _by_pillow, "vips": _by_vips}
_MODULES = {"vips": {"pyvips": "pyvips", "_libvips": "the library of pyvips (pyvips-binary)"}}
