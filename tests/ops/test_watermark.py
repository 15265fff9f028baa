"""Watermarks: where they lie, how strong they are, and what an unreadable one is."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from renderer.box import GRAVITIES, Box, Size
from renderer.errors import BadRequest, ConfigError, Refused
from renderer.ops import Fit, Mark, Raster, Watermark
from tests.ops.rasters import MODES, done, lanczos
from tests.picture.pictures import close, saved

GRAY = (100, 100, 100)


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    """Red, 40x20, its left half transparent."""
    image = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (0, 0, 20, 20))
    return saved(image, tmp_path / "logo.png")


def stamped(image: Image.Image, mark: Mark) -> Image.Image:
    return done(image, Watermark("own"), marks={"own": mark})


def changed(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int] | None:
    """The box in which two pictures differ by what can be seen."""
    difference = ImageChops.difference(before.convert("RGBA"), after.convert("RGBA"))
    return difference.point([255 * (step > 3) for step in range(256)] * 4).getbbox(alpha_only=False)


LEFTS, TOPS = {"w": 0, "": 40, "e": 80}, {"n": 0, "": 35, "s": 70}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gravity", GRAVITIES)
def test_it_lies_where_the_gravity_says_in_percent_of_the_width(logo: Path, gravity: str, mode: str) -> None:
    """20 percent of 100 is 20x10, of which the right half can be seen."""
    image = Image.new(mode, (100, 80), {"L": 99, "LA": (99, 255), "RGB": GRAY, "RGBA": (*GRAY, 255)}[mode])
    after = stamped(image, Mark(logo, 20, 100, gravity))
    left, top = LEFTS[gravity.strip("nsc")], TOPS[gravity.strip("wec")]
    assert changed(image, after) == pytest.approx((left + 10, top, left + 20, top + 10), abs=1)
    assert after.size == image.size
    assert after.mode == ("RGBA" if mode.endswith("A") else "RGB")


@pytest.mark.parametrize(("opacity", "seen"), [(100, (255, 0, 0)), (50, (178, 50, 50)), (1, (102, 99, 99))])
def test_opacity_is_a_percentage(logo: Path, opacity: int, seen: tuple[int, int, int]) -> None:
    after = stamped(Image.new("RGB", (100, 100), GRAY), Mark(logo, 100, opacity, "nw"))
    assert close(after.getpixel((90, 20)), seen, 2)  # type: ignore[arg-type]
    assert after.getpixel((5, 20)) == GRAY


def test_over_what_is_transparent_it_brings_its_own_alpha(logo: Path) -> None:
    after = stamped(Image.new("RGBA", (100, 50), (0, 0, 255, 0)), Mark(logo, 100, 50, "nw"))
    assert close(after.getpixel((90, 25)), (255, 0, 0, 128), 2)  # type: ignore[arg-type]
    assert after.getpixel((5, 5))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("size", [(1, 1), (200, 3), (3, 200), (7, 7), (1, 500)], ids=str)
@pytest.mark.parametrize("percent", [1, 30, 100])
def test_R5_it_is_never_larger_than_the_picture(logo: Path, percent: int, size: Size) -> None:
    for mode in MODES:
        for gravity in ("nw", "c", "se"):
            assert stamped(Image.new(mode, size), Mark(logo, percent, 50, gravity)).size == size


def test_a_gray_one_leaves_a_gray_picture_gray_and_a_coloured_one_shows_its_colour(tmp_path: Path, logo: Path) -> None:
    gray = saved(Image.new("LA", (10, 10), (255, 128)), tmp_path / "gray.png")
    assert stamped(Image.new("L", (50, 50)), Mark(gray)).mode == "L"
    assert stamped(Image.new("LA", (50, 50)), Mark(gray)).mode == "LA"
    assert stamped(Image.new("RGB", (50, 50)), Mark(gray)).mode == "RGB"
    assert stamped(Image.new("L", (50, 50)), Mark(logo)).mode == "RGB"


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_it_is_read_from_png_webp_and_jpeg(tmp_path: Path, suffix: str) -> None:
    file = saved(Image.new("RGB", (8, 8), (250, 250, 250)), tmp_path / f"mark.{suffix}")
    after = stamped(Image.new("RGB", (80, 80)), Mark(file, 10, 100, "se"))
    assert close(after.getpixel((79, 79)), (250, 250, 250))  # type: ignore[arg-type]


def test_a_mark_that_is_replaced_is_read_again(logo: Path) -> None:
    mark, image = Mark(logo, 100, 100, "nw"), Image.new("RGB", (40, 20))
    assert stamped(image, mark).getpixel((30, 10)) == (255, 0, 0)
    saved(Image.new("RGB", (40, 20), (0, 0, 255)), logo)
    os.utime(logo, (1, 1))
    assert stamped(image, mark).getpixel((30, 10)) == (0, 0, 255)


def test_a_mark_is_resampled_once_for_a_size(logo: Path) -> None:
    done_so_far: list[Size] = []

    def counting(image: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
        done_so_far.append(size)
        return lanczos(image, size, box)

    for width in (100, 100, 100, 200):
        Watermark("own").apply(Raster(Image.new("RGB", (width, 50)), (width, 50), counting, {"own": Mark(logo)}))
    assert done_so_far == [(20, 10), (40, 20)]


def test_a_name_that_nobody_configured_is_the_askers_mistake(logo: Path) -> None:
    with pytest.raises(BadRequest, match="expected the name of a configured watermark, got 'other'") as caught:
        done(Image.new("RGB", (9, 9)), Watermark("other"), marks={"own": Mark(logo)})
    assert not isinstance(caught.value, Refused)


def deep() -> bytes:
    """A PNG of 16 bits: Pillow would convert it to white."""
    content = io.BytesIO()
    Image.new("I;16", (9, 9), 40_000).save(content, "PNG")
    return content.getvalue()


BROKEN = {
    "sixteen bits": deep(),
    "not there": None,
    "empty": b"",
    "no picture": b"hello, world" * 20,
    "cut short": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00",
    "a format that is not read": b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
}


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in BROKEN.items()])
def test_a_file_that_cannot_be_read_is_the_operators_mistake(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret-place.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"watermarks\.own\.file: expected a PNG, WebP or JPEG file of 8 bits that can be read") as caught:
        stamped(Image.new("RGB", (9, 9)), Mark(file))
    assert "secret-place" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_it_is_counted_in_the_rendition_and_not_in_the_original(logo: Path) -> None:
    small = done(Image.new("RGB", (400, 320), GRAY), Fit(Box(100, 100)), Watermark("own"), marks={"own": Mark(logo, 20, 100, "nw")})
    assert changed(Image.new("RGB", (100, 80), GRAY), small) == pytest.approx((10, 0, 20, 10), abs=1)
