"""Blur and sharpen: what becomes of an edge, of flat colour, and of what is transparent."""

from __future__ import annotations

import itertools

import pytest
from PIL import Image, ImageChops

from renderer.box import Box
from renderer.ops import Blur, Fit, Operation, Sharpen
from tests.ops.rasters import MODES, disc, done, noise
from tests.picture.pictures import quarters

SOFT = [Blur(1), Blur(25), Blur(500), Sharpen(1), Sharpen(50), Sharpen(300)]


def step(size: tuple[int, int] = (40, 10)) -> Image.Image:
    """Dark gray left, light gray right."""
    image = Image.new("L", size, 80)
    image.paste(170, (size[0] // 2, 0, *size))
    return image


def row(image: Image.Image) -> list[int]:
    return list(image.convert("L").crop((0, 5, image.width, 6)).tobytes())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", SOFT, ids=Operation.spell)
def test_what_is_flat_stays_and_the_mode_too(operation: Operation, mode: str) -> None:
    flat = Image.new(mode, (30, 20), 99 if mode == "L" else (99, 200) if mode == "LA" else (12, 130, 99, 255)[: len(mode)])
    soft = done(flat, operation)
    assert soft.mode == mode
    for before, after in zip(flat.getextrema(), soft.getextrema(), strict=True):
        assert after == pytest.approx(before, abs=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 1)], ids=str)
@pytest.mark.parametrize("operation", SOFT, ids=Operation.spell)
def test_the_smallest_pictures_have_no_less(operation: Operation, size: tuple[int, int]) -> None:
    for mode in MODES:
        assert done(quarters(size, mode), operation).size == size


def test_blur_makes_a_step_a_slope() -> None:
    sharp, soft, softer = row(step()), row(done(step(), Blur(20))), row(done(step(), Blur(60)))
    assert soft == sorted(soft)
    assert max(b - a for a, b in itertools.pairwise(sharp)) == 90
    assert max(b - a for a, b in itertools.pairwise(soft)) < 25
    assert max(b - a for a, b in itertools.pairwise(softer)) < 9


def test_sharpen_overshoots_beside_a_step_and_nowhere_else() -> None:
    before, after, more = row(step()), row(done(step(), Sharpen(50))), row(done(step(), Sharpen(150)))
    assert before[:19] == after[:19]
    assert before[21:] == after[21:]
    assert more[19] < after[19] < before[19] == 80
    assert more[20] > after[20] > before[20] == 170


def test_sharpen_brings_back_what_reduction_took() -> None:
    """The spread of values of fine texture, reduced to a quarter."""

    def spread(image: Image.Image) -> float:
        values = image.tobytes()
        mean = sum(values) / len(values)
        return sum((value - mean) ** 2 for value in values) / len(values)

    plain, sharpened = (done(noise((160, 120)), Fit(Box(40, 40)), *more) for more in ((), (Sharpen(50),)))
    assert spread(sharpened) > 1.2 * spread(plain)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("operation", [Blur(30), Sharpen(200)], ids=Operation.spell)
def test_no_dark_fringe_where_transparent_black_begins(operation: Operation, mode: str) -> None:
    """What stands there would show as a difference of 100 and more; what is left is the rounding of premultiplied values."""
    image = disc((60, 60), mode)
    middle, changed = image.convert("RGB").getpixel((30, 30)), done(image, operation)
    seen = changed.getchannel("A").point([255 * (opacity > 40) for opacity in range(256)])
    flat = Image.new("RGB", image.size, middle)
    difference = ImageChops.difference(flat, Image.composite(changed.convert("RGB"), flat, seen))
    assert max(most for _, most in difference.getextrema()) <= 16  # type: ignore[misc]
    assert seen.histogram()[255] > 800


def test_sharpen_leaves_alpha_as_it_is_and_blur_softens_it() -> None:
    image = disc((60, 60))
    assert done(image, Sharpen(300)).getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert len(set(done(image, Blur(30)).getchannel("A").tobytes())) > 50


def test_the_outermost_pixels_are_sharpened_like_the_others() -> None:
    image = Image.new("L", (9, 9), 100)
    image.paste(150, (0, 4, 9, 5))
    column = [done(image, Sharpen(300)).getpixel((across, 4)) for across in range(9)]
    assert len(set(column)) == 1
    turned = image.transpose(Image.Transpose.TRANSPOSE)
    row = [done(turned, Sharpen(300)).getpixel((4, down)) for down in range(9)]
    assert row == column
