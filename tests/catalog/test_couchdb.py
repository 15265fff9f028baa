"""What is special about CouchDB: databases of huImages stay huImages', and servers that are not well."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from couchdb import client, http

from renderer.catalog import Entry, Note
from renderer.catalog.couchdb import CouchCatalog, designs
from renderer.errors import StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from tests.catalog.conftest import IMAGES, PATHS, ordered, ref
from tests.stores.faulty import Answer, Exchange, serving

OLD = {  # as huImages wrote them
    "ctime": "20080102T030405.000006",
    "mtime": "20090102T030405.000006",
    "width": 640,
    "height": 480,
    "title": ["first"],
    "types": ["product_image"],
    "references": {"artnr": ["10106"]},
    "somebody": {"elses": ["field"]},
}
REF = ref("one")


class House:
    """A catalog, and the client's own view of its databases."""

    def __init__(self, url: str) -> None:
        self.title = f"old-{uuid.uuid4().hex}"
        self.server = client.Server(url)
        self.catalog = CouchCatalog("couch", url, self.title, page_documents=3)

    def images(self) -> Any:
        return self._database(self.title)

    def users(self) -> Any:
        return self._database(f"{self.title}_meta")

    def _database(self, title: str) -> Any:
        return self.server[title] if title in self.server else self.server.create(title)


@pytest.fixture
def house(couch_server: str) -> House:
    return House(couch_server)


def test_an_old_document_is_read_and_changed_and_keeps_the_rest(house: House) -> None:
    images = house.images()
    images[REF.name] = dict(OLD)
    images.put_attachment(images[REF.name], b"the picture", "test.jpeg", "image/jpeg")
    entry = house.catalog.get(REF)
    assert entry is not None
    assert (entry.titles, entry.filename, entry.length, entry.content_type) == (("first",), "test.jpeg", 11, "image/jpeg")
    house.catalog.change(REF, lambda old: replace(old.adding(title="second"), ctime="", mtime="x") if old else Entry())
    after = images[REF.name]
    assert {name: after[name] for name in OLD} == OLD | {"title": ["first", "second"], "mtime": "x"}
    assert images.get_attachment(REF.name, "test.jpeg").read() == b"the picture"
    assert set(after) == {*OLD, "_id", "_rev", "_attachments"}


@pytest.mark.feature(58)
def test_a_new_document_is_one_of_huimages(house: House) -> None:
    entry = Entry(ctime="c", mtime="m", width=4, height=3, filename="a.png", length=9)
    house.catalog.change(REF, lambda _: entry.adding("t", ["product_image"]))
    document = dict(house.images()[REF.name])
    assert document.pop("_rev")
    assert document == {
        "_id": REF.name,
        "ctime": "c",
        "mtime": "m",
        "width": 4,
        "height": 3,
        "title": ["t"],
        "types": ["product_image"],
        "references": {},
        "filename": "a.png",
        "length": 9,
    }


def test_notes_are_huimages_documents(house: House) -> None:
    house.users()[f"{REF.name}-USER"] = {"imageid": REF.name, "userid": "USER", "tags": ["ski"], "rating": 5, "favorite": True, "seen": 1}
    assert house.catalog.notes(REF) == {"USER": Note(("ski",), favorite=True, rating=5)}
    house.catalog.note(REF, "USER", lambda note: replace(note, tags=(*note.tags, "Rot"), rating=6))
    after = dict(house.users()[f"{REF.name}-USER"])
    assert after.pop("_rev")
    assert after == {
        "_id": f"{REF.name}-USER",
        "imageid": REF.name,
        "userid": "USER",
        "tags": ["ski", "rot"],
        "rating": 6,
        "favorite": True,
        "seen": 1,
    }


def test_other_namespaces_stay_out_of_huimages_databases(house: House) -> None:
    house.catalog.change(PATHS.ref("wallpaper/lion.png"), lambda _: Entry(width=1))
    house.catalog.note(PATHS.ref("wallpaper/lion.png"), "u", lambda _: Note(("ski",)))
    house.catalog.change(REF, lambda _: Entry(width=1))
    assert [key for key in house.images() if not key.startswith("_")] == [REF.name]
    assert f"{house.title}-fitter_meta" in house.server


def test_documents_that_are_no_original_are_passed_over(house: House) -> None:
    for key in ("0", "EQ53", REF.name.lower(), "zzz"):
        house.images()[key] = {"title": ["not ours"]}
    house.catalog.change(REF, lambda _: Entry())
    assert list(house.catalog.refs(IMAGES)) == [REF]
    assert house.catalog.random(IMAGES) == house.catalog.next(REF) == house.catalog.previous(REF) == REF


