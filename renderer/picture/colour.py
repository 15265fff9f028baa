"""Every mode that a file can have, to 8 bit gray or sRGB, with alpha where there is any. Gray stays gray.

In two steps, because of what they cost: `workable` makes pixels that can be resampled, before the operations; `to_srgb` follows the
embedded profile after them, when there are fewer pixels. A profile that is broken, or made for another mode, is as good as none (R6).

A PNG's gAMA and cHRM are not followed, nor a cICP: more of them are wrong than right, and libvips and ImageMagick do as much.
"""

from __future__ import annotations

import functools
import io
from typing import Any

from PIL import Image, ImageChops, ImageCms
from PIL.ImageFile import ImageFile

from renderer.picture.inks import to_rgb

# What a profile must say of itself for a mode; a transform over another mode writes beyond its buffers (CVE-2026-59205, R6).
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_CLASSES = ("scnr", "mntr", "prtr", "spac")  # a device, or a space; the rest are links and effects
_UNUSABLE = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError)

_GRAY_ALPHA = "gray-alpha"  # in `info`: an RGBA whose colours are all gray

IMPERCEPTIBLE = 2  # of 255: what an sRGB profile with a table for its curve differs from LittleCMS's own

Profile = bytes  # an ICC profile as it stood in the file, b"" for none


def explain_png(image: ImageFile) -> None:
    """Say in `info` what only the header of a PNG knows: Pillow has no mode for gray with alpha in 16 bits, and leaves the transparent
    colour as it was written, when it has scaled the pixels already."""
    rawmode = str(image.tile[0].args) if image.tile else ""
    if rawmode == "LA;16B":
        image.info[_GRAY_ALPHA] = True
    hidden = image.info.get("transparency")
    if isinstance(hidden, int) and rawmode in _DEPTHS:
        image.info["transparency"] = hidden * _DEPTHS[rawmode] & 255
    elif isinstance(hidden, tuple) and rawmode == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in hidden)


_DEPTHS = {"L;2": 85, "L;4": 17}  # 3 and 15 are white


def workable(image: Image.Image) -> tuple[Image.Image, Profile]:
    """L, LA, RGB or RGBA, and the profile that `to_srgb` still has to follow."""
    profile = image.info.get("icc_profile") or b""
    if image.mode == "CMYK":
        inks = _inks(image)
        return _followed(inks, profile, "CMYK") or to_rgb(inks), b""
    if image.mode == "LAB":
        return _from_lab(image), b""
    return _plain(image, keep_rgb=bool(profile)), profile


def to_srgb(image: Image.Image, profile: Profile) -> Image.Image:
    """`image` (L, LA, RGB, RGBA) with the colours that `profile` means."""
    if not profile:
        return image
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    gray = image.mode in ("L", "LA")
    mode = "L" if gray else "RGB"
    colours = _followed(image.convert(mode), profile, mode)
    if colours is None:
        return image
    if gray:
        colours = colours.convert("L")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def is_seen_through(image: Image.Image) -> bool:
    """Whether any pixel is not opaque."""
    return image.mode in ("LA", "RGBA") and image.getchannel("A").getextrema() != (255, 255)


def _plain(image: Image.Image, keep_rgb: bool) -> Image.Image:
    if image.mode[0] in "IF":
        return _eight_bits(image)
    if image.info.get(_GRAY_ALPHA):
        return Image.merge("LA", (image.getchannel("R"), image.getchannel("A")))
    gray = image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and not keep_rgb and _is_gray(image))
    wanted = ("LA" if gray else "RGBA") if image.has_transparency_data else ("L" if gray else "RGB")
    if image.mode == wanted:
        return image
    if wanted == "LA" and image.mode in ("1", "P"):
        return image.convert("RGBA").convert("LA")
    return image.convert(wanted)


def _is_gray(image: Image.Image) -> bool:
    palette = image.getpalette() or []
    return palette[0::3] == palette[1::3] == palette[2::3]


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray of 16 or 32 bits. Pillow's own `convert` clips instead of scaling: all above 255 would be white."""
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):
        gray, seen = _scaled(image), [0 if value == hidden else 255 for value in range(1 << 16)]
        return Image.merge("LA", (gray, image.convert("I").point(seen, "L")))
    return _scaled(image)


def _scaled(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        brightest = image.getextrema()[1]
        scale = 255.0 if isinstance(brightest, float) and brightest <= 1 else 1.0
    else:
        scale = 1 / 257  # 65535 is white, in I as well: nothing else writes 32 bits
        if image.mode not in ("I", "I;16"):
            image = image.convert("I")
    return image.point(lambda value: value * scale + 0.5).convert("L")


def _inks(image: Image.Image) -> Image.Image:
    """Pillow takes every CMYK JPEG for one of Adobe's, which are inverted; one without Adobe's mark is not."""
    other = image.format in ("JPEG", "MPO") and "adobe" not in image.info
    return ImageChops.invert(image) if other else image


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    return converted or image


def _followed(image: Image.Image, profile: Profile, mode: str) -> Image.Image | None:
    """`image` (of `mode`) in sRGB as RGB; None where the profile cannot be followed."""
    try:
        transform = _transform(profile, mode) if profile else None
        return ImageCms.applyTransform(image, transform) if transform else None
    except _UNUSABLE:
        return None


@functools.lru_cache(maxsize=8)  # most pictures of a collection carry one of a few profiles; building takes longer than a thumbnail
def _transform(profile: Profile, mode: str) -> ImageCms.ImageCmsTransform | None:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    about: Any = source.profile
    if about.xcolor_space != _SPACES[mode] or about.device_class not in _CLASSES:
        return None
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,  # with black point compensation: what browsers do
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return None if mode == "RGB" and _is_idle(transform) else transform


def _is_idle(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether it changes no colour to speak of, asked of those from all over: most profiles are sRGB under one name or another, and to
    follow one takes as long as all the rest of a thumbnail."""
    colours = probe()
    change = ImageChops.difference(colours, ImageCms.applyTransform(colours, transform) or colours)
    return all(most <= IMPERCEPTIBLE for _, most in change.getextrema())  # type: ignore[misc]  # of RGB: pairs


def probe() -> Image.Image:
    """Colours from all over RGB."""
    levels = bytes(range(0, 256, 17))
    colours = bytes(level for red in levels for green in levels for blue in levels for level in (red, green, blue))
    return Image.frombytes("RGB", (256, 16), colours)
