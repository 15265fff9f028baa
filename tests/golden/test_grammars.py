"""Properties of the grammars over all URLs, not only those promised: Python and nginx's patterns agree on what file a path means."""

from __future__ import annotations

import urllib.parse
from pathlib import PurePosixPath

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from renderer import dialects
from renderer.config import Config
from renderer.dialects import huimages, native
from renderer.errors import BadRequest
from renderer.formats import WRITABLE
from renderer.messages import Request, Show
from renderer.recipe import Recipe
from tests.golden.contract import looked_up
from tests.strategies import full_boxes, recipes

NAMESPACES = {
    "huimages": {},
    "open": {"naming": "md5", "prefix": "a", "originals": "as-is"},
    "paths": {"naming": "path", "prefix": "b"},
    "shut": {"naming": "path", "prefix": "c", "originals": "forbidden"},
}
TERMS = Config.of({"namespaces": NAMESPACES, "new_namespaces": {"allowed": True, "prefix": "d"}}).terms()

letters = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\")
segments = st.text(letters, min_size=1, max_size=12).filter(lambda text: text[0] not in "~.")
NAMES = {
    "huimages": st.from_regex(r"[A-Z2-7]{32}[0-9]{2}", fullmatch=True),
    "open": st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    "paths": st.lists(segments, min_size=1, max_size=4).map("/".join),
    "shut": st.lists(segments, min_size=1, max_size=4).map("/".join),
}
signatures = st.just("") | st.from_regex(r"~[A-Za-z0-9_-]{22}", fullmatch=True)


@st.composite
def native_paths(draw: st.DrawFn) -> str:
    space = draw(st.sampled_from(sorted(NAMES)))
    recipe = draw(recipes())
    text = draw(
        st.sampled_from(sorted({recipe.spell(), recipe.spell().rpartition("_q")[0] or recipe.spell(), "original", "original-scrubbed"}))
    )
    extension = draw(st.sampled_from([form.extension for form in WRITABLE])) if text.startswith("original") else recipe.extension
    return f"/i/{space}/{draw(NAMES[space])}/{text}{draw(signatures)}.{extension}"


@st.composite
def huimages_paths(draw: st.DrawFn) -> str:
    sizes = (
        full_boxes.map(lambda box: box.spell())
        | full_boxes.map(lambda box: box.spell() + "!")
        | st.sampled_from(sorted(huimages.SIZE_NAMES))
    )
    size, name = draw(sizes | st.just("o")), draw(NAMES["huimages"])
    ending = draw(st.sampled_from(("", ".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".tiff", ".")))
    title = draw(st.just("") | st.text(letters, min_size=1, max_size=12).map(lambda text: "/" + text))
    return f"/{size}{draw(signatures)}/{name}{ending}{title}{draw(st.sampled_from(('', '.jpeg', '.png', '.webp')))}"


@st.composite
def imageserver_paths(draw: st.DrawFn) -> str:
    space, name = draw(st.sampled_from(("open", "made"))), draw(NAMES["open"])
    number = st.integers(0, 100_001).map(str)
    sizes = st.builds("{}x{}".format, number, number) | number.map("x{}".format) | number.map("w{}".format) | st.just("full_size")
    qualities = st.just("") | st.integers(0, 101).map("-q{}".format)
    pictures = st.builds("{}{}".format, sizes, qualities)
    stem = draw(pictures | st.sampled_from(("original", "info", "notes", "a.b-c_d", "x", "")))
    extension = draw(st.sampled_from(("", ".jpg", ".jpeg", ".png", ".json", ".txt", ".bmp", ".", ".a.b")))
    return f"/{space}/{name[:3]}/{name[3:6]}/{name[6:9]}/{name[9:]}/{stem}{draw(signatures)}{extension}"


alphabet = st.sampled_from(
    [*"/~.!_-,$%\\ \n\0ox0159aIA2", "/i/", "huimages", "paths", "fit-1x1", ".png", "150x150", "thumb", "original", "é", "A" * 32]
)
wild_paths = st.lists(alphabet, max_size=25).map(lambda parts: "/" + "".join(parts))
paths = native_paths() | huimages_paths() | imageserver_paths() | wild_paths


def understood(path: str) -> Show | None:
    try:
        intent = dialects.read(Request("GET", path, asked=urllib.parse.quote(path)), TERMS)
    except BadRequest:
        return None
    assert isinstance(intent, Show)
    return intent


def left_behind(intent: Show) -> set[PurePosixPath]:
    """Every file that the renderer could leave for this URL: the alias, or where there is none the rendition itself."""
    directory = intent.rendition.ref.directory
    names = [intent.alias.file_name("")] if intent.alias else intent.rendition.file_names()
    return {directory / name for name in names}


@given(paths)
@example(f"/i/paths/{'a' * 201}/fit-1x1.png")
@example("/75x75/VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501/.png")
def test_nginx_looks_where_python_leaves_a_file(path: str) -> None:
    intent, files = understood(path), looked_up(TERMS, path)
    if intent is None:
        return  # what Python refuses it leaves nowhere
    assert files, "expected a location for everything that Python shows"
    assert set(files) <= left_behind(intent)
    if isinstance(intent.rendition.recipe, Recipe):
        assert set(files) == left_behind(intent)


@given(wild_paths)
def test_whatever_nginx_looks_for_is_below_the_directory_of_one_original(path: str) -> None:
    for file in looked_up(TERMS, path):
        assert not file.is_absolute()
        assert ".." not in file.parts
        assert file.parts[0] in TERMS.namespaces


@given(native_paths() | huimages_paths() | imageserver_paths())
def test_most_of_what_is_drawn_is_understood(path: str) -> None:
    """So that the property above is about something."""
    intent = understood(path)
    assume(intent is not None)
    assert intent is not None
    assert intent.rendition.ref.namespace.name in (*NAMESPACES, "made")


@pytest.mark.parametrize("path", ["/i/huimages/{ID}/original.jpeg", "/i/huimages/{ID}/original-scrubbed.tiff"])
def test_an_original_has_one_extension_of_a_kind(path: str) -> None:
    assert understood(path.replace("{ID}", "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501")) is None


@given(recipes())
def test_a_native_url_reads_back_as_its_recipe(recipe: Recipe) -> None:
    intent = understood(f"/i/open/{'0' * 32}/{recipe.spell()}.{recipe.extension}")
    assert intent is not None
    assert intent.rendition.recipe == recipe
    assert intent.alias is None


def test_what_a_policy_forbids_nginx_does_not_look_for() -> None:
    shown = {hit.namespace.name for hit in native.hits(TERMS) if hit.name.endswith("originals")}
    assert shown == {name for name, space in TERMS.namespaces.items() if space.originals != "forbidden"} | {"*"}
