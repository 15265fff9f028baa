"""Pictures made on the spot, and what the tests ask of them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from renderer.box import Size
from renderer.errors import RendererError
from renderer.formats import JPEG, Format
from renderer.limits import Limits
from renderer.ops import Operation
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.render import render_all
from renderer.recipe import Output, Recipe

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 255, 255)
QUARTERS = (RED, GREEN, BLUE, WHITE)  # left top, right top, left bottom, right bottom


def quarters(size: Size, mode: str = "RGB") -> Image.Image:
    """Four colours, so that a corner tells which way is up."""
    width, height = size
    image = Image.new("RGB", size)
    for index, colour in enumerate(QUARTERS):
        left, top = (index % 2) * (width // 2), (index // 2) * (height // 2)
        image.paste(colour, (left, top, width if index % 2 else width // 2, height if index // 2 else height // 2))
    return image.convert(mode)


def shades(size: Size) -> Image.Image:
    """Smooth in every channel: what a photograph is to an encoder."""
    across, down = Image.linear_gradient("L").resize(size), Image.linear_gradient("L").rotate(90).resize(size)
    return Image.merge("RGB", (across, down, Image.blend(across, down, 0.5)))


def saved(image: Image.Image, file: Path, **settings: Any) -> Path:
    image.save(file, **settings)
    return file


def header_of_png(size: Size, bits: int = 1, colour_type: int = 0) -> bytes:
    """A PNG that promises `size` and holds one row of nothing."""
    ihdr = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", ihdr) + png_chunk(b"IDAT", zlib.compress(bytes(100))) + png_chunk(b"IEND", b"")


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def partly_covered_webp(canvas: Size, frame: Image.Image, frames: int = 2) -> bytes:
    """An animation of `frames` like `frame` at the left top of `canvas`, without the mark that it has alpha."""
    content = io.BytesIO()
    frame.save(content, "WEBP", quality=90)
    coded = content.getvalue()[12:]

    def number(value: int) -> bytes:
        return value.to_bytes(3, "little")

    def chunk(kind: bytes, payload: bytes) -> bytes:
        return kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)

    head = chunk(b"VP8X", bytes((2, 0, 0, 0)) + number(canvas[0] - 1) + number(canvas[1] - 1)) + chunk(b"ANIM", bytes(6))
    shown = number(0) * 2 + number(frame.width - 1) + number(frame.height - 1) + number(100) + b"\2"
    body = b"WEBP" + head + chunk(b"ANMF", shown + coded) * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def recipe(
    *operations: Operation, form: Format = JPEG, quality: int = 75, progressive: bool = False, still: bool = False
) -> Recipe:
    return Recipe.of(operations, Output(form, quality if form.has_quality else 0, progressive, still))


def outcome(
    original: Path, wish: Recipe, target: Path, limits: Limits | None = None, engine: Engine | None = None
) -> Made | RendererError:
    [result] = render_all(original, [Job(wish, target)], engine or Engine(limits=limits or Limits()))
    return result


def rendered(
    original: Path,
    *operations: Operation,
    form: Format = JPEG,
    quality: int = 75,
    limits: Limits | None = None,
    engine: Engine | None = None,
) -> Image.Image:
    """The rendition as anybody would see it; its file is beside the original."""
    target = original.with_name(f"made-{len(list(original.parent.iterdir()))}.{form.extension}")
    result = outcome(original, recipe(*operations, form=form, quality=quality), target, limits, engine)
    if isinstance(result, RendererError):
        raise result
    assert result.extension == form.extension
    assert result.length == target.stat().st_size
    with Image.open(target) as image:
        assert image.format == form.pillow
        image.load()
        return image.copy()


def pixel(image: Image.Image, across: float, down: float) -> tuple[int, ...]:
    """The colour at fractions of width and height, as RGB or RGBA."""
    wanted = image.convert("RGBA" if image.has_transparency_data else "RGB")
    found = wanted.getpixel((int(across * (image.width - 1)), int(down * (image.height - 1))))
    assert isinstance(found, tuple)
    return found


def close(one: tuple[int, ...], other: tuple[int, ...], tolerance: int = 12) -> bool:
    """Whether two colours differ by no more than encoders do."""
    return len(one) == len(other) and all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


def corners(image: Image.Image) -> tuple[tuple[int, ...], ...]:
    """The nearest of QUARTERS in each corner, a little inside: left top, right top, left bottom, right bottom."""
    seen = (pixel(image, across, down)[:3] for down in (0.1, 0.9) for across in (0.1, 0.9))
    return tuple(min(QUARTERS, key=lambda known: sum((a - b) ** 2 for a, b in zip(known, colour, strict=True))) for colour in seen)
