"""What the configuration says of rendering reaches the recipes, the cache's generation and the render processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from renderer.config import Config
from renderer.errors import BadRequest, ConfigError
from renderer.formats import HEIC, JPEG, JPEG2000, PNG
from renderer.ops import Watermark
from renderer.ops.raster import Mark
from renderer.picture.engine import Engine
from renderer.recipe import Output, Recipe, parse_recipe
from renderer.rendition import Rendition
from renderer.wiring import Wiring

ID = "GSPYZLUD2JPJSNSSNKAGR3MU5YTZ4YFM01"


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    (tmp_path / "logo.png").write_bytes(b"not looked at before it is wanted")
    return tmp_path / "logo.png"


def test_without_a_word_the_engine_is_the_default_one(tmp_path: Path) -> None:
    config = Config.of({}, tmp_path)
    assert config.engine() == Engine(config.limits_built())
    assert config.generation() == "1-pillow"


def test_what_is_said_reaches_the_render_processes(tmp_path: Path, logo: Path) -> None:
    config = Config.of(
        {
            "render": {"resampler": "vips", "accept": ["heic", "jpeg2000"], "truncated": "show"},
            "limits": {"max_pixels_frames": 1000},
            "watermarks": {"logo": {"file": "logo.png", "percent": 30, "opacity": 70, "gravity": "nw"}},
            "cache": {"generation": 4},
        },
        tmp_path,
    )
    engine = config.engine()
    assert (engine.resampler, engine.accepted, engine.show_truncated) == ("vips", {"heic", "jpeg2000"}, True)
    assert engine.marks == {"logo": Mark(logo, 30, 70, "nw")}
    assert engine.limits.max_pixels_frames == 1000
    assert engine.reads(HEIC)
    assert engine.reads(JPEG2000)
    assert Wiring(config).cache.files.name == config.generation() == "4-vips"


def test_a_format_that_is_off_is_not_read() -> None:
    assert not Engine().reads(HEIC)
    assert Engine().reads(JPEG)


def test_each_resampler_has_a_tree_of_its_own(tmp_path: Path) -> None:
    """Their bytes differ, so one must never answer for the other."""
    trees = {Wiring(Config.of({"render": {"resampler": name}}, tmp_path)).cache.files for name in ("pillow", "vips")}
    assert len(trees) == 2


def test_the_copyright_notice_enters_every_recipe(tmp_path: Path) -> None:
    qualities = Config.of({"render": {"keep": ["copyright"]}}, tmp_path).terms().qualities
    for text, extension, spelled in (
        ("fit-9x9", "jpg", "fit-9x9_q75k"),
        ("fit-9x9_q60", "jpg", "fit-9x9_q60k"),
        ("whole", "png", "whole_k"),
        ("fit-9x9_s", "webp", None),
        ("fit-9x9_q75s", "webp", "fit-9x9_q75sk"),
    ):
        if spelled is None:
            with pytest.raises(BadRequest):
                parse_recipe(text, extension, qualities)
        else:
            assert parse_recipe(text, extension, qualities).spell() == spelled


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        pytest.param({"render": {"resampler": "magick"}}, "render.resampler: expected 'pillow' or 'vips', got 'magick'", id="a resampler"),
        pytest.param({"render": {"accept": ["svg"]}}, "render.accept.0: expected 'heic' or 'jpeg2000', got 'svg'", id="a format"),
        pytest.param({"watermarks": {"logo": {"file": "none"}}}, "watermarks.logo.file: expected a picture, found no file at", id="a file"),
        pytest.param({"watermarks": {"Lo-go": {"file": "none.png"}}}, "watermarks", id="a name that no recipe can spell"),
        pytest.param({"watermarks": {"logo": {"file": "a", "gravity": "up"}}}, "watermarks.logo.gravity: expected", id="a gravity"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(tmp_path: Path, tree: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.of(tree, tmp_path)
    assert said in str(caught.value)


def test_a_resampler_that_is_not_installed_is_an_error_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a silent fallback, which would make other bytes on one machine of several."""
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setitem(__import__("sys").modules, "pyvips", None)
    with pytest.raises(ConfigError, match=r"render\.resampler: .*pip install 'onmiss\[fast\]'"):
        Config.of({"render": {"resampler": "vips"}}, tmp_path)


def test_only_a_configured_watermark_can_be_asked_for(tmp_path: Path, logo: Path) -> None:
    config = Config.of({"watermarks": {"logo": {"file": str(logo)}}}, tmp_path)
    space = config.namespaces_built()["huimages"]
    config.limits_built().judge(Rendition(space.ref(ID), Recipe.of([Watermark("logo")], Output(PNG))))
    with pytest.raises(BadRequest, match="expected a configured watermark, got 'other'"):
        config.limits_built().judge(Rendition(space.ref(ID), Recipe.of([Watermark("other")], Output(PNG))))


def test_heic_without_its_library_is_an_error_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(__import__("sys").modules, "pillow_heif", raising=False)
    monkeypatch.setattr("sys.path_importer_cache", {})
    with pytest.raises(ConfigError, match=r"render\.accept: .*pip install 'onmiss\[heif\]'"):
        Config.of({"render": {"accept": ["heic"]}}, tmp_path)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        pytest.param("fit-300x200_k", "expected WIDTHxHEIGHT", id="an output"),
        pytest.param("whole_s", "expected WIDTHxHEIGHT", id="an output alone"),
        pytest.param("fit-9x9_watermark-ownn", "expected a configured watermark, got 'ownn' (did you mean own?)", id="a watermark"),
    ],
)
def test_an_allowed_size_is_operations_that_can_be_asked_for(tmp_path: Path, logo: Path, size: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.of({"watermarks": {"own": {"file": str(logo)}}, "limits": {"sizes": {"huimages": [size]}}}, tmp_path)
    assert said in str(caught.value)
