"""huImages' documents: what is read from them, and that nothing else in them is ever lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.catalog import Entry, Note
from renderer.catalog.document import read, read_note, seconds, stamp, written, written_note

OLD = {  # as huImages wrote them
    "_id": "EQ5307B2ZJXRQVJB6ZQZBYRQFXHQ4LYS01",
    "_rev": "3-abc",
    "ctime": "20080102T030405.000006",
    "mtime": "20090102T030405.000006",
    "width": 640,
    "height": 480,
    "title": ["first", "second"],
    "types": ["product_image"],
    "references": {"artnr": ["10106"]},
    "_attachments": {"test.jpeg": {"content_type": "image/jpeg", "length": 1234, "stub": True, "revpos": 2}},
    "somebody": {"elses": ["field"]},
}
ENTRY = Entry(
    ctime="20080102T030405.000006",
    mtime="20090102T030405.000006",
    width=640,
    height=480,
    titles=("first", "second"),
    types=("product_image",),
    references={"artnr": ("10106",)},
    filename="test.jpeg",
    length=1234,
    content_type="image/jpeg",
)
texts = st.text(max_size=10)
lists = st.lists(st.text(min_size=1, max_size=10), max_size=3).map(tuple)
sizes = st.integers(0, 10**9)
entries = st.builds(
    Entry,
    ctime=texts,
    mtime=texts,
    width=sizes,
    height=sizes,
    titles=lists,
    types=lists,
    references=st.dictionaries(texts, lists, max_size=3),
    filename=texts,
    length=sizes,
    content_type=texts,
    deleted=st.booleans(),
    placeholder=texts,
)
scalars = st.none() | st.booleans() | st.integers() | texts
junk = scalars | st.lists(scalars, max_size=3) | st.dictionaries(texts, scalars | st.lists(scalars, max_size=2), max_size=3)
fields = [*OLD, "deleted", "automatic", "filename", "length", "content_type", "placeholder"]
documents = st.dictionaries(st.sampled_from(fields), junk, max_size=6)


def test_an_old_document_is_read() -> None:
    assert read(OLD) == ENTRY


def test_H_B10_a_document_without_attachments_is_read() -> None:
    """H-B10"""
    document = {name: value for name, value in OLD.items() if name != "_attachments"}
    assert read(document) == replace(ENTRY, filename="", length=0, content_type="")


def test_fields_come_before_attachments() -> None:
    entry = read(OLD | {"filename": "new.png", "length": 5, "content_type": "image/png"})
    assert (entry.filename, entry.length, entry.content_type) == ("new.png", 5, "image/png")


def test_of_several_attachments_the_last_names_and_the_first_is_long() -> None:
    attachments = {"a.jpg": {"length": 1, "content_type": "image/jpeg"}, "b.png": {"length": 2, "content_type": "image/png"}}
    entry = read({"_attachments": attachments})
    assert (entry.filename, entry.length, entry.content_type) == ("b.png", 1, "image/jpeg")


@pytest.mark.parametrize(
    "document",
    [pytest.param({"automatic": True}, id="by-a-field"), pytest.param({"types": ["a", "automatic"]}, id="by-its-type")],
)
def test_a_document_is_automatic(document: dict[str, Any]) -> None:
    assert read(document).automatic
    assert not read({"automatic": False, "types": ["product_image"]}).automatic


def test_what_was_not_changed_is_written_as_it_was() -> None:
    assert written(ENTRY, OLD) == OLD
    assert written(ENTRY.adding(title="third"), OLD) == OLD | {"title": ["first", "second", "third"]}
    assert written(replace(ENTRY, width=480, height=640), OLD) == OLD | {"width": 480, "height": 640}


def test_a_new_document_has_fields_and_no_attachment() -> None:
    assert written(replace(ENTRY, types=()), None) == {
        "ctime": "20080102T030405.000006",
        "mtime": "20090102T030405.000006",
        "width": 640,
        "height": 480,
        "title": ["first", "second"],
        "references": {"artnr": ["10106"]},
        "filename": "test.jpeg",
        "length": 1234,
        "content_type": "image/jpeg",
    }


@given(entries)
def test_what_was_written_is_read_again(entry: Entry) -> None:
    automatic = "automatic" in entry.types
    assert read(written(entry, None)) == replace(entry, automatic=automatic)


@given(documents, entries)
def test_any_document_is_read_and_keeps_what_is_not_ours(document: dict[str, Any], entry: Entry) -> None:
    assert written(read(document), document) == document
    foreign = {"_id", "_rev", "_attachments", "somebody"}
    after = written(entry, document)
    assert {name: after.get(name) for name in foreign} == {name: document.get(name) for name in foreign}


def test_titles_types_and_references_are_added_once_and_never_taken_away() -> None:
    entry = ENTRY.adding("second", ["product_image", "new"], {"artnr": ["10107", "10106"], "path": ["/tank"]}).adding("").adding("first")
    assert entry.titles == ("first", "second")
    assert entry.types == ("product_image", "new")
    assert entry.references == {"artnr": ("10106", "10107"), "path": ("/tank",)}


def test_a_note_keeps_what_is_not_ours() -> None:
    old = {"_id": "A-u", "imageid": "A", "userid": "u", "tags": ["ski"], "favorite": True, "rating": 5, "seen": 1}
    assert read_note(old) == Note(("ski",), favorite=True, rating=5)
    assert written_note(Note(("ski", "rot"), favorite=True, rating=6), old) == old | {"tags": ["ski", "rot"], "rating": 6}
    assert "rating" not in written_note(Note(), old)


@pytest.mark.parametrize("rating", [pytest.param("5", id="text"), pytest.param(None, id="null"), pytest.param(True, id="flag")])
def test_a_rating_that_is_no_number_is_none(rating: object) -> None:
    assert read_note({"rating": rating}).rating is None


@given(st.integers(-(10**9), 4 * 10**9))
def test_a_time_is_stamped_and_read_again(when: int) -> None:
    assert seconds(stamp(when)) == when
    assert len(stamp(when)) == len("YYYYMMDDTHHMMSS.uuuuuu")


def test_what_is_no_time_is_none() -> None:
    assert stamp(1_199_243_045.5) == "20080102T030405.500000"
    assert [seconds(text) for text in ("", "yesterday", "20081302T030405.000006")] == [None, None, None]


@pytest.mark.parametrize(("when", "text"), [(-1e15, "10000101T000000.000000"), (1e15, "99991231T235959.000000")], ids=["before", "after"])
def test_a_time_that_four_digits_of_a_year_cannot_say_is_the_nearest_that_they_can(when: float, text: str) -> None:
    assert stamp(when) == text
