"""PNG and WebP that libvips reads at a fraction of their size: only where Pillow would see the same."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from renderer.box import Box
from renderer.errors import BrokenOriginal
from renderer.formats import PNG, WEBP, Format
from renderer.ops import Fit
from renderer.picture import reduced
from renderer.picture.engine import Engine
from renderer.picture.opening import opened
from renderer.picture.sharing import Shared
from tests.picture.likeness import ssim
from tests.picture.pictures import png_chunk, recipe, rendered, saved, shades
from tests.picture.profiles import ADOBE_RGB, matrix_profile

VIPS = Engine(resampler="vips")
SIZE = (401, 299)  # divided by nothing
SMALL = Fit(Box(40, 40))


def is_reducible(file: Path) -> bool:
    with opened(file, VIPS) as (form, image):
        return reduced.is_reducible(form, image)


@pytest.mark.parametrize(
    ("suffix", "mode", "settings"),
    [
        pytest.param("png", "RGB", {}, id="png"),
        pytest.param("png", "L", {}, id="gray png"),
        pytest.param("webp", "RGB", {"quality": 95}, id="webp"),
        pytest.param("webp", "RGB", {"lossless": True}, id="lossless webp"),
    ],
)
def test_what_is_reduced_while_it_is_decoded_looks_the_same(tmp_path: Path, suffix: str, mode: str, settings: dict[str, object]) -> None:
    original = saved(shades(SIZE).convert(mode), tmp_path / f"original.{suffix}", **settings)
    assert is_reducible(original)
    with Shared(original, VIPS, [recipe(SMALL)]).decoded(recipe(SMALL)) as decoded:
        assert decoded.raster.size == SIZE
        assert decoded.raster.image.width < SIZE[0] / 2
        assert decoded.raster.image.mode == mode
    found, wanted = (rendered(original, SMALL, form=PNG, engine=engine) for engine in (VIPS, Engine()))
    assert found.size == wanted.size == (40, 29)
    assert ssim(found.convert("RGB"), wanted.convert("RGB")) > 0.99


def _interlaced() -> bytes:
    """One pixel in seven passes is one pixel in one."""
    head = b"\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x01"
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(b"\0\1\2\3")) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda file: saved(shades(SIZE).convert("P"), file), id="palette"),
        pytest.param(lambda file: saved(shades(SIZE).convert("RGBA"), file), id="alpha"),
        pytest.param(lambda file: saved(shades(SIZE).convert("1"), file), id="one bit"),
        pytest.param(lambda file: saved(Image.new("I;16", SIZE, 9), file), id="sixteen bits"),
        pytest.param(lambda file: saved(shades(SIZE), file, transparency=(1, 2, 3)), id="a hidden colour"),
        pytest.param(lambda file: saved(shades(SIZE), file, save_all=True, append_images=[Image.new("RGB", SIZE)]), id="frames"),
        pytest.param(lambda file: file.write_bytes(_interlaced()) and file, id="interlaced"),
    ],
)
def test_what_the_two_might_read_differently_is_pillows(tmp_path: Path, draw: object) -> None:
    assert not is_reducible(draw(tmp_path / "original.png"))  # type: ignore[operator]


def test_with_pillow_nothing_but_a_jpeg_is_reduced(tmp_path: Path) -> None:
    original = saved(shades(SIZE), tmp_path / "original.png")
    with Shared(original, Engine(), [recipe(SMALL)]).decoded(recipe(SMALL)) as decoded:
        assert decoded.raster.image.size == SIZE


def test_all_sizes_of_what_is_decoded_whole_share_one_decode(tmp_path: Path) -> None:
    original = saved(shades(SIZE), tmp_path / "original.png")
    wishes = [recipe(Fit(Box(side, side))) for side in (20, 40, 80, 160)]
    shared = Shared(original, Engine(), wishes)
    rasters = []
    for wish in wishes:
        with shared.decoded(wish) as decoded:
            rasters.append(decoded)
    assert all(raster is rasters[0] for raster in rasters)


@pytest.mark.parametrize("form", [PNG, WEBP], ids=lambda form: form.name)
def test_a_profile_is_followed_all_the_same(tmp_path: Path, form: Format) -> None:
    image = Image.new("RGB", SIZE, (200, 60, 20))
    original = saved(image, tmp_path / f"original.{form.extension}", icc_profile=matrix_profile(ADOBE_RGB, 563 / 256), quality=95)
    found, wanted = (rendered(original, SMALL, form=PNG, engine=engine) for engine in (VIPS, Engine()))
    one, other = (made.convert("RGB").getpixel((9, 9)) for made in (found, wanted))
    assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 2  # type: ignore[arg-type]
    assert other != (200, 60, 20)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_what_libvips_cannot_read_is_pillows_to_decide_upon(tmp_path: Path, suffix: str) -> None:
    original = saved(shades(SIZE), tmp_path / f"original.{suffix}")
    content = original.read_bytes()
    original.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(BrokenOriginal):
        rendered(original, SMALL, engine=VIPS)


def test_what_libvips_fails_at_is_none(tmp_path: Path) -> None:
    original = saved(shades(SIZE), tmp_path / "original.png")
    broken = tmp_path / "broken.png"
    broken.write_bytes(original.read_bytes()[:-3000])
    with opened(original, VIPS) as (form, image):
        assert reduced.read(broken, form, image, Fraction(4)) is None
        assert reduced.read(original, form, image, Fraction(4)).size == (101, 75)  # type: ignore[union-attr]
