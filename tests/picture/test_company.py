"""What fails in one recipe, at one scale or in one frame is held against nothing else, and leaves nothing behind."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from renderer.box import Box
from renderer.errors import BrokenOriginal, Refused
from renderer.formats import AVIF, JPEG, PNG, WEBP
from renderer.ops import Crop, Fit
from renderer.picture import colour, resample
from renderer.picture.encode import encoded, webp
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.lighter import lighter
from renderer.picture.render import render_all
from renderer.picture.scrub.gif import count_frames
from renderer.recipe import UNTOUCHED, Output, Untouched
from tests.picture.pictures import outcome, png_chunk, quarters, recipe, rendered, saved, shades
from tests.picture.profiles import DISPLAY_P3, matrix_profile


def test_an_error_keeps_nothing_alive(tmp_path: Path) -> None:
    """Its traceback holds the frames, and these hold pixels: gigabytes, until Python's collector happens to come."""
    original = saved(shades((64, 48)), tmp_path / "original.jpg")
    error = outcome(original, recipe(Crop(99, 0, Box(1, 1))), tmp_path / "made.jpg")
    assert isinstance(error, Refused)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)


@pytest.mark.parametrize("resampler", ["pillow", "vips"])
def test_pages_that_cannot_be_followed_spoil_no_first_page(tmp_path: Path, resampler: str) -> None:
    original = saved(quarters((200, 150)), tmp_path / "original.tif")
    content = bytearray(original.read_bytes())
    first = struct.unpack("<I", content[4:8])[0]
    after = first + 2 + 12 * struct.unpack("<H", content[first : first + 2])[0]
    content[after : after + 4] = struct.pack("<I", 9)  # the next directory, in the middle of nothing
    original.write_bytes(content)
    assert rendered(original, Fit(Box(60, 60)), engine=Engine(resampler=resampler)).size == (60, 45)


def test_a_jpeg_that_can_only_be_decoded_whole_is_made_in_any_order(corpus: Path, tmp_path: Path) -> None:
    original = corpus / "hostile/jpeg-lossless-sof3.jpg"
    for number, wishes in enumerate(([recipe(), recipe(Fit(Box(20, 20)))], [recipe(Fit(Box(20, 20))), recipe()])):
        (tmp_path / str(number)).mkdir()
        results = render_all(original, [Job(wish, tmp_path / str(number) / wish.spell()) for wish in wishes], Engine())
        assert all(isinstance(result, Made) for result in results), results


def test_a_first_frame_that_is_broken_is_not_held_against_the_picture_before_it(tmp_path: Path) -> None:
    """A PNG may hold a picture for those who cannot show its animation; it is the still."""
    pictures = [Image.new("RGB", (30, 20), name) for name in ("red", "green", "blue")]
    original = saved(pictures[0], tmp_path / "original.png", save_all=True, default_image=True, append_images=pictures[1:])
    content = bytearray(original.read_bytes())
    data = content.index(b"fdAT") + 8
    content[data : data + 4] = b"\xff\xff\xff\xff"
    length = int.from_bytes(content[data - 12 : data - 8], "big")
    content[data - 4 + length : data + length] = struct.pack(">I", zlib.crc32(content[data - 8 : data - 4 + length]))
    original.write_bytes(content)
    assert isinstance(outcome(original, recipe(form=JPEG), tmp_path / "made.jpg"), Made)
    assert isinstance(outcome(original, recipe(form=WEBP), tmp_path / "made.webp"), Refused)


def test_a_bug_of_ours_is_not_held_against_an_animation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(Fit, "apply", fail)
    pictures = [Image.new("RGB", (16, 16), name) for name in ("red", "green")]
    for suffix, settings in (("png", {"save_all": True, "append_images": pictures[1:]}), ("jpg", {})):
        original = saved(pictures[0], tmp_path / f"original.{suffix}", **settings)
        with pytest.raises(ValueError, match="a bug"):
            outcome(original, recipe(Fit(Box(9, 9)), form=WEBP), tmp_path / f"{suffix}.webp")


