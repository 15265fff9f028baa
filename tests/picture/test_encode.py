"""What goes out: the settings of the recipe, and nothing of the original but its pixels."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from renderer.box import Box
from renderer.errors import Refused
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from renderer.limits import Limits
from renderer.ops import Fit
from renderer.picture.encode import encode
from renderer.picture.jobs import Made
from renderer.recipe import Output
from tests.picture.pictures import outcome, quarters, recipe, rendered, saved, shades

WRITTEN = pytest.mark.parametrize("form", [JPEG, PNG, WEBP, GIF, AVIF], ids=lambda form: form.name)
SECRET = "whispered"


def tables(image: Image.Image) -> dict[int, list[int]]:
    found: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
    return {number: list(table) for number, table in found.items()}


def written(tmp_path: Path, quality: int, progressive: bool = False, image: Image.Image | None = None) -> Path:
    original, target = saved(image or shades((160, 120)), tmp_path / "original.png"), tmp_path / "target.jpg"
    assert isinstance(outcome(original, recipe(quality=quality, progressive=progressive), target), Made)
    return target


@pytest.mark.feature(34)
@pytest.mark.parametrize("quality", [75, 40, 90])
def test_a_jpeg_has_the_tables_of_its_quality(tmp_path: Path, quality: int) -> None:
    # the luminance table of the JPEG standard (annex K.1), first row, scaled as libjpeg does
    standard = [16, 11, 10, 16, 24, 40, 51, 61]
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    with Image.open(written(tmp_path, quality)) as image:
        assert tables(image)[0][:8] == [max(1, (value * scale + 50) // 100) for value in standard]


def test_a_jpeg_is_subsampled_with_its_own_huffman_tables_and_progressive_only_by_recipe(tmp_path: Path) -> None:
    target = written(tmp_path, 75)
    frame = target.read_bytes().index(b"\xff\xc0")  # baseline
    assert target.read_bytes()[frame + 11] == 0x22  # luminance twice as fine both ways: 4:2:0
    with Image.open(target) as image:
        image.save(tmp_path / "standard.jpg", quality=75, subsampling="4:2:0")
        assert "progressive" not in image.info
    assert target.stat().st_size < (tmp_path / "standard.jpg").stat().st_size
    target.unlink()
    with Image.open(written(tmp_path, 75, progressive=True)) as image:
        assert image.info["progressive"]


@pytest.mark.parametrize("quality", [75, 94, 100])
def test_noise_of_any_quality_is_encoded(tmp_path: Path, quality: int) -> None:
    """libjpeg's optimisation needs the whole picture in one buffer, which Pillow sizes by guess."""
    noise = Image.frombytes("RGB", (900, 700), random.Random(1).randbytes(900 * 700 * 3))
    assert written(tmp_path, quality, quality > 90, noise).stat().st_size > 300_000


@WRITTEN
def test_quality_counts_where_a_format_has_it(tmp_path: Path, form: Format) -> None:
    original = saved(shades((160, 120)), tmp_path / "original.png")
    lengths = []
    for quality in (20, 90):
        made = outcome(original, recipe(form=form, quality=quality), tmp_path / f"{quality}.{form.extension}")
        assert isinstance(made, Made)
        lengths.append(made.length)
    assert (lengths[0] < lengths[1]) == form.has_quality


def talkative(file: Path) -> Path:
    """A picture with a word of SECRET in everything that its format can carry."""
    exif = Image.Exif()
    exif[0x010E] = SECRET
    exif.get_ifd(0x8825)[29] = SECRET
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>{SECRET}</a></x:xmpmeta>'.encode()
    if file.suffix == ".png":
        text = PngInfo()
        text.add_text("Comment", SECRET)
        text.add_text("Zipped", SECRET, zip=True)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return saved(quarters((64, 48)), file, exif=exif.tobytes(), pnginfo=text, dpi=(301, 301))
    if file.suffix == ".gif":
        return saved(quarters((64, 48)).quantize(), file, comment=SECRET.encode(), duration=70, loop=3)
    settings = {} if file.suffix == ".webp" else {"comment": SECRET, "dpi": (301, 301)}
    return saved(quarters((64, 48)), file, exif=exif.tobytes(), xmp=xmp, **settings)


@pytest.mark.feature(33)
@WRITTEN
@pytest.mark.parametrize("operations", [(), (Fit(Box(20, 20)),)], ids=["as large", "smaller"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif"])
def test_R19_nothing_but_pixels_goes_out(tmp_path: Path, form: Format, suffix: str, operations: tuple[Fit, ...]) -> None:
    original = talkative(tmp_path / f"original.{suffix}")
    target = tmp_path / f"target.{form.extension}"
    assert isinstance(outcome(original, recipe(*operations, form=form), target), Made)
    content = target.read_bytes()
    for trace in (SECRET.encode(), b"Exif", b"xmpmeta", b"XMP", b"ICC_PROFILE", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"pHYs", b"NETSCAPE"):
        assert trace not in content, trace
    with Image.open(target) as image:
        image.load()
        allowed = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "version", "background", "loop", "timestamp", "duration"}
        assert set(image.info) <= allowed, image.info
        assert form is WEBP or "loop" not in image.info  # a still WebP is read as if it said 1
        assert image.info.get("jfif_density", (1, 1)) == (1, 1)
        assert not image.getexif()


def test_R18_what_trails_behind_the_picture_does_not_survive(tmp_path: Path) -> None:
    original = saved(quarters((64, 48)), tmp_path / "original.jpg")
    with original.open("ab") as file:
        file.write(b"PK\x03\x04<script>alert(1)</script>")
    assert isinstance(outcome(original, recipe(), tmp_path / "target.jpg"), Made)
    assert b"script" not in (tmp_path / "target.jpg").read_bytes()


def test_a_gif_keeps_at_most_256_colours_and_looks_alike(tmp_path: Path) -> None:
    made = rendered(saved(shades((160, 120)), tmp_path / "original.png"), form=GIF)
    assert len(made.convert("RGB").getcolors(100_000) or []) <= 256


def test_a_picture_that_the_format_cannot_hold_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    original = saved(Image.new("L", (17_000, 2)), tmp_path / "original.png")
    result = outcome(original, recipe(form=WEBP), tmp_path / "target.webp", Limits(max_side_out=20_000))
    assert isinstance(result, Refused)
    assert not (tmp_path / "target.webp").exists()


def test_an_encoder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="expected a picture that jpeg can hold"):
        encode(Image.new("RGB", (66_000, 1)), Output(JPEG, 75), tmp_path / "target.jpg")
    assert not list(tmp_path.iterdir())