def test_the_views_of_huimages_are_there(house: House) -> None:
    refs = ordered(3)
    house.catalog.change(refs[0], lambda _: Entry())
    house.catalog.change(refs[1], lambda _: Entry(types=("automatic",)))
    house.catalog.change(refs[2], lambda _: Entry(deleted=True))
    for one in refs:
        for user in ("u", "w"):
            house.catalog.note(one, user, lambda _: Note(("ski",), rating=4))
    rows = house.images().view("all/without_deleted_and_automatic", startkey="2", limit=1).rows
    assert [row["id"] for row in rows] == [refs[0].name]
    users = house.users()
    assert [row["value"] for row in users.view("ratings/all", key=refs[0].name)] == [[2, 8]]
    assert [row["value"] for row in users.view("tags/tags_per_document", key=refs[0].name)] == ["ski", "ski"]
    assert [row["key"] for row in users.view("tags/tagcount", group=True)] == ["ski"]


def test_somebodys_design_document_stays_and_gets_what_it_lacks(house: House) -> None:
    theirs = {"map": "function (doc) { doc.tags.forEach(function (tag) { emit(tag, doc.imageid + ''); }); }"}
    house.users()["_design/tags"] = {"language": "javascript", "views": {"document_per_tag": theirs}, "note": "keep"}
    house.catalog.note(REF, "u", lambda _: Note(("ski",)))
    assert list(house.catalog.tagged(IMAGES, "ski")) == [REF]
    assert house.catalog.tags(IMAGES) == {"ski": 1}
    after = house.users()["_design/tags"]
    assert (after["views"]["document_per_tag"], after["note"]) == (theirs, "keep")


def test_our_design_documents_follow_our_version() -> None:
    views = designs.NOTE_VIEWS["tags"]
    made = designs.design("tags", views, None)
    assert made is not None
    assert designs.design("tags", views, made) is None
    old = made | {"views": {"document_per_tag": {"map": "old"}, "more": {"map": "theirs"}}, "onmiss": designs.VERSION - 1}
    renewed = designs.design("tags", views, old)
    assert renewed is not None
    assert renewed == made | {"views": {**made["views"], "more": {"map": "theirs"}}}


def test_nothing_is_made_by_a_check(house: House) -> None:
    assert all(well for _, well in house.catalog.check())
    assert house.title not in house.server
    house.catalog.get(REF)
    assert house.title in house.server


def said(status: int, answer: object, method: str = "") -> Answer:
    """`answer` as JSON; to other methods than `method` that all is well."""

    def say(exchange: Exchange) -> None:
        refused = not method or exchange.command == method
        content = json.dumps(answer if refused else {"doc_count": 0}).encode()
        exchange.begin(status if refused else 200, Content_Type="application/json", Content_Length=len(content))
        if exchange.command != "HEAD":
            exchange.wfile.write(content)

    return say


def text(exchange: Exchange) -> None:
    exchange.begin(200, Content_Type="text/html", Content_Length=7)
    exchange.wfile.write(b"<html/>" if exchange.command != "HEAD" else b"")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(said(500, {"error": "x", "reason": "y"}), StoreUnavailable, id="error"),
        pytest.param(said(401, {"error": "unauthorized", "reason": "y"}), StoreRefused, id="who-are-you"),
        pytest.param(said(403, {"error": "forbidden", "reason": "y"}), StoreRefused, id="forbidden"),
        pytest.param(said(200, ["no document"]), StoreGarbled, id="no-document"),
        pytest.param(text, StoreGarbled, id="another-server"),
        pytest.param(Exchange.reset, StoreUnavailable, id="reset"),
        pytest.param(Exchange.hang, StoreSlow, id="silence"),
    ],
)
def test_HB11_a_server_that_is_not_well_is_unavailable(answer: Answer, error: type[StoreUnavailable]) -> None:
    with serving(answer) as server:
        catalog = CouchCatalog("couch", server.url.replace("//", "//joe:secret@"), timeout_seconds=0.3)
        for call in (lambda: catalog.get(REF), lambda: catalog.change(REF, lambda _: Entry()), lambda: list(catalog.refs(IMAGES))):
            with pytest.raises(error, match="huimages") as raised:
                call()
            assert type(raised.value) is error
            assert "secret" not in str(raised.value)
        if answer is not text:
            assert [well for _, well in catalog.check()] == [False, False]


def test_HB11_nobody_there_is_unavailable(free_port: int) -> None:
    catalog = CouchCatalog("couch", f"http://127.0.0.1:{free_port}")
    with pytest.raises(StoreUnavailable, match="store couch: expected an answer about huimages"):
        catalog.random(IMAGES)
    assert [well for _, well in catalog.check()] == [False, False]


def test_who_may_not_write_design_documents_may_do_the_rest(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = client.Database.save

    def save(self: Any, document: Any, **options: Any) -> Any:
        if document["_id"].startswith("_design/"):
            raise http.Forbidden(("forbidden", "admins only"))
        return whole(self, document, **options)

    monkeypatch.setattr(client.Database, "save", save)
    house.catalog.change(REF, lambda _: Entry(width=1))
    assert house.catalog.get(REF) == Entry(width=1)
    with pytest.raises(StoreUnavailable, match="couch"):
        house.catalog.tags(IMAGES)
