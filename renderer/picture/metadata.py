"""What a picture says about itself besides its pixels: which way is up, whose it is, and where it was taken.

Nothing here loads pixels: Pillow's own `PngImageFile.getexif` would, so a PNG's eXIf chunk is looked up by hand. An orientation that
stands only in XMP is not followed, as no browser follows it.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import re
import struct
from typing import IO

from PIL import Image, TiffImagePlugin
from PIL.ImageFile import ImageFile

_ORIENTATION, _NOTICE, _GPS = 0x0112, 0x8298, 0x8825  # EXIF 2.3: tags of the first directory
_SHORT, _ASCII = 3, 2  # types of TIFF 6.0
_GPS_VERSION = 0  # the only GPS tag that says nothing: Canon and Photoshop write it into everything

# XMP in any container, and the text chunks that ImageMagick makes of EXIF. Compressed XMP is in `info`, see `_texts`.
_GPS_WORDS = re.compile(rb"GPS(?:Latitude|Longitude|Position|Coordinates|Dest|Map)")
_EXIF_START = re.compile(rb"Exif\x00\x00(?=II\*\x00|MM\x00\*)")
_MOST_EXIFS = 32  # a JPEG has one, a stereo pair two; more than this is nobody's camera

_MOST_NOTICE = 200  # characters; "© 2024 Somebody, Some Agency. All rights." and an address fit many times
_NOT_IN_NOTICE = re.compile(r"[^\w .,;:&'/()@+–—·©®™-]+")  # no sign that HTML, PHP or a shell would begin with

_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, AttributeError, struct.error)


def orientation(image: ImageFile) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none, or none that can be."""
    try:
        tag = _exif(image).get(_ORIENTATION)
    except _UNREADABLE:
        return 1
    return tag if isinstance(tag, int) and 1 <= tag <= 8 else 1


def copyright(image: ImageFile) -> str:
    """Whose picture EXIF says that it is, in letters, digits and plain signs, "" where it does not say so."""
    try:
        text = str(_exif(image).get(_NOTICE, "")).split("\0")[0]
    except _UNREADABLE:
        return ""
    with contextlib.suppress(UnicodeError):  # EXIF knows ASCII only, what is written is UTF-8, and Pillow reads Latin-1
        text = text.encode("latin-1").decode()
    plain = " ".join(_NOT_IN_NOTICE.sub(" ", text).split())[:_MOST_NOTICE].strip()
    return "" if _GPS_WORDS.search(plain.encode()) else plain


def minimal_exif(orientation: int = 1, copyright: str = "") -> bytes:
    """An EXIF block as JPEG has it, of these tags and no others; b"" when there is nothing to say."""
    notice = (copyright.encode() + b"\0").ljust(5, b"\0") if copyright else b""  # of four bytes it would stand in its entry
    entries = [(_ORIENTATION, _SHORT, 1, orientation << 16)] if orientation > 1 else []
    if notice:
        entries.append((_NOTICE, _ASCII, len(notice), 8 + 2 + 12 * (len(entries) + 1) + 4))
    if not entries:
        return b""
    directory = b"".join(struct.pack(">HHII", *entry) for entry in entries)
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(entries)) + directory + bytes(4) + notice


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
    if isinstance(file, io.BytesIO):
        return _tells_gps(file.getvalue())
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _tells_gps(content)


def _tells_gps(content: bytes | mmap.mmap) -> bool:
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