def test_frames_that_are_only_promised_keep_no_encoder_busy(tmp_path: Path) -> None:
    pictures = [Image.new("L", (16, 16), level) for level in (50, 150)]
    original = saved(pictures[0], tmp_path / "original.png", save_all=True, append_images=pictures[1:])
    content = bytearray(original.read_bytes())
    control = content.index(b"acTL")
    content[control + 4 : control + 8] = struct.pack(">I", 2**31 - 1)
    content[control + 12 : control + 16] = struct.pack(">I", zlib.crc32(content[control : control + 12]))
    original.write_bytes(content)
    for form in (AVIF, JPEG, WEBP, PNG):
        assert isinstance(outcome(original, recipe(form=form), tmp_path / f"made.{form.extension}"), Made), form.name


def test_frames_of_a_gif_are_counted_as_far_as_anybody_cares(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (9, 9), (30 * number, 0, 200)) for number in range(7)]
    original = saved(pictures[0], tmp_path / "original.gif", save_all=True, append_images=pictures[1:])
    file = io.BytesIO(original.read_bytes())
    file.seek(5)
    assert (count_frames(file, 100), file.tell()) == (7, 5)
    assert count_frames(file, 3) == 3
    assert count_frames(io.BytesIO(original.read_bytes()[:-20]), 100) <= 7


def test_what_libvips_has_no_memory_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from renderer.picture.vips import library

    def fail(*_: object) -> None:
        raise library().Error("unable to write to memory")

    monkeypatch.setattr(resample, "_in_vips", fail)
    original = saved(shades((400, 300)), tmp_path / "original.png")
    assert isinstance(outcome(original, recipe(Fit(Box(99, 99))), tmp_path / "made.jpg", engine=Engine(resampler="vips")), Refused)


def test_lossless_is_tried_for_what_is_soon_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = quarters((64, 48))
    assert encoded(drawing, Output(WEBP, 75), graphic=True)[12:16] == b"VP8L"
    monkeypatch.setattr(webp, "_WORTH_TRYING", 64 * 48 - 1)
    assert encoded(drawing, Output(WEBP, 75), graphic=True)[12:16] == b"VP8 "


FAULTS = ["none", "a wrong checksum", "something behind the pixels", "no end of the pixels"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_png_that_only_some_can_read_takes_no_renditions_place(tmp_path: Path, fault: str) -> None:
    stream = zlib.compress(b"".join(b"\0" + bytes(3) * 400 for _ in range(300)), 9)
    stream = {"something behind the pixels": stream + b"SECRET", "no end of the pixels": stream[:-4]}.get(fault, stream)
    pixels = png_chunk(b"IDAT", stream)
    if fault == "a wrong checksum":
        pixels = pixels[:-4] + b"nope"
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 400, 300, 8, 2, 0, 0, 0))
    original = tmp_path / "original.png"
    original.write_bytes(b"\x89PNG\r\n\x1a\n" + head + pixels + png_chunk(b"IEND", b""))
    rendition = bytes(100_000)
    assert (lighter(original, PNG, rendition, b"") == rendition) is (fault != "none")


def test_a_profile_that_is_srgb_by_another_name_costs_nothing() -> None:
    image, named = shades((40, 30)), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert colour.to_srgb(image, named) is image
    assert colour.to_srgb(image, matrix_profile(DISPLAY_P3)) is not image


@pytest.mark.parametrize("wish", UNTOUCHED.values(), ids=list(UNTOUCHED))
def test_an_original_of_a_format_that_is_off_is_not_shown_either(tmp_path: Path, wish: Untouched) -> None:
    original = tmp_path / "original.jp2"
    original.write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(50))
    [result] = render_all(original, [Job(wish, tmp_path / "made")], Engine())
    assert isinstance(result, BrokenOriginal)
    assert not (tmp_path / "made").exists()
