"""A GIF's blocks: the screen, the frames with their timing, and how often they are repeated. There is no place for EXIF or a profile."""

from __future__ import annotations

import re
from typing import IO

from renderer.errors import BrokenOriginal

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B  # GIF89a, §20 to §27
_CONTROL, _APPLICATION = 0xF9, 0xFF
_SCREEN_BYTES, _IMAGE_BYTES = 13, 10
_REPEAT = re.compile(rb"\x0b(?:NETSCAPE2\.0|ANIMEXTS1\.0)\x03\x01..", re.DOTALL)
_TIMING = re.compile(rb"\x04....", re.DOTALL)
_PADDING = re.compile(rb"\0*")  # between blocks; decoders pass over it


def filtered(content: bytes, exif: bytes, profile: bool) -> bytes:
    at = _SCREEN_BYTES + _table_bytes(content, _SCREEN_BYTES - 3)
    kept, has_picture = [content[:at]], False
    while (at := _end_of(_PADDING, content, at)) < len(content) and content[at] != _TRAILER:
        start, is_image = at, content[at] == _IMAGE
        if not is_image and content[at] != _EXTENSION:
            raise BrokenOriginal("GIF data whose blocks cannot be followed")
        # behind the table of a picture stands the size of its codes, behind the sign of an extension its kind
        at += _IMAGE_BYTES + _table_bytes(content, at + _IMAGE_BYTES - 1) + 1 if is_image else 2
        data, at = at, _end_of_blocks(content, at)
        kept.append(content[start:at] if is_image else _extension(content, data))
        has_picture |= is_image
    if not has_picture:
        raise BrokenOriginal("GIF data without a picture")
    return b"".join((*kept, bytes((_TRAILER,))))


def count_frames(file: IO[bytes], most: int) -> int:
    """How many pictures there are as far as blocks can be followed, `most` at most; `file` is left where it was."""
    here, count = file.tell(), 0
    file.seek(0)
    content = file.read()
    file.seek(here)
    try:
        at = _SCREEN_BYTES + _table_bytes(content, _SCREEN_BYTES - 3)
        while at < len(content) and count < most and content[at] != _TRAILER:
            is_image = content[at] == _IMAGE
            count += is_image
            at += _IMAGE_BYTES + _table_bytes(content, at + _IMAGE_BYTES - 1) + 1 if is_image else 2 if content[at] == _EXTENSION else 0
            at = _end_of_blocks(content, at)
    except BrokenOriginal:  # for whoever reads it
        pass
    return count


def _extension(content: bytes, data: int) -> bytes:
    """An extension whose blocks begin at `data`, if it says how frames are shown."""
    allowed = {_CONTROL: _TIMING, _APPLICATION: _REPEAT}.get(content[data - 1])
    found = allowed.match(content, data) if allowed else None
    return content[data - 2 : data] + found[0] + b"\0" if found else b""


def _table_bytes(content: bytes, at: int) -> int:
    """The length of the colour table that the flags at `at` announce."""
    if at >= len(content):
        raise BrokenOriginal("GIF data that ends too early")
    return 3 << (content[at] & 7) + 1 if content[at] & 0x80 else 0


def _end_of_blocks(content: bytes, at: int) -> int:
    """Behind the empty block that ends a row of blocks, each led by its length."""
    while at < len(content) and content[at]:
        at += content[at] + 1
    if at >= len(content):
        raise BrokenOriginal("GIF data that ends too early")
    return at + 1


def _end_of(pattern: re.Pattern[bytes], content: bytes, at: int) -> int:
    found = pattern.match(content, at)
    return found.end() if found else at
