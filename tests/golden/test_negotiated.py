"""Properties of negotiation over all URLs: nginx looks where Python leaves a file, in every bucket, and both know which URLs vary."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from renderer import dialects
from renderer.config import Config
from renderer.dialects import DIALECTS
from renderer.dialects.negotiation import negotiated
from renderer.errors import BadRequest
from renderer.formats import BY_NAME, JPEG
from renderer.messages import Request, Show
from renderer.pruning.tree import is_rendition
from renderer.recipe import Recipe
from renderer.rendition import Alias
from tests.golden.contract import looked_up
from tests.golden.test_grammars import NAMESPACES, huimages_paths, imageserver_paths, left_behind, native_paths

NEGOTIATING = {
    "huimages": {"negotiate": ["webp", "avif"]}, "open": {"negotiate": ["avif"]}, "shut": {"negotiate": ["webp"]},
}  # fmt: skip
SPACES = {name: settings | NEGOTIATING.get(name, {}) for name, settings in NAMESPACES.items()}
MADE = {"allowed": True, "prefix": "d", "negotiate": ["webp"]}
TERMS = Config.of({"namespaces": SPACES, "new_namespaces": MADE}).terms()
ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"

paths = native_paths() | huimages_paths() | imageserver_paths()


def understood(path: str, accepts: str) -> Show | None:
    try:
        intent = dialects.read(Request("GET", path, asked=urllib.parse.quote(path), accepts=accepts), TERMS)
    except BadRequest:
        return None
    assert isinstance(intent, Show)
    return intent


def nginx_says(path: str) -> bool:
    hit = next(hit for dialect in DIALECTS for hit in dialect.hits(TERMS) if re.fullmatch(hit.pattern, path))
    return bool(hit.negotiates)


@pytest.mark.feature(171)
@given(paths, st.sampled_from(("", "webp", "avif", "png", "jpeg")))
@example(f"/75x75/{ID}/.png", "webp")
@example(f"/i/huimages/{ID}/fit-75x75_q75.jpg", "avif")
@example("/open/900/150/983/cd24fb0d6963f7d28e17f72/x200.jpg", "avif")
def test_in_every_bucket_nginx_looks_where_python_leaves_a_file(path: str, accepts: str) -> None:
    show, plain = understood(path, accepts), understood(path, "")
    assert (show is None) == (plain is None)
    if show is None or plain is None:
        return
    assert (show.wish, show.signature, show.rendition.ref) == (plain.wish, plain.signature, plain.rendition.ref)
    assert show.varies == nginx_says(path)
    assert dialects.varies(Request("GET", path), TERMS) or not show.varies
    files = looked_up(TERMS, path, accepts)
    assert set(files) <= left_behind(show)
    if not isinstance(plain.rendition.recipe, Recipe):
        return
    assert set(files) == left_behind(show)
    assert all(map(is_rendition, (file.name for file in files))) or plain.alias == show.alias
    is_negotiable = plain.rendition.recipe.output.format is JPEG and accepts in plain.rendition.ref.namespace.negotiates
    assert show.archived == ("" if is_negotiable else plain.archived)  # a store of renditions keeps the JPEG under that name
    assert isinstance(show.rendition.recipe, Recipe)
    assert show.rendition.recipe.output.format is (BY_NAME[accepts] if is_negotiable else plain.rendition.recipe.output.format)


@pytest.mark.feature(171)
def test_only_what_was_accepted_has_a_jpeg_in_its_place() -> None:
    path = f"/150x150/{ID}.jpeg"
    plain, webp = understood(path, ""), understood(path, "webp")
    assert plain is not None
    assert webp is not None
    assert dialects.instead(plain, Request("GET", path, asked=path), TERMS) is None
    jpeg = dialects.instead(webp, Request("GET", path, asked=path, accepts="webp"), TERMS)
    assert jpeg == replace(plain, alias=Alias("~150x150.jpeg.webp", "jpg"))


@pytest.mark.feature(171)
@pytest.mark.parametrize(("length", "varies"), [(236, True), (237, False), (250, False)])
def test_a_recipe_too_long_for_one_more_name_is_not_negotiated(length: int, varies: bool) -> None:
    """The longest that is still has a name that a file system takes, with the JPEG's extension where the format was refused."""
    path = f"/i/huimages/{ID}/{'x' * length}.jpg"
    assert nginx_says(path) == varies
    longest = max(len(file.name + ".jpg") for file in looked_up(TERMS, path, "webp"))
    assert longest <= 255 + len(".jpg") * (not varies)
    show = understood(f"/i/huimages/{ID}/fit-1x1.jpg", "")
    assert show is not None
    assert negotiated(replace(show, wish=f"{'x' * length}.jpg", varies=False), "webp", TERMS.qualities).varies == varies
