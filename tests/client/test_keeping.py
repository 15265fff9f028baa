"""Keeping originals, and what is known of them: save, look, add, delete."""

from __future__ import annotations

import io
import os
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from renderer.catalog import Entry
from renderer.catalog.document import seconds
from renderer.client import Library
from renderer.errors import BadRequest, BrokenOriginal, NotFound
from renderer.stores import Facts
from tests.client.conftest import MakeLibrary, s3
from tests.e2e.site import encoded, jpeg, picture
from tests.servers import S3Server

UNKNOWN = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"  # b"abc", by huImages' rule
LONG_AGO = "20040229T103000.000000"


def doc(library: Library, imageid: str) -> dict[str, object]:
    found = library.get_imagedoc(imageid)
    assert found
    return found


@pytest.mark.feature(58)
def test_an_image_is_saved_with_all_that_is_said_of_it(library: Library) -> None:
    content = jpeg()
    imageid = library.save_image(content, "image/jpeg", LONG_AGO, "The skate picture", {"artnr": "14600"}, "skate.jpeg", "product_image")
    found = doc(library, imageid)
    mtime = found.pop("mtime")
    assert isinstance(mtime, str)
    assert abs((seconds(mtime) or 0) - datetime.now(UTC).timestamp()) < 60
    assert found == {
        "_id": imageid,
        "ctime": LONG_AGO,
        "width": 640,
        "height": 480,
        "title": ["The skate picture"],
        "types": ["product_image"],
        "references": {"artnr": ["14600"]},
        "filename": "skate.jpeg",
        "length": len(content),
        "content_type": "image/jpeg",
    }


def test_nothing_need_be_said(library: Library) -> None:
    imageid = library.save_image(jpeg())
    found = doc(library, imageid)
    assert (found["title"], found["types"], found["references"], found["filename"]) == ([], [], {}, "image.jpeg")


@pytest.mark.feature(59)
def test_saving_again_changes_mtime_only(library: Library) -> None:
    first = library.save_image(jpeg(), timestamp=LONG_AGO, title="one")
    before = doc(library, first)
    again = library.save_image(jpeg(), timestamp="20100101T000000.000000", title="one")
    after = doc(library, again)
    assert again == first
    assert str(after.pop("mtime")) > str(before.pop("mtime"))
    assert after == before


@pytest.mark.feature(60)
def test_each_title_type_and_reference_stands_there_once(library: Library) -> None:
    imageid = library.save_image(jpeg(), title="one", typ="a", references={"artnr": ["1", "2"]})
    library.save_image(jpeg(), title="two", typ="b", references={"artnr": "2", "path": ["x"]})
    library.set_title(imageid, "two")
    library.set_title(imageid, "two")
    library.set_title(imageid, "")
    library.update_metadata(imageid, title="one", typ="b", references={"artnr": 3})
    found = doc(library, imageid)
    assert found["title"] == ["one", "two"]
    assert found["types"] == ["a", "b"]
    assert found["references"] == {"artnr": ["1", "2", "3"], "path": ["x"]}


@pytest.mark.feature(43)
@pytest.mark.parametrize("where", ["plain", "in_s3"])
def test_the_same_bytes_are_one_image(request: pytest.FixtureRequest, where: str) -> None:
    library: Library = request.getfixturevalue(where)
    first, second = library.save_image(jpeg()), library.save_image(io.BytesIO(jpeg()), title="again")
    opened, originals = library._part(lambda wiring: wiring.originals)
    assert first == second
    assert [found.name for found in originals.names(opened.space)] == [first]


@pytest.mark.parametrize(
    ("timestamp", "ctime"),
    [
        pytest.param(LONG_AGO, LONG_AGO, id="a ready text"),
        pytest.param(datetime(2004, 2, 29, 10, 30), LONG_AGO, id="a datetime without a zone"),  # noqa: DTZ001
        pytest.param(datetime(2004, 2, 29, 12, 30, tzinfo=timezone(timedelta(hours=2))), LONG_AGO, id="a datetime elsewhere"),
    ],
)
def test_a_time_is_given_in_several_ways(plain: Library, timestamp: datetime | str, ctime: str) -> None:
    assert doc(plain, plain.save_image(jpeg(), timestamp=timestamp))["ctime"] == ctime


def test_what_is_no_time_is_refused_before_anything_is_stored(plain: Library) -> None:
    with pytest.raises(BadRequest, match="expected a datetime or YYYYMMDD"):
        plain.save_image(jpeg(), timestamp="yesterday")
    with pytest.raises(NotFound):
        plain.get_random_imageid()


@pytest.mark.parametrize(
    "content", [pytest.param(b"", id="nothing"), pytest.param(b"GIF89a", id="half"), pytest.param(b"<svg/>", id="text")]
)
def test_bad_data_is_refused_before_anything_is_stored(plain: Library, content: bytes) -> None:
    with pytest.raises(BrokenOriginal):
        plain.save_image(content, "image/jpeg")
    opened, originals = plain._part(lambda wiring: wiring.originals)
    assert list(originals.names(opened.space)) == []
    with pytest.raises(NotFound):
        plain.get_random_imageid()


