"""A JPEG's segments: those that decoding needs, JFIF without its thumbnail, Adobe's mark of the colour transform, the profile.

    SOI  JFIF  EXIF of ours  profile  Adobe  tables  frame  tables  scan  …  EOI

It is read as libjpeg reads it: garbage between segments is passed over, and inside a scan only a marker that may follow one ends it, so
that a damaged scan shows the same damage as before. A file that ends too early ends as early afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from renderer.errors import BrokenOriginal

_TEM, _SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14 = 0x01, 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE  # ITU-T T.81, table B.1
_RESTARTS = range(0xD0, 0xD8)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}  # DHT, DAC, DQT, DNL, DRI
_BEFORE_DEFINED = 0xC0  # markers below this are reserved; libjpeg gives up at them

_MARKER = re.compile(rb"\xff[^\x00\xff]")
_SCAN_END = re.compile(rb"\xff[\xc0-\xcf\xd8-\xef\xfe]")

_JFIF, _ADOBE, _ICC = b"JFIF\0", b"Adobe", b"ICC_PROFILE\0"
_JFIF_BYTES, _ADOBE_BYTES = 14, 12  # libjpeg heeds no shorter ones; a JFIF's thumbnail follows, its size are the last two bytes

_USUAL_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive: what every browser shows
_MOST_USUAL_SCANS = 32  # libjpeg's own progression has 10, jpegrescan's and mozjpeg's longest some 20


def filtered(content: bytes, exif: bytes, profile: bool) -> bytes:
    jfif, kept, seen = b"", [], set()
    for marker, payload, scan in _segments(content):
        if marker == _APP0 and _SOS not in seen and payload.startswith(_JFIF) and len(payload) >= _JFIF_BYTES:
            jfif = jfif or _segment(_APP0, payload[: _JFIF_BYTES - 2] + b"\0\0")
        elif marker == _EOI:
            kept.append(b"\xff\xd9")
        elif allowed := _allowed(marker, payload, profile, _SOS in seen):
            kept += _segment(marker, allowed), scan
        seen.add(marker)
    if _SOS not in seen or seen.isdisjoint(_FRAMES):
        raise BrokenOriginal("JPEG data without a frame or a scan")
    return b"".join((b"\xff\xd8", jfif, _segment(_APP1, exif) if exif else b"", *kept))


def is_usual(content: bytes) -> bool:
    """Whether it is whole, and coded in a way that every browser shows without much work."""
    markers = [marker for marker, _, _ in _segments(content)]
    frames = _FRAMES.intersection(markers)
    return bool(frames) and frames <= _USUAL_FRAMES and markers[-1] == _EOI and markers.count(_SOS) <= _MOST_USUAL_SCANS


def _segments(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, payload, and the coded pixels behind it, which only a scan has; the last one is EOI where there is one."""
    at, scanned = 2, False  # behind SOI
    while found := _MARKER.search(content, at):
        marker, at = content[found.start() + 1], found.end()
        if marker == _EOI:
            yield _EOI, b"", b""
        if marker in (_EOI, _SOI):  # another picture begins
            return
        if marker in _RESTARTS or marker == _TEM:
            continue
        payload = _payload(content, at)
        if marker < _BEFORE_DEFINED or payload is None:
            if scanned:
                return
            raise BrokenOriginal("JPEG data whose segments cannot be followed")
        start = at = at + 2 + len(payload)
        if marker == _SOS:
            scanned, end = True, _SCAN_END.search(content, start)
            at = end.start() if end else len(content)
        yield marker, payload, content[start:at]


def _payload(content: bytes, at: int) -> bytes | None:
    """What follows the two bytes of length at `at`; None where they are wrong."""
    length = int.from_bytes(content[at : at + 2], "big")
    return content[at + 2 : at + length] if length >= 2 and at + length <= len(content) else None


def _allowed(marker: int, payload: bytes, profile: bool, is_late: bool) -> bytes:
    """As much of a payload as may stay. `is_late`: behind the first scan, where only tables and scans mean anything."""
    if marker in _TABLES or marker in _FRAMES or marker == _SOS:
        return payload
    if marker == _APP14 and not is_late and payload.startswith(_ADOBE) and len(payload) >= _ADOBE_BYTES:
        return payload[:_ADOBE_BYTES]
    if marker == _APP2 and not is_late and profile and payload.startswith(_ICC):
        return payload
    return b""


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload
