"""The original without its metadata in place of a rendition that shows the same in more bytes.

Only for recipes that change nothing visible. What our own decoder makes of the colours is the measure: it follows the embedded profile
and nothing else, so an original whose profile changes a colour is not plain, and what else a PNG says of its colours goes as in any
other rendition.
"""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import Image, ImageChops

from renderer.errors import BrokenOriginal
from renderer.formats import JPEG, PNG, Format
from renderer.picture import colour
from renderer.picture.scrub import FILTERS, jpeg, png, scrubbed

_USUAL = {JPEG.name: jpeg.is_usual, PNG.name: png.is_usual}  # what other decoders than ours read too
_SHOWN_BY_BROWSERS = ("L", "RGB")  # modes of JPEGs: four inks are not


def is_plain(form: Format, image: Image.Image) -> bool:
    """Whether the picture's pixels, as they are coded, are what a rendition shows. Of `image` only the header is looked at."""
    if form.name not in FILTERS or (form is JPEG and image.mode not in _SHOWN_BY_BROWSERS):
        return False
    profile = image.info.get("icc_profile") or b""
    return not profile or _is_srgb(profile)


def lighter(original: Path, form: Format, encoded: bytes, exif: bytes) -> bytes:
    """The original without its metadata but `exif`, where that is shorter than `encoded`; `encoded` otherwise."""
    try:
        stripped = scrubbed(original.read_bytes(), form, exif, profile=False)
    except (BrokenOriginal, OSError):  # more than one decoder can make sense of, or gone meanwhile
        return encoded
    if stripped is None or len(stripped) >= len(encoded):
        return encoded
    return stripped if form.name not in _USUAL or _USUAL[form.name](stripped) else encoded


@functools.lru_cache(maxsize=8)  # as in `colour`: a collection has few profiles
def _is_srgb(profile: colour.Profile) -> bool:
    """Whether to follow `profile` changes no colour and no gray, asked of those from all over; a broken one changes none."""
    changes = (ImageChops.difference(probe, colour.to_srgb(probe, profile)) for probe in _probes())
    return all(_largest(band) <= colour.IMPERCEPTIBLE for change in changes for band in change.split())


def _probes() -> tuple[Image.Image, Image.Image]:
    return colour.probe(), Image.frombytes("L", (256, 1), bytes(range(256)))


def _largest(band: Image.Image) -> int:
    return max(level for level, count in enumerate(band.histogram()) if count)
