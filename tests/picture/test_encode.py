"""What goes out: the settings of the recipe, and nothing of the original but its pixels."""

from __future__ import annotations

import io
import random
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from renderer.box import Box, Size
from renderer.errors import Refused
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from renderer.limits import Limits
from renderer.ops import Fit
from renderer.picture.animation import Frames
from renderer.picture.encode import encoded, encoded_frames, indexed
from renderer.picture.jobs import Made
from renderer.picture.metadata import minimal_exif
from renderer.recipe import Output
from tests.picture.moving import difference, drawn
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


@pytest.mark.parametrize(("form", "size"), [(JPEG, (66_000, 1)), (WEBP, (17_000, 1)), (GIF, (66_000, 1))], ids=["jpeg", "webp", "gif"])
def test_an_encoder_that_fails_refuses(form: Format, size: Size) -> None:
    with pytest.raises(Refused, match=f"expected a picture that {form.name} can hold, got {size[0]}x1"):
        encoded(Image.new("RGB", size), Output(form, 75))


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def photo(size: Size = (256, 192)) -> Image.Image:
    """Shades with some grain: many colours, no two rows alike."""
    grain = Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3))
    return Image.blend(shades(size), grain, 0.06)


def twice(image: Image.Image) -> Frames:
    return Frames([image, image.transpose(Image.Transpose.ROTATE_180)], [70, 70], 0)


def output(form: Format) -> Output:
    return Output(form, 75 if form.has_quality else 0)


@WRITTEN
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_picture_that_others_share_is_not_changed(form: Format, mode: str) -> None:
    image = shades((64, 48)).convert(mode)
    info = {"comment": SECRET.encode(), "icc_profile": SECRET.encode(), "transparency": 3, "duration": 70, "loop": 3, "background": 1}
    image.info = {**info, "exif": SECRET.encode(), "dpi": (301, 301), "default_image": True, "version": b"GIF89a", "extension": (b"x", 1)}
    before, kept = image.tobytes(), dict(image.info)
    content = encoded(image, output(form))
    assert SECRET.encode() not in content
    assert (image.tobytes(), image.mode, image.palette, image.info) == (before, mode, None, kept)
    assert encoded(image, output(form), graphic=True) == encoded(image.copy(), output(form), graphic=True)
    if form.moves:
        assert SECRET.encode() not in encoded_frames(twice(image), output(form))
        assert (image.tobytes(), image.info) == (before, kept)


@pytest.mark.parametrize(
    ("form", "moving"),
    [(JPEG, False), (PNG, False), (WEBP, False), (AVIF, False), (PNG, True), (WEBP, True), (AVIF, True)],
    ids=lambda value: value.name if isinstance(value, Format) else ("moving" if value else "still"),
)
def test_an_exif_block_of_ours_is_written(form: Format, moving: bool) -> None:
    block = minimal_exif(1, "Somebody")
    image = shades((64, 48))
    content = encoded_frames(twice(image), output(form), block) if moving else encoded(image, output(form), block)
    assert dict(opened(content).getexif()) == {0x8298: "Somebody"}


@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
def test_in_a_webp_no_words_stand_before_the_exif_block(moving: bool) -> None:
    block, image = minimal_exif(1, "Somebody"), shades((64, 48))
    content = encoded_frames(twice(image) if moving else Frames([image], [70], 0), output(WEBP), block)
    assert content.partition(b"EXIF")[2][4:].startswith(block.removeprefix(b"Exif\0\0"))


@WRITTEN
def test_an_animation_of_one_frame_is_a_still(form: Format) -> None:
    image = shades((64, 48))
    assert encoded_frames(Frames([image], [70], 0), output(form)) == encoded(image, output(form))


def test_a_gif_takes_no_exif_block() -> None:
    image = shades((64, 48))
    block = minimal_exif(1, "Somebody")
    assert encoded(image, output(GIF), block) == encoded(image, output(GIF))
    assert encoded_frames(twice(image), output(GIF), block) == encoded_frames(twice(image), output(GIF))


@pytest.mark.parametrize("form", [JPEG, PNG, AVIF], ids=lambda form: form.name)
def test_gray_stays_one_channel(form: Format) -> None:
    assert opened(encoded(photo().convert("L"), output(form))).mode == "L"


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(("count", "bits"), [(2, 1), (3, 2), (16, 4), (17, 8), (256, 8)])
def test_a_png_of_few_colours_has_a_table_and_loses_nothing(mode: str, count: int, bits: int) -> None:
    noise = random.Random(count)
    colours = [tuple(noise.randbytes(len(mode))) for _ in range(count)]
    image = Image.new(mode, (96, 64))
    image.putdata([colours[noise.randrange(count)] for _ in range(96 * 64)])
    content = encoded(image, output(PNG))
    assert content[24:26] == bytes((bits, 3))  # depth, and 3 for a table
    assert opened(content).convert(mode).tobytes() == image.tobytes()


