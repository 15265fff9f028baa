"""Pictures with alpha, for operations on colours: what is transparent keeps its alpha, and its hidden colours are never seen."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageFilter

PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}


def has_alpha(image: Image.Image) -> bool:
    return image.mode in PREMULTIPLIED


def opaque(mode: str) -> str:
    """The mode of the colours alone: `L` or `RGB`."""
    return "L" if mode[0] == "L" else "RGB"


def on_colours(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """`image` with `change` done to its colours (L or RGB), which may not change them in place."""
    if not has_alpha(image):
        return change(image)
    changed = change(image.convert(opaque(image.mode)))
    changed.putalpha(image.getchannel("A"))
    return changed


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    """Gaussian, in premultiplied alpha: otherwise the black that transparent pixels mostly are makes a dark fringe.

    Pillow's is three box blurs, which cost the same for every `sigma` (standard deviation in pixels).
    """
    worked = image.convert(PREMULTIPLIED[image.mode]) if has_alpha(image) else image
    done = worked.filter(ImageFilter.GaussianBlur(sigma))
    return done.convert(image.mode) if has_alpha(image) else done
