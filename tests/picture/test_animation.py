"""Animations stay animations: what is seen, for how long and how often, through every operation and into every format that moves."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import ClassVar, Self

import pytest
from PIL import Image

from renderer.box import Box, Size
from renderer.errors import BrokenOriginal, Refused, RendererError
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from renderer.limits import Limits
from renderer.ops import Fill, Fit, Flip, Operation, Raster
from renderer.picture import animation
from renderer.picture.encode import encoded_frames
from renderer.picture.engine import Engine
from renderer.picture.jobs import Made
from renderer.picture.sharing import Shared
from renderer.recipe import Output, Recipe
from tests.picture.moving import SIZE, TIMES, Seen, animated, difference, drawn, gif_of, seen
from tests.picture.pictures import BLUE, GREEN, QUARTERS, RED, WHITE, close, corners, outcome, pixel, recipe, saved

MOVING = (GIF, WEBP, PNG, AVIF)
INTO = pytest.mark.parametrize("form", MOVING, ids=lambda form: form.name)
FROM = pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
ALPHA = pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "with alpha"])
CORPUS = Path(os.environ.get("ONMISS_CORPUS") or Path(__file__).parents[2] / "../shared/corpus")
REAL = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not there")


def moved(original: Path, *operations: Operation, form: Format = GIF, still: bool = False, engine: Engine | None = None) -> Seen:
    """What is seen of the rendition; its file is beside the original."""
    target = original.with_name(f"moved-{len(list(original.parent.iterdir()))}.{form.extension}")
    result = outcome(original, recipe(*operations, form=form, quality=90, still=still), target, engine=engine)
    if isinstance(result, RendererError):
        raise result
    assert result.length == target.stat().st_size
    return seen(target)


def shows(found: Seen, images: list[Image.Image], times: tuple[int, ...] = TIMES, tolerance: float = 6) -> bool:
    """Whether in the middle of each time that is seen which was drawn for it."""
    middles = [end - time / 2 for end, time in zip(accumulate(times), times, strict=True)]
    return all(difference(found.at(at), image) < tolerance for at, image in zip(middles, images, strict=True))


@pytest.mark.feature(165)
@FROM
@INTO
@ALPHA
def test_frames_durations_and_loop_are_kept(tmp_path: Path, form: Format, suffix: str, alpha: bool) -> None:
    images = drawn(alpha=alpha)
    found = moved(animated(images, tmp_path / f"original.{suffix}", plays=3), form=form)
    assert len(found.pictures) == len(images)
    assert list(found.times) == pytest.approx(TIMES, abs=2)
    assert found.plays == (0 if AVIF.extension in (suffix, form.extension) else 3)
    assert shows(found, images)


@pytest.mark.feature(165)
@pytest.mark.parametrize("plays", [0, 1, 2, 7], ids=["forever", "once", "twice", "seven times"])
@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
@pytest.mark.parametrize("form", [GIF, WEBP, PNG], ids=lambda form: form.name)
def test_how_often_it_plays_means_the_same_in_every_format(tmp_path: Path, form: Format, suffix: str, plays: int) -> None:
    """Netscape counted repetitions after the first time, the others count all of them."""
    original = animated(drawn(2), tmp_path / f"original.{suffix}", (100, 100), plays)
    assert seen(original).plays == plays
    assert moved(original, form=form).plays == plays


@INTO
def test_times_of_no_whole_hundredths_add_up(tmp_path: Path, form: Format) -> None:
    found = moved(animated(drawn(), tmp_path / "original.webp", (33, 33, 33, 33)), form=form)
    assert len(found.times) == 4
    assert found.total == pytest.approx(132, abs=5)


@INTO
def test_frames_that_are_alike_are_shown_as_long_together(tmp_path: Path, form: Format) -> None:
    one, other, *_ = drawn()
    found = moved(animated([one, one, one, other], tmp_path / "original.png"), form=form)
    assert found.total == pytest.approx(sum(TIMES), abs=2)
    assert shows(found, [one, one, one, other])


@pytest.mark.parametrize("form", [WEBP, PNG, AVIF], ids=lambda form: form.name)
def test_a_time_of_nothing_is_kept(tmp_path: Path, form: Format) -> None:
    found = moved(animated(drawn(), tmp_path / "original.gif", (0, 100, 0, 100)), form=form)
    assert found.total == pytest.approx(200, abs=2)


def test_times_longer_than_a_gif_can_say_are_cut(tmp_path: Path) -> None:
    original = animated(drawn(3), tmp_path / "original.png", (600_000, 900_000, 100))
    assert moved(original).times == [600_000.0, 655_350.0, 100.0]


def test_frames_that_are_alike_for_longer_than_a_gif_can_say_stay_several(tmp_path: Path) -> None:
    one, other, *_ = drawn()
    target = tmp_path / "made.gif"
    target.write_bytes(encoded_frames(animation.Frames([one, one, other], [600_000, 600_000, 100], 0), Output(GIF)))
    assert seen(target).times == [600_000.0, 600_000.0, 100.0]


def squares() -> list[tuple[Image.Image, tuple[int, int], int]]:
    """Blue with a hole; then a red square that gives back what was there, a green one that leaves nothing, and a red one that stays."""
    ground = Image.new("P", (40, 30), 2)
    ground.paste(3, (0, 0, 4, 4))
    return [
        (ground, (0, 0), 1),
        (Image.new("P", (10, 10), 0), (5, 5), 3),
        (Image.new("P", (10, 10), 1), (20, 10), 2),
        (Image.new("P", (6, 6), 0), (30, 20), 1),
    ]


@INTO
def test_each_frame_goes_the_way_it_says(tmp_path: Path, form: Format) -> None:
    original = tmp_path / "original.gif"
    original.write_bytes(gif_of((40, 30), squares()))
    ground = Image.new("RGBA", (40, 30), BLUE)
    ground.paste((0, 0, 0, 0), (0, 0, 4, 4))
    images = [ground.copy() for _ in range(4)]
    images[1].paste((255, 0, 0), (5, 5, 15, 15))
    images[2].paste((0, 255, 0), (20, 10, 30, 20))
    images[3].paste((0, 0, 0, 0), (20, 10, 30, 20))
    images[3].paste((255, 0, 0), (30, 20, 36, 26))
    found = moved(original, form=form)
    differences = [difference(picture, image) for picture, image in zip(found.pictures, images, strict=True)]
    assert max(differences) < (16 if form is AVIF else 6)  # AVIF halves the colours of such small squares


def test_a_webp_whose_frames_do_not_cover_it_is_seen_through_there(tmp_path: Path) -> None:
    original = animated(drawn(alpha=True), tmp_path / "original.png")
    assert outcome(original, recipe(form=WEBP), tmp_path / "made.webp")
    with Image.open(tmp_path / "made.webp") as image:
        assert image.mode == "RGBA"
        assert pixel(image, 0, 0) == (0, 0, 0, 0)


@pytest.mark.parametrize("disposal", [0, 1, 2], ids=["stays", "background", "previous"])
@pytest.mark.parametrize("blend", [0, 1], ids=["replaces", "over"])
@pytest.mark.parametrize("form", [GIF, WEBP, PNG], ids=lambda form: form.name)
def test_each_frame_of_a_png_goes_the_way_it_says(tmp_path: Path, form: Format, disposal: int, blend: int) -> None:
    images = drawn(alpha=blend == 0)
    assert shows(moved(animated(images, tmp_path / "original.png", disposal=disposal, blend=blend), form=form), images)


def test_the_picture_before_the_animation_of_a_png_is_no_part_of_it(tmp_path: Path) -> None:
    images = drawn()
    original = animated([Image.new("RGB", SIZE, "red"), *images], tmp_path / "original.png", default_image=True)
    found = moved(original, form=WEBP)
    assert len(found.pictures) == 4
    assert shows(found, images)


@INTO
@pytest.mark.parametrize(
    ("operation", "size"), [(Fit(Box(32, 32)), (32, 24)), (Fill(Box(20, 20)), (20, 20)), (Fit(Box(500, 500)), SIZE)],
    ids=["fit", "fill", "nothing to do"],
)  # fmt: skip
def test_every_frame_goes_through_the_operations(tmp_path: Path, form: Format, operation: Operation, size: Size) -> None:
    images = drawn()
    found = moved(animated(images, tmp_path / "original.gif"), operation, form=form)
    assert {picture.size for picture in found.pictures} == {size}
    assert found.total == pytest.approx(sum(TIMES), abs=2)
    if isinstance(operation, Fit):
        assert shows(found, [image.resize(size, Image.Resampling.LANCZOS) for image in images], tolerance=14)


@pytest.mark.parametrize("suffix", ["webp", "png"])
def test_every_frame_stands_upright(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes() if suffix == "png" else exif.tobytes()[6:]
    found = moved(animated(drawn(), tmp_path / f"original.{suffix}", exif=block), Flip.parse("h"), form=PNG)
    assert {picture.size for picture in found.pictures} == {(48, 64)}
    left_top, right_top, left_bottom, right_bottom = QUARTERS
    assert {corners(picture) for picture in found.pictures} == {(left_top, left_bottom, right_top, right_bottom)}


@dataclass(frozen=True)
class Tint(Operation):
    """Paints all in the colour that it finds in the middle: what depends on pixels, decided when it is settled."""

    word: ClassVar[str] = "tint"
    group: ClassVar[str] = "tint"
    colour: tuple[int, ...] | None = None

    def argument(self) -> str:
        return "middle"

    @classmethod
    def parse(cls, argument: str) -> Self:
        return cls()

    def settled(self, raster: Raster) -> Operation:
        return self if self.colour else replace(self, colour=pixel(raster.image, 0.5, 0.5))

    def apply(self, raster: Raster) -> Raster:
        assert self.colour
        return raster.with_image(Image.new("RGB", raster.image.size, self.colour))


def test_what_depends_on_pixels_is_decided_on_the_first_frame(tmp_path: Path) -> None:
    images = [Image.new("RGB", SIZE, colour) for colour in (RED, GREEN, BLUE)]
    original = animated(images, tmp_path / "original.png", TIMES[:3])
    wish = Recipe((Tint(),), Output(PNG))
    frames = animation.read(original, Shared(original, Engine(), [wish]).facts, wish, Engine())
    assert [pixel(image, 0.5, 0.5) for image in frames.images] == [RED, RED, RED]


@pytest.mark.parametrize("form", [JPEG, *MOVING], ids=lambda form: form.name)
def test_of_an_animation_a_still_shows_the_first_frame(tmp_path: Path, form: Format) -> None:
    images = drawn()
    found = moved(animated(images, tmp_path / "original.gif"), form=form, still=form.moves)
    assert len(found.pictures) == 1
    assert difference(found.pictures[0], images[0]) < 9


# Four frames, of 64x48, each counted as 4096 pixels: so few cost as much.
@pytest.mark.parametrize("pixels", [4 * 4096 - 1, 4 * 4096], ids=["over", "within"])
@INTO
def test_of_more_than_the_budget_the_first_frame_is_shown(tmp_path: Path, form: Format, pixels: int) -> None:
    engine = Engine(limits=replace(Limits(), max_pixels_frames=pixels))
    original = animated(drawn(), tmp_path / "original.webp")
    assert len(moved(original, form=form, engine=engine).pictures) == (4 if pixels == 4 * 4096 else 1)


def test_ten_thousand_frames_are_shown_as_one(tmp_path: Path) -> None:
    dots = [(Image.new("P", (1, 1), number % 3), (number % 64, 0), 1) for number in range(10_000)]
    original = tmp_path / "original.gif"
    original.write_bytes(gif_of((64, 64), dots))
    found = moved(original, engine=Engine(limits=replace(Limits(), max_pixels_frames=10_000 * 64 * 64 - 1)))
    assert len(found.pictures) == 1


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_an_animation_that_ends_too_early_is_refused_and_its_first_frame_is_not(tmp_path: Path, suffix: str) -> None:
    """It must not be held against the original: all that show the first frame of it can be made."""
    original = cut_short(tmp_path / f"original.{suffix}")
    with pytest.raises(Refused, match="frames that can be read"):
        moved(original)
    assert len(moved(original, form=JPEG).pictures) == 1


def test_a_webp_that_ends_too_early_is_broken(tmp_path: Path) -> None:
    with pytest.raises(BrokenOriginal):
        moved(cut_short(tmp_path / "original.webp"))


def cut_short(original: Path) -> Path:
    content = animated(drawn(12), original, [50] * 12).read_bytes()
    original.write_bytes(content[: len(content) * 2 // 3])
    return original


def test_a_frame_beyond_the_canvas_is_cut(tmp_path: Path) -> None:
    original = tmp_path / "original.gif"
    original.write_bytes(gif_of((40, 30), [*squares()[:2], (Image.new("P", (30, 30), 1), (25, 0), 1)]))
    found = moved(original, form=PNG)
    assert {picture.size for picture in found.pictures} == {(40, 30)}
    assert close(pixel(found.pictures[2], 0.9, 0.5)[:3], (0, 255, 0))


def test_a_frame_far_beyond_the_canvas_is_refused(tmp_path: Path) -> None:
    original = tmp_path / "original.gif"
    original.write_bytes(gif_of((40, 30), [*squares()[:2], (Image.new("P", (1, 1), 1), (9000, 9000), 1)]))
    with pytest.raises(Refused, match="9001x9001"):
        moved(original)


def test_gray_frames_and_coloured_ones_go_together(tmp_path: Path) -> None:
    images = [Image.new("L", SIZE, 90).convert("P"), Image.new("RGB", SIZE, RED), Image.new("RGB", SIZE, WHITE)]
    found = moved(animated(images, tmp_path / "original.gif", TIMES[:3]), form=WEBP)
    assert [close(pixel(picture, 0.5, 0.5)[:3], colour) for picture, colour in zip(found.pictures, ((90, 90, 90), RED, WHITE), strict=True)]


@pytest.mark.parametrize(
    ("images", "suffix", "mode"),
    [
        (drawn(), "webp", "RGB"),
        (drawn(alpha=True), "webp", "RGBA"),
        ([Image.new("L", SIZE, 90).convert("P"), Image.new("RGB", SIZE, RED)], "gif", "RGB"),
        ([Image.new("L", SIZE, 90), Image.new("L", SIZE, 91)], "png", "L"),
    ],
    ids=["opaque", "seen through", "gray and in colour", "gray"],
)
def test_all_frames_have_the_least_mode_that_holds_them(tmp_path: Path, images: list[Image.Image], suffix: str, mode: str) -> None:
    original = animated(images, tmp_path / f"original.{suffix}", TIMES[: len(images)])
    wish = recipe(form=PNG)
    frames = animation.read(original, Shared(original, Engine(), [wish]).facts, wish, Engine())
    assert [image.mode for image in frames.images] == [mode] * len(images)


@INTO
def test_a_gray_animation_is_made(tmp_path: Path, form: Format) -> None:
    images = [Image.new("L", SIZE, level) for level in (10, 128, 250)]
    found = moved(animated(images, tmp_path / "original.png", TIMES[:3]), form=form)
    assert [pixel(picture, 0.5, 0.5)[1] for picture in found.pictures] == pytest.approx([10, 128, 250], abs=4)


@REAL
@INTO
@pytest.mark.parametrize(
    "name",
    [
        "gif-dispose-prev.gif", "gif-partial-frames.gif", "gif-animated-cat-20.gif", "gif-animated-earth-44.gif",
        "apng-dispose-previous.png", "apng-iss-41.png", "webp-animated-101.webp", "webp-animated-42.webp", "avif-animated.avif",
    ],
)  # fmt: skip
def test_real_animations_keep_what_they_show(tmp_path: Path, form: Format, name: str) -> None:
    original = tmp_path / name
    original.write_bytes((CORPUS / "formats" / name).read_bytes())
    there, found = seen(original), moved(original, Fit(Box(120, 120)), form=form)
    assert found.total == pytest.approx(there.total, abs=6)
    assert found.plays == (0 if form is AVIF else min(there.plays, 65_535 if form is WEBP else 65_536))
    size = found.pictures[0].size
    for end, time in list(zip(accumulate(there.times), there.times, strict=True))[:: max(1, len(there.times) // 7)]:
        if time:
            at = end - time / 2
            assert difference(found.at(at), there.at(at).resize(size, Image.Resampling.LANCZOS)) < 12, at


@REAL
def test_the_real_bomb_of_frames_is_a_picture(tmp_path: Path) -> None:
    engine = Engine(limits=replace(Limits(), max_pixels_frames=5_000_000))
    result = outcome(CORPUS / "hostile/bomb-10000-frames.gif", recipe(form=WEBP), tmp_path / "made.webp", engine=engine)
    assert isinstance(result, Made)
    assert len(seen(tmp_path / "made.webp").pictures) == 1


def test_a_still_of_a_format_that_moves_stays_one(tmp_path: Path) -> None:
    original = saved(drawn()[0], tmp_path / "original.webp", lossless=True)
    assert [len(moved(original, form=form).pictures) for form in MOVING] == [1, 1, 1, 1]
