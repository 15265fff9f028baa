"""The size tables of huImages, rendered for real."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from renderer.box import Box, Size
from renderer.ops import Fill, Fit
from tests.picture.pictures import GREEN, RED, close, corners, pixel, quarters, rendered, saved

F = pytest.mark.feature

# huImages' table of fits, with the sizes that exact arithmetic gives
FITS = [
    pytest.param((640, 480), (150, 150), (150, 112), marks=F(5)),
    pytest.param((480, 640), (150, 150), (112, 150), marks=F(6)),
    pytest.param((1000, 1000), (320, 240), (240, 240), marks=F(7)),
    pytest.param((640, 480), (240, 160), (213, 160)),
    pytest.param((640, 480), (480, 320), (426, 320)),
    pytest.param((640, 480), (50, 200), (50, 37)),
    pytest.param((480, 640), (50, 200), (50, 66)),
    pytest.param((640, 480), (23, 40), (23, 17)),
    pytest.param((640, 480), (179, 600), (179, 134)),
    pytest.param((640, 480), (477, 800), (477, 357)),
    pytest.param((800, 600), (477, 800), (477, 357), marks=F(9)),
    pytest.param((3000, 2000), (1024, 768), (1024, 682)),
    pytest.param((4032, 3024), (800, 600), (800, 600)),
    pytest.param((2000, 100), (320, 240), (320, 16)),
    pytest.param((641, 481), (320, 240), (319, 240)),
    pytest.param((100, 75), (1024, 768), (100, 75), marks=F(8)),
    pytest.param((5000, 1), (150, 150), (150, 1), marks=F(10)),
    pytest.param((1, 5000), (150, 150), (1, 150), marks=F(10)),
]

# huImages' table of crops, each exactly as asked
FILLS = [
    pytest.param((640, 480), (75, 75), marks=F(11)),
    pytest.param((480, 640), (75, 75), marks=F(11)),
    pytest.param((640, 480), (150, 150), marks=F(11)),
    pytest.param((3000, 2000), (75, 75), marks=F(12)),
    pytest.param((3000, 2000), (150, 150), marks=F(12)),
    pytest.param((1000, 1000), (75, 75)),
    pytest.param((281, 400), (75, 75), marks=F(12)),
    pytest.param((50, 50), (75, 75), marks=F(13)),
    pytest.param((100, 50), (75, 75), marks=F(13)),
    pytest.param((1000, 60), (75, 75), marks=F(14)),
    pytest.param((75, 480), (75, 75), marks=F(14)),
]
SUFFIXES = pytest.mark.parametrize("suffix", ["jpg", "png"])  # the one is decoded reduced, the other whole


@SUFFIXES
@pytest.mark.parametrize(("size", "box", "result"), FITS, ids=str)
def test_a_fit_has_the_size_of_the_table(tmp_path: Path, size: Size, box: Size, result: Size, suffix: str) -> None:
    original = saved(Image.new("RGB", size, GREEN), tmp_path / f"original.{suffix}")
    made = rendered(original, Fit(Box(*box)))
    assert made.size == result
    assert close(pixel(made, 0.5, 0.5), GREEN)


@SUFFIXES
@pytest.mark.parametrize(("size", "box"), FILLS, ids=str)
def test_a_fill_has_exactly_the_size_asked_for(tmp_path: Path, size: Size, box: Size, suffix: str) -> None:
    original = saved(quarters(size), tmp_path / f"original.{suffix}")
    made = rendered(original, Fill(Box(*box)))
    assert made.size == box
    assert len(set(corners(made))) == 4  # the middle of the picture, so all four quarters are seen


@pytest.mark.parametrize("sideways", [(7, 3), (3, 7)], ids=str)
def test_the_surplus_of_a_fill_is_cut_from_both_sides_alike(tmp_path: Path, sideways: Size) -> None:
    size = sideways[0] * 100, sideways[1] * 100
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, (size[0] // 2 - 150, size[1] // 2 - 150, size[0] // 2 + 150, size[1] // 2 + 150))
    made = rendered(saved(image, tmp_path / "original.png"), Fill(Box(60, 60)))
    assert {close(pixel(made, x, y), GREEN) for x in (0.03, 0.97) for y in (0.03, 0.97)} == {True}


def test_an_odd_surplus_comes_off_right_and_bottom(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 1), RED)
    image.paste(GREEN, (1, 0, 2, 1))
    assert pixel(rendered(saved(image, tmp_path / "original.png"), Fill(Box(1, 1)), quality=100), 0, 0)[1] > 100
