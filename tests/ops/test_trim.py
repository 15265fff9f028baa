"""Trim: a border goes, whatever its colour, and never the picture."""

from __future__ import annotations

import pytest
from PIL import Image

from renderer.box import Box, Size
from renderer.ops import Crop, Fit, Raster, Trim, outline
from tests.ops.rasters import MODES, disc, done, lanczos, noise, whole
from tests.picture.pictures import quarters

INNER = quarters((40, 30))


def bordered(colour: object = "white", mode: str = "RGB", size: Size = (100, 80), at: Size = (10, 20)) -> Image.Image:
    image = Image.new("RGB", size, colour)  # type: ignore[arg-type]
    image.paste(INNER, at)
    return image.convert(mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("colour", ["black", "gray", "navy"])
def test_a_border_of_any_colour_is_cut_off(colour: str, mode: str) -> None:
    image = bordered(colour, mode)
    assert Trim(0).settled(whole(image)) == Crop(10, 20, Box(40, 30))
    assert done(image, Trim(0)).tobytes() == INNER.convert(mode).tobytes()


def test_a_border_that_runs_into_the_picture_goes_as_far_as_it_is_uniform() -> None:
    """The right bottom quarter is white, and so is the border: 30 columns of it are left by what stands above."""
    assert Trim(0).settled(whole(bordered("white"))) == Crop(10, 20, Box(40, 30))
    lower = bordered("white").crop((0, 35, 100, 80))
    assert Trim(0).settled(whole(lower)) == Crop(10, 0, Box(20, 15))


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (300, 600)], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_a_uniform_picture_stays_as_it_is(mode: str, size: Size) -> None:
    image = Image.new(mode, size, "white")
    assert done(image, Trim(10)) is image


def test_the_tolerance_is_a_percentage_of_the_whole_scale() -> None:
    image = Image.new("L", (50, 50), 100)
    image.paste(150, (20, 20, 30, 30))  # 50 levels are 19.6 percent
    assert done(image, Trim(19)).size == (10, 10)
    assert done(image, Trim(20)).size == (50, 50)


def test_noise_in_a_border_is_border_up_to_the_tolerance() -> None:
    image = noise((100, 80), strength=16).point([min(255, value + 60) for value in range(256)])
    image.paste(20, (40, 30, 60, 50))
    assert done(image, Trim(10)).size == (20, 20)
    assert done(image, Trim(1)).size[0] > 90


def test_what_is_transparent_is_border_whatever_colour_stands_there() -> None:
    image = Image.new("RGBA", (60, 60), (255, 0, 0, 0))
    image.paste((0, 255, 0, 0), (0, 0, 60, 10))
    image.paste((9, 9, 9, 255), (20, 25, 30, 45))
    assert done(image, Trim(0)).size == (10, 20)
    assert done(disc((60, 60)), Trim(0)).size[0] < 55


def test_transparent_content_on_an_opaque_border_is_content() -> None:
    image = Image.new("LA", (50, 40), (0, 255))
    image.paste((0, 0), (5, 6, 15, 16))
    assert done(image, Trim(0)).size == (10, 10)


@pytest.mark.parametrize("row", [0, 255, 256, 257, 599])
def test_the_bands_in_which_it_looks_do_not_show(row: int) -> None:
    image = Image.new("L", (20, 600), 255)
    image.putpixel((3, 300), 0)
    image.putpixel((9, row), 0)
    expected = Crop(3, min(row, 300), Box(7, abs(row - 300) + 1))
    assert Trim(5).settled(whole(image)) == expected


def test_what_the_first_frame_decides_holds_for_all() -> None:
    settled = Trim(0).settled(whole(bordered("black")))
    assert settled.settled(whole(bordered("white", at=(0, 0)))) == settled
    assert settled.apply(whole(bordered("white", at=(0, 0)))).size == (40, 30)


def test_what_is_left_is_never_more_than_announced() -> None:
    operations = Trim(0), Fit(Box(20, 20))
    assert done(bordered("black"), *operations).size == (20, 15)
    assert outline(operations, (100, 80)) == (20, 16)


def test_a_reduced_decode_loses_nothing_at_the_edges() -> None:
    small = bordered("black").resize((25, 20), Image.Resampling.BOX)
    left, top, box = (settled := Trim(0).settled(Raster(small, (100, 80), lanczos))).left, settled.top, settled.box
    assert left <= 10
    assert top <= 20
    assert left + box.width >= 50
    assert top + box.height >= 50
