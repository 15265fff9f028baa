"""Pillow's encoders, at arm's length: into memory, with nothing of `image.info`, and their errors in our words."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from renderer.box import Size
from renderer.errors import Refused
from renderer.formats import Format

# What Pillow would otherwise take from `image.info`, which is the original's and shared: said to be none.
_NOTHING: dict[str, dict[str, Any]] = {
    "JPEG": {"comment": b""},
    "PNG": {"icc_profile": None, "transparency": None, "default_image": False},
    "WEBP": {"background": (0, 0, 0, 0)},
    "AVIF": {"icc_profile": b""},
}


def saved(image: Image.Image, form: Format, **settings: Any) -> bytes:
    """In memory first: Pillow writes to a descriptor without looking whether all was taken, and a full disk would go unseen."""
    content = io.BytesIO()
    with held(form, image.size):
        image.save(content, form.pillow, **(_NOTHING[form.pillow] | settings))
    return content.getvalue()


_NO_MEMORY = ("encoding error 1",)  # libwebp's VP8_ENC_ERROR_OUT_OF_MEMORY


@contextmanager
def held(form: Format, size: Size) -> Iterator[None]:
    """Around an encoder: what it cannot hold is Refused."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, struct.error) as error:
        if str(error) in _NO_MEMORY:
            raise MemoryError from error
        found = f"{size[0]}x{size[1]}"
        raise Refused(f"expected a picture that {form.name} can hold, got {found}: {str(error)[:100]}") from error


def in_colour(image: Image.Image) -> Image.Image:
    """RGB or RGBA, for formats that have no gray."""
    return image.convert({"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode))
