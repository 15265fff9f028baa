"""Every mode that a file can have comes out with the colours that it means; gray stays gray; alpha stays or goes on white."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageCms

from renderer.box import Box
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from renderer.ops import Fit, Orient, Stretch
from renderer.picture.colour import to_srgb, workable
from tests.picture.pictures import BLUE, GREEN, QUARTERS, RED, WHITE, close, corners, pixel, quarters, rendered, saved

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_primaries() -> bytes:
    """A valid profile that calls red what sRGB calls green: a picture that follows it cannot be mistaken for one that does not."""
    table = {SRGB[at : at + 4]: at for at in range(132, 132 + 12 * int.from_bytes(SRGB[128:132], "big"), 12)}
    content = bytearray(SRGB)
    red, green = table[b"rXYZ"], table[b"gXYZ"]
    content[red + 4 : red + 12], content[green + 4 : green + 12] = SRGB[green + 4 : green + 12], SRGB[red + 4 : red + 12]
    return bytes(content)


def with_space(name: bytes) -> bytes:
    """A profile that says it is for another colour space."""
    return SRGB[:16] + name + SRGB[20:]


@pytest.mark.feature(29)
def test_inks_become_plausible_colours(tmp_path: Path) -> None:
    made = rendered(saved(quarters((640, 480), "CMYK"), tmp_path / "original.jpg", quality=95), Fit(Box(150, 150)))
    assert made.mode == "RGB"
    assert corners(made) == QUARTERS


@pytest.mark.feature(29)
def test_inks_of_a_tiff_become_plausible_colours(tmp_path: Path) -> None:
    assert corners(rendered(saved(quarters((64, 48), "CMYK"), tmp_path / "original.tif"))) == QUARTERS


@pytest.mark.feature(29)
@pytest.mark.parametrize(
    ("name", "colour"),
    [
        pytest.param("jpeg-ycck-adobe.jpg", (87, 152, 32), id="a lawn"),
        pytest.param("jpeg-cmyk-swop-icc.jpg", (151, 212, 213), id="cyan"),
        pytest.param("tiff-cmyk-fogra39.tif", (226, 0, 26), id="red"),
    ],
)
def test_inks_of_the_corpus_are_neither_inverted_nor_dark(corpus: Path, tmp_path: Path, name: str, colour: tuple[int, ...]) -> None:
    original = tmp_path / name
    original.write_bytes((corpus / "formats" / name).read_bytes())
    assert close(pixel(rendered(original, Fit(Box(150, 150))), 0.2, 0.6), colour, 25)


@pytest.mark.feature(31)
@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("1", "png"), ("L", "png"), ("L", "jpg"), ("LA", "png"), ("I;16", "png"), ("I;16", "tif"), ("I", "tif"), ("F", "tif")],
)
def test_gray_stays_gray_and_as_bright(tmp_path: Path, mode: str, suffix: str) -> None:
    image = Image.new("L", (64, 48), 0)
    image.paste(255, (32, 0, 64, 48))
    deep = {"I;16": 257, "I": 257, "F": 1 / 255}.get(mode)
    if deep:
        values = [value * deep for value in image.tobytes()]
        image = Image.new(mode, image.size)
        image.putdata([int(value) for value in values] if mode != "F" else values)
    original = saved(image if deep else image.convert(mode), tmp_path / f"original.{suffix}")
    made = rendered(original, Fit(Box(32, 32)))
    assert made.mode == "L"
    assert close(pixel(made, 0.1, 0.5), (0, 0, 0))
    assert close(pixel(made, 0.9, 0.5), (255, 255, 255))


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    image = Image.new("I;16", (10, 10), 128 * 257)
    assert pixel(rendered(saved(image, tmp_path / "original.png"), form=PNG), 0.5, 0.5) == (128, 128, 128)


@pytest.mark.feature(31)
@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif"])
def test_a_palette_is_resampled_in_its_colours(tmp_path: Path, suffix: str) -> None:
    image = Image.new("RGB", (64, 64), RED)
    image.paste(BLUE, (32, 0, 64, 64))
    made = rendered(saved(image.quantize(16), tmp_path / f"original.{suffix}"), Fit(Box(1, 1)), form=PNG)
    assert made.mode == "RGB"
    assert close(pixel(made, 0, 0), (128, 0, 128), 3)  # both colours in one pixel: Lanczos, not the nearest index


def test_a_gray_palette_is_gray(tmp_path: Path) -> None:
    made = rendered(saved(Image.linear_gradient("L").convert("P"), tmp_path / "original.png"), Fit(Box(32, 32)), form=PNG)
    assert made.mode == "L"


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colour_spaces_of_a_tiff_become_rgb(tmp_path: Path, mode: str) -> None:
    image = quarters((64, 48))
    if mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        converted = ImageCms.applyTransform(image, transform)
        assert converted
    else:
        converted = image.convert(mode)
    assert corners(rendered(saved(converted, tmp_path / "original.tif"))) == QUARTERS


SEE_THROUGH = [
    pytest.param("RGBA", "png", id="RGBA in PNG"),
    pytest.param("RGBA", "webp", id="RGBA in WebP"),
    pytest.param("LA", "png", id="LA in PNG"),
    pytest.param("P", "png", id="palette in PNG"),
    pytest.param("P", "gif", id="palette in GIF"),
]


def half_seen(file: Path, mode: str) -> Path:
    """Left half opaque, right half fully transparent over hidden black."""
    image = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
    image.paste((*GREEN, 255) if mode != "LA" else (90, 90, 90, 255), (0, 0, 32, 48))
    if mode == "P":
        indexed = image.convert("RGB").quantize(4)
        indexed.putpalette([*GREEN, *RED, 0, 0, 0])
        indexed.paste(0, (0, 0, 64, 48))
        indexed.paste(2, (32, 0, 64, 48))
        return saved(indexed, file, transparency=2)
    return saved(image.convert(mode), file, **({"lossless": True} if file.suffix == ".webp" else {}))


@pytest.mark.feature(30)
@pytest.mark.parametrize(("mode", "suffix"), SEE_THROUGH)
def test_what_is_transparent_is_white_in_a_jpeg(tmp_path: Path, mode: str, suffix: str) -> None:
    made = rendered(half_seen(tmp_path / f"original.{suffix}", mode), Fit(Box(32, 32)))
    assert made.mode == ("L" if mode == "LA" else "RGB")
    assert close(pixel(made, 0.9, 0.5), WHITE)
    assert close(pixel(made, 0.1, 0.5), (90, 90, 90) if mode == "LA" else GREEN)


@pytest.mark.parametrize("form", [PNG, WEBP, AVIF, GIF], ids=lambda form: form.name)
@pytest.mark.parametrize(("mode", "suffix"), SEE_THROUGH)
def test_what_is_transparent_stays_so_where_the_format_can(tmp_path: Path, mode: str, suffix: str, form: Format) -> None:
    made = rendered(half_seen(tmp_path / f"original.{suffix}", mode), Fit(Box(32, 32)), form=form)
    assert pixel(made, 0.9, 0.5)[3] < 10
    assert pixel(made, 0.1, 0.5)[3] > 245
    assert close(pixel(made, 0.1, 0.5)[:3], (90, 90, 90) if mode == "LA" else GREEN)


def test_one_colour_made_transparent_in_the_header_is_transparent(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 48), GREEN)
    image.paste(RED, (32, 0, 64, 48))
    made = rendered(saved(image, tmp_path / "original.png", transparency=RED), form=PNG)
    assert [pixel(made, across, 0.5)[3] for across in (0.1, 0.9)] == [255, 0]


def test_hidden_colours_do_not_bleed_when_resampled(tmp_path: Path) -> None:
    """Alpha is premultiplied: the black behind the transparent half must not darken the edge."""
    made = rendered(half_seen(tmp_path / "original.png", "RGBA"), Stretch(Box(5, 5)), form=PNG)
    edge = pixel(made, 0.5, 0.5)
    assert 0 < edge[3] < 255
    assert close(edge[:3], GREEN, 3)


@pytest.mark.parametrize("form", [JPEG, PNG, AVIF, GIF], ids=lambda form: form.name)
def test_gray_is_one_channel_where_the_format_has_it(tmp_path: Path, form: Format) -> None:
    made = rendered(saved(Image.linear_gradient("L"), tmp_path / "original.png"), Fit(Box(64, 64)), form=form)
    assert made.mode == ("P" if form is GIF else "L")
    assert len({len(set(pixel(made, 0.5, down))) for down in (0.1, 0.5, 0.9)}) == 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_an_embedded_profile_is_followed(tmp_path: Path, suffix: str) -> None:
    plain = Image.new("RGB", (64, 48), (200, 60, 60))
    followed = pixel(rendered(saved(plain, tmp_path / f"original.{suffix}", icc_profile=swapped_primaries()), form=PNG), 0.5, 0.5)
    assert followed[1] > followed[0] + 60  # what the file calls red is green


def test_a_profile_is_followed_under_alpha_too(tmp_path: Path) -> None:
    original = saved(Image.new("RGBA", (64, 48), (200, 60, 60, 128)), tmp_path / "original.png", icc_profile=swapped_primaries())
    red, green, _, alpha = pixel(rendered(original, form=PNG), 0.5, 0.5)
    assert green > red + 60
    assert alpha == 128


def test_a_picture_in_srgb_keeps_its_colours(tmp_path: Path) -> None:
    original = saved(Image.new("RGB", (64, 48), (200, 60, 60)), tmp_path / "original.png", icc_profile=SRGB)
    assert close(pixel(rendered(original, form=PNG), 0.5, 0.5), (200, 60, 60), 1)


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"nonsense", id="no profile at all"),
        pytest.param(swapped_primaries()[:200], id="cut"),
        pytest.param(with_space(b"CMYK"), id="for inks"),
        pytest.param(with_space(b"GRAY"), id="for gray"),
        pytest.param(with_space(b"\xff\xff\xff\xff"), id="for nothing that is"),
        pytest.param(swapped_primaries()[:132] + b"\xff" * 400, id="a table of nonsense"),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA"])
def test_R6_a_profile_that_cannot_be_followed_is_as_good_as_none(tmp_path: Path, profile: bytes, mode: str) -> None:
    suffix = {"CMYK": "jpg"}.get(mode, "png")
    without = rendered(saved(quarters((64, 48), mode), tmp_path / f"plain.{suffix}"), Orient(1), form=PNG)
    original = saved(quarters((64, 48), mode), tmp_path / f"original.{suffix}", icc_profile=profile)
    assert rendered(original, Orient(1), form=PNG).tobytes() == without.tobytes()


def test_R6_every_pair_of_mode_and_profile_is_survived() -> None:
    for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"):
        for space in (b"RGB ", b"GRAY", b"CMYK", b"Lab ", b"XYZ "):
            image = Image.new(mode, (3, 2))
            image.info["icc_profile"] = with_space(space)
            pixels, profile = workable(image)
            assert to_srgb(pixels, profile).mode in ("L", "LA", "RGB", "RGBA"), (mode, space)


def test_the_profile_itself_does_not_go_out(tmp_path: Path) -> None:
    original = saved(quarters((64, 48)), tmp_path / "original.png", icc_profile=swapped_primaries())
    for form in (JPEG, PNG, WEBP, AVIF):
        assert "icc_profile" not in rendered(original, form=form).info
