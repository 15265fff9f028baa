"""The originals: photographs where there are some, else pictures drawn by the project's own samples.

`ONMISS_CORPUS`, or `../shared/corpus` beside the project, is a directory with a folder `photos`.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from scripts.samples import mountains

TOP = Path(__file__).resolve().parent.parent
DRAWN = ((1024, 683), (1600, 1067), (2048, 1365), (3000, 2000), (4000, 3000), (5184, 3456))  # as many pixels as cameras have had
LARGE = (6000, 4000)  # 24 megapixels


@dataclass(frozen=True)
class Photos:
    """`contents`: the bytes of JPEG files; `what`: what they are, in words."""

    contents: tuple[bytes, ...]
    what: str


def corpus(pattern: str) -> list[Path]:
    """The photographs of the corpus with such names; none where it is not there."""
    folder = Path(os.environ.get("ONMISS_CORPUS") or TOP.parent / "shared/corpus") / "photos"
    return sorted(folder.glob(pattern))


def photos() -> Photos:
    found = tuple(path.read_bytes() for path in corpus("*.jpg"))
    contents = found or tuple(_drawn(size, seed) for seed, size in enumerate(DRAWN))
    sizes = sorted(_pixels(content) / 1e6 for content in contents)
    kind = "JPEG photographs" if found else "drawn pictures (there is no corpus of photographs here)"
    return Photos(contents, f"{len(contents)} {kind} of {sizes[0]:.1f} to {sizes[-1]:.0f} megapixels")


def large() -> Photos:
    """One of 24 megapixels."""
    for content in photos().contents:
        if 23e6 < _pixels(content) < 25e6:
            return Photos((content,), f"a JPEG photograph of {_pixels(content) / 1e6:.0f} megapixels, {len(content) / 1e6:.1f} MB")
    content = _drawn(LARGE, 1)
    return Photos((content,), f"a drawn JPEG of 24 megapixels, {len(content) / 1e6:.1f} MB")


def small(seed: int) -> bytes:
    """Quick to render, so that what surrounds a render is most of a miss."""
    return _drawn((160, 120), seed)


def _pixels(content: bytes) -> int:
    width, height = Image.open(io.BytesIO(content)).size
    return width * height


def drawn(size: tuple[int, int], seed: int) -> Image.Image:
    return mountains(size, seed)


def _drawn(size: tuple[int, int], seed: int) -> bytes:
    target = io.BytesIO()
    drawn(size, seed).save(target, "JPEG", quality=90)
    return target.getvalue()