@pytest.mark.parametrize("said", [None, "image/jpeg", "None", "text/plain"], ids=str)
@pytest.mark.parametrize("where", ["plain", "in_s3"])
def test_H_B14_the_type_is_that_of_the_bytes_whatever_is_said(request: pytest.FixtureRequest, where: str, said: str | None) -> None:
    library: Library = request.getfixturevalue(where)
    imageid = library.save_image(encoded(picture(40, 30), "PNG"), said, filename="a.strange")
    assert doc(library, imageid)["content_type"] == "image/png"
    opened, originals = library._part(lambda wiring: wiring.originals)
    facts = originals.facts(opened.space.ref(imageid))
    assert facts
    assert facts.content_type == "image/png" or where == "plain"


@pytest.mark.feature(61)
def test_what_is_added_is_seen_at_once(library: Library) -> None:
    imageid = library.save_image(jpeg())
    assert doc(library, imageid)["title"] == []
    assert library.update_metadata(imageid, LONG_AGO, "new", {"artnr": "7"}, "product_image") == imageid
    found = doc(library, imageid)
    assert (found["title"], found["references"], found["types"], found["mtime"]) == (["new"], {"artnr": ["7"]}, ["product_image"], LONG_AGO)


def test_H_B22_every_change_of_this_process_is_seen_at_once(library: Library) -> None:
    imageid = library.save_image(jpeg())
    assert "/image.jpeg" in library.imageurl(imageid)
    library.set_title(imageid, "one")
    assert "/one.jpeg" in library.imageurl(imageid)
    library.update_metadata(imageid, title="two")
    assert 'alt="two"' in library.scaled_tag(imageid)
    library.save_image(jpeg(), title="three")
    assert 'alt="three"' in library.scaled_tag(imageid)
    library.delete_image(imageid)
    assert library.get_imagedoc(imageid) == {}


