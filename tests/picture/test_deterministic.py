"""The same original and recipe are the same bytes: again, in another process, and whoever else wants something of the original."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from renderer.box import Box
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP
from renderer.ops import Blur, Brightness, Contrast, Fill, Fit, Flip, Grayscale, Pad, Sharpen, Trim
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.render import render_all
from renderer.recipe import Recipe
from tests.picture.moving import animated, drawn
from tests.picture.pictures import recipe, saved, shades

TOP = Path(__file__).parents[2]
FORMATS = (JPEG, PNG, WEBP, GIF, AVIF)
NAMES = ("photo.jpg", "photo.png", "photo.webp", "alpha.png", "drawing.gif", "moving.gif", "moving.webp", "moving.png")
ORIGINAL = pytest.mark.parametrize("name", NAMES)
RESAMPLER = pytest.mark.parametrize("resampler", ["pillow", "vips"])
WIDTHS = (72, 150, 300, 480, 640, 900)  # of 1200 pixels: decoded at 1/8, 1/4, 1/2 and whole


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Originals of many kinds."""
    folder = tmp_path_factory.mktemp("originals")
    for suffix in ("jpg", "png", "webp"):  # more pixels than libvips leaves to Pillow
        saved(shades((480, 320)), folder / f"photo.{suffix}")
    saved(Image.merge("RGBA", (*shades((240, 160)).split(), Image.linear_gradient("L").resize((240, 160)))), folder / "alpha.png")
    saved(drawn(1)[0].convert("RGB").quantize(16), folder / "drawing.gif")
    for name in NAMES[5:]:
        animated(drawn(alpha=name.endswith("png"), size=(120, 80)), folder / name)
    return folder


def wishes() -> list[Recipe]:
    """In every format, sharing a decode or not."""
    found = [recipe(*operations, form=form) for form in FORMATS for operations in ((), (Fit(Box(60, 60)),))]
    looking = [(Fill(Box(40, 40), "smart"),), (Trim(5), Fit(Box(40, 40)), Pad(Box(60, 60)))]
    changing = (Fit(Box(90, 90)), Grayscale(), Brightness(120), Contrast(80), Blur(9), Sharpen(60))
    found += [recipe(*operations, form=PNG) for operations in (*looking, changing, (Fill(Box(40, 40)),))]
    return [*found, recipe(Flip.parse("h"), form=WEBP), recipe(form=WEBP, still=True)]


def digests(original: Path, wanted: Sequence[Recipe], folder: Path, resampler: str) -> list[str]:
    """SHA-1 of each rendition, all made in one call."""
    folder.mkdir()
    jobs = [Job(wish, folder / str(number)) for number, wish in enumerate(wanted)]
    results = render_all(original, jobs, Engine(resampler=resampler))
    assert [result for result in results if not isinstance(result, Made)] == []
    return [hashlib.sha1(job.target.read_bytes()).hexdigest() for job in jobs]


@RESAMPLER
@ORIGINAL
def test_twice_is_the_same(folder: Path, tmp_path: Path, name: str, resampler: str) -> None:
    found = digests(folder / name, wishes(), tmp_path / "one", resampler)
    assert found == digests(folder / name, wishes(), tmp_path / "other", resampler)


@RESAMPLER
@ORIGINAL
def test_alone_and_in_company_is_the_same_in_every_format(folder: Path, tmp_path: Path, name: str, resampler: str) -> None:
    together = digests(folder / name, wishes(), tmp_path / "together", resampler)
    alone = [digests(folder / name, [wish], tmp_path / str(number), resampler) for number, wish in enumerate(wishes())]
    assert alone == [[digest] for digest in together]


def test_no_clock_is_in_an_animated_avif(folder: Path, tmp_path: Path) -> None:
    [made] = render_all(folder / "moving.gif", [Job(recipe(form=AVIF), tmp_path / "made.avif")], Engine())
    assert isinstance(made, Made)
    content = (tmp_path / "made.avif").read_bytes()
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        version = content[content.index(box) + 4]
        assert content[content.index(box) + 8 :][: 16 if version else 8] == bytes(16 if version else 8)


PROGRAM = """
import sys
from pathlib import Path
from tests.picture.test_deterministic import NAMES, digests, wishes
originals, target = map(Path, sys.argv[1:])
for name in NAMES:
    for resampler in ("pillow", "vips"):
        print(*digests(originals / name, wishes(), target / f"{name} {resampler}", resampler))
"""


def test_two_processes_make_the_same(folder: Path, tmp_path: Path) -> None:
    """With other hashes of strings, so that no order of a set or a dict decides anything."""
    said = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        command = [sys.executable, "-c", PROGRAM, str(folder), str(tmp_path / seed)]
        done = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, cwd=TOP, capture_output=True, text=True, check=True)
        said.append(done.stdout.split())
    assert len(said[0]) == 2 * len(NAMES) * len(wishes())
    assert said[0] == said[1]


@RESAMPLER
def test_every_subset_of_six_widths_is_byte_equal(tmp_path: Path, resampler: str) -> None:
    """Which raster a size is made from is a function of original and recipe alone, never of who else waits."""
    original = saved(Image.blend(shades((1200, 800)), Image.effect_noise((1200, 800), 60).convert("RGB"), 0.2), tmp_path / "original.jpg")
    wanted = [recipe(Fit(Box(width, 0))) for width in WIDTHS]
    alone = dict(zip(WIDTHS, (digests(original, [wish], tmp_path / wish.spell(), resampler)[0] for wish in wanted), strict=True))
    assert len(set(alone.values())) == len(WIDTHS)
    subsets = [subset for count in range(2, 7) for subset in combinations(range(6), count)]
    assert len(subsets) == 57
    for number, subset in enumerate(subsets):
        order = subset if number % 2 else subset[::-1]
        found = digests(original, [wanted[index] for index in order], tmp_path / f"company-{number}", resampler)
        assert found == [alone[WIDTHS[index]] for index in order], order
