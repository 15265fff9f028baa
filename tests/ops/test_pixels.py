"""Each operation on real pixels, through the resampler that the service uses; the whole and the reduced decode of the same picture."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from renderer.box import Box, Size
from renderer.errors import Refused
from renderer.ops import (
    PIPELINE,
    Blur,
    Crop,
    Fill,
    Fit,
    Flip,
    Mark,
    Operation,
    Orient,
    Raster,
    Rotate,
    Sharpen,
    Stretch,
    Trim,
)
from renderer.picture.resample import resampler
from tests.ops.rasters import MODES
from tests.picture.pictures import BLUE, GREEN, QUARTERS, RED, WHITE, close, corners, pixel, quarters, saved
from tests.strategies import OPERATIONS

resample = resampler("pillow")

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
    (Fill(Box(60, 120), "w"), (RED, RED, BLUE, BLUE)),
    (Fill(Box(60, 120), "ne"), (GREEN, GREEN, WHITE, WHITE)),
    (Fill(Box(160, 50), "s"), (BLUE, WHITE, BLUE, WHITE)),
    (Fill(Box(30, 60), (Fraction(1, 10), Fraction(1, 3))), (RED, RED, BLUE, BLUE)),
    (Trim(0), QUARTERS),
    (Sharpen(100), QUARTERS),
    (Blur(5), QUARTERS),
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


@pytest.mark.parametrize("mode", MODES)
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


@pytest.fixture(scope="module")
def mark(tmp_path_factory: pytest.TempPathFactory) -> Mark:
    return Mark(saved(Image.new("RGBA", (9, 5), (200, 10, 10, 128)), tmp_path_factory.mktemp("marks") / "own.png"))


def small(operation: Operation) -> Operation:
    """`operation` with a box that a test can pay for."""
    wished = getattr(operation, "box", None)
    return replace(operation, box=Box(wished.width % 90 or 7, wished.height % 90 or 7)) if wished else operation  # type: ignore[type-var]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", PIPELINE, ids=lambda kind: kind.word)
@settings(max_examples=15)
@given(st.data(), st.tuples(st.integers(1, 30), st.integers(1, 30)), st.integers(0, 3))
def test_no_operation_changes_the_pixels_that_it_is_given(
    mark: Mark, kind: type[Operation], mode: str, data: st.DataObject, size: Size, turn: int
) -> None:
    """One decode serves several recipes. What comes out has the size announced, and a mode that can be encoded."""
    operation = small(data.draw(OPERATIONS[kind]))
    image = quarters(size, mode).rotate(90 * turn)
    before = image.mode, image.size, image.tobytes(), dict(image.info)
    marks = {str(getattr(operation, "name", "")): mark}
    with contextlib.suppress(Refused):
        raster = Raster(image, size, resample, marks)
        done = operation.settled(raster).apply(raster)
        assert all(made <= announced for made, announced in zip(done.size, operation.outline(size), strict=True))
        assert kind is Trim or done.size == operation.outline(size)
        assert done.image.size == done.size
        assert done.image.mode in MODES
        if operation.is_idle(size):
            assert done.image.tobytes() == image.tobytes()
    assert (image.mode, image.size, image.tobytes(), dict(image.info)) == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", PIPELINE, ids=lambda kind: kind.word)
@settings(max_examples=5)
@given(st.data())
def test_an_operation_makes_the_same_bytes_every_time(mark: Mark, kind: type[Operation], mode: str, data: st.DataObject) -> None:
    operation = small(data.draw(OPERATIONS[kind]))
    marks = {str(getattr(operation, "name", "")): mark}
    with contextlib.suppress(Refused):
        first, second = (operation.apply(Raster(quarters((31, 22), mode), (31, 22), resample, marks)) for _ in range(2))
        assert first.image.tobytes() == second.image.tobytes()
