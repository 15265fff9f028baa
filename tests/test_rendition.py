"""Names and the paths that are built from them."""

from __future__ import annotations

import pickle
import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.box import Box
from renderer.errors import BadRequest
from renderer.formats import FORMATS, JPEG
from renderer.ops import Fill
from renderer.recipe import Output, Recipe, Untouched
from renderer.rendition import NAMINGS, Alias, Namespace, Naming, Ref, Rendition
from tests.strategies import recipes

HUIMAGES = Namespace("huimages", NAMINGS["sha1"])
P = Namespace("p", NAMINGS["md5"])
FITTER = Namespace("fitter", NAMINGS["path"])
SPACES = (HUIMAGES, P, FITTER)

RECIPE = Recipe((Fill(Box(300, 200)),), Output(JPEG, 75))

names = {
    "huimages": st.from_regex(NAMINGS["sha1"].pattern, fullmatch=True),
    "p": st.from_regex(NAMINGS["md5"].pattern, fullmatch=True),
    "fitter": st.lists(st.text("abcXYZ019 _-.äß日~", min_size=1, max_size=12), min_size=1, max_size=5).map("/".join),
}
# what an attacker would send, and what an accident would
nasty = st.text(st.sampled_from("./\\~\x00\n\r\x7f%aA2é \ud800\udc80"), max_size=12) | st.text(max_size=300)


def ref_or_none(space: Namespace, name: str) -> Ref | None:
    try:
        return space.ref(name)
    except BadRequest:
        return None


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(b"", "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ01", id="nothing"),
        pytest.param(b"abc", "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501", id="abc"),
        pytest.param(b"hello world", "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01", id="hello world"),
    ],
)
def test_a_huimages_name_is_the_hash_of_the_bytes(content: bytes, name: str) -> None:
    hasher = HUIMAGES.naming.hasher()
    hasher.update(content)
    assert HUIMAGES.naming.name_of(hasher.digest()) == name
    assert HUIMAGES.ref(name).name == name


def test_an_image_server_name_is_the_md5_of_the_bytes() -> None:
    hasher = P.naming.hasher()
    hasher.update(b"hello world")
    assert P.naming.name_of(hasher.digest()) == "5eb63bbbe01eeed093cb22bb8f5acdc3"


@given(st.binary(max_size=50), st.sampled_from(("sha1", "md5")))
def test_every_hash_is_a_name(content: bytes, kind: str) -> None:
    hasher = NAMINGS[kind].hasher()
    hasher.update(content)
    name = NAMINGS[kind].name_of(hasher.digest())
    assert Namespace("x", NAMINGS[kind]).ref(name).name == name


@pytest.mark.parametrize(
    ("ref", "directory"),
    [
        pytest.param(HUIMAGES.ref("EQ5322222222222222222222222222QQ01"), "huimages/EQ/5/EQ5322222222222222222222222222QQ01", id="huimages"),
        pytest.param(P.ref("6e0072682e66287b662827da75b244a3"), "p/6e/00/6e0072682e66287b662827da75b244a3", id="image-server"),
        pytest.param(FITTER.ref("wallpaper/lion.png"), "fitter/wallpaper/lion.png/~", id="a path"),
        pytest.param(FITTER.ref("my bird ä"), "fitter/my bird ä/~", id="a title"),
    ],
)
def test_one_directory_for_each_original(ref: Ref, directory: str) -> None:
    assert ref.directory == PurePosixPath(directory)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@given(st.data())
def test_R14_a_path_never_leaves_its_namespace(space: Namespace, data: st.DataObject) -> None:
    ref = ref_or_none(space, data.draw(names[space.name] | nasty))
    if ref is not None:
        parts = ref.directory.parts
        assert parts[0] == space.name
        assert not {"", ".", ".."} & set(parts)
        assert not any(set(part) & set("/\\\x00\n\r") for part in parts)
        assert all(len(part.encode()) <= 255 for part in parts)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="nothing"),
        pytest.param("/", id="root"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("../x", id="upwards"),
        pytest.param("a/../b", id="upwards inside"),
        pytest.param("a/./b", id="dot"),
        pytest.param("a//b", id="empty part"),
        pytest.param("a/", id="slash at the end"),
        pytest.param(".hidden", id="hidden"),
        pytest.param("a/.hidden", id="hidden inside"),
        pytest.param("~", id="where renditions live"),
        pytest.param("a/~/fit-10x10.jpg", id="a rendition of another"),
        pytest.param("a/~x", id="like an alias"),
        pytest.param("a\\b", id="backslash"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("a\nb", id="line end"),
        pytest.param("a\n", id="line end at the end"),
        pytest.param("a\x7fb", id="delete"),
        pytest.param("a\udcffb", id="not UTF-8"),
        pytest.param("a\ud800b", id="half a character"),
        pytest.param("a" * 201, id="a part too long"),
        pytest.param("ä" * 101, id="a part too long in bytes"),
        pytest.param("/".join(["a" * 100] * 9), id="too long"),
    ],
)
def test_R14_a_path_that_would_leave_or_collide_is_no_name(name: str) -> None:
    with pytest.raises(BadRequest, match="expected a path name for an original in fitter, got "):
        FITTER.ref(name)


