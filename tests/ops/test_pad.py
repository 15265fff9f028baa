"""Pad: the picture lies where it should, in transparent space, in its own size."""

from __future__ import annotations

import pytest
from PIL import Image

from renderer.box import GRAVITIES, Box
from renderer.ops import Background, Fit, Pad, Raster
from tests.ops.rasters import MODES, done, lanczos
from tests.picture.pictures import quarters

CORNERS = {"nw": (0, 0), "n": (5, 0), "ne": (10, 0), "w": (0, 7), "c": (5, 7), "e": (10, 7), "sw": (0, 14), "s": (5, 14), "se": (10, 14)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gravity", GRAVITIES)
def test_the_picture_lies_where_the_gravity_says(gravity: str, mode: str) -> None:
    image = quarters((40, 30), mode)
    padded = done(image, Pad(Box(50, 44), gravity))
    left, top = CORNERS[gravity]
    assert padded.mode == ("LA" if mode[0] == "L" else "RGBA")
    assert padded.getchannel("A").getbbox() == (left, top, left + 40, top + 30)
    assert padded.crop((left, top, left + 40, top + 30)).convert(mode).tobytes() == image.tobytes()


def test_alpha_that_was_there_stays() -> None:
    padded = done(Image.new("RGBA", (2, 2), (9, 8, 7, 100)), Pad(Box(4, 2)))
    assert [padded.getpixel((x, 0)) for x in range(4)] == [(0, 0, 0, 0), (9, 8, 7, 100), (9, 8, 7, 100), (0, 0, 0, 0)]


@pytest.mark.parametrize(("box", "size"), [(Box(30, 60), (40, 60)), (Box(60, 10), (60, 30)), (Box(40, 31), (40, 31))], ids=str)
def test_a_side_that_is_longer_stays(box: Box, size: tuple[int, int]) -> None:
    assert done(quarters((40, 30)), Pad(box)).size == size


def test_a_picture_that_fills_the_box_stays_as_it_is() -> None:
    image = quarters((40, 30))
    assert done(image, Pad(Box(40, 30))) is image


def test_the_odd_pixel_comes_right_and_below() -> None:
    assert done(quarters((40, 30)), Pad(Box(43, 35))).getchannel("A").getbbox() == (1, 2, 41, 32)


def test_a_background_fills_the_space() -> None:
    framed = done(quarters((80, 60)), Fit(Box(20, 20)), Pad(Box(20, 20)), Background((1, 2, 3)))
    assert framed.mode == "RGB"
    assert framed.size == (20, 20)
    assert [framed.getpixel((3, y)) for y in (0, 1, 17, 18, 19)] == [(1, 2, 3)] * 2 + [(1, 2, 3)] * 3
    assert done(quarters((40, 30), "L"), Pad(Box(50, 50)), Background((7, 7, 7))).mode == "L"


def test_it_counts_in_pixels_of_the_upright_picture_also_after_a_reduced_decode() -> None:
    padded = Pad(Box(200, 200)).apply(Raster(quarters((40, 30)), (160, 120), lanczos))
    assert padded.image.size == padded.size == (200, 200)
    assert padded.image.getchannel("A").getbbox() == (20, 40, 180, 160)
