"""Original and recipe to a file: orientation, reduced decodes, order, limits, several jobs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from renderer.box import Box
from renderer.errors import BrokenOriginal, NoSpace, NotAllowed, Refused, TooManyBytes
from renderer.formats import AVIF, FORMATS, GIF, JPEG, PNG, WEBP, Format
from renderer.limits import Limits
from renderer.ops import Crop, Fill, Fit, Flip, Operation, Orient, Raster, Rotate, Stretch
from renderer.picture.encode import created
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.render import read_header, render_all
from renderer.picture.resample import resampler
from renderer.picture.sharing import Shared
from renderer.recipe import UNTOUCHED
from tests.picture.pictures import (
    BLUE,
    GREEN,
    QUARTERS,
    RED,
    WHITE,
    close,
    corners,
    header_of_png,
    outcome,
    partly_covered_webp,
    pixel,
    quarters,
    recipe,
    rendered,
    saved,
    shades,
)  # fmt: skip

ORIENTATION = 0x0112


def turned(file: Path, tag: int, size: tuple[int, int] = (640, 480)) -> Path:
    """A picture stored as a camera held that way stores it: upright only when its tag is followed."""
    upright = quarters((size[1], size[0]) if tag >= 5 else size)
    stored = Orient({6: 8, 8: 6}.get(tag, tag)).apply(Raster(upright, upright.size, resampler("pillow"))).image
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    return saved(stored, file, exif=exif.tobytes())


@pytest.mark.feature(32)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_a_picture_comes_out_upright(tmp_path: Path, tag: int, suffix: str) -> None:
    original = turned(tmp_path / f"original.{suffix}", tag)
    made = rendered(original, Fit(Box(150, 150)))
    assert made.size == ((112, 150) if tag >= 5 else (150, 112))
    assert corners(made) == QUARTERS
    header = read_header(original, Engine())
    assert (header.width, header.height) == ((480, 640) if tag >= 5 else (640, 480))
    assert ORIENTATION not in made.getexif()


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_an_orientation_in_the_recipe_replaces_that_of_the_picture(tmp_path: Path, suffix: str) -> None:
    original = turned(tmp_path / f"original.{suffix}", 6)
    as_stored = rendered(original, Orient(1))
    assert as_stored.size == (640, 480)
    assert corners(as_stored) == (GREEN, WHITE, RED, BLUE)
    assert corners(rendered(original, Orient(8), Fit(Box(90, 120)))) == (WHITE, BLUE, GREEN, RED)


def test_a_tag_that_cannot_be_is_no_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 9
    original = saved(quarters((64, 48)), tmp_path / "original.jpg", exif=exif.tobytes())
    assert corners(rendered(original)) == QUARTERS


def test_exif_that_cannot_be_read_spoils_no_picture(tmp_path: Path) -> None:
    original = saved(quarters((64, 48)), tmp_path / "original.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff nonsense")
    assert corners(rendered(original)) == QUARTERS


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        pytest.param([Crop(320, 0, Box(320, 480)), Fit(Box(30, 40))], (GREEN, GREEN, WHITE, WHITE), id="crop"),
        pytest.param([Rotate(90), Fit(Box(60, 60))], (BLUE, RED, WHITE, GREEN), id="rotate"),
        pytest.param([Flip("h"), Fill(Box(50, 50))], (GREEN, RED, WHITE, BLUE), id="flip"),
        pytest.param([Stretch(Box(50, 80))], QUARTERS, id="stretch"),
    ],
)
def test_operations_do_to_a_reduced_decode_what_they_do_to_a_whole_one(
    tmp_path: Path, operations: list[Operation], result: tuple[object, ...]
) -> None:
    reduced = rendered(saved(quarters((640, 480)), tmp_path / "original.jpg", quality=95), *operations)
    whole = rendered(saved(quarters((640, 480)), tmp_path / "original.png"), *operations)
    assert reduced.size == whole.size
    assert corners(reduced) == corners(whole) == result


def test_a_thin_crop_at_the_edge_of_a_reduced_decode_shows_the_edge() -> None:
    raster = Raster(Image.new("RGB", (100, 75), GREEN), (800, 600), resampler("pillow"))
    cut = Crop(799, 0, Box(1, 600)).apply(raster)
    assert (cut.size, cut.image.size) == ((1, 600), (1, 75))
    assert close(pixel(cut.image, 0, 0.5), GREEN)


def test_a_reduced_decode_looks_like_a_whole_one(tmp_path: Path) -> None:
    image = shades((1600, 1200))
    reduced = rendered(saved(image, tmp_path / "original.jpg", quality=95), Fit(Box(130, 130)))
    whole = rendered(saved(image, tmp_path / "original.png"), Fit(Box(130, 130)))
    assert max(ImageStat.Stat(ImageChops.difference(reduced, whole)).rms) < 3


def test_a_jpeg_is_decoded_no_larger_than_its_recipe_needs(tmp_path: Path) -> None:
    original, wish = saved(Image.new("L", (4000, 3000)), tmp_path / "original.jpg"), recipe(Fit(Box(100, 0)))
    with Shared(original, Engine(), [wish]).decoded(wish) as decoded:
        assert (decoded.raster.image.size, decoded.raster.size) == ((500, 375), (4000, 3000))


@pytest.mark.parametrize("form", [JPEG, PNG, WEBP, GIF, AVIF], ids=lambda form: form.name)
def test_the_same_pixels_are_the_same_bytes(tmp_path: Path, form: Format) -> None:
    original = saved(shades((400, 300)), tmp_path / "original.png")
    targets = [tmp_path / f"{number}.{form.extension}" for number in (1, 2)]
    for target in targets:
        assert isinstance(outcome(original, recipe(Fit(Box(200, 200)), form=form), target), Made)
    assert targets[0].read_bytes() == targets[1].read_bytes()


def test_every_stage_is_timed(tmp_path: Path) -> None:
    made = outcome(saved(shades((400, 300)), tmp_path / "o.png"), recipe(Fit(Box(20, 20))), tmp_path / "t.jpg")
    assert isinstance(made, Made)
    assert list(made.milliseconds) == ["decode", "operations", "encode"]
    assert all(spent > 0 for spent in made.milliseconds.values())


def test_one_failing_job_does_not_stop_the_others(tmp_path: Path) -> None:
    original = saved(quarters((64, 48)), tmp_path / "original.jpg")
    wishes = [recipe(Fit(Box(30, 30))), recipe(Crop(100, 0, Box(5, 5))), recipe(Fit(Box(20, 20)))]
    jobs = [Job(wish, tmp_path / f"{number}.jpg") for number, wish in enumerate(wishes)]
    results = render_all(original, jobs, Engine())
    assert [type(result) for result in results] == [Made, Refused, Made]
    assert [job.target.exists() for job in jobs] == [True, False, True]


def test_the_target_is_not_there_when_the_original_is_at_fault(tmp_path: Path) -> None:
    original = tmp_path / "original.jpg"
    original.write_bytes(saved(shades((640, 480)), tmp_path / "whole.jpg").read_bytes()[:5000])
    assert isinstance(outcome(original, recipe(), tmp_path / "target.jpg"), BrokenOriginal)
    assert not (tmp_path / "target.jpg").exists()


def test_a_target_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    original, target = saved(quarters((64, 48)), tmp_path / "original.jpg"), tmp_path / "target.jpg"
    target.write_text("somebody's")
    with pytest.raises(FileExistsError):
        outcome(original, recipe(), target)
    assert target.read_text() == "somebody's"


def test_everyone_may_read_a_rendition(tmp_path: Path) -> None:
    original = saved(quarters((64, 48)), tmp_path / "original.jpg")
    before = os.umask(0o077)
    try:
        outcome(original, recipe(), tmp_path / "target.jpg")
    finally:
        os.umask(before)
    assert (tmp_path / "target.jpg").stat().st_mode & 0o777 == 0o644


def test_a_full_disk_is_no_space_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target.jpg"
    with pytest.raises(NoSpace):
        fill(target)
    assert not target.exists()


def fill(target: Path) -> None:
    """Write to a disk that has no room left: the kernel's own."""
    with created(target) as file, Path("/dev/full").open("wb", buffering=0) as full:
        os.dup2(full.fileno(), file.fileno())
        file.write(bytes(1_000_000))


