"""The original without its metadata in place of a rendition that is larger: when it may, and when it does."""

from __future__ import annotations

import csv
import io
import struct
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from renderer.box import Box
from renderer.formats import AVIF, BY_NAME, FORMATS, GIF, HEAD_BYTES, JPEG, PNG, WEBP, Format, sniff
from renderer.limits import Limits
from renderer.ops import Fit, Flip, Operation
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.lighter import is_plain, lighter
from renderer.picture.metadata import minimal_exif
from renderer.picture.render import render_all
from renderer.picture.scrub import FILTERS, scrubbed
from renderer.recipe import Output, Recipe
from tests.picture.pictures import png_chunk, quarters, shades
from tests.picture.telling import ADDED, CLEAN, NOT_OPENED, encoded, moving, opened, segment, telling_exif

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
OTHER = SRGB.replace(b"rXYZ", b"temp").replace(b"bXYZ", b"rXYZ").replace(b"temp", b"bXYZ")  # red and blue change places


def gray_profile(gamma: float) -> bytes:
    """The least that is a profile of grays: a white point and a curve (ICC.1:2010, §8.4)."""
    white, curve = struct.pack(">4sIIII", b"XYZ ", 0, 0xF6D6, 0x10000, 0xD32D), struct.pack(">4sIIHH", b"curv", 0, 1, int(gamma * 256), 0)
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 176, 14)
    head = struct.pack(">4sI4s4s4s12x4s28xIII48x", b"", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"acsp", 0xF6D6, 0x10000, 0xD32D)
    return struct.pack(">I", 192) + head + tags + white + curve


LARGER = bytes(100_000)


def kept(directory: Path, form: Format, content: bytes, made: bytes = LARGER, exif: bytes = b"") -> bytes:
    original = directory / "original"
    original.write_bytes(content)
    return lighter(original, form, made, exif)


@pytest.mark.feature(33, 34)
@pytest.mark.parametrize("name", CLEAN)
def test_R18_a_larger_rendition_gives_way_to_the_original_without_its_metadata(tmp_path: Path, name: str) -> None:
    form, clean = CLEAN[name]
    if name == "cmyk.jpg":  # is_plain says no before
        return
    for add in ADDED[form.name].values():
        assert kept(tmp_path, form, add(clean)) == clean


@pytest.mark.feature(34)
@pytest.mark.parametrize("name", ["baseline.jpg", "colour.png", "lossy.webp", "still.gif"])
def test_it_is_length_without_metadata_that_counts(tmp_path: Path, name: str) -> None:
    form, clean = CLEAN[name]
    heavy = ADDED[form.name]["comment" if form in (JPEG, GIF) else "EXIF"](clean)
    assert kept(tmp_path, form, heavy, bytes(len(clean))) == bytes(len(clean))
    assert kept(tmp_path, form, heavy, bytes(len(clean) + 1)) == clean


@pytest.mark.parametrize("form", [JPEG, PNG, WEBP], ids=lambda form: form.name)
def test_R19_of_what_is_told_only_the_notice_asked_for_goes_out(tmp_path: Path, form: Format) -> None:
    content = encoded(shades((40, 30)), form, icc_profile=SRGB, exif=telling_exif(1))
    assert b"secret" in content
    for exif in (b"", minimal_exif(copyright="Somebody")):
        shown = kept(tmp_path, form, content, exif=exif)
        assert b"secret" not in shown
        with opened(shown, form) as image:
            image.load()
            assert dict(image.getexif()) == ({0x8298: "Somebody"} if exif else {})
            assert "icc_profile" not in image.info


def test_a_format_without_a_filter_keeps_its_rendition(tmp_path: Path) -> None:
    assert kept(tmp_path, AVIF, encoded(shades((40, 30)), AVIF)) is LARGER


def test_what_only_a_decoder_makes_sense_of_keeps_its_rendition(tmp_path: Path) -> None:
    assert kept(tmp_path, PNG, CLEAN["colour.png"][1][:-20]) is LARGER


def scans(jpeg: bytes, count: int) -> bytes:
    at = jpeg.rindex(b"\xff\xda")
    return jpeg[:at] + jpeg[at:-2] * count + jpeg[-2:]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(CLEAN["baseline.jpg"][1][:-2], id="without an end"),
        pytest.param(CLEAN["baseline.jpg"][1].replace(b"\xff\xc0", b"\xff\xc9"), id="arithmetic coding"),
        pytest.param(CLEAN["baseline.jpg"][1].replace(b"\xff\xc0", b"\xff\xc3"), id="lossless"),
        pytest.param(CLEAN["baseline.jpg"][1][:2] + segment(0xC5, bytes(15)) + CLEAN["baseline.jpg"][1][2:], id="a frame more"),
        pytest.param(scans(CLEAN["progressive.jpg"][1], 30), id="many scans"),
    ],
)
def test_a_jpeg_that_not_every_browser_shows_at_ease_keeps_its_rendition(tmp_path: Path, content: bytes) -> None:
    assert kept(tmp_path, JPEG, content) is LARGER


def test_a_progressive_jpeg_of_usual_scans_may_take_its_place(tmp_path: Path) -> None:
    content = scans(CLEAN["progressive.jpg"][1], 10)
    assert kept(tmp_path, JPEG, content) == content


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_plain_is_what_has_a_filter(form: Format) -> None:
    assert is_plain(form, quarters((20, 10))) == (form in (JPEG, PNG, WEBP, GIF))


