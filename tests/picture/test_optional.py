"""Formats that are read only where the configuration says so, and JPEGs that end too early."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from renderer.box import Box
from renderer.errors import BrokenOriginal
from renderer.ops import Fit
from renderer.picture.engine import Engine
from renderer.picture.jobs import Made
from renderer.picture.render import read_header
from tests.picture.pictures import BLUE, QUARTERS, RED, close, corners, outcome, pixel, quarters, recipe, rendered, saved, shades
from tests.picture.test_golden_pictures import STORED

WITH_HEIC, WITH_JPEG2000 = Engine(accepted=frozenset({"heic"})), Engine(accepted=frozenset({"jpeg2000"}))
CUT_TOO = Engine(show_truncated=True)
HEIC_HEAD = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"


@pytest.fixture
def heif() -> None:
    pytest.importorskip("pillow_heif", reason="pillow-heif is an extra").register_heif_opener()


def test_R4_heic_is_off_until_the_configuration_says_so(tmp_path: Path) -> None:
    (tmp_path / "original.heic").write_bytes(HEIC_HEAD + bytes(1000))
    assert isinstance(outcome(tmp_path / "original.heic", recipe(), tmp_path / "t.jpg"), BrokenOriginal)


@pytest.mark.parametrize("accepted", [(), ("jpeg2000",)], ids=["nothing", "another"])
def test_R4_the_libraries_of_heic_are_not_even_loaded(tmp_path: Path, accepted: tuple[str, ...]) -> None:
    (tmp_path / "original.heic").write_bytes(HEIC_HEAD + bytes(1000))
    saved(quarters((20, 20)), tmp_path / "good.png")
    code = f"""
import sys
from pathlib import Path
from renderer.errors import BrokenOriginal
from renderer.picture.engine import Engine
from renderer.picture.render import read_header
engine = Engine(accepted=frozenset({accepted!r}))
read_header(Path({str(tmp_path / "good.png")!r}), engine)
try:
    read_header(Path({str(tmp_path / "original.heic")!r}), engine)
except BrokenOriginal:
    print("refused", "pillow_heif" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["refused", "False"]


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize("tag", range(1, 9))
def test_heic_comes_out_upright_where_it_is_accepted(tmp_path: Path, tag: int) -> None:
    size = (240, 320) if tag >= 5 else (320, 240)
    exif = Image.Exif()
    exif[0x0112] = tag
    stored = quarters(size).transpose(STORED[tag]) if tag in STORED else quarters(size)
    original = saved(stored, tmp_path / "original.heic", exif=exif.tobytes(), quality=90)
    made = rendered(original, Fit(Box(150, 150)), engine=WITH_HEIC)
    assert corners(made) == QUARTERS
    assert made.size == ((112, 150) if tag >= 5 else (150, 112))
    header = read_header(original, WITH_HEIC)
    assert (header.width, header.height) == size


@pytest.mark.usefixtures("heif")
def test_a_heic_that_is_cut_is_a_broken_original(tmp_path: Path) -> None:
    whole = saved(shades((200, 150)), tmp_path / "whole.heic").read_bytes()
    for part in (0.05, 0.5, 0.9):
        (tmp_path / "original").write_bytes(whole[: int(len(whole) * part)])
        assert isinstance(outcome(tmp_path / "original", recipe(), tmp_path / "t.jpg", engine=WITH_HEIC), BrokenOriginal)


@pytest.mark.parametrize("suffix", ["jp2", "j2k"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "I;16"])
def test_jpeg_2000_is_read_where_it_is_accepted(tmp_path: Path, suffix: str, mode: str) -> None:
    image = Image.new("I;16", (64, 48), 128 * 257) if mode == "I;16" else quarters((64, 48), mode)
    original = saved(image, tmp_path / f"original.{suffix}")
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), BrokenOriginal)
    made = rendered(original, engine=WITH_JPEG2000)
    if mode == "I;16":
        assert close(pixel(made, 0.5, 0.5), (128, 128, 128), 2)
    elif mode != "L":
        assert corners(made) == QUARTERS


def cut(tmp_path: Path, name: str, part: float, **settings: object) -> Path:
    image = Image.new("RGB", (400, 300), RED)
    image.paste(BLUE, (0, 200, 400, 300))
    whole = saved(Image.blend(image, shades((400, 300)), 0.1), tmp_path / f"whole-{name}", **settings).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    return tmp_path / name


@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
def test_a_jpeg_that_ends_too_early_is_shown_only_where_the_setting_says_so(tmp_path: Path, progressive: bool) -> None:
    original = cut(tmp_path, "original.jpg", 0.8, progressive=progressive)
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), BrokenOriginal)
    made = rendered(original, engine=CUT_TOO)
    assert made.size == (400, 300)
    assert close(pixel(made, 0.5, 0.2), RED, 40)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), BrokenOriginal)


@pytest.mark.parametrize("suffix", ["png", "gif", "tif", "webp", "bmp"])
def test_nothing_but_a_jpeg_may_end_too_early(tmp_path: Path, suffix: str) -> None:
    assert isinstance(outcome(cut(tmp_path, f"original.{suffix}", 0.5), recipe(), tmp_path / "t.jpg", engine=CUT_TOO), BrokenOriginal)


def test_a_jpeg_cut_in_its_header_is_broken_whatever_the_setting(tmp_path: Path) -> None:
    result = outcome(cut(tmp_path, "original.jpg", 0.05), recipe(), tmp_path / "t.jpg", engine=CUT_TOO)
    assert isinstance(result, BrokenOriginal | Made)
    (tmp_path / "head.jpg").write_bytes((tmp_path / "original.jpg").read_bytes()[:100])
    assert isinstance(outcome(tmp_path / "head.jpg", recipe(), tmp_path / "u.jpg", engine=CUT_TOO), BrokenOriginal)