def test_a_picture_beyond_the_limits_is_refused_before_its_pixels_are_read(tmp_path: Path) -> None:
    original = tmp_path / "original.png"
    original.write_bytes(header_of_png((9000, 9000), bits=8))  # its pixels would be an error of another class
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), Refused)
    assert isinstance(outcome(original, recipe(Fit(Box(100, 100))), tmp_path / "t.jpg"), BrokenOriginal)


@pytest.mark.feature(35)
def test_R8_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    original = tmp_path / "original.png"
    original.write_bytes(header_of_png((30000, 30000)))
    began = time.process_time()
    refusal = outcome(original, recipe(Fit(Box(100, 100))), tmp_path / "t.jpg")
    assert isinstance(refusal, Refused)
    assert "pixels for an original" in str(refusal)
    with pytest.raises(Refused, match="pixels for an original"):
        read_header(original, Engine())
    assert time.process_time() - began < 1  # a decode of 900 megapixels takes longer anywhere


def test_R8_the_limit_is_the_configured_one_and_not_that_of_pillow(tmp_path: Path) -> None:
    original = saved(Image.new("1", (10_000, 9_500)), tmp_path / "original.png")  # beyond Pillow's own 89 million
    assert rendered(original, Fit(Box(100, 100))).size == (100, 95)
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg", Limits(max_pixels_in=94_000_000)), Refused)


