"""Each operation on real pixels, through the resampler that the service uses; the whole and the reduced decode of the same picture."""

from __future__ import annotations

from fractions import Fraction

import pytest
from PIL import Image

from renderer.box import Box, Size
from renderer.ops import Crop, Fill, Fit, Flip, Operation, Orient, Raster, Rotate, Stretch
from renderer.picture.resample import resample
from tests.picture.pictures import BLUE, GREEN, QUARTERS, RED, WHITE, close, corners, pixel, quarters

TURNED = {
    2: (GREEN, RED, WHITE, BLUE),
    3: (WHITE, BLUE, GREEN, RED),
    4: (BLUE, WHITE, RED, GREEN),
    5: (RED, BLUE, GREEN, WHITE),
    6: (BLUE, RED, WHITE, GREEN),
    7: (WHITE, GREEN, BLUE, RED),
    8: (GREEN, WHITE, RED, BLUE),
}

SEEN: list[tuple[Operation, tuple[tuple[int, ...], ...]]] = [
    (Orient(1), QUARTERS),
    *((Orient(tag), seen) for tag, seen in TURNED.items()),
    (Rotate(90), TURNED[6]),
    (Rotate(180), TURNED[3]),
    (Rotate(270), TURNED[8]),
    (Flip("h"), TURNED[2]),
    (Flip("v"), TURNED[4]),
    (Crop(0, 0, Box(80, 60)), (RED, RED, RED, RED)),
    (Crop(80, 0, Box(80, 120)), (GREEN, GREEN, WHITE, WHITE)),
    (Fit(Box(40, 40)), QUARTERS),
    (Fit(Box(0, 30)), QUARTERS),
    (Fill(Box(30, 40)), QUARTERS),
    (Fill(Box(400, 100)), QUARTERS),
    (Stretch(Box(200, 20)), QUARTERS),
    (Stretch(Box(0, 240)), QUARTERS),
]


def raster(size: Size, divisor: int = 1, mode: str = "RGB") -> Raster:
    reduced = -(-size[0] // divisor), -(-size[1] // divisor)
    return Raster(quarters(reduced, mode), size, resample)


@pytest.mark.parametrize("divisor", [1, 2, 4], ids=lambda divisor: f"decoded at 1:{divisor}")
@pytest.mark.parametrize(("operation", "seen"), [pytest.param(*row, id=row[0].spell()) for row in SEEN])
def test_the_corners_show_what_the_operation_says(operation: Operation, seen: tuple[object, ...], divisor: int) -> None:
    done = operation.apply(raster((160, 120), divisor))
    assert corners(done.image) == seen
    assert done.size == operation.outline((160, 120))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("operation", [row[0] for row in SEEN], ids=Operation.spell)
def test_an_operation_keeps_the_mode(operation: Operation, mode: str) -> None:
    assert operation.apply(raster((160, 120), mode=mode)).image.mode == mode


def test_lanczos_keeps_a_flat_colour_flat() -> None:
    flat = Raster(Image.new("RGB", (97, 61), (12, 200, 99)), (97, 61), resample)
    for operation in (Fit(Box(31, 31)), Fill(Box(200, 200)), Stretch(Box(5, 300))):
        assert operation.apply(flat).image.getcolors() == [(operation.outline((97, 61))[0] * operation.outline((97, 61))[1], (12, 200, 99))]


def test_a_crop_box_is_resampled_with_fractions_of_a_pixel() -> None:
    """A fill of 3x1 from 4x3: the region is 4 x 4/3 pixels from the top, so that a third of the second row shines through."""
    image = Image.new("L", (4, 3), 0)
    image.paste(255, (0, 1, 4, 2))
    filled = Fill(Box(3, 1)).apply(Raster(image, (4, 3), resample)).image
    assert 30 < pixel(filled, 0.5, 0)[0] < 120


@pytest.mark.parametrize("left", [796, 797, 798, 799])
@pytest.mark.parametrize("divisor", [1, 2, 4, 8])
def test_R5_a_thin_crop_at_the_edge_stays_inside_the_pixels_that_are_there(left: int, divisor: int) -> None:
    size = 800, 600
    white = Raster(Image.new("L", (size[0] // divisor, size[1] // divisor), 255), size, resample)
    for crop in (Crop(left, 0, Box(1, 600)), Crop(0, left - 200, Box(800, 1)), Crop(left, left - 200, Box(9, 9))):
        assert crop.apply(white).image.getextrema() == (255, 255)


def test_R5_a_crop_that_stands_over_the_edge_is_clamped() -> None:
    cut = Crop(100, 100, Box(99_999, 99_999)).apply(raster((160, 120)))
    assert cut.size == cut.image.size == (60, 20)
    assert close(pixel(cut.image, 0.9, 0.9), WHITE)


def test_a_region_of_a_reduced_decode_is_counted_in_its_own_pixels() -> None:
    region = tuple(map(Fraction, (100, 50, 300, 250)))
    assert raster((800, 400), 4).inside(region) == (25, 12.5, 75, 62.5)  # type: ignore[arg-type]
