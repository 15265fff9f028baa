"""Fill: what is kept at each gravity, around a point, and where there is most to see."""

from __future__ import annotations

from fractions import Fraction

import pytest
from PIL import Image, ImageOps

from renderer.box import SIDES, Box, Size
from renderer.ops import Crop, Fill, Raster
from tests.ops.rasters import done, lanczos, noise, whole
from tests.picture.pictures import BLUE, GREEN, RED, close, corners, pixel, quarters

SKIN = (224, 172, 140)
GRAY = (128, 128, 128)
THIRDS = (RED, GREEN, BLUE)


def thirds(size: Size) -> Image.Image:
    """Three colours along the longer side."""
    image = Image.new("RGB", (3, 1) if size[0] > size[1] else (1, 3))
    for place, colour in enumerate(THIRDS):
        image.putpixel((place, 0) if size[0] > size[1] else (0, place), colour)
    return image.resize(size, Image.Resampling.NEAREST)


@pytest.mark.parametrize("gravity", SIDES)
@pytest.mark.parametrize("size", [(300, 100), (100, 300)], ids=["wide", "tall"])
def test_a_gravity_says_which_part_is_kept(gravity: str, size: Size) -> None:
    first, last = ("w", "e") if size[0] > size[1] else ("n", "s")
    kept = RED if first in gravity else BLUE if last in gravity else GREEN
    filled = done(thirds(size), Fill(Box(40, 40), gravity))
    assert filled.size == (40, 40)
    assert [close(pixel(filled, at, at), kept) for at in (0.1, 0.5, 0.9)] == [True] * 3


@pytest.mark.parametrize(("percent", "kept"), [(0, RED), (10, RED), (49, GREEN), (51, GREEN), (90, BLUE), (100, BLUE)])
def test_a_focal_point_is_in_the_middle_or_at_the_edge(percent: int, kept: tuple[int, ...]) -> None:
    focus = Fraction(percent, 100), Fraction(1, 3)
    assert close(pixel(done(thirds((300, 100)), Fill(Box(40, 40), focus)), 0.5, 0.5), kept)
    assert close(pixel(done(thirds((100, 300)), Fill(Box(40, 40), focus[::-1])), 0.5, 0.5), kept)


@pytest.mark.parametrize("gravity", ["w", "smart", (Fraction(1, 10), Fraction(1, 3))], ids=str)
def test_a_reduced_decode_keeps_the_same_part(gravity: str) -> None:
    fill = Fill(Box(50, 50), gravity)
    full, reduced = (fill.apply(Raster(shown, (400, 200), lanczos)).image for shown in (quarters((400, 200)), quarters((100, 50))))
    assert corners(full) == corners(reduced)
    assert corners(full) == (RED, RED, BLUE, BLUE)


def smart(image: Image.Image, box: Box) -> tuple[float, float]:
    """Where the middle of what is kept lies, in percent of the picture."""
    settled = Fill(box, "smart").settled(whole(image))
    left, top, right, bottom = settled.covering(image.size).region
    return float((left + right) * 50 / image.width), float((top + bottom) * 50 / image.height)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("at", [0, 60, 200], ids=lambda at: f"at {at}")
def test_detail_wins_over_what_is_flat(at: int, mode: str) -> None:
    wide = Image.new("RGB", (300, 100), (120, 160, 220))
    wide.paste(noise((100, 100), strength=120).convert("RGB"), (at, 0))
    across, down = smart(wide.convert(mode), Box(50, 50))
    assert across == pytest.approx(100 * (at + 50) / 300, abs=3)
    assert down == 50
    across, down = smart(wide.transpose(Image.Transpose.TRANSPOSE).convert(mode), Box(50, 50))
    assert across == 50
    assert down == pytest.approx(100 * (at + 50) / 300, abs=3)


@pytest.mark.parametrize("at", [30, 230])
def test_a_face_wins_over_texture(at: int) -> None:
    """Gray texture everywhere, and something of the colour of skin with two eyes and a mouth at one side."""
    image = noise((300, 100), strength=60).convert("RGB")
    image.paste(SKIN, (at, 20, at + 40, 75))
    for spot in ((at + 8, 35, at + 14, 40), (at + 26, 35, at + 32, 40), (at + 12, 58, at + 28, 63)):
        image.paste((90, 50, 45), spot)
    across, _ = smart(image, Box(80, 80))
    assert abs(across * 3 - (at + 20)) < 25


