"""An original without anything but its picture: the coded pixels are copied as they stand, and all else goes but what a list allows.

What goes: EXIF, XMP, IPTC, comments, texts, thumbnails, second pictures, what is unknown, and everything behind the end (R18, R19).
Nothing is decoded here, so what somebody hid among the coded pixels themselves stays there.
"""

from __future__ import annotations

from collections.abc import Callable

from renderer.formats import GIF, JPEG, PNG, WEBP, Format
from renderer.picture.scrub import gif, jpeg, png, webp

Filter = Callable[[bytes, bytes, bool], bytes]

FILTERS: dict[str, Filter] = {
    JPEG.name: jpeg.filtered,
    PNG.name: png.filtered,
    WEBP.name: webp.filtered,
    GIF.name: gif.filtered,
}


def scrubbed(content: bytes, form: Format, exif: bytes = b"", profile: bool = True) -> bytes | None:
    """`content` with nothing but its picture; None for a format without a filter, BrokenOriginal for one that cannot be walked.

    `exif`: a block of ours to be put in where the format has a place for it. `profile`: whether what is said of colours stays.
    """
    found = FILTERS.get(form.name)
    return found(content, exif, profile) if found else None
