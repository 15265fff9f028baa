"""Names of documents: ASCII that CouchDB takes, and in the order of the names themselves."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.catalog.couchdb.names import decoded, encoded, image_id, image_of_note, note_id
from renderer.rendition import PATH_PART
from tests.catalog.conftest import IMAGES, PATHS, PICTURES, ref

parts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=8)
names = st.lists(parts.filter(lambda part: re.fullmatch(PATH_PART, part)), min_size=1, max_size=3).map("/".join)


@given(names)
def test_a_path_is_spelled_in_ascii_and_read_again(name: str) -> None:
    key = encoded(PATHS, name)
    assert re.fullmatch(r":[ -,.-~]+", key), "printable ASCII without a hyphen, behind a colon"
    assert decoded(PATHS, key) == name


@given(names, names)
def test_byte_order_survives(one: str, other: str) -> None:
    assert (encoded(PATHS, one) < encoded(PATHS, other)) == (one.encode() < other.encode())


@given(names, st.text(max_size=10))
def test_a_note_tells_its_image(name: str, user: str) -> None:
    assert image_of_note(note_id(PATHS.ref(name), user)) == image_id(PATHS.ref(name))


def test_a_hash_is_its_own_name() -> None:
    assert image_id(ref("one")) == ref("one").name
    assert decoded(IMAGES, ref("one").name) == ref("one").name
    assert note_id(ref("one"), "USER") == f"{ref('one').name}-USER"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("_design/all", id="design"),
        pytest.param(":~FF", id="no-utf-8"),
        pytest.param(":~41", id="another-spelling"),
        pytest.param(":日本", id="not-escaped"),
    ],
)
def test_what_names_no_original_is_none(key: str) -> None:
    assert [decoded(namespace, key) for namespace in (IMAGES, PATHS, PICTURES)] == ["", "", ""]
