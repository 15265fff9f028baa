"""GIF: at most 256 colours, and alpha that is all or nothing.

The file is put together here, of frames that Pillow codes: its own writer of animations takes a colour for unchanged that was seen and is
transparent now, and fails at a duration of eleven minutes. All frames share one table, so that what stands still is no change.

    all opaque      each frame stays; the next one holds only what changed
    some alpha      each frame is cleared before the next one, which holds all that is seen
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from PIL import GifImagePlugin, Image, ImageChops

from renderer.box import Size
from renderer.formats import GIF
from renderer.picture.encode import indexed
from renderer.picture.encode.saving import held
from renderer.recipe import Output

if TYPE_CHECKING:
    from renderer.picture.animation import Frames

_SEEN_FROM = 128  # alpha from which a pixel is opaque
_STAYS, _CLEARED = 1, 2  # what becomes of a frame when the next one comes
_MOST = 0xFFFF  # hundredths of a second, and repetitions: two bytes each
_TRAILER = b";"

_Part = tuple[Sequence[Image.Image], tuple[int, int]]  # pixels, said in one way or in several, and where they stand on the canvas


def still(image: Image.Image, output: Output, exif: bytes, graphic: bool) -> bytes:
    """Nothing of `exif`: a GIF can hold none."""
    with held(GIF, image.size):
        hidden = _hidden(image)
        [plane], table, unseen = _tabled([image], [hidden], spare=hidden is not None)
        return _header(image.size, table) + _coded(([plane], (0, 0)), 0, 0, unseen) + _TRAILER


def moving(frames: Frames, output: Output, exif: bytes, graphic: bool) -> bytes:
    """Times in whole hundredths of a second, their sum kept; a frame like the one before only prolongs it."""
    with held(GIF, frames.size):
        hidden = [_hidden(image) for image in frames.images]
        clears = any(hidden)
        planes, table, unseen = _tabled(frames.images, hidden, spare=True)
        timed: list[tuple[_Part, int]] = []
        for part, time in zip(_parts(planes, unseen, clears), _hundredths(frames.durations), strict=True):
            if part is None and timed[-1][1] + time <= _MOST:
                timed[-1] = timed[-1][0], timed[-1][1] + time
            else:
                timed.append((part or timed[-1][0], time))
        coded = [_coded(part, time, _CLEARED if clears else _STAYS, unseen) for part, time in timed]
        return b"".join([_header(frames.size, table), _repeated(frames.plays), *coded, _TRAILER])


def _hidden(image: Image.Image) -> Image.Image | None:
    """Where `image` is transparent, 255; None where it is nowhere."""
    if image.mode not in ("LA", "RGBA"):
        return None
    hidden = image.getchannel("A").point(lambda alpha: 255 if alpha < _SEEN_FROM else 0)
    return hidden if hidden.getbbox() else None


def _tabled(
    images: Sequence[Image.Image], hidden: Sequence[Image.Image | None], spare: bool
) -> tuple[Sequence[Image.Image], bytes, int | None]:
    """Planes of one table, the table, and with `spare` the number that is no colour: the one for what is not seen."""
    opaque = [_opaque(image, mask) for image, mask in zip(images, hidden, strict=True)]
    most = 255 if spare else 256
    found = indexed.exact(opaque, most) or indexed.nearest(opaque, most)
    if not spare:
        return found.planes, found.table(), None
    unseen = len(found.colours)
    for plane, mask in zip(found.planes, hidden, strict=True):
        if mask:
            plane.paste(unseen, mask=mask)
    return found.planes, found.table() + bytes(3), unseen


def _opaque(image: Image.Image, hidden: Image.Image | None) -> Image.Image:
    """RGB, black where nothing is seen: colours that nobody sees take no place in the table."""
    colours = image.convert("RGB")
    return Image.composite(Image.new("RGB", image.size), colours, hidden) if hidden else colours


def _parts(planes: Sequence[Image.Image], unseen: int | None, clears: bool) -> Iterator[_Part | None]:
    """What each frame has to hold; None where it is the one before."""
    blank = Image.new("P", planes[0].size, unseen or 0)
    yield _seen(planes[0], blank) if clears else ([planes[0]], (0, 0))
    for before, plane in pairwise(planes):
        change = ImageChops.subtract_modulo(plane, before)
        box = change.getbbox()
        if box is None:
            yield None
        elif clears:
            yield _seen(plane, blank)
        else:
            yield [plane.crop(box), _changed(plane.crop(box), change.crop(box), unseen or 0)], box[:2]


def _changed(part: Image.Image, change: Image.Image, unseen: int) -> Image.Image:
    """Of `part`, which is painted over, only what changed: shorter where much stands still, longer where little does."""
    part.paste(unseen, mask=change.point([255] + [0] * 255, "1"))
    return part


def _seen(plane: Image.Image, blank: Image.Image) -> _Part:
    box = ImageChops.subtract_modulo(plane, blank).getbbox() or (0, 0, 1, 1)
    return [plane.crop(box)], box[:2]


def _hundredths(durations: Sequence[int]) -> list[int]:
    """Rounded so that no error adds up: of three frames of 33 ms the second has 4."""
    ends = [(end + 5) // 10 for end in accumulate(durations, initial=0)]
    return [min(end - start, _MOST) for start, end in pairwise(ends)]


def _header(size: Size, table: bytes) -> bytes:
    bits = max(1, (len(table) // 3 - 1).bit_length())
    return b"GIF89a" + struct.pack("<HHBBB", *size, 0xF0 | bits - 1, 0, 0) + table.ljust(3 << bits, b"\0")


def _repeated(plays: int) -> bytes:
    """Netscape's block counts repetitions after the first time; 0 is forever, and none at all is once."""
    if plays == 1:
        return b""
    return b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", min(max(plays - 1, 0), _MOST)) + b"\0"


def _coded(part: _Part, time: int, disposal: int, unseen: int | None) -> bytes:
    """The shortest way to say it."""
    images, offset = part
    said = {"duration": time * 10, "disposal": disposal, "transparency": unseen}
    return min((b"".join(GifImagePlugin.getdata(image, offset, **said)) for image in images), key=len)
