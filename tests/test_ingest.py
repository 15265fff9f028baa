"""The way in: judged, named, stored; and what was made of replaced bytes is forgotten."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.config import Config
from renderer.errors import BrokenOriginal, TooManyBytes
from renderer.formats import JPEG, PNG
from renderer.ingest import Ingest
from renderer.messages import Show
from renderer.recipe import Output, Recipe
from renderer.rendition import Namespace, Rendition
from renderer.wiring import Wiring
from tests.e2e.site import OWN_TIME, encoded, jpeg, picture


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    namespaces = {"huimages": {}, "fitter": {"naming": "path", "prefix": "f/"}}
    tree = {"namespaces": namespaces, "limits": {"max_original_bytes": 50_000}, "render": {"processes": 1}}
    wiring = Wiring(Config.of(tree, tmp_path))
    wiring.workers.start()
    yield wiring
    wiring.workers.stop(2)


@pytest.fixture
def ingest(wiring: Wiring) -> Ingest:
    return wiring.ingest


def space(wiring: Wiring, name: str) -> Namespace:
    return wiring.config.namespaces_built()[name]


def stored(wiring: Wiring) -> list[bytes]:
    root = wiring.config.root / "originals"
    return [path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()]


@pytest.mark.feature(42)
def test_an_original_is_named_by_its_bytes_and_kept_as_it_was_given(wiring: Wiring, ingest: Ingest) -> None:
    content = jpeg(64, 48)
    taken = ingest.take(space(wiring, "huimages"), io.BytesIO(content), OWN_TIME)
    assert len(taken.ref.name) == 34
    assert taken.new
    assert (taken.header.format, taken.header.width, taken.header.height) == (JPEG, 64, 48)
    with wiring.originals.local(taken.ref) as local:
        assert (local.path.read_bytes(), local.time) == (content, OWN_TIME)


def test_the_same_bytes_again_change_nothing(wiring: Wiring, ingest: Ingest) -> None:
    content = jpeg(64, 48)
    first = ingest.take(space(wiring, "huimages"), io.BytesIO(content), OWN_TIME)
    again = ingest.take(space(wiring, "huimages"), io.BytesIO(content), OWN_TIME + 9)
    assert (again.ref, again.new) == (first.ref, False)
    assert stored(wiring) == [content]
    with wiring.originals.local(first.ref) as local:
        assert local.time == OWN_TIME


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", BrokenOriginal), (b"no picture", BrokenOriginal), (b"x" * 50_001, TooManyBytes)],
    ids=["empty", "no-picture", "too-large"],
)
def test_what_is_refused_leaves_nothing(wiring: Wiring, ingest: Ingest, content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        ingest.take(space(wiring, "huimages"), io.BytesIO(content), OWN_TIME)
    assert stored(wiring) == []
    assert not list((wiring.cache.root / "tmp").iterdir())


class Endless(io.RawIOBase):
    """A stream without an end, and how much of it was read."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        assert self.given < 100_000_000, "read on and on"
        return b"x" * size


def test_R12_what_has_no_end_is_left_at_the_limit(wiring: Wiring, ingest: Ingest) -> None:
    stream = Endless()
    with pytest.raises(TooManyBytes):
        ingest.take(space(wiring, "huimages"), stream, OWN_TIME)
    assert stream.given < 3_000_000


def test_new_bytes_under_an_old_name_win_and_what_was_made_of_the_old_ones_is_gone(wiring: Wiring, ingest: Ingest) -> None:
    fitter = space(wiring, "fitter")
    ref = ingest.take(fitter, io.BytesIO(jpeg(64, 48)), OWN_TIME, "birds/emu.jpg").ref
    wish = Show(Rendition(ref, Recipe.of([], Output(PNG))), "whole.png")
    before = wiring.service.produce(wish).path.read_bytes()
    wiring.quarantine.strike(ref, "an old failure")
    ingest.take(fitter, io.BytesIO(encoded(picture(32, 24, seed=5), "PNG")), OWN_TIME + 5, "birds/emu.jpg")
    assert wiring.service.produce(wish).path.read_bytes() != before
    assert not list(wiring.quarantine)
