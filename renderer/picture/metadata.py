"""What a picture says about itself besides its pixels: which way is up, and where it was taken.

Nothing here loads pixels: Pillow's own `PngImageFile.getexif` would, so a PNG's eXIf chunk is looked up by hand. An orientation that
stands only in XMP is not followed, as no browser follows it.
"""

from __future__ import annotations

import mmap
import re
import struct
from typing import IO

from PIL import Image, TiffImagePlugin
from PIL.ImageFile import ImageFile

_ORIENTATION, _GPS = 0x0112, 0x8825  # EXIF 2.3: tags of the first directory
_GPS_VERSION = 0  # the only GPS tag that says nothing: Canon and Photoshop write it into everything

# XMP in any container, and the text chunks that ImageMagick makes of EXIF. Compressed XMP is in `info`, see `_texts`.
_GPS_WORDS = re.compile(rb"GPS(?:Latitude|Longitude|Position|Coordinates|Dest|Map)")
_EXIF_START = re.compile(rb"Exif\x00\x00(?=II\*\x00|MM\x00\*)")
_MOST_EXIFS = 32  # a JPEG has one, a stereo pair two; more than this is nobody's camera

_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, AttributeError, struct.error)


def orientation(image: ImageFile) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none, or none that can be."""
    try:
        tag = _exif(image).get(_ORIENTATION)
    except _UNREADABLE:
        return 1
    return tag if isinstance(tag, int) and 1 <= tag <= 8 else 1


def has_gps(image: ImageFile) -> bool:
    """Whether the file says where it was taken, in EXIF or XMP. What cannot be read counts as yes: it cannot be shown to be clean."""
    try:
        return _is_located(_exif(image)) or any(_GPS_WORDS.search(text) for text in _texts(image)) or _hidden_gps(image)
    except _UNREADABLE:
        return True


def _is_located(exif: Image.Exif) -> bool:
    return bool(set(exif.get_ifd(_GPS)) - {_GPS_VERSION})


def _exif(image: ImageFile) -> Image.Exif:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.getexif()
    block = image.info.get("exif") or (_png_exif(_file(image)) if image.format == "PNG" else b"")
    if not block and "Raw profile type exif" in image.info:  # ImageMagick's PNG before eXIf was a standard
        block = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    exif = Image.Exif()
    if block:
        exif.load(block)
    return exif


def _png_exif(file: IO[bytes]) -> bytes:
    """The eXIf chunk, which may stand behind the pixels; b'' when there is none."""
    here = file.tell()
    try:
        file.seek(8)
        while len(start := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", start)
            if kind == b"eXIf":
                return file.read(length)
            file.seek(length + 4, 1)
        return b""
    finally:
        file.seek(here)


def _texts(image: ImageFile) -> list[bytes]:
    """Every text that Pillow found, names included: compressed ones are plain here."""
    found = [value for pair in image.info.items() for value in pair if isinstance(value, str | bytes)]
    return [text if isinstance(text, bytes) else text.encode("utf-8", "replace") for text in found]


def _hidden_gps(image: ImageFile) -> bool:
    """GPS that Pillow does not report: extended XMP, and the EXIF of second pictures in the same file."""
    file = _file(image)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if _GPS_WORDS.search(content):
            return True
        for count, start in enumerate(_EXIF_START.finditer(content)):
            exif = Image.Exif()
            exif.load(content[start.start() : start.start() + 0x10000])  # a JPEG segment is no longer
            if count > _MOST_EXIFS or _is_located(exif):
                return True
    return False


def _file(image: ImageFile) -> IO[bytes]:
    if image.fp is None:
        raise ValueError("expected an open file for a header")
    return image.fp
