"""Every picture of a corpus, real or made on the spot: the good ones in the right size, the others refused in our own words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from renderer.box import Box, Size
from renderer.errors import BrokenOriginal, Refused, RendererError
from renderer.formats import BY_EXTENSION
from renderer.limits import Limits
from renderer.ops import Fill, Fit
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.render import read_header, render_all
from renderer.picture.resample import missing
from tests.picture.minicorpus import Row, generated, rows_of
from tests.picture.pictures import recipe

# A picture of 65,500 x 1 is good, and its full size is longer than we are willing to make by default.
ROOMY = Engine(limits=Limits(max_side_out=65_535, max_pixels_out=100_000_000))
WISHES = (recipe(Fit(Box(300, 200))), recipe(Fill(Box(300, 200))), recipe())

# seconds to decode, on purpose: a matter of the time limit
SLOW = ("hostile/bomb-1500-scans-20mp.jpg",)


def fitted(size: Size, box: Size) -> Size:
    """What the table of huImages says: within the box, never enlarged, sides cut down to whole pixels."""
    width, height = size
    if width <= box[0] and height <= box[1]:
        return size
    if width * box[1] > height * box[0]:
        return box[0], max(1, height * box[0] // width)
    return max(1, width * box[1] // height), box[1]


def faults(row: Row, folder: Path, engine: Engine = ROOMY) -> list[str]:
    """What is wrong with what became of `row`; its files are gone afterwards."""
    jobs = [Job(wish, folder / f"{number}.jpg") for number, wish in enumerate(WISHES)]
    results = render_all(row.path, jobs, engine)
    assert len(results) == len(jobs)
    sizes = fitted(row.size, (300, 200)), (300, 200), row.size
    found = [_fault(row, *each) for each in zip(jobs, results, sizes, strict=True)]
    for job in jobs:
        job.target.unlink(missing_ok=True)
    return [f"{row.name}: {fault}" for fault in found if fault]


def _fault(row: Row, job: Job, result: Made | RendererError, size: Size) -> str:
    if not isinstance(result, Made):
        clean = isinstance(result, BrokenOriginal | Refused)
        return "" if clean and (row.expected == "reject" or row.either) else f"{job.recipe.spell()}: {result!r}"
    if row.expected == "reject" and not row.either:
        return f"{job.recipe.spell()}: made of a file that is to be refused"
    with Image.open(job.target) as made:
        made.load()
        if made.size != size and row.expected == "ok":
            return f"{job.recipe.spell()}: {made.size} instead of {size}"
        return "" if made.mode in ("L", "RGB") else f"{job.recipe.spell()}: {made.mode}"


@pytest.mark.feature(164)
def test_a_generated_corpus_is_rendered_or_refused(tmp_path: Path) -> None:
    rows = generated(tmp_path / "mini")
    assert {row.expected for row in rows} == {"ok", "reject"}
    assert [fault for row in rows for fault in faults(row, tmp_path)] == []


def test_headers_of_a_generated_corpus_tell_the_upright_size(tmp_path: Path) -> None:
    for row in generated(tmp_path / "mini"):
        if row.expected == "ok":
            header = read_header(row.path, Engine())
            assert (row.name, header.width, header.height) == (row.name, *row.size)


@pytest.mark.feature(164)
@pytest.mark.parametrize("resampler", ["pillow", "vips"])
@pytest.mark.parametrize("group", ["formats", "exif", "hostile", "photos", "ancestors"])
def test_the_corpus_is_rendered_or_refused_as_its_manifest_says(
    corpus: Path, tmp_path: Path, group: str, resampler: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if missing(resampler):
        pytest.skip("pyvips is an extra")
    rows = [row for row in rows_of(corpus) if row.name.startswith(f"{group}/") and row.name not in SLOW]
    wrong = [fault for row in rows for fault in faults(row, tmp_path, replace(ROOMY, resampler=resampler))]
    capfd.readouterr()  # libtiff's own remarks
    assert rows
    assert wrong == []


def test_optional_formats_of_the_corpus_are_rendered_where_they_are_accepted(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pillow_heif", reason="pillow-heif is an extra")
    optional = tuple(extension for extension, form in BY_EXTENSION.items() if form.optional)
    rows = [row for row in rows_of(corpus) if row.name.endswith(optional) and row.path.stat().st_size]
    engine = replace(ROOMY, accepted=frozenset({"heic", "jpeg2000"}))
    wrong = [fault for row in rows for fault in faults(replace(row, either=False), tmp_path, engine)]
    capfd.readouterr()
    assert len(rows) > 8
    assert wrong == []
