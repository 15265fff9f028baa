"""How alike two pictures look, as a number: SSIM (Wang et al., 2004) of the luma over windows of 8 x 8 pixels, four pixels apart.

Uniform windows instead of the paper's Gaussian ones, so that Pillow can count them out itself: from 0.99 on the two agree to 0.001.
"""

from __future__ import annotations

from statistics import fmean

from PIL import Image, ImageMath

_WINDOW, _STEP = 8, 4
_STABLE = 6.5025, 58.5225  # (0.01 x 255)^2 and (0.03 x 255)^2, as in the paper


def ssim(one: Image.Image, other: Image.Image) -> float:
    """1.0 for the same picture. Both are of one size; alpha is shown on white."""
    if one.size != other.size:
        raise ValueError(f"expected pictures of one size, got {one.size} and {other.size}")
    pair = _luma(one), _luma(other)
    offsets = [(left, top) for left in (0, _STEP) for top in (0, _STEP) if min(one.width - left, one.height - top) >= _WINDOW]
    return fmean(_alike(*(_windows(luma, offset) for luma in pair)) for offset in offsets or [(0, 0)])


def _luma(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        shown = Image.new("RGBA", image.size, "white")
        shown.alpha_composite(image.convert("RGBA"))
        image = shown
    return image.convert("L").convert("F")


def _windows(luma: Image.Image, offset: tuple[int, int]) -> Image.Image:
    """As many whole windows as there is room for; of a picture smaller than one, all of it."""
    left, top = offset
    width, height = (max(length // _WINDOW * _WINDOW, min(length, _WINDOW)) for length in (luma.width - left, luma.height - top))
    return luma.crop((left, top, left + width, top + height))


def _alike(one: Image.Image, other: Image.Image) -> float:
    squares = {name: _mean(ImageMath.lambda_eval(lambda of: of["a"] * of["b"], a=a, b=b)) for name, a, b in (
        ("aa", one, one), ("bb", other, other), ("ab", one, other),
    )}  # fmt: skip
    likeness = ImageMath.lambda_eval(_formula, a=_mean(one), b=_mean(other), **squares)
    average = likeness.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # ImageStat would count in 256 steps
    return float(average)


def _mean(image: Image.Image) -> Image.Image:
    """Of each window."""
    return image.reduce(_WINDOW)


def _formula(of):  # type: ignore[no-untyped-def]  # Pillow's operands have no public type
    a, b = of["a"], of["b"]
    of_means, of_spreads = _STABLE
    spread, together = of["aa"] - a * a + of["bb"] - b * b, of["ab"] - a * b
    return (a * b * 2 + of_means) * (together * 2 + of_spreads) / ((a * a + b * b + of_means) * (spread + of_spreads))
