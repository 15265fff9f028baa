"""A PNG's chunks: those of the picture and its animation, and what it says of its colours.

Chunks are copied with their own checksums: a wrong one stays wrong, and decoders do what they did before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from renderer.errors import BrokenOriginal

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT"}
_COLOURS = {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI"}  # PNG, third edition, §11.3.2
_AROUND = 12  # length, kind and checksum
_BLOCK = 1 << 20


def filtered(content: bytes, exif: bytes, profile: bool) -> bytes:
    allowed = _PICTURE | _COLOURS if profile else _PICTURE
    kept, kinds = [], set()
    for kind, chunk in _chunks(content):
        if kind in allowed:
            kept.append(chunk)
            kinds.add(kind)
    if not kept or kept[0][4:8] != b"IHDR" or b"IDAT" not in kinds:
        raise BrokenOriginal("PNG data without a header or pixels")
    if exif:
        kept.insert(1, _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    return b"".join((_SIGNATURE, *kept, _chunk(b"IEND", b"")))


def is_usual(content: bytes) -> bool:
    """Whether every decoder reads it, and nothing hides behind the pixels: right checksums, one stream that ends where its chunks do."""
    stream, pixels = zlib.decompressobj(), []
    for kind, chunk in _chunks(content):
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            return False
        if kind == b"IDAT":
            pixels.append(chunk[8:-4])
    try:
        rest = b"".join(pixels)
        while rest and not stream.eof:  # a little at a time: what it makes of it is not wanted
            stream.decompress(rest, _BLOCK)
            rest = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof and not stream.unused_data


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and the whole chunk, up to IEND. A file may end without one, but not inside a chunk."""
    at = len(_SIGNATURE)
    while at < len(content):
        start = content[at : at + 8]
        kind, end = start[4:], at + int.from_bytes(start[:4], "big") + _AROUND
        if end > len(content) or not kind.isalpha():
            raise BrokenOriginal("PNG data whose chunks cannot be followed")
        if kind == b"IEND":
            return
        yield kind, content[at:end]
        at = end


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
