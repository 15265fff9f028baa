"""The catalog in a whole installation: what it calls deleted is gone, what it has wrong is put right, and it may be down."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from couchdb import Server
from PIL import Image

from renderer.catalog import Entry
from renderer.rendition import Ref
from tests.couch import couch_server
from tests.e2e.site import Site, jpeg, running
from tests.servers import unused_port
from tests.waiting import wait_until

__all__ = ["couch_server"]

LYING = {0x0112: 6}  # stored lying on its side
MOMENT = "20080716T123456.000000"
OLD = {"ctime": MOMENT, "mtime": MOMENT, "title": ["an old picture"], "references": {"artnr": ["10106"]}}


@pytest.fixture(params=["sqlite", "couchdb"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """With each catalog that outlives a process."""
    catalog: dict[str, Any] = {"kind": request.param}
    if request.param == "couchdb":
        catalog |= {"url": request.getfixturevalue("couch_server"), "database": f"e2e-{uuid.uuid4().hex}"}
    with running(tmp_path / "site", {"catalog": catalog}) as site:
        yield site


def lying(width: int, height: int) -> bytes:
    exif = Image.Exif()
    exif.update(LYING)
    return jpeg(width, height, exif=exif)


def entry_of(site: Site, ref: Ref) -> Entry:
    assert site.wiring.catalog is not None
    return site.wiring.catalog.get(ref) or Entry()


def note(site: Site, ref: Ref, entry: Entry) -> None:
    assert site.wiring.catalog is not None
    site.wiring.catalog.change(ref, lambda _: entry)


def test_what_the_catalog_calls_deleted_is_gone(site: Site) -> None:
    deleted, kept = site.put(jpeg(seed=1)), site.put(jpeg(seed=2))
    note(site, deleted, Entry(deleted=True))
    note(site, kept, Entry())
    assert site.get(f"/150x150/{deleted.name}.jpeg").status == 410
    assert site.get(f"/150x150/{kept.name}.jpeg").status == 200
    assert not [name for name in site.cached() if deleted.name in name]


def test_a_miss_puts_right_what_is_known_of_an_original(site: Site) -> None:
    ref, unknown = site.put(lying(320, 160)), site.put(jpeg(seed=9))
    note(site, ref, Entry(width=320, height=160, titles=("a title",)))
    for one in (ref, unknown):
        assert site.get(f"/150x150/{one.name}.jpeg").status == 200
    entry = wait_until(lambda: entry_of(site, ref).placeholder and entry_of(site, ref), 10, "a description")
    assert isinstance(entry, Entry)
    assert (entry.width, entry.height, entry.titles, entry.content_type) == (160, 320, ("a title",), "image/jpeg")
    assert entry_of(site, unknown) == Entry()


def test_a_document_of_huimages_gets_upright_sides_and_keeps_the_rest(tmp_path: Path, couch_server: str) -> None:
    database = Server(couch_server).create(f"e2e-{uuid.uuid4().hex}")
    with running(tmp_path / "site", {"catalog": {"kind": "couchdb", "url": couch_server, "database": database.name}}) as site:
        content = lying(320, 160)
        ref = site.put(content)
        database.save({"_id": ref.name, **OLD, "width": 320, "height": 160, "types": ["product_image"], "odd": {"kept": 1}})
        database.put_attachment(database[ref.name], content, "test.jpeg", "image/jpeg")
        assert site.get(f"/150x150/{ref.name}/test.jpeg").picture().size == (75, 150)
        document = wait_until(lambda: database[ref.name] if "placeholder" in database[ref.name] else None, 10, "a description")
        assert document is not None
        kept = {name: value for name, value in document.items() if name not in ("_id", "_rev", "_attachments", "placeholder")}
        assert kept == {**OLD, "width": 160, "height": 320, "types": ["product_image"], "odd": {"kept": 1}}
        assert database.get_attachment(document, "test.jpeg").read() == content


def test_pictures_are_shown_while_the_catalog_is_down(tmp_path: Path) -> None:
    down = {"kind": "couchdb", "url": f"http://127.0.0.1:{unused_port()}"}
    with running(tmp_path / "site", {"catalog": down}) as site:
        refs = [site.put(jpeg(seed=seed)) for seed in range(3)]
        assert [site.get(f"/150x150/{ref.name}.jpeg").status for ref in refs] == [200] * 3
        warnings = [line for line in site.log.read_text().splitlines() if "the catalog is left alone" in line]
        assert len(warnings) == 1
