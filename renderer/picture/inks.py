"""CMYK without a profile to RGB, as it would look in print.

To take one ink for one light, as Pillow's own `convert` and browsers do, makes neon of it: printed cyan is no (0, 255, 255). So colours
are mixed from what the sixteen overprints of the four inks look like (Neugebauer), linearly in sRGB: on photographs half as far from what
a profile of the press says as the plain arithmetic is.
"""

from __future__ import annotations

from PIL import Image, ImageFilter

# Paper, C, M, CM, Y, CY, MY, CMY, and the same with K: the overprints of U.S. Web Coated (SWOP) v2, Photoshop's standard, in sRGB
# (relative colorimetric, black point compensation).
_LIGHT = (
    (255, 255, 255), (0, 174, 239), (236, 0, 140), (46, 48, 146), (255, 242, 0), (0, 166, 80), (237, 28, 36), (54, 54, 57),
)  # fmt: skip
_DARK = (
    (35, 31, 32), (0, 14, 35), (35, 0, 0), (0, 0, 1), (27, 25, 0), (0, 18, 0), (34, 0, 0), (0, 0, 0),
)  # fmt: skip


def _mixture(overprints: tuple[tuple[int, int, int], ...]) -> ImageFilter.Color3DLUT:
    return ImageFilter.Color3DLUT(2, [value / 255 for colour in overprints for value in colour])


_WITHOUT_BLACK, _WITH_BLACK = _mixture(_LIGHT), _mixture(_DARK)


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` (CMYK, 255 = full ink) as RGB."""
    cyan, magenta, yellow, black = image.split()
    colours = Image.merge("RGB", (cyan, magenta, yellow))
    return Image.composite(colours.filter(_WITH_BLACK), colours.filter(_WITHOUT_BLACK), black)
