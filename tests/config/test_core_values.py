"""What the rest of the program is made of: namespaces, terms, limits, keys, and the arguments of stores."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from renderer.box import Box
from renderer.config import Config
from renderer.config.places import BY_KIND
from renderer.config.spelling import spell
from renderer.formats import AVIF, JPEG, PNG, WEBP
from renderer.ops import Fill, Fit, Rotate
from renderer.recipe import Output
from renderer.stores import KINDS


def test_namespaces_have_their_naming_and_their_policy() -> None:
    config = Config.of({"namespaces": {"huimages": {}, "fitter": {"naming": "path", "prefix": "f", "originals": "as-is"}}})
    built = config.namespaces_built()
    assert [(space.name, space.naming.kind, space.originals) for space in built.values()] == [
        ("huimages", "sha1", "scrubbed"),
        ("fitter", "path", "as-is"),
    ]


def test_qualities_are_what_a_silent_wish_gets() -> None:
    qualities = Config.of({"quality": {"jpeg": 90, "avif": 40, "progressive": True}}).terms().qualities
    outputs = [qualities.output(form) for form in (JPEG, WEBP, AVIF, PNG)]
    assert outputs == [Output(JPEG, 90, True), Output(WEBP, 75), Output(AVIF, 40), Output(PNG)]


@pytest.mark.feature(25)
def test_allowed_sizes_may_be_spelled_in_every_way_that_a_url_may() -> None:
    texts = ["150x150", "75x75!", "thumb", "square", "full", "fill-10x10", "rotate-90_fit-1x1"]
    limits = Config.of({"limits": {"sizes": {"huimages": texts}}}).limits_built()
    assert limits.sizes["huimages"] == {
        (Fit(Box(150, 150)),),
        (Fill(Box(75, 75)),),
        (Fit(Box(50, 200)),),
        (Fit(Box(477, 800)),),
        (Fill(Box(10, 10)),),
        (Rotate(90), Fit(Box(1, 1))),
    }


def test_limits_are_those_of_the_file() -> None:
    built = Config.of({"limits": {"max_original_bytes": "1kB", "max_pixels_in": 2, "max_side_out": 3, "max_pixels_out": 4}}).limits_built()
    assert (built.max_original_bytes, built.max_pixels_in, built.max_side_out, built.max_pixels_out, built.sizes) == (1000, 2, 3, 4, {})


@pytest.mark.parametrize("kind", KINDS)
def test_a_stores_settings_are_arguments_of_its_constructor(kind: str) -> None:
    module, _, attribute = KINDS[kind].partition(":")
    arguments = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters
    given = BY_KIND[kind].model_validate({"kind": kind} | ({"bucket": "originals"} if kind == "s3" else {}))
    fields = {name: info for name, info in BY_KIND[kind].model_fields.items() if name in given.settings()}
    assert set(fields) <= set(arguments)
    required = {name for name, argument in arguments.items() if argument.default is inspect.Parameter.empty}
    assert required <= {"name", *fields}
    silent = {
        name: argument.default for name, argument in arguments.items() if name in fields and argument.default is not inspect.Parameter.empty
    }
    for name, default in silent.items():
        value = fields[name].default
        assert getattr(value, "text", value) == default, name


def test_every_kind_of_store_has_settings() -> None:
    assert set(BY_KIND) == set(KINDS)


def test_user_and_password_of_a_source_go_into_its_address_and_nowhere_else() -> None:
    old = {"kind": "couchdb", "url": "https://couch.example.net", "user": "me@home", "password": {"env": "PASSWORD"}}
    config = Config.of({"stores": {"disk": {"kind": "file"}, "old": old}}, Path("/srv/onmiss"), {"PASSWORD": "a/b:c"})
    assert config.stores["old"].settings() == {
        "url": "https://me%40home:a%2Fb%3Ac@couch.example.net",
        "database": "huimages",
        "timeout_seconds": 10.0,
        "page_documents": 100,
    }
    assert "a/b:c" not in spell(config) + repr(config)
    assert "a%2Fb" not in spell(config) + repr(config)


def test_render_processes_are_as_many_as_processors_and_at_least_two() -> None:
    assert Config.of({}).render.count() >= 2
    assert Config.of({"render": {"processes": 1}}).render.count() == 1


def test_a_slow_store_says_how_slow() -> None:
    store = {"kind": "s3", "bucket": "abc", "attempts": 2, "connect_seconds": 1, "read_seconds": 4}
    config = Config.of({"stores": {"disk": store, "other": {"kind": "file"}}}, Path("/srv/onmiss"))
    assert [settings.slowest_seconds() for settings in config.stores.values()] == [10, 0]
