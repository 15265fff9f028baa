"""Operations on colours: gray, lighter, stronger, and what is put behind."""

from __future__ import annotations

import pytest
from PIL import Image

from renderer.ops import Background, Brightness, Contrast, Grayscale, Operation, Saturation
from tests.ops.rasters import MODES, done
from tests.picture.pictures import BLUE, GREEN, RED, quarters

ORANGE = (200, 100, 50)


def one(colour: tuple[int, ...], *operations: Operation) -> tuple[int, ...]:
    """What becomes of a pixel."""
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[len(colour)]
    found = done(Image.new(mode, (3, 2), colour), *operations).getpixel((1, 1))
    return found if isinstance(found, tuple) else (int(found or 0),)


@pytest.mark.parametrize(("mode", "wanted"), [("L", "L"), ("LA", "LA"), ("RGB", "L"), ("RGBA", "LA")])
def test_grayscale_leaves_one_channel_and_alpha(mode: str, wanted: str) -> None:
    assert done(quarters((8, 6), mode), Grayscale()).mode == wanted


def test_grayscale_weighs_colours_as_eyes_do() -> None:
    assert [one(colour, Grayscale()) for colour in (RED, GREEN, BLUE)] == [(76,), (94,), (29,)]
    assert one((*ORANGE, 30), Grayscale()) == (124, 30)


VALUES = [
    (Brightness(150), ORANGE, (255, 150, 75)),
    (Brightness(50), ORANGE, (100, 50, 25)),
    (Brightness(1), ORANGE, (2, 1, 1)),
    (Brightness(300), (10, 200, 30), (30, 255, 90)),
    (Contrast(200), ORANGE, (255, 73, 0)),
    (Contrast(50), ORANGE, (164, 114, 89)),
    (Contrast(300), (127, 128, 0), (126, 129, 0)),
    (Saturation(50), ORANGE, (162, 112, 87)),
    (Saturation(200), ORANGE, (255, 76, 0)),
    (Saturation(300), (90, 90, 90), (90, 90, 90)),
    (Saturation(1), ORANGE, (125, 124, 123)),
]


@pytest.mark.parametrize(("operation", "before", "after"), [pytest.param(*row, id=f"{row[0].spell()} of {row[1]}") for row in VALUES])
def test_a_level_is_a_percentage_of_what_there_is(operation: Operation, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    assert one(before, operation) == pytest.approx(after, abs=1)
    assert one((*before, 77), operation)[3] == 77


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", [Brightness(70), Contrast(150), Saturation(30)], ids=Operation.spell)
def test_a_level_keeps_the_mode(operation: Operation, mode: str) -> None:
    changed = done(quarters((8, 6), mode), operation)
    assert changed.mode == mode
    assert (changed.tobytes() == quarters((8, 6), mode).tobytes()) == (mode[0] == "L" and isinstance(operation, Saturation))


def test_contrast_and_brightness_do_not_look_at_the_rest_of_the_picture() -> None:
    """So that an animation does not flicker."""
    for operation in (Contrast(150), Brightness(80), Saturation(150)):
        beside_white = Image.new("RGB", (20, 10), "white")
        beside_white.paste(ORANGE, (0, 0, 3, 3))
        assert done(beside_white, operation).getpixel((1, 1)) == one(ORANGE, operation)


BEHIND = [
    ((*ORANGE, 255), (1, 2, 3), ORANGE),
    ((*ORANGE, 0), (1, 2, 3), (1, 2, 3)),
    ((200, 100, 50, 128), (0, 0, 0), (100, 50, 25)),
    ((60, 0), (9, 9, 9), (9,)),
    ((60, 255), (9, 9, 9), (60,)),
    ((60, 0), (9, 8, 7), (9, 8, 7)),
]


@pytest.mark.parametrize(("before", "behind", "after"), [pytest.param(*row, id=f"{row[1]} behind {row[0]}") for row in BEHIND])
def test_a_background_shows_through(before: tuple[int, ...], behind: tuple[int, int, int], after: tuple[int, ...]) -> None:
    assert one(before, Background(behind)) == pytest.approx(after, abs=1)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_background_is_idle_where_nothing_is_transparent(mode: str) -> None:
    image = quarters((8, 6), mode)
    assert done(image, Background((1, 2, 3))) is image


def test_a_background_is_spelled_in_lower_case_digits() -> None:
    assert Background((255, 204, 0)).spell() == "background-ffcc00"
    assert Background.parse("000a0b") == Background((0, 10, 11))
