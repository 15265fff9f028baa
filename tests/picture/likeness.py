"""How alike two small pictures look: SSIM (Wang et al., 2004), counted out in plain Python over windows of 8 x 8 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from PIL import Image

_WINDOW, _STEP = 8, 4
_STABLE = 6.5025, 58.5225  # (0.01 x 255)^2 and (0.03 x 255)^2, as in the paper

_Pixels = bytes


def ssim(one: Image.Image, other: Image.Image) -> float:
    """1.0 for the same picture; the mean over windows and over red, green, blue and alpha. Both are of one size."""
    assert one.size == other.size
    pairs = zip(one.convert("RGBA").split(), other.convert("RGBA").split(), strict=True)
    return fmean(_alike(a, b) for band, other_band in pairs for a, b in zip(_windows(band), _windows(other_band), strict=True))


def farthest(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of the channel that differs most, 0 to 255: SSIM alone forgives a picture that is a little too red."""
    pairs = zip(one.convert("RGBA").split(), other.convert("RGBA").split(), strict=True)
    return max(fmean(abs(a - b) for a, b in zip(band.tobytes(), other_band.tobytes(), strict=True)) for band, other_band in pairs)


def _windows(band: Image.Image) -> Iterator[_Pixels]:
    width, height = band.size
    for top in range(0, max(1, height - _WINDOW + 1), _STEP):
        for left in range(0, max(1, width - _WINDOW + 1), _STEP):
            yield band.crop((left, top, min(left + _WINDOW, width), min(top + _WINDOW, height))).tobytes()


def _alike(one: _Pixels, other: _Pixels) -> float:
    count = len(one)
    mean, other_mean = sum(one) / count, sum(other) / count
    spread = sum(a * a for a in one) / count - mean**2
    other_spread = sum(b * b for b in other) / count - other_mean**2
    together = sum(a * b for a, b in zip(one, other, strict=True)) / count - mean * other_mean
    of_means, of_spreads = _STABLE
    likeness = (2 * mean * other_mean + of_means) * (2 * together + of_spreads)
    return likeness / ((mean**2 + other_mean**2 + of_means) * (spread + other_spread + of_spreads))
