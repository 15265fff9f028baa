"""Spoiled pictures end in a picture or in an answer of ours; ONMISS_SOAK=1 tries some thousands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.picture.engine import Engine
from renderer.workers import Workers
from tests.picture import fuzzing

SOAK = os.environ.get("ONMISS_SOAK") == "1"
CASES = 5000 if SOAK else 320


@pytest.fixture(params=["pillow", "vips"])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    workers = Workers(Engine(resampler=request.param), processes=1, seconds=5, max_renders=10**6)  # a new process takes longest
    workers.start()
    yield workers
    workers.stop(3)


@pytest.mark.timeout(3600 if SOAK else 300)
def test_a_spoiled_picture_is_a_picture_or_an_answer(request: pytest.FixtureRequest, tmp_path: Path, workers: Workers) -> None:
    try:
        corpus = request.getfixturevalue("corpus")
    except pytest.skip.Exception:
        corpus = None
    files = fuzzing.seeds(corpus, tmp_path / "mini")
    assert len(files) == fuzzing.FILES
    report = fuzzing.run(workers, fuzzing.cases(files, CASES), tmp_path)
    print(report)
    assert sum(report.outcomes.values()) >= CASES
    assert report.outcomes["Made"] > CASES // 20  # most of it would otherwise be refused at the door
    assert report.outcomes["BrokenOriginal"] > CASES // 20
    assert report.killed == {}


def test_a_case_is_the_same_every_time(tmp_path: Path) -> None:
    files = fuzzing.seeds(None, tmp_path)
    assert list(fuzzing.cases(files, 60)) == list(fuzzing.cases(files, 60))