def test_an_original_of_too_many_bytes_is_refused(tmp_path: Path) -> None:
    original = saved(quarters((64, 48)), tmp_path / "original.jpg")
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg", Limits(max_original_bytes=100)), TooManyBytes)


@pytest.mark.parametrize("form", [form for form in FORMATS if not form.optional], ids=lambda form: form.name)
def test_a_header_tells_format_and_size_whatever_the_name(tmp_path: Path, form: Format) -> None:
    original = saved(quarters((64, 48)), tmp_path / f"original.{form.extension}", sizes=[(64, 48)]).rename(tmp_path / "original.exe")
    header = read_header(original, Engine())
    assert (header.format, header.width, header.height, header.frames) == (form, 64, 48, 1)
    assert corners(rendered(original)) == QUARTERS


def test_a_header_counts_frames_and_the_first_is_rendered(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (GREEN, RED, BLUE)]
    original = saved(frames[0], tmp_path / "original.gif", save_all=True, append_images=frames[1:])
    assert read_header(original, Engine()).frames == 3
    assert close(pixel(rendered(original), 0.5, 0.5), GREEN)


@pytest.mark.feature(16, 17)
@pytest.mark.parametrize("spelling", UNTOUCHED)
def test_an_original_without_gps_is_copied_with_its_true_extension(tmp_path: Path, spelling: str) -> None:
    original = saved(quarters((64, 48)), tmp_path / "original.png").rename(tmp_path / "original.jpg")
    [made] = render_all(original, [Job(UNTOUCHED[spelling], tmp_path / "target")], Engine())
    assert isinstance(made, Made)
    assert (made.extension, made.length) == ("png", original.stat().st_size)
    assert (tmp_path / "target").read_bytes() == original.read_bytes()


def test_what_is_no_picture_is_not_copied_either(tmp_path: Path) -> None:
    original = tmp_path / "original.jpg"
    original.write_text("<script>alert(1)</script>")
    results = render_all(original, [Job(wish, tmp_path / "target") for wish in UNTOUCHED.values()], Engine())
    assert [type(result) for result in results] == [BrokenOriginal, BrokenOriginal]
    assert not (tmp_path / "target").exists()


@pytest.mark.feature(16)
@pytest.mark.parametrize(("suffix", "scrubbed"), [("jpg", Made), ("png", Made), ("webp", Made), ("tif", NotAllowed), ("avif", NotAllowed)])
def test_an_original_with_gps_is_shown_as_it_is_or_without_it(tmp_path: Path, suffix: str, scrubbed: type) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    original = saved(quarters((64, 48)), tmp_path / f"original.{suffix}", exif=exif.tobytes())
    results = render_all(original, [Job(wish, tmp_path / name) for name, wish in UNTOUCHED.items()], Engine())
    assert [type(result) for result in results] == [Made, scrubbed]
    assert [(tmp_path / name).exists() for name in UNTOUCHED] == [True, scrubbed is Made]


@pytest.mark.parametrize("frames", [1, 2])
def test_a_still_of_frames_that_leave_a_part_of_their_canvas_free_shows_nothing_there(tmp_path: Path, frames: int) -> None:
    """Such a WebP says that it has no alpha: its first frame is opaque, and smaller than its canvas."""
    content = partly_covered_webp((40, 30), Image.new("RGB", (20, 30), RED), frames)
    (tmp_path / "original.webp").write_bytes(content)
    made = rendered(tmp_path / "original.webp", form=PNG)
    assert close(pixel(made, 0.1, 0.5), (*RED, 255))
    assert pixel(made, 0.9, 0.5)[3] == 0


def test_alpha_that_hides_nothing_goes(tmp_path: Path) -> None:
    assert rendered(saved(shades((40, 30)).convert("RGBA"), tmp_path / "original.png"), form=PNG).mode == "RGB"
