"""Each file format with all its names: jpg, JPEG, image/jpeg, magic bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """One file format. `extension` is the one that we write; `extensions` are those that a name may carry.

    `slow`: to encode it costs a quarter of a second and more for a megapixel, a hundred times a JPEG. `moves`: it can hold an animation.
    `is_mute`: it has no place for a copyright notice. `optional`: it is read only where the configuration says so.
    """

    name: str
    extension: str
    extensions: tuple[str, ...]
    mime: str
    pillow: str
    writable: bool = True
    has_quality: bool = False
    slow: bool = False
    moves: bool = False
    is_mute: bool = False
    optional: bool = False


JPEG = Format("jpeg", "jpg", ("jpg", "jpeg"), "image/jpeg", "JPEG", has_quality=True)
PNG = Format("png", "png", ("png",), "image/png", "PNG", slow=True, moves=True)
WEBP = Format("webp", "webp", ("webp",), "image/webp", "WEBP", has_quality=True, moves=True)
GIF = Format("gif", "gif", ("gif",), "image/gif", "GIF", slow=True, moves=True, is_mute=True)
AVIF = Format("avif", "avif", ("avif",), "image/avif", "AVIF", has_quality=True, slow=True, moves=True)
TIFF = Format("tiff", "tif", ("tif", "tiff"), "image/tiff", "TIFF", writable=False)
BMP = Format("bmp", "bmp", ("bmp",), "image/bmp", "BMP", writable=False)
ICO = Format("ico", "ico", ("ico",), "image/vnd.microsoft.icon", "ICO", writable=False)
JPEG2000 = Format("jpeg2000", "jp2", ("jp2", "j2k", "jpx"), "image/jp2", "JPEG2000", writable=False, optional=True)
HEIC = Format("heic", "heic", ("heic", "heif"), "image/heic", "HEIF", writable=False, optional=True)

FORMATS = (JPEG, PNG, WEBP, GIF, AVIF, TIFF, BMP, ICO, JPEG2000, HEIC)
WRITABLE = tuple(f for f in FORMATS if f.writable)
BY_EXTENSION = {extension: f for f in FORMATS for extension in f.extensions}
BY_NAME = {f.name: f for f in FORMATS}
BY_PILLOW = {f.pillow: f for f in FORMATS}

HEAD_BYTES = 32  # what `sniff` wants to see


def sniff(head: bytes) -> Format | None:
    """The format that the first bytes announce, never the name; None for anything that we do not read."""
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        return next((found for found, known in _BRANDS if not brands.isdisjoint(known)), None)
    return None


def _brands(head: bytes) -> set[bytes]:
    """What an ISO base media file says that it is: some encoders put `mif1` first and `avif` after it, among the compatible ones."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[start : start + 4] for start in (8, *range(16, end, 4))}


_MAGIC = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"BM", BMP),
    (b"\x00\x00\x01\x00", ICO),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", JPEG2000),
    (b"\xff\x4f\xff\x51", JPEG2000),  # a codestream without a file around it
)
# What follows is a picture coded by AV1, or by HEVC; `mif1` alone says neither.
_BRANDS = (
    (AVIF, (b"avif", b"avis")),
    (HEIC, (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")),
)