def test_skin_of_many_tones_is_skin_and_a_wall_of_its_colour_is_not() -> None:
    for tone in ((255, 224, 196), (224, 172, 140), (160, 105, 75), (105, 68, 48)):
        image = noise((300, 100), strength=40).convert("RGB")
        image.paste(tone, (20, 30, 60, 70))
        image.paste(Image.merge("RGB", [noise((300, 100), strength=40)] * 3).crop((0, 0, 40, 40)), (230, 30))
        assert smart(image, Box(80, 80))[0] < 40, tone
    walled = Image.new("RGB", (300, 100), GRAY)
    walled.paste(SKIN, (0, 0, 140, 100))
    walled.paste(noise((60, 60), strength=120).convert("RGB"), (230, 20))
    assert smart(walled, Box(80, 80))[0] > 70


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (2, 2), (3, 2), (300, 100), (301, 100), (100, 999), (5000, 1), (5000, 2)], ids=str)
def test_where_nothing_stands_out_the_middle_is_kept(size: Size) -> None:
    for colour in ("white", SKIN, "black"):
        flat = Fill(Box(60, 40), "smart").settled(whole(Image.new("RGB", size, colour)))
        assert flat.covering(size) == Fill(Box(60, 40)).covering(size)


def test_among_equals_the_one_nearest_to_the_middle_is_kept() -> None:
    image = Image.new("L", (500, 100), 128)
    for at in (20, 220, 400):
        image.paste(noise((60, 60), strength=120), (at, 20))
    assert smart(image, Box(100, 100))[0] == pytest.approx(50, abs=2)


def test_a_mirrored_picture_keeps_the_mirrored_part() -> None:
    image = Image.new("RGB", (300, 100), (120, 160, 220))
    image.paste(noise((60, 60), strength=120).convert("RGB"), (200, 20))
    assert smart(image, Box(80, 80))[0] + smart(ImageOps.mirror(image), Box(80, 80))[0] == pytest.approx(100, abs=2)


def test_what_is_transparent_is_not_looked_at() -> None:
    hidden = noise((300, 100), strength=256).convert("RGBA")
    hidden.putalpha(0)
    hidden.paste((20, 20, 20, 255), (20, 30, 60, 70))
    assert smart(hidden, Box(80, 80))[0] < 30


def test_smart_is_settled_by_the_first_frame_and_the_same_for_all() -> None:
    first = Image.new("L", (300, 100), 128)
    first.paste(noise((60, 60), strength=200), (230, 20))
    settled = Fill(Box(50, 50), "smart").settled(whole(first))
    other = whole(ImageOps.mirror(first))
    assert settled.settled(other) == settled
    assert settled.apply(other).image.tobytes() != Fill(Box(50, 50), "smart").apply(other).image.tobytes()
    assert settled.apply(whole(first)).image.tobytes() == done(first, Fill(Box(50, 50), "smart")).tobytes()


def test_the_place_is_known_to_a_fraction_and_the_same_every_time() -> None:
    """A figure that every machine has to find: no step on the way to it is a float."""
    image = noise((640, 200), strength=100).convert("RGB")
    image.paste(SKIN, (380, 40, 470, 160))
    settled = {Fill(Box(100, 100), "smart").settled(whole(image)) for _ in range(3)}
    assert [fill.gravity for fill in settled] == [SETTLED]


SETTLED = (Fraction(85, 127), Fraction(1, 2))


def test_a_box_of_the_pictures_own_shape_leaves_nothing_to_decide() -> None:
    assert Fill(Box(60, 20), "smart").settled(whole(noise((300, 100)))).covering((300, 100)) == Fill(Box(60, 20)).covering((300, 100))


def test_smart_after_a_crop_looks_only_at_what_is_left() -> None:
    image = Image.new("L", (300, 100), 128)
    image.paste(noise((60, 60), strength=200), (230, 20))
    cut = done(image, Crop(0, 0, Box(200, 100)))
    assert smart(cut, Box(50, 50)) == (50, 50)
