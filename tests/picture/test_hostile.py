"""Files that mean no good, through real render processes: whatever they do costs one answer, and the service goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from renderer.box import Box
from renderer.errors import BrokenOriginal, Refused, RendererError, RenderKilled
from renderer.formats import JPEG, WEBP
from renderer.ops import Fit
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.workers import Workers
from tests.picture.minicorpus import Row, generated, rows_of
from tests.picture.pictures import QUARTERS, corners, quarters, recipe, saved

SECONDS, MOST_KILLS = 2, 5


@pytest.fixture(params=["pillow", "vips"])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    workers = Workers(Engine(resampler=request.param), processes=1, seconds=SECONDS)
    workers.start()
    yield workers
    workers.stop(3)


def rendered(workers: Workers, row: Row, folder: Path) -> list[Made | RendererError]:
    """What became of two recipes; RenderKilled stands for both. No file is left that says otherwise."""
    jobs = [Job(recipe(Fit(Box(150, 150)), form=form), folder / f"made.{form.extension}") for form in (JPEG, WEBP)]
    results: list[Made | RendererError]
    try:
        results = workers.render(row.path, jobs)
    except RenderKilled as error:
        results = [error]
    for job, result in zip(jobs, results, strict=False):
        assert job.is_whole() == isinstance(result, Made), (row.name, result)
        job.target.unlink(missing_ok=True)
    return results


def kills(workers: Workers, rows: list[Row], folder: Path) -> list[str]:
    """Who had to be killed; everybody else got an answer."""
    found = []
    for row in rows:
        results = rendered(workers, row, folder)
        assert all(isinstance(result, Made | BrokenOriginal | Refused | RenderKilled) for result in results), (row.name, results)
        if any(isinstance(result, RenderKilled) for result in results):
            found.append(f"{row.name}: {results[0]}")
    return found


def still_renders(workers: Workers, folder: Path) -> bool:
    target = folder / "good-made.jpg"
    [made] = workers.render(saved(quarters((640, 480)), folder / "good.png"), [Job(recipe(Fit(Box(150, 150))), target)])
    assert isinstance(made, Made)
    with Image.open(target) as image:
        return corners(image) == QUARTERS


def test_no_generated_file_kills_a_render_process(tmp_path: Path, workers: Workers) -> None:
    assert kills(workers, generated(tmp_path / "mini"), tmp_path) == []
    assert still_renders(workers, tmp_path)


@pytest.mark.timeout(300)
def test_at_most_five_hostile_files_of_the_corpus_end_by_a_kill(corpus: Path, tmp_path: Path, workers: Workers) -> None:
    rows = [row for row in rows_of(corpus) if row.name.startswith("hostile/")]
    assert len(rows) > 90
    killed = kills(workers, rows, tmp_path)
    assert len(killed) <= MOST_KILLS, killed
    assert still_renders(workers, tmp_path)
    assert list(tmp_path.glob("made.*")) == []