def test_a_png_of_many_colours_has_no_table_and_loses_nothing() -> None:
    content = encoded(photo(), output(PNG))
    assert content[24:26] == bytes((8, 2))
    assert opened(content).tobytes() == photo().tobytes()


def test_a_table_that_makes_a_png_longer_is_not_written() -> None:
    image = Image.merge("RGB", [Image.linear_gradient("L").resize((4, 60))] * 3)
    assert encoded(image, output(PNG))[25] == 2


@pytest.mark.parametrize(("levels", "bits"), [((0, 255), 1), ((85, 170), 2), ((17, 255), 4), ((0, 1), 8)], ids=str)
def test_a_gray_png_has_no_more_bits_than_it_needs(levels: tuple[int, int], bits: int) -> None:
    image = Image.new("L", (32, 32), levels[0])
    image.paste(levels[1], (4, 4, 9, 30))
    content = encoded(image, output(PNG))
    assert content[24:26] == bytes((bits, 0))
    assert opened(content).convert("L").tobytes() == image.tobytes()


def plain(image: Image.Image, strategy: int) -> int:
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=6, compress_type=strategy)
    return len(content.getvalue())


def test_a_png_of_a_photo_is_compressed_the_quick_way_and_no_longer_than_without_filters() -> None:
    image = photo()
    rows = b"".join(b"\0" + image.crop((0, row, 256, row + 1)).tobytes() for row in range(192))
    assert len(encoded(image, output(PNG))) == plain(image, zlib.Z_RLE) < len(zlib.compress(rows, 6))


def test_a_png_of_a_drawing_is_compressed_the_thorough_way() -> None:
    image = Image.new("RGB", (256, 256))
    tile = photo((32, 32))
    for place in range(64):
        image.paste(tile, (place % 8 * 32, place // 8 * 32))
    assert len(encoded(image, output(PNG))) == plain(image, zlib.Z_FILTERED) < plain(image, zlib.Z_RLE) / 4


@pytest.mark.parametrize(
    ("graphic", "image", "lossless"),
    [(True, quarters((64, 48)), True), (False, quarters((64, 48)), False), (True, photo(), False), (True, photo((32, 32)), False)],
    ids=["a drawing", "not said to be one", "a photo said to be one", "a small photo said to be one"],
)
@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
def test_a_drawing_is_a_lossless_webp_where_that_is_shorter(graphic: bool, image: Image.Image, lossless: bool, moving: bool) -> None:
    frames = twice(image) if moving else Frames([image], [70], 0)
    content = encoded_frames(frames, output(WEBP), graphic=graphic)
    assert (b"VP8L" in content) == lossless
    assert (opened(content).convert("RGB").tobytes() == image.tobytes()) == lossless


def test_a_webp_keeps_alpha_as_it_is() -> None:
    image = shades((64, 48)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((64, 48)))
    assert opened(encoded(image, output(WEBP))).getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_a_gif_of_few_colours_loses_nothing() -> None:
    noise = random.Random(3)
    image = Image.new("RGB", (96, 64))
    image.putdata([(value, 255 - value, value // 2) for value in (noise.randrange(256) for _ in range(96 * 64))])
    assert opened(encoded(image, output(GIF))).convert("RGB").tobytes() == image.tobytes()


def test_a_gif_of_a_photo_looks_alike() -> None:
    assert difference(opened(encoded(photo(), output(GIF))), photo()) < 5


def test_a_gif_is_seen_through_where_alpha_is_less_than_half() -> None:
    image = photo((64, 8)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").rotate(90).resize((64, 8)))
    made = opened(encoded(image, output(GIF))).convert("RGBA").getchannel("A")
    assert made.tobytes() == image.getchannel("A").point(lambda alpha: 255 * (alpha >= 128)).tobytes()


def test_a_table_is_made_of_all_frames() -> None:
    frames = [Image.new("RGB", (8, 8), (number, 0, 0)) for number in range(9)]
    found = indexed.exact(frames, 9)
    assert found
    assert sorted(found.colours) == [(number, 0, 0) for number in range(9)]
    assert [plane.convert("RGB").tobytes() for plane in found.planes] == [frame.tobytes() for frame in frames]
    assert indexed.exact(frames, 8) is None


def test_a_moving_gif_of_many_colours_looks_alike() -> None:
    frames = [Image.blend(photo(), frame.resize((256, 192)).convert("RGB"), 0.3) for frame in drawn(3)]
    content = encoded_frames(Frames(frames, [70] * 3, 0), output(GIF))
    with Image.open(io.BytesIO(content)) as made:
        for number, frame in enumerate(frames):
            made.seek(number)
            assert difference(made, frame) < 8
