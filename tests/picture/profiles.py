"""ICC profiles made by hand, from the numbers of the standards: no two of the usual ones are in a test otherwise."""

from __future__ import annotations

import struct

_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_D50 = (0.9642, 1.0, 0.8249)

# red, green and blue in XYZ, adapted to D50
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


def matrix_profile(primaries: tuple[tuple[float, float, float], ...], gamma: float = 0) -> bytes:
    """A display's profile; `gamma` 0 for the curve of sRGB."""
    curve = _curve(gamma)
    tags = {b"wtpt": _xyz(_D50)}
    for name, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {name + b"XYZ": _xyz(primary), name + b"TRC": curve}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def gray_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(_D50), b"kTRC": _curve(gamma)})


def inks_profile(ink: tuple[int, int, int]) -> bytes:
    """A press whose cyan looks like `ink` (L, a + 128, b + 128, each 0 to 255); its other inks are invisible."""
    paper = (255, 128, 128)
    colours = b"".join(bytes(ink if corner & 8 else paper) for corner in range(16))  # the first channel varies slowest
    identity, tables = bytes(range(256)), struct.pack(">9i", *(0x10000 if n % 4 == 0 else 0 for n in range(9)))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + tables + identity * 4 + colours + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(_D50), b"A2B0": table})


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    at, directory, content = 132 + 12 * len(tags), b"", b""
    for name, tag in tags.items():
        padded = tag + bytes(-len(tag) % 4)
        directory += name + struct.pack(">II", at + len(content), len(tag))
        content += padded
    size = at + len(content)
    header = struct.pack(">I4sI", size, b"", 0x04200000) + kind + space + connection + bytes(12) + b"acsp" + bytes(28) + _xyz(_D50)[8:]
    return header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + directory + content


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 0x10000) for value in values))


def _curve(gamma: float) -> bytes:
    if gamma:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    return b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, *(round(value * 0x10000) for value in _SRGB_CURVE))
