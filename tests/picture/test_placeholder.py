"""ThumbHashes of what is seen: upright, in sRGB, on white, and the same every time."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import thumbhash
from PIL import Image

from renderer.box import Size
from renderer.errors import BrokenOriginal, Refused
from renderer.limits import Limits
from renderer.picture.engine import Engine
from renderer.picture.placeholder import placeholder
from renderer.picture.render import describe
from tests.picture.pictures import BLUE, GREEN, RED, WHITE, header_of_png, quarters, saved, shades

ENGINE = Engine()


def average(hashed: str) -> tuple[float, ...]:
    """Red, green, blue and alpha of all of it, 0 to 1, as the library reads them."""
    return tuple(thumbhash.thumb_hash_to_average_rgba(list(base64.b64decode(hashed))))


def aspect(hashed: str) -> float:
    return float(thumbhash.thumb_hash_to_approximate_aspect_ratio(list(base64.b64decode(hashed))))


def of(image: Image.Image, file: Path, **settings: Any) -> str:
    return placeholder(saved(image, file, **settings), ENGINE)


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE, WHITE], ids=["red", "green", "blue", "white"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tiff"])
def test_the_average_colour_is_the_pictures(tmp_path: Path, colour: tuple[int, int, int], suffix: str) -> None:
    found = average(of(Image.new("RGB", (400, 300), colour), tmp_path / f"original.{suffix}"))
    assert found == pytest.approx((*(value / 255 for value in colour), 1.0), abs=0.05)


@pytest.mark.parametrize("resampler", ["pillow", "vips"])
def test_it_is_short_and_the_same_every_time(tmp_path: Path, resampler: str) -> None:
    original = saved(shades((1600, 1200)), tmp_path / "original.jpg", quality=90)
    hashed = {placeholder(original, Engine(resampler=resampler)) for _ in range(3)}
    assert len(hashed) == 1
    assert 20 < len(hashed.pop()) <= 36


def test_of_the_same_picture_in_another_format_it_is_nearly_the_same(tmp_path: Path) -> None:
    """PNG is decoded whole, JPEG at an eighth: the colours of both agree."""
    picture = quarters((1600, 1200))
    found = [average(of(picture, tmp_path / name)) for name in ("original.png", "original.jpg")]
    assert found[0] == pytest.approx(found[1], abs=0.03)


@pytest.mark.parametrize("tag", range(1, 9))
def test_it_shows_the_picture_upright(tmp_path: Path, tag: int) -> None:
    """The same quarters, stored in all eight ways."""
    stored = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes the tag: Pillow's transpositions
    picture = quarters((320, 160))
    turned = picture.transpose(Image.Transpose(stored[tag])) if tag > 1 else picture
    exif = Image.Exif()
    exif[0x0112] = tag
    upright = of(picture, tmp_path / "upright.png")
    assert of(turned, tmp_path / "turned.png", exif=exif) == upright
    assert aspect(upright) > 1


def test_what_is_transparent_is_shown_on_white(tmp_path: Path) -> None:
    hidden = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    half = Image.new("RGBA", (64, 64), (0, 0, 0, 128))
    gray = Image.new("LA", (64, 64), (0, 0))
    assert average(of(hidden, tmp_path / "hidden.png")) == pytest.approx((1, 1, 1, 1), abs=0.02)
    assert average(of(half, tmp_path / "half.png")) == pytest.approx((0.5, 0.5, 0.5, 1), abs=0.03)
    assert average(of(gray, tmp_path / "gray.png")) == pytest.approx((1, 1, 1, 1), abs=0.02)


def test_ink_is_shown_as_colour(tmp_path: Path) -> None:
    yellow = average(of(Image.new("CMYK", (64, 64), (0, 0, 255, 0)), tmp_path / "yellow.jpg"))
    assert (yellow[0] > 0.8, yellow[1] > 0.8, yellow[2] < 0.3) == (True, True, True)


def test_of_an_animation_it_is_the_first_frame(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (64, 64), RED), Image.new("RGB", (64, 64), BLUE)
    moving = of(first, tmp_path / "moving.gif", save_all=True, append_images=[second])
    assert average(moving) == pytest.approx((1, 0, 0, 1), abs=0.05)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (5000, 1), (33, 32)], ids=str)
def test_any_shape_has_one(tmp_path: Path, size: Size) -> None:
    assert 1 < len(base64.b64decode(of(Image.new("RGB", size, GREEN), tmp_path / "original.png"))) < 30


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff", header_of_png((64, 64))], ids=["empty", "text", "jpeg", "png"])
def test_what_cannot_be_decoded_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "original").write_bytes(content)
    with pytest.raises(BrokenOriginal):
        placeholder(tmp_path / "original", ENGINE)


def test_what_is_too_large_has_none(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(header_of_png((20_000, 20_000)))
    with pytest.raises(Refused):
        placeholder(tmp_path / "bomb.png", Engine(Limits(max_pixels_in=1_000_000)))


def test_a_description_has_the_header_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    original = saved(quarters((320, 160)), tmp_path / "original.jpg", exif=exif)
    described = describe(original, ENGINE)
    assert (described.header.width, described.header.height) == (160, 320)
    assert described.placeholder == placeholder(original, ENGINE)
    assert aspect(described.placeholder) < 1
