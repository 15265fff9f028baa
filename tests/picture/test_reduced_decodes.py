"""A reduced decode shows what a whole one shows, in the same place: whatever is left over at the edges, turned or cut."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from renderer.box import Box
from renderer.formats import PNG
from renderer.ops import Crop, Fill, Fit, Flip, Operation, Orient, Raster, Rotate
from renderer.picture import scale
from renderer.picture.engine import Engine
from renderer.picture.resample import resampler
from tests.picture.likeness import ssim
from tests.picture.pictures import rendered, saved, shades

SIZES = [pytest.param((1000, 776), id="even"), pytest.param((1001, 777), id="odd"), pytest.param((1009, 783), id="one over eight")]


def detailed(size: tuple[int, int]) -> Image.Image:
    """Enough to see a shift by half a pixel."""
    noise = Image.effect_noise((size[0] // 5 + 1, size[1] // 5 + 1), 90).resize(size, Image.Resampling.BICUBIC)
    return Image.blend(shades(size), noise.convert("RGB"), 0.6)


def alike(tmp_path: Path, original: Path, operations: Sequence[Operation], monkeypatch: pytest.MonkeyPatch, engine: Engine) -> float:
    """The likeness of what is made from a reduced decode to what is made from all pixels."""
    reduced = rendered(original, *operations, form=PNG, engine=engine).convert("RGB")
    monkeypatch.setattr(scale, "SPARES", dict.fromkeys(scale.SPARES, ()))
    whole = rendered(original, *operations, form=PNG, engine=engine).convert("RGB")
    assert reduced.size == whole.size
    assert ImageChops.difference(reduced, whole).getbbox(), "nothing was reduced"
    return ssim(reduced, whole)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("suffix", "resampler_name"), [("jpg", "pillow"), ("jpg", "vips"), ("png", "vips")])  # Pillow decodes PNGs whole
def test_what_is_left_over_at_the_edges_shifts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], suffix: str, resampler_name: str
) -> None:
    original = saved(detailed(size), tmp_path / f"original.{suffix}", **({"quality": 97} if suffix == "jpg" else {}))
    for side in (330, 125) if suffix == "jpg" else (250, 125, 62):
        assert alike(tmp_path, original, [Fit(Box(side, side))], monkeypatch, Engine(resampler=resampler_name)) > 0.99
        monkeypatch.undo()


@pytest.mark.parametrize(
    "operations",
    [
        *(pytest.param([Orient(tag), Fit(Box(300, 300))], id=f"orient-{tag}") for tag in range(2, 9)),
        *(pytest.param([Rotate(degrees), Fit(Box(300, 300))], id=f"rotate-{degrees}") for degrees in (90, 180, 270)),
        pytest.param([Flip("h"), Fit(Box(300, 300))], id="flip-h"),
        pytest.param([Flip("v"), Fill(Box(200, 200))], id="flip-v and fill"),
        pytest.param([Crop(101, 77, Box(800, 600)), Fit(Box(200, 200))], id="crop"),
        pytest.param([Crop(101, 77, Box(803, 601)), Rotate(90), Fit(Box(200, 200))], id="crop and rotate"),
        pytest.param([Fill(Box(300, 100))], id="fill"),
    ],
)
def test_operations_find_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operations: list[Operation]) -> None:
    original = saved(detailed((1001, 777)), tmp_path / "original.jpg", quality=97)
    assert alike(tmp_path, original, operations, monkeypatch, Engine()) > 0.99


@pytest.mark.parametrize("turn", [pytest.param(Orient(tag), id=f"orient-{tag}") for tag in range(2, 9)])
def test_an_area_is_turned_with_its_image(turn: Orient) -> None:
    """A corner of the area that is red stays where the red is."""
    image = Image.new("RGB", (20, 10))
    image.paste((255, 0, 0), (3, 2, 15, 9))
    raster = Raster(image, (120, 70), resampler("pillow"), {}, (Fraction(3), Fraction(2), Fraction(15), Fraction(9)))
    turned = turn.apply(raster)
    assert turned.area == turned.image.getbbox()