@pytest.mark.parametrize(
    ("name", "mode", "plain"),
    [
        ("jpeg", "L", True), ("jpeg", "RGB", True), ("jpeg", "CMYK", False),
        ("png", "1", True), ("png", "LA", True), ("png", "P", True), ("png", "I;16", True), ("png", "RGBA", True),
        ("webp", "RGBA", True), ("gif", "P", True),
    ],
)  # fmt: skip
def test_four_inks_are_not_plain(name: str, mode: str, plain: bool) -> None:
    form = BY_NAME[name]
    with opened(encoded(Image.new(mode, (20, 10)), form), form) as image:
        assert is_plain(form, image) is plain


@pytest.mark.feature(34)
@pytest.mark.parametrize(
    ("profile", "plain"),
    [
        pytest.param(b"", True, id="none"),
        pytest.param(SRGB, True, id="sRGB"),
        pytest.param(OTHER, False, id="other"),
        pytest.param(SRGB[:200], True, id="broken"),
    ],
)
@pytest.mark.parametrize("form", [JPEG, PNG, WEBP], ids=lambda form: form.name)
def test_a_profile_that_changes_a_colour_is_not_plain(form: Format, profile: bytes, plain: bool) -> None:
    with opened(encoded(quarters((20, 10)), form, icc_profile=profile), form) as image:
        assert image.info.get("icc_profile", b"") == profile
        assert is_plain(form, image) is plain


@pytest.mark.parametrize(("gamma", "plain"), [(2.2, False), (1.0, False)])
def test_a_profile_that_changes_a_gray_is_not_plain(gamma: float, plain: bool) -> None:
    with opened(encoded(shades((20, 10)).convert("L"), JPEG, icc_profile=gray_profile(gamma)), JPEG) as image:
        assert is_plain(JPEG, image) is plain


def test_profiles_of_the_corpus_are_told_apart(corpus: Path) -> None:
    other = tuple("Adobe RGB,Display P3,ProPhoto,ColorMatch,ColorSpin,Dot Gain,U.S. Web,Greyscale D50,Generic RGB,TIFF RGB".split(","))
    wrong, seen = [], 0
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["icc"] not in ("-", "") and row["expected"] == "ok"]
    for row in rows:
        with (corpus / row["path"]).open("rb") as content:
            form = sniff(content.read(HEAD_BYTES))
            if form is not None and form.name in FILTERS:
                with Image.open(content) as image:
                    wrong += [row["path"]] if is_plain(form, image) is row["icc"].startswith(other) else []
                seen += 1
    assert seen > 20
    assert not wrong


def test_what_a_png_says_of_its_colours_besides_is_followed_by_no_rendition(tmp_path: Path) -> None:
    """So it goes, and the original looks as its renditions do."""
    _, clean = CLEAN["colour.png"]
    gamma = png_chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    content = clean[:33] + gamma + clean[33:]
    with Image.open(io.BytesIO(content)) as image:
        assert is_plain(PNG, image)
    assert kept(tmp_path, PNG, content) == clean
    assert scrubbed(content, PNG) == content


def rendition(directory: Path, original: bytes, output: Output, *operations: Operation, engine: Engine | None = None) -> bytes:
    """As a render process makes it."""
    (directory / "original").write_bytes(original)
    [made] = render_all(directory / "original", [Job(Recipe.of(operations, output), directory / "made")], engine or Engine())
    assert isinstance(made, Made)
    return (directory / "made").read_bytes()


@pytest.mark.feature(33, 34)
def test_R18_a_picture_that_fits_is_shown_as_it_was_coded_when_that_is_shorter(tmp_path: Path) -> None:
    clean = encoded(shades((500, 400)).effect_spread(20), JPEG, quality=30)
    telling = clean
    for what, add in ADDED[JPEG.name].items():
        telling = telling if what in NOT_OPENED else add(telling)
    assert rendition(tmp_path, telling, Output(JPEG, 95), Fit(Box(600, 500))) == clean


@pytest.mark.feature(34)
@pytest.mark.parametrize(
    ("original", "operations", "quality"),
    [
        pytest.param(encoded(shades((70, 50)), JPEG, quality=95), (), 30, id="shorter when made anew"),
        pytest.param(encoded(shades((500, 400)), JPEG, quality=30), (Fit(Box(499, 400)),), 95, id="too large"),
        pytest.param(encoded(shades((500, 400)), JPEG, quality=30), (Flip("h"),), 95, id="flipped"),
        pytest.param(encoded(shades((500, 400)), JPEG, quality=30, exif=minimal_exif(3)), (), 95, id="to be turned"),
        pytest.param(encoded(shades((500, 400)), JPEG, quality=30, icc_profile=OTHER), (), 95, id="in other colours"),
    ],
)
def test_what_is_to_be_changed_is_made_anew(tmp_path: Path, original: bytes, operations: tuple[Operation, ...], quality: int) -> None:
    made = rendition(tmp_path, original, Output(JPEG, quality), *operations)
    with opened(original, JPEG) as before, opened(made, JPEG) as after:
        assert isinstance(before, JpegImageFile)
        assert isinstance(after, JpegImageFile)
        assert before.quantization != after.quantization


@pytest.mark.parametrize(
    ("engine", "still", "frames"),
    [
        pytest.param(Engine(), False, 3, id="all frames"),
        pytest.param(Engine(), True, 1, id="the first by wish"),
        pytest.param(Engine(Limits(max_pixels_frames=3000)), False, 1, id="the first by the limit"),
    ],
)
def test_an_animation_takes_the_place_of_all_its_frames_only(tmp_path: Path, engine: Engine, still: bool, frames: int) -> None:
    original = moving(WEBP, quality=1)
    made = rendition(tmp_path, original, Output(WEBP, 100, still=still), engine=engine)
    with opened(made, WEBP) as image:
        assert getattr(image, "n_frames", 1) == frames
    assert (made == scrubbed(original, WEBP)) is (frames == 3)
