"""Every mode that a file can have comes out with the colours that it means; gray stays gray; alpha stays or goes on white."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms

from renderer.box import Box
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from renderer.ops import Fit, Stretch
from renderer.picture import colour
from renderer.picture.colour import to_srgb, workable
from tests.picture.minicorpus import png_of
from tests.picture.pictures import BLUE, GREEN, QUARTERS, RED, WHITE, close, corners, pixel, png_chunk, quarters, rendered, saved
from tests.picture.profiles import ADOBE_RGB, DISPLAY_P3, gray_profile, inks_profile, matrix_profile

SMALL = Fit(Box(4, 4))  # so that it is not the original that is shown

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


Matrix = tuple[tuple[float, float, float], ...]


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
        pytest.param("jpeg-ycck-adobe.jpg", (97, 129, 64), id="a lawn"),
        pytest.param("jpeg-cmyk-swop-icc.jpg", (151, 212, 213), id="cyan"),
        pytest.param("tiff-cmyk-fogra39.tif", (226, 0, 26), id="red"),
    ],
)
def test_inks_of_the_corpus_are_neither_inverted_nor_dark(corpus: Path, tmp_path: Path, name: str, colour: tuple[int, ...]) -> None:
    original = tmp_path / name
    original.write_bytes((corpus / "formats" / name).read_bytes())
    assert close(pixel(rendered(original, Fit(Box(150, 150))), 0.2, 0.6), colour, 25)


@pytest.mark.feature(29)
def test_printed_cyan_is_no_neon(tmp_path: Path) -> None:
    """Print has no (0, 255, 255); black ink alone is as good as black."""
    image = Image.new("CMYK", (64, 48), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (32, 0, 64, 48))
    made = rendered(saved(image, tmp_path / "original.tif"), form=PNG)
    assert close(pixel(made, 0.2, 0.5), (0, 174, 239), 3)
    assert close(pixel(made, 0.8, 0.5), (35, 31, 32), 3)


@pytest.mark.feature(29)
def test_inks_without_adobes_mark_are_not_inverted(tmp_path: Path) -> None:
    """Adobe alone writes them upside down, and says that it was Adobe."""
    jpeg = saved(ImageChops.invert(quarters((64, 48), "CMYK")), tmp_path / "adobe.jpg", quality=95).read_bytes()
    mark = jpeg.index(b"\xff\xee\x00\x0eAdobe")
    original = tmp_path / "original.jpg"
    original.write_bytes(jpeg[:mark] + jpeg[mark + 16 :])
    assert corners(rendered(original)) == QUARTERS


@pytest.mark.feature(29)
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_the_profile_of_a_press_is_followed(tmp_path: Path, suffix: str) -> None:
    """A press whose cyan is a red: Lab 54, 81, 70 is what sRGB calls (255, 0, 0)."""
    image = Image.new("CMYK", (64, 48), (255, 0, 0, 0))
    image.paste((0, 0, 0, 0), (32, 0, 64, 48))
    profile = inks_profile((138, 209, 198))
    made = rendered(saved(image, tmp_path / f"original.{suffix}", icc_profile=profile), form=PNG)
    assert close(pixel(made, 0.2, 0.5), RED, 12)
    assert close(pixel(made, 0.8, 0.5), WHITE, 3)


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


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bits_of_either_order_are_halved_alike(mode: str) -> None:
    image = Image.frombytes(mode, (2, 1), b"\x80\x80\xff\xff")
    assert workable(image)[0].tobytes() == b"\x80\xff"


def test_gray_with_alpha_in_sixteen_bits_stays_gray(tmp_path: Path) -> None:
    (tmp_path / "original.png").write_bytes(png_of(4, 2, b"\x80\x80"))
    made = rendered(tmp_path / "original.png", SMALL, form=PNG)
    assert made.mode == "LA"
    assert close(pixel(made, 0.5, 0.5), (128, 128, 128, 128), 1)


def test_colour_of_sixteen_bits_keeps_its_upper_eight(tmp_path: Path) -> None:
    (tmp_path / "original.png").write_bytes(png_of(2, 3, b"\x7f\x80"))
    assert pixel(rendered(tmp_path / "original.png", SMALL, form=PNG), 0.5, 0.5)[:3] == (127, 127, 127)


@pytest.mark.parametrize(
    ("colour_type", "channels", "bits", "sample", "hidden"),
    [
        pytest.param(0, 1, 16, b"\x12\x34", b"\x12\x34", id="gray of 16 bits"),
        pytest.param(2, 3, 16, b"\x12\x34", b"\x12\x34" * 3, id="colour of 16 bits"),
        pytest.param(0, 1, 8, b"\x12", b"\x00\x12", id="gray of 8 bits"),
        pytest.param(0, 1, 4, b"\xaa", b"\x00\x0a", id="gray of 4 bits"),
        pytest.param(0, 1, 2, b"\xaa", b"\x00\x02", id="gray of 2 bits"),
        pytest.param(0, 1, 1, b"\xff", b"\x00\x01", id="gray of 1 bit"),
    ],
)
def test_the_hidden_colour_of_a_png_is_hidden_at_every_depth(
    tmp_path: Path, colour_type: int, channels: int, bits: int, sample: bytes, hidden: bytes
) -> None:
    png = png_of(colour_type, channels, sample, png_chunk(b"tRNS", hidden), bits)
    (tmp_path / "original.png").write_bytes(png)
    assert pixel(rendered(tmp_path / "original.png", SMALL, form=PNG), 0.5, 0.5)[3] == 0
    (tmp_path / "seen.png").write_bytes(png_of(colour_type, channels, sample, png_chunk(b"tRNS", bytes(len(hidden))), bits))
    assert not rendered(tmp_path / "seen.png", SMALL, form=PNG).has_transparency_data


@pytest.mark.feature(31)
@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif"])
def test_a_palette_is_resampled_in_its_colours(tmp_path: Path, suffix: str) -> None:
    image = Image.new("RGB", (64, 64), RED)
    image.paste(BLUE, (32, 0, 64, 64))
    made = rendered(saved(image.quantize(16), tmp_path / f"original.{suffix}"), Fit(Box(1, 1)), form=PNG)
    assert made.mode == "RGB"
    assert close(pixel(made, 0, 0), (128, 0, 128), 20)  # both colours in one pixel: Lanczos, not the nearest index


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


def seen(colour: tuple[int, int, int], gamma: float, matrix: Matrix) -> tuple[int, ...]:
    """What `colour` is in sRGB; `gamma` 0 for its curve, `matrix` from linear light to linear light (CSS Color 4)."""
    curve = (lambda v: v**gamma) if gamma else (lambda v: v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)
    light = [curve(value / 255) for value in colour]
    mixed = [min(1, max(0, sum(a * b for a, b in zip(row, light, strict=True)))) for row in matrix]
    return tuple(round(255 * (v * 12.92 if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)) for v in mixed)


FROM_P3 = ((1.22494, -0.22494, 0), (-0.04206, 1.04206, 0), (-0.01964, -0.07864, 1.09827))
FROM_ADOBE_RGB = ((1.39836, -0.39836, 0), (0, 1, 0), (0, -0.04293, 1.04293))


@pytest.mark.parametrize("colour", [(200, 100, 50), (60, 150, 90), (128, 128, 128), (255, 0, 0), (30, 60, 220)], ids=str)
@pytest.mark.parametrize(
    ("primaries", "gamma", "matrix"),
    [pytest.param(DISPLAY_P3, 0, FROM_P3, id="Display P3"), pytest.param(ADOBE_RGB, 563 / 256, FROM_ADOBE_RGB, id="Adobe RGB")],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_wide_gamut_comes_out_as_srgb(
    tmp_path: Path, colour: tuple[int, int, int], primaries: Matrix, gamma: float, matrix: Matrix, mode: str
) -> None:
    image = Image.new("RGB", (16, 16), colour).convert(mode, palette=Image.Palette.ADAPTIVE)
    made = rendered(saved(image, tmp_path / "original.png", icc_profile=matrix_profile(primaries, gamma)), form=PNG)
    assert close(pixel(made, 0.5, 0.5)[:3], seen(colour, gamma, matrix), 2)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_gray_with_a_profile_stays_gray(tmp_path: Path, mode: str) -> None:
    """Half the light is 188 in sRGB."""
    image = Image.new(mode, (16, 16), 128 if mode == "L" else (128, 200))
    original = saved(image, tmp_path / "original.png", icc_profile=gray_profile(1.0))
    made = rendered(original, SMALL, form=PNG)
    assert made.mode == mode
    assert close(pixel(made, 0.5, 0.5)[:3], (188, 188, 188), 1)


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
    without = rendered(saved(quarters((64, 48), mode), tmp_path / f"plain.{suffix}"), Fit(Box(32, 24)), form=PNG)
    original = saved(quarters((64, 48), mode), tmp_path / f"original.{suffix}", icc_profile=profile)
    assert rendered(original, Fit(Box(32, 24)), form=PNG).tobytes() == without.tobytes()


@pytest.mark.parametrize(
    ("profile", "modes"),
    [
        pytest.param(gray_profile(1.0), ("RGB", "RGBA", "CMYK", "P"), id="gray"),
        pytest.param(inks_profile((138, 209, 198)), ("RGB", "RGBA", "L", "LA"), id="inks"),
        pytest.param(matrix_profile(DISPLAY_P3), ("L", "LA", "CMYK"), id="colour"),
    ],
)
def test_R6_a_sound_profile_for_another_mode_is_not_followed(tmp_path: Path, profile: bytes, modes: tuple[str, ...]) -> None:
    for mode in modes:
        suffix = "tif" if mode == "CMYK" else "png"
        without = rendered(saved(quarters((64, 48), mode), tmp_path / f"{mode}.{suffix}"), Fit(Box(32, 24)), form=PNG)
        original = saved(quarters((64, 48), mode), tmp_path / f"{mode}-with.{suffix}", icc_profile=profile)
        assert rendered(original, Fit(Box(32, 24)), form=PNG).tobytes() == without.tobytes(), mode


def test_R6_the_pair_is_judged_before_littlecms_sees_it() -> None:
    """Pillow judges it too since 12.3: whoever has an older one relies on us."""
    transform = colour._transform.__wrapped__
    for profile, mode in ((gray_profile(1.0), "RGB"), (inks_profile((138, 209, 198)), "L"), (matrix_profile(DISPLAY_P3), "CMYK")):
        assert transform(profile, mode) is None


@pytest.mark.parametrize("kind", [b"link", b"abst", b"nmcl"], ids=lambda kind: kind.decode())
def test_R6_what_is_no_profile_of_a_device_is_not_followed(kind: bytes) -> None:
    profile = matrix_profile(DISPLAY_P3)
    assert colour._transform(profile[:12] + kind + profile[16:], "RGB") is None


def test_R6_a_huge_profile_spoils_no_picture(tmp_path: Path) -> None:
    """Two megabytes behind a sound one: PNG and JPEG have their own bounds, TIFF has none."""
    for suffix in ("png", "jpg", "tif"):
        huge = matrix_profile(DISPLAY_P3) + bytes(2_000_000)
        original = saved(quarters((64, 48)), tmp_path / f"original.{suffix}", icc_profile=huge)
        assert corners(rendered(original, form=PNG)) == QUARTERS


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
