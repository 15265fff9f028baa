"""A WebP's chunks: the picture or the frames, their alpha, and the profile.

    RIFF size WEBP [VP8X] [ICCP] [ANIM] ALPH VP8 | VP8L | ANMF …  [EXIF of ours]

VP8X says which of them are there, so its flags are written anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from renderer.errors import BrokenOriginal

_BITSTREAMS = (b"VP8 ", b"VP8L")
_PICTURE = {*_BITSTREAMS, b"ALPH"}
_PROFILE_FLAG, _ALPHA_FLAG, _EXIF_FLAG, _ANIMATION_FLAG = 0x20, 0x10, 0x08, 0x02
_CANVAS = slice(4, 10)  # in VP8X, behind the flags
_FRAME_HEADER_BYTES = 16

_Chunk = tuple[bytes, bytes]


def filtered(content: bytes, exif: bytes, profile: bool) -> bytes:
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content) + 1:  # some writers forget the last byte, which only pads
        raise BrokenOriginal("WEBP data that ends too early")
    chunks = list(_chunks(content[12:end]))
    kept = _extended(chunks, profile) if chunks and chunks[0][0] == b"VP8X" else _first(chunks, _PICTURE)
    kinds = {kind for kind, _ in kept}
    if kinds.isdisjoint((*_BITSTREAMS, b"ANMF")):
        raise BrokenOriginal("WEBP data without a picture")
    if exif:
        kept = _with_exif(kept, exif.removeprefix(b"Exif\0\0"))
    body = b"WEBP" + b"".join(_chunk(kind, payload) for kind, payload in kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _extended(chunks: list[_Chunk], profile: bool) -> list[_Chunk]:
    header = chunks[0][1]
    if len(header) < _CANVAS.stop:
        raise BrokenOriginal("WEBP data with a short header")
    flags, frames = header[0] & (_ALPHA_FLAG | _ANIMATION_FLAG), []
    if flags & _ANIMATION_FLAG:
        frames = [(kind, _frame(payload)) for kind, payload in chunks if kind == b"ANMF"]
    kept = _first(chunks, ({b"ANIM"} if frames else _PICTURE) | ({b"ICCP"} if profile else set()))
    if any(kind == b"ICCP" for kind, _ in kept):
        flags |= _PROFILE_FLAG
    return [(b"VP8X", bytes((flags, 0, 0, 0)) + header[_CANVAS]), *kept, *frames]


def _frame(payload: bytes) -> bytes:
    """One picture of an animation, itself made of chunks."""
    if len(payload) < _FRAME_HEADER_BYTES:
        raise BrokenOriginal("WEBP data with a short frame")
    kept = _first(list(_chunks(payload[_FRAME_HEADER_BYTES:])), _PICTURE)
    return payload[:_FRAME_HEADER_BYTES] + b"".join(_chunk(kind, content) for kind, content in kept)


def _first(chunks: list[_Chunk], allowed: set[bytes]) -> list[_Chunk]:
    """The first of each kind that is allowed, and of the two kinds of pixels only one: decoders show no second picture."""
    kept: dict[bytes, _Chunk] = {}
    for kind, payload in chunks:
        if kind in allowed:
            kept.setdefault(_BITSTREAMS[0] if kind in _BITSTREAMS else kind, (kind, payload))
    return list(kept.values())


def _with_exif(chunks: list[_Chunk], exif: bytes) -> list[_Chunk]:
    header, *rest = chunks if chunks[0][0] == b"VP8X" else [(b"VP8X", _header(chunks)), *chunks]
    flags = header[1][0] | _EXIF_FLAG
    return [(b"VP8X", bytes((flags,)) + header[1][1:]), *rest, (b"EXIF", exif)]


def _header(chunks: list[_Chunk]) -> bytes:
    """A VP8X for a file that had none: its canvas is the picture's size, both minus one in three bytes."""
    kind, payload = next(chunk for chunk in chunks if chunk[0] in _BITSTREAMS)
    if len(payload) < 10:  # the frame header of a VP8 key frame: RFC 6386, §9.1
        raise BrokenOriginal("WEBP data without a size")
    flags = _ALPHA_FLAG if any(name == b"ALPH" for name, _ in chunks) else 0
    if kind == b"VP8L":  # one byte of signature, then 14 bits each and a bit for alpha, lowest first
        bits = int.from_bytes(payload[1:5], "little")
        width, height, flags = bits & 0x3FFF, bits >> 14 & 0x3FFF, _ALPHA_FLAG if bits >> 28 & 1 else flags
    else:  # the upper two bits of sixteen are a scale that nobody follows
        width, height = ((side & 0x3FFF) - 1 for side in struct.unpack("<HH", payload[6:10]))
    if width < 0 or height < 0:
        raise BrokenOriginal("WEBP data of no size")
    return bytes((flags, 0, 0, 0)) + width.to_bytes(3, "little") + height.to_bytes(3, "little")


def _chunks(content: bytes) -> Iterator[_Chunk]:
    at = 0
    while at + 8 <= len(content):
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + length > len(content):
            raise BrokenOriginal("WEBP data whose chunks cannot be followed")
        yield kind, content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)