@pytest.mark.parametrize(
    "name",
    [
        "abc",
        "EQ53" * 8 + "0",
        "eq53" * 8 + "01",
        "EQ51" * 8 + "01",
        "EQ53" * 8 + "01\n",
        "EQ53" * 8 + "0١",
        "EQ53" * 8 + "AA",
        "../" + "EQ53" * 8,
    ],
    ids=ascii,
)
def test_what_is_no_hash_is_no_name(name: str) -> None:
    with pytest.raises(BadRequest, match="expected a sha1 name for an original in huimages, got "):
        HUIMAGES.ref(name)


@given(names["fitter"], names["fitter"])
def test_no_original_lives_among_the_renditions_of_another(one: str, below: str) -> None:
    upper, lower = ref_or_none(FITTER, one), ref_or_none(FITTER, f"{one}/{below}")
    if upper is not None and lower is not None:
        assert upper.directory != lower.directory
        assert upper.directory not in lower.directory.parents
        assert lower.directory not in upper.directory.parents


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@given(st.data())
def test_the_web_server_computes_the_same_directory_from_its_captures(space: Namespace, data: st.DataObject) -> None:
    ref = ref_or_none(space, data.draw(names[space.name]))
    if ref is not None:
        match = re.fullmatch(space.naming.captured, ref.name)
        assert match
        located = re.sub(r"\$(\w)", lambda group: match[group[1]], space.naming.located)
        assert f"{space.name}/{located}" == str(ref.directory)


@given(recipes())
def test_a_rendition_has_one_file_name_that_no_alias_and_no_original_can_have(recipe: Recipe) -> None:
    rendition = Rendition(P.ref("5eb63bbbe01eeed093cb22bb8f5acdc3"), recipe)
    name = rendition.file_name()
    assert rendition.file_names() == (name,)
    assert len(name.encode()) <= 255
    assert "/" not in name
    assert not name.startswith((".", "~", "original"))


def test_an_untouched_has_the_extension_of_its_bytes() -> None:
    rendition = Rendition(P.ref("5eb63bbbe01eeed093cb22bb8f5acdc3"), Untouched(scrubbed=True))
    assert rendition.file_name("png") == "original-scrubbed.png"
    assert set(rendition.file_names()) == {f"original-scrubbed.{form.extension}" for form in FORMATS}


def test_a_rendition_says_what_it_is() -> None:
    assert str(Rendition(FITTER.ref("a/b"), RECIPE)) == "fitter/a/b/fill-300x200_q75"


def test_an_alias_without_a_suffix_gets_the_true_one() -> None:
    assert Alias("~o").file_name("png") == "~o.png"
    assert Alias("~300x200!", "jpeg").file_name("jpg") == "~300x200!.jpeg"
    assert (str(Alias("~o")), str(Alias("~300x200!", "jpeg"))) == ("~o", "~300x200!.jpeg")


@pytest.mark.parametrize(("naming", "immutable"), [("sha1", True), ("md5", True), ("path", False)])
def test_only_names_made_of_the_bytes_are_for_ever(naming: str, immutable: bool) -> None:
    assert NAMINGS[naming].immutable is immutable


def test_equal_wishes_are_equal_and_travel() -> None:
    one, other = (Rendition(HUIMAGES.ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01"), RECIPE) for _ in range(2))
    assert len({one, other}) == 1
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize("naming", NAMINGS.values(), ids=lambda naming: naming.kind)
def test_shards_are_few_enough_to_walk_and_many_enough_to_hold_millions(naming: Naming) -> None:
    letters = {"sha1": 32, "md5": 16}.get(naming.kind, 1)
    leaves = letters ** sum(naming.shards)
    assert leaves == 1 or 30_000 < leaves < 70_000
