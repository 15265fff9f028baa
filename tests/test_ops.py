"""The operations: spelled and parsed, and doing to pixels what they announce."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from renderer.box import Box, Size
from renderer.errors import BadRequest, Refused
from renderer.ops import (
    BY_WORD,
    PIPELINE,
    Background,
    Blur,
    Brightness,
    Contrast,
    Crop,
    Fill,
    Fit,
    Flip,
    Grayscale,
    Operation,
    Orient,
    Pad,
    Raster,
    Rotate,
    Saturation,
    Scale,
    Sharpen,
    Stretch,
    Trim,
    Watermark,
    are_idle,
    detail,
    in_order,
    outline,
)
from tests.strategies import OPERATIONS, sizes

operations = st.one_of(*OPERATIONS.values())
small = st.tuples(st.integers(1, 40), st.integers(1, 40))


def resample(image: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS, box=box)


def corners(image: Image.Image) -> str:
    """The letters in the corners: left top, right top, left bottom, right bottom."""
    right, bottom = image.width - 1, image.height - 1
    return "".join(chr(int(image.getpixel((x, y)))) for y in (0, bottom) for x in (0, right))  # type: ignore[arg-type]


def lettered(size: Size = (4, 3)) -> Raster:
    """A grey picture whose quarters are A B over C D."""
    image = Image.new("L", size, ord("D"))
    width, height = size[0] // 2, size[1] // 2
    image.paste(ord("A"), (0, 0, width, height))
    image.paste(ord("B"), (width, 0, size[0], height))
    image.paste(ord("C"), (0, height, width, size[1]))
    return Raster(image, size, resample)


def test_every_operation_is_drawn_and_has_a_word_of_its_own() -> None:
    assert set(OPERATIONS) == set(PIPELINE)
    assert set(BY_WORD.values()) == set(PIPELINE)
    assert all(word.isalpha() and word.islower() for word in BY_WORD)


@given(operations)
def test_an_operation_is_parsed_as_it_is_spelled(operation: Operation) -> None:
    word, _, argument = operation.spell().partition("-")
    assert BY_WORD[word].parse(argument) == operation


@given(st.sampled_from(PIPELINE), st.text(st.sampled_from("0123456789xhvnsewc-!_, \n"), max_size=10))
def test_an_operation_has_one_spelling(kind: type[Operation], argument: str) -> None:
    try:
        operation = kind.parse(argument)
    except BadRequest:
        return
    assert operation.argument() == argument


@given(operations)
def test_a_spelling_fits_in_a_url_and_a_file_name(operation: Operation) -> None:
    assert set(operation.spell()) <= set("abcdefghijklmnopqrstuvwxyz0123456789-,")
    assert len(operation.spell()) <= 40


@given(st.lists(operations, max_size=5))
def test_the_order_is_that_of_the_pipeline_whatever_was_asked(wishes: list[Operation]) -> None:
    kinds = [PIPELINE.index(type(operation)) for operation in in_order(wishes)]
    assert kinds == sorted(kinds)
    assert len(kinds) == len(wishes)


OUTLINES = [
    (Fit(Box(150, 150)), (640, 480), (150, 112)),
    (Fit(Box(300, 0)), (640, 480), (300, 225)),
    (Fit(Box(0, 300)), (640, 480), (400, 300)),
    (Fit(Box(1024, 768)), (100, 75), (100, 75)),
    (Fill(Box(75, 75)), (50, 50), (75, 75)),
    (Fill(Box(75, 75)), (1000, 60), (75, 75)),
    (Stretch(Box(300, 400)), (640, 480), (300, 400)),
    (Stretch(Box(300, 0)), (640, 480), (300, 225)),
    (Stretch(Box(0, 960)), (640, 480), (1280, 960)),
    (Scale(Box(200, 0)), (800, 600), (200, 150)),
    (Scale(Box(200, 0)), (574, 496), (200, 173)),
    (Scale(Box(200, 0)), (400, 301), (200, 151)),
    (Scale(Box(0, 960)), (640, 480), (1280, 960)),
    (Scale(Box(200, 0)), (5000, 1), (200, 1)),
    (Rotate(90), (640, 480), (480, 640)),
    (Rotate(180), (640, 480), (640, 480)),
    (Rotate(270), (640, 480), (480, 640)),
    (Flip("h"), (640, 480), (640, 480)),
    (Orient(1), (640, 480), (640, 480)),
    (Orient(3), (640, 480), (640, 480)),
    (Orient(6), (640, 480), (480, 640)),
    (Crop(10, 20, Box(100, 50)), (640, 480), (100, 50)),
    (Crop(600, 470, Box(100, 50)), (640, 480), (40, 10)),
    (Fill(Box(75, 75), "smart"), (640, 480), (75, 75)),
    (Trim(10), (640, 480), (640, 480)),
    (Pad(Box(800, 600)), (640, 480), (800, 600)),
    (Pad(Box(100, 600)), (640, 480), (640, 600)),
    (Pad(Box(100, 100)), (640, 480), (640, 480)),
    (Grayscale(), (640, 480), (640, 480)),
    (Blur(500), (640, 480), (640, 480)),
    (Watermark("own"), (640, 480), (640, 480)),
]


@pytest.mark.parametrize(("operation", "size", "result"), [pytest.param(*row, id=f"{row[0].spell()} of {row[1]}") for row in OUTLINES])
def test_the_size_of_what_comes_out_is_known_before(operation: Operation, size: Size, result: Size) -> None:
    assert operation.outline(size) == result


@pytest.mark.parametrize("operation", [Crop(640, 0, Box(1, 1)), Crop(0, 480, Box(1, 1))], ids=Operation.spell)
def test_a_crop_beside_the_picture_is_refused(operation: Operation) -> None:
    with pytest.raises(Refused, match="expected a crop inside 640x480, got one that begins at"):
        operation.outline((640, 480))


@contextlib.contextmanager
def unless_refused() -> Iterator[None]:
    with contextlib.suppress(Refused):
        yield


@given(operations, sizes)
def test_nothing_comes_out_empty(operation: Operation, size: Size) -> None:
    with unless_refused():
        assert min(operation.outline(size)) >= 1


@given(operations, sizes)
def test_detail_is_a_scale_that_suffices(operation: Operation, size: Size) -> None:
    with unless_refused():
        scale = operation.detail(size)
        assert 0 < scale <= 1
        if isinstance(operation, Fit | Fill | Stretch | Scale):
            wide, high = operation.outline(size)
            assert scale == 1 or scale >= max(Fraction(wide, size[0]), Fraction(high, size[1]))


def test_detail_of_a_chain_counts_what_each_step_leaves() -> None:
    assert detail((Rotate(90), Fit(Box(120, 160))), (640, 480)) == Fraction(1, 4)
    assert detail((Crop(0, 0, Box(320, 240)), Fit(Box(160, 120))), (640, 480)) == Fraction(1, 2)
    assert detail((), (640, 480)) == 1
    assert detail((Fill(Box(2000, 2000)),), (640, 480)) == 1


def test_outline_of_a_chain_goes_through_all_steps() -> None:
    assert outline((Orient(6), Crop(0, 0, Box(400, 400)), Rotate(90), Fit(Box(100, 0))), (640, 480)) == (100, 100)


SMALL_OPERATIONS = [
    Fit(Box(7, 5)), Fit(Box(7, 0)), Fill(Box(9, 4)), Stretch(Box(3, 30)), Stretch(Box(0, 50)), Scale(Box(3, 0)), Scale(Box(0, 50)),
    Rotate(90), Rotate(180), Flip("v"), Orient(5), Orient(8), Crop(0, 0, Box(5, 5)),
    Fill(Box(4, 9), "se"), Fill(Box(4, 9), "smart"), Fill(Box(9, 4), (Fraction(9, 10), Fraction(1, 3))),
    Trim(5), Pad(Box(20, 20)), Pad(Box(3, 30), "ne"), Grayscale(), Brightness(50), Contrast(50), Saturation(50), Blur(500), Sharpen(300),
    Background((1, 2, 3)),
]  # fmt: skip


@given(st.sampled_from(SMALL_OPERATIONS), small, st.sampled_from((1, 2, 4, 8)))
def test_what_comes_out_has_the_size_announced_also_from_a_reduced_decode(operation: Operation, size: Size, divisor: int) -> None:
    reduced = -(-size[0] // divisor), -(-size[1] // divisor)  # a JPEG decoder rounds up
    done = operation.apply(Raster(Image.new("RGB", reduced), size, resample))
    assert done.size == operation.outline(size)
    if divisor == 1 or operation.group == "resize":
        assert done.image.size == done.size


TURNS = [
    (Flip("h"), "BADC"),
    (Flip("v"), "CDAB"),
    (Rotate(90), "CADB"),
    (Rotate(180), "DCBA"),
    (Rotate(270), "BDAC"),
    (Orient(1), "ABCD"),
    (Orient(2), "BADC"),
    (Orient(3), "DCBA"),
    (Orient(4), "CDAB"),
    (Orient(5), "ACBD"),
    (Orient(6), "CADB"),
    (Orient(7), "DBCA"),
    (Orient(8), "BDAC"),
]


@pytest.mark.parametrize(("operation", "result"), [pytest.param(*row, id=row[0].spell()) for row in TURNS])
def test_a_turn_puts_the_corners_where_it_should(operation: Operation, result: str) -> None:
    assert corners(operation.apply(lettered((8, 6))).image) == result


def test_a_crop_cuts_from_the_upright_picture() -> None:
    cut = Crop(4, 3, Box(10, 10)).apply(lettered((8, 6)))
    assert cut.size == cut.image.size == (4, 3)
    assert corners(cut.image) == "DDDD"


def test_a_fill_takes_the_middle() -> None:
    image = Image.new("L", (300, 100), 0)
    image.paste(200, (100, 0, 200, 100))
    filled = Fill(Box(100, 100)).apply(Raster(image, (300, 100), resample)).image
    assert filled.size == (100, 100)
    assert filled.getextrema() == (200, 200)


def test_pixels_that_fit_already_are_left_alone() -> None:
    def never(image: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
        raise AssertionError("resampled for nothing")

    raster = Raster(lettered((8, 6)).image, (8, 6), never)
    for operation in (Fit(Box(100, 100)), Fit(Box(8, 6)), Fill(Box(8, 6)), Stretch(Box(8, 0))):
        assert operation.apply(raster).image is raster.image


@given(small, st.tuples(st.fractions(-5, 45), st.fractions(-5, 45), st.fractions(-5, 45), st.fractions(-5, 45)))
def test_R5_a_region_is_clamped_to_the_picture(size: Size, region: tuple[Fraction, Fraction, Fraction, Fraction]) -> None:
    left, top, right, bottom = Raster(Image.new("L", size), size, resample).inside(region)
    assert left >= 0
    assert top >= 0
    assert right <= size[0]
    assert bottom <= size[1]


REFUSED = [
    ("fill", "300x200-", "a gravity left out"),
    ("fill", "300x200-c", "the centre said"),
    ("fill", "300x200-50,50", "the centre as a point"),
    ("fill", "300x200-0,0", "a corner as a point"),
    ("fill", "300x200-50,100", "a side as a point"),
    ("fill", "300x200-101,3", "a point beside the picture"),
    ("fill", "300x200-33", "half a point"),
    ("fill", "300x200-33,", "half a point with a comma"),
    ("fill", "300x200-033,50", "a leading zero"),
    ("fill", "300x200-33,50,7", "a point in space"),
    ("fill", "300x200-smart-n", "two gravities"),
    ("fill", "300x200-SMART", "upper case"),
    ("fill", "300x", "a free side"),
    ("trim", "101", "more than all"),
    ("brightness", "100", "what changes nothing"),
    ("contrast", "0", "nothing but gray"),
    ("saturation", "0", "grayscale by another name"),
    ("saturation", "301", "too much"),
    ("blur", "0", "no blur"),
    ("blur", "501", "too wide a blur"),
    ("sharpen", "0", "no sharpening"),
    ("sharpen", "301", "too much sharpening"),
    ("pad", "300x", "a pad with a free side"),
    ("pad", "300x200-c", "the centre said for a pad"),
    ("pad", "300x200-smart", "a pad where there is most to see"),
    ("background", "FFFFFF", "upper-case digits"),
    ("background", "fff", "short for a colour"),
    ("background", "fffffff", "a digit too many"),
    ("background", "٣٣٣٣٣٣", "foreign digits"),
    ("background", "white", "the name of a colour"),
    ("watermark", "", "no name"),
    ("watermark", "Own", "an upper-case name"),
    ("watermark", "own-logo", "a dash in a name"),
    ("watermark", "a" * 31, "a name too long"),
    ("watermark", "ä", "a foreign letter"),
    ("grayscale", "1", "an argument for what has none"),
]


@pytest.mark.parametrize(("word", "argument"), [pytest.param(word, argument, id=f"{word}: {what}") for word, argument, what in REFUSED])
def test_what_an_operation_cannot_be_is_refused(word: str, argument: str) -> None:
    with pytest.raises(BadRequest, match="expected"):
        BY_WORD[word].parse(argument)


def test_a_refused_focal_point_says_what_it_is_called() -> None:
    with pytest.raises(BadRequest, match="expected gravity se for this focal point, got '100,100'"):
        Fill.parse("300x200-100,100")
    with pytest.raises(BadRequest, match="expected no gravity for this focal point, got '50,50'"):
        Fill.parse("300x200-50,50")


IDLE = [
    (Crop(0, 0, Box(640, 480)), True),
    (Crop(0, 0, Box(9999, 9999)), True),
    (Crop(1, 0, Box(9999, 9999)), False),
    (Fit(Box(640, 0)), True),
    (Fit(Box(639, 0)), False),
    (Fill(Box(640, 480), "smart"), True),
    (Fill(Box(640, 481)), False),
    (Stretch(Box(0, 480)), True),
    (Stretch(Box(0, 481)), False),
    (Pad(Box(640, 480), "n"), True),
    (Pad(Box(641, 1)), False),
    (Orient(1), True),
    (Orient(2), False),
    (Rotate(180), False),
    (Trim(0), False),
    (Grayscale(), False),
    (Background((0, 0, 0)), False),
]


@pytest.mark.parametrize(("operation", "idle"), [pytest.param(*row, id=row[0].spell()) for row in IDLE])
def test_what_changes_nothing_is_known_from_the_size(operation: Operation, idle: bool) -> None:
    assert operation.is_idle((640, 480)) is idle
    assert are_idle((Orient(1), operation), (640, 480)) is idle


def test_what_is_idle_hands_on_the_very_pixels_it_got() -> None:
    raster = lettered((8, 6))
    for operation in (Crop(0, 0, Box(8, 6)), Fit(Box(9, 9)), Fill(Box(8, 6)), Pad(Box(1, 1)), Orient(1)):
        assert operation.apply(raster).image is raster.image


def test_trimming_wants_all_pixels() -> None:
    assert detail((Fit(Box(64, 48)),), (640, 480)) == Fraction(1, 10)
    assert detail((Trim(5), Fit(Box(64, 48))), (640, 480)) == 1


def test_words_that_stand_alone_have_no_dash() -> None:
    assert Grayscale().spell() == "grayscale"
    assert Grayscale.parse("") == Grayscale()


FOLLOWED = {Grayscale, Brightness, Contrast, Saturation, Background, Watermark}


def test_only_what_is_about_colours_has_the_profile_followed_before() -> None:
    assert {kind for kind in PIPELINE if kind.wants_colour} == FOLLOWED
    assert {kind for kind in PIPELINE if kind.wants_whole} == {Trim}
