"""What a page announces is what the renderer makes, of any original at any size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from renderer.catalog import Entry
from renderer.client import SIZE_NAMES, Library
from renderer.config import Config
from renderer.formats import JPEG
from renderer.markup import operation_of
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.render import read_header, render_all
from renderer.recipe import Output, Recipe

sides = st.integers(1, 90)
boxes = st.builds("{}x{}{}".format, st.integers(1, 120), st.integers(1, 120), st.sampled_from(["", "!"]))
wishes = boxes | st.sampled_from(sorted(SIZE_NAMES))
originals = st.tuples(sides, sides, st.sampled_from(range(1, 9)), st.sampled_from(["JPEG", "PNG"]))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Of nothing but documents."""
    return Library(Config.of({"catalog": {"kind": "memory"}}, tmp_path_factory.mktemp("root")))


@pytest.mark.feature(67)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(originals, wishes)
@example((90, 1, 1, "JPEG"), "15x15")
@example((80, 60, 6, "JPEG"), "47x80")
@example((75, 48, 8, "PNG"), "square")
@example((5, 5, 1, "JPEG"), "75x75!")
def test_H_B3_the_announced_size_is_the_one_that_is_made(
    library: Library, tmp_path: Path, original: tuple[int, int, int, str], wish: str
) -> None:
    width, height, orientation, form = original
    path, target = tmp_path / "original", tmp_path / "made"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height), "red").save(path, form, exif=exif)
    header = read_header(path, Engine())
    opened, catalog = library._catalog()
    ref = opened.space.ref("A" * 32 + "01")
    catalog.change(ref, lambda _: replace(Entry(), width=header.width, height=header.height))
    opened.documents.forget(ref)
    [made] = render_all(path, [Job(Recipe.of((operation_of(wish),), Output(JPEG, 75)), target)], Engine())
    assert isinstance(made, Made)
    with Image.open(target) as rendition:
        assert library.scaled_dimensions(ref.name, wish) == rendition.size
    target.unlink()
    assert library.scaled_dimensions(ref.name, "o") == ((height, width) if orientation > 4 else (width, height))
