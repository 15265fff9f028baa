"""Every mode that a file can have, to 8 bit gray or sRGB, with alpha where there is any. Gray stays gray.

In two steps, because of what they cost: `workable` makes pixels that can be resampled, before the operations; `to_srgb` follows the
embedded profile after them, when there are fewer pixels. A profile that is broken, or made for another mode, is as good as none (R6).
"""

from __future__ import annotations

import functools
import io

from PIL import Image, ImageCms

# What a profile must say of itself for a mode; a transform over another mode writes beyond its buffers (CVE-2026-59205, R6).
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_UNUSABLE = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError)

Profile = bytes  # an ICC profile as it stood in the file, b"" for none


def workable(image: Image.Image) -> tuple[Image.Image, Profile]:
    """L, LA, RGB or RGBA, and the profile that `to_srgb` still has to follow."""
    profile = image.info.get("icc_profile") or b""
    if image.mode == "CMYK":
        # Adobe's inverted inks are put right by Pillow, which takes every CMYK JPEG for Adobe's.
        return _followed(image, profile, "CMYK") or image.convert("RGB"), b""
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


def _plain(image: Image.Image, keep_rgb: bool) -> Image.Image:
    if image.mode[0] in "IF":
        return _eight_bits(image)
    gray = image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and not keep_rgb and _is_gray(image))
    wanted = ("LA" if gray else "RGBA") if image.has_transparency_data else ("L" if gray else "RGB")
    if image.mode == wanted:
        return image
    if image.mode == "P" and wanted == "LA":
        return image.convert("RGBA").convert("LA")
    return image.convert(wanted)


def _is_gray(image: Image.Image) -> bool:
    palette = image.getpalette() or []
    return palette[0::3] == palette[1::3] == palette[2::3]


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray of 16 or 32 bits. Pillow's own `convert` clips instead of scaling: all above 255 would be white."""
    if image.mode == "F":
        brightest = image.getextrema()[1]
        scale = 255.0 if isinstance(brightest, float) and brightest <= 1 else 1.0
    else:
        scale = 1 / 257  # 65535 is white, in I as well: nothing else writes 32 bits
    return image.point(lambda value: value * scale + 0.5).convert("L")


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
    if source.profile.xcolor_space != _SPACES[mode]:
        return None
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,  # with black point compensation: what browsers do
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