def test_H_B22_titles_set_at_once_do_not_conflict(library: Library) -> None:
    imageid = library.save_image(jpeg())
    threads = [threading.Thread(target=library.set_title, args=(imageid, f"title {number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(doc(library, imageid)["title"]) == [f"title {number}" for number in range(8)]  # type: ignore[call-overload]


def test_a_document_is_the_callers_own(plain: Library) -> None:
    imageid = plain.save_image(jpeg(), title="one")
    doc(plain, imageid)["title"] = []
    assert doc(plain, imageid)["title"] == ["one"]


def test_of_an_image_that_is_not_there_nothing_is_known_and_nothing_is_made(library: Library) -> None:
    assert library.get_imagedoc(UNKNOWN) == {}
    with pytest.raises(NotFound):
        library.update_metadata(UNKNOWN, title="new")
    with pytest.raises(NotFound):
        library.set_title(UNKNOWN, "new")
    with pytest.raises(NotFound):
        library.get_length(UNKNOWN)
    library.set_title(UNKNOWN, "")
    assert library.get_imagedoc(UNKNOWN) == {}


@pytest.mark.parametrize("wrong", ["", "abc", "../../etc/passwd", UNKNOWN.lower(), UNKNOWN + "\n"], ids=repr)
def test_of_what_is_no_ID_nothing_is_known(plain: Library, wrong: str) -> None:
    assert plain.get_imagedoc(wrong) == {}
    assert not plain.has_image(wrong)
    for asked in (plain.get_length, plain.delete_image, plain.get_next_imageid, plain.update_metadata):
        with pytest.raises(BadRequest):
            asked(wrong)  # type: ignore[operator]


def stored_only(library: Library, content: bytes, directory: Path) -> str:
    """An original as huImages' migration left it: in the store, and in no catalog."""
    opened, originals = library._part(lambda wiring: wiring.originals)
    path = directory / "content"
    path.write_bytes(content)
    hasher = opened.space.naming.hasher()
    hasher.update(content)
    ref = opened.space.ref(opened.space.naming.name_of(hasher.digest()))
    originals.put(ref, path, Facts(len(content), 1_300_000_000))
    return ref.name


@pytest.mark.feature(73)
@pytest.mark.parametrize("where", ["plain", "in_s3"])
def test_the_length_is_that_of_the_original_in_the_store_alone_too(request: pytest.FixtureRequest, where: str, tmp_path: Path) -> None:
    library: Library = request.getfixturevalue(where)
    content, other = jpeg(), jpeg(seed=2)
    assert library.get_length(library.save_image(content)) == len(content)
    imageid = stored_only(library, other, tmp_path)
    assert library.get_length(imageid) == len(other)
    opened, catalog = library._catalog()
    catalog.change(opened.space.ref(imageid), lambda _: Entry(titles=("as huImages wrote it, without a length",)))
    opened.documents.forget(opened.space.ref(imageid))
    assert library.get_length(imageid) == len(other)


def test_a_title_for_an_image_of_the_store_alone_makes_its_entry(plain: Library, tmp_path: Path) -> None:
    imageid = stored_only(plain, jpeg(), tmp_path)
    with pytest.raises(NotFound):
        plain.update_metadata(imageid, title="old one")
    plain.set_title(imageid, "old one")
    found = doc(plain, imageid)
    assert (found["title"], found["length"], found["ctime"]) == (["old one"], len(jpeg()), "20110313T070640.000000")


@pytest.mark.feature(57)
@pytest.mark.parametrize("where", ["files", "s3"])
def test_H_B25_deleting_leaves_nothing(
    make: MakeLibrary, catalog: dict[str, Any], moto_server: S3Server, where: str
) -> None:  # fmt: skip
    library = make({"catalog": catalog} | (s3(moto_server) if where == "s3" else {}))
    imageid = library.save_image(jpeg(), title="one")
    opened, cache = library._part(lambda wiring: wiring.cache)
    ref, catalog = opened.space.ref(imageid), opened.wiring.catalog
    assert catalog
    catalog.note(ref, "somebody", lambda note: note)
    rendition = cache.files / ref.directory / "fit-150x150_q75.jpg"
    rendition.parent.mkdir(parents=True)
    rendition.write_bytes(b"made")
    assert library.has_image(imageid)
    library.delete_image(imageid)
    assert not library.has_image(imageid)
    assert library.get_imagedoc(imageid) == {}
    assert catalog.get(ref) is None
    assert catalog.notes(ref) == {}
    assert not rendition.exists()
    library.delete_image(imageid)  # one that is not there is fine


def test_a_deleted_image_can_be_saved_again(plain: Library) -> None:
    imageid = plain.save_image(jpeg(), title="one")
    plain.delete_image(imageid)
    assert plain.save_image(jpeg()) == imageid
    assert doc(plain, imageid)["title"] == []
    with plain.open_image(imageid) as file:
        assert file.read() == jpeg()


def test_H_B24_what_the_catalog_missed_a_repeat_notes(make: MakeLibrary, tmp_path: Path) -> None:
    plain = make()
    imageid = stored_only(plain, jpeg(), tmp_path)
    assert plain.get_imagedoc(imageid) == {}
    assert plain.save_image(jpeg(), title="one") == imageid
    assert doc(plain, imageid)["title"] == ["one"]


def test_sides_are_those_of_the_upright_picture(plain: Library) -> None:
    image = picture(64, 48)
    exif = image.getexif()
    exif[0x0112] = 6
    imageid = plain.save_image(encoded(image, "JPEG", exif=exif))
    assert plain.scaled_dimensions(imageid, "o") == (48, 64)


# --- neighbours -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.feature(76)
def test_H_B23_neighbours_stand_in_the_order_of_IDs_and_an_end_is_its_own_neighbour(library: Library) -> None:
    first, second, third = sorted(library.save_image(jpeg(40, 30, seed)) for seed in range(3))
    assert [library.get_next_imageid(one) for one in (first, second, third)] == [second, third, third]
    assert [library.get_previous_imageid(one) for one in (first, second, third)] == [first, first, second]


@pytest.mark.feature(75)
def test_H_B23_a_random_one_is_one_that_is_there(library: Library) -> None:
    with pytest.raises(NotFound, match="a random one of huimages"):
        library.get_random_imageid()
    there = {library.save_image(jpeg(40, 30, seed)) for seed in range(3)}
    machine_made = library.save_image(jpeg(40, 30, 9), typ="automatic")
    assert {library.get_random_imageid() for _ in range(40)} <= there
    for one in there:
        library.delete_image(one)
    with pytest.raises(NotFound):
        library.get_random_imageid()
    assert library.get_next_imageid(machine_made) == machine_made


def test_H_B18_the_environment_stays_as_it_is(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huimages

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
    before = dict(os.environ)
    imageid = huimages.save_image(jpeg())
    assert huimages.scaled_tag(imageid)
    assert dict(os.environ) == before


@pytest.mark.parametrize("word", ["title", "filename", "typ"])
def test_what_is_no_text_is_refused_before_anything_is_stored(make: MakeLibrary, tmp_path: Path, word: str) -> None:
    library = make()
    with pytest.raises(BadRequest, match=f"expected text for {word}, got bytes"):
        library.save_image(jpeg(64, 48), **{word: b"skate"})  # type: ignore[arg-type]
    assert not list((tmp_path / "root").rglob("*01"))
    imageid = library.save_image(jpeg(64, 48))
    assert [path.name for path in (tmp_path / "root").rglob("*01")] == [imageid], "what is looked for is what there would be"
