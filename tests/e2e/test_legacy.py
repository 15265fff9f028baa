"""From CouchDB to S3 while pictures are asked for: what only CouchDB has is served at once, and is in S3 a moment later."""

from __future__ import annotations

import http.client
import sqlite3
import urllib.parse
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from couchdb import Server
from PIL import Image

from renderer.rendition import NAMINGS
from tests.couch import couch_server
from tests.couch_shim import CouchShim, couch_shim
from tests.e2e.conftest import MakeSite
from tests.e2e.faulty import FaultyS3
from tests.e2e.site import Site, encoded, jpeg, picture
from tests.e2e.test_up import onmiss
from tests.servers import BUCKET, S3Server
from tests.waiting import wait_until

__all__ = ["couch_server"]

TIMES = {"ctime": "20080716T123456.000000", "mtime": "20120101T000000.000000"}
CTIME = 1_216_211_696  # by `date -u`


class Old:
    """huImages' own database, and what is asked of it."""

    def __init__(self, url: str) -> None:
        self.url, self.title = url, f"legacy-{uuid.uuid4().hex}"
        self.database = Server(url).create(self.title)

    def bring(self, content: bytes, name: str = "", **fields: Any) -> str:
        """As huImages' save_image did; the ID. An attachment's type was guessed from the name of a file."""
        name = name or id_of(content)
        self.database[name] = {**TIMES, "width": 1, "height": 1, "title": ["an old picture"], **fields}
        self.database.put_attachment(self.database[name], content, "test.jpeg", "image/jpeg")
        return name

    def has(self, name: str, content: bytes) -> bool:
        found = self.database.get_attachment(name, "test.jpeg")
        return found is not None and found.read() == content


class New:
    """The bucket, below a prefix of its own."""

    def __init__(self, server: S3Server) -> None:
        self.server, self.client, self.prefix = server, server.client(), f"{uuid.uuid4().hex}/"

    def object(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.client.get_object(Bucket=BUCKET, Key=self.prefix + name)
        except self.client.exceptions.NoSuchKey:
            return None
        return found | {"Bytes": found["Body"].read()}

    def arrived(self, name: str) -> dict[str, Any]:
        """With all that was said of it: rclone shows an object before it knows its metadata."""

        def whole() -> dict[str, Any] | None:
            found = self.object(name)
            return found if found and found["Metadata"] else None

        found = wait_until(whole, 30, f"{name} in S3")
        assert found
        return found

    def asked_without_a_signature(self, name: str) -> tuple[int, bytes]:
        where = urllib.parse.urlsplit(self.server.endpoint_url)
        with closing(http.client.HTTPConnection(where.netloc, timeout=10)) as connection:
            connection.request("GET", f"/{BUCKET}/{self.prefix}{name}")
            response = connection.getresponse()
            return response.status, response.read()

    def readers(self, name: str) -> set[str]:
        """Who was granted something but for the owner."""
        grants = self.client.get_object_acl(Bucket=BUCKET, Key=self.prefix + name)["Grants"]
        return {grant["Grantee"].get("URI", "") for grant in grants} - {""}


def id_of(content: bytes) -> str:
    space = NAMINGS["sha1"]
    hasher = space.hasher()
    hasher.update(content)
    return space.name_of(hasher.digest())


@pytest.fixture
def old(couch_server: str) -> Old:
    return Old(couch_server)


@pytest.fixture
def new(rclone_server: S3Server) -> New:
    return New(rclone_server)


def moving(new: New, old: Old, s3_url: str = "", couch_url: str = "", **space: Any) -> dict[str, Any]:
    """A configuration whose originals are moved from `old` to `new`; each may be reached through a proxy, and then with little patience."""
    settings = new.server.settings(prefix=new.prefix, **({"endpoint_url": s3_url, "read_seconds": 1, "attempts": 1} if s3_url else {}))
    source = {"kind": "couchdb", "url": couch_url or old.url, "database": old.title, **({"timeout_seconds": 1} if couch_url else {})}
    return {
        "stores": {"archive": {"kind": "s3", **settings}, "couch": source},
        "namespaces": {"huimages": {"store": "archive", "legacy": ["couch"], **space}},
    }


@pytest.fixture
def site(make_site: MakeSite, new: New, old: Old) -> Site:
    site = make_site(moving(new, old))
    site.start()
    return site


@pytest.fixture
def s3(new: New) -> Iterator[FaultyS3]:
    with FaultyS3(new.server.endpoint_url) as between:
        yield between


@pytest.fixture
def couch(old: Old) -> Iterator[FaultyS3]:
    with FaultyS3(old.url) as between:
        yield between


def thumb(name: str, size: str = "150x150") -> str:
    return f"/{size}/{name}.jpeg"


def owed(site: Site, count: int) -> None:
    wait_until(lambda: site.load()["owed"] == count, 30, f"{count} originals owed")


def come_due(site: Site, taken: bool = False) -> None:
    """What failed is tried again after a minute at the earliest; that minute is over now. `taken`: and what was taken on, after ten."""
    with closing(sqlite3.connect(site.root / "debts.sqlite", timeout=10, isolation_level=None)) as database:
        database.execute("UPDATE debts SET due = 0 WHERE failures OR ?", (taken,))


# on the way


@pytest.mark.feature(46)
@pytest.mark.feature(47)
@pytest.mark.feature(45)
@pytest.mark.parametrize("server", ["moto", "rclone"])
def test_H_B5_what_only_couchdb_has_is_served_and_then_in_s3_whole_private_and_as_what_it_is(
    request: pytest.FixtureRequest, make_site: MakeSite, old: Old, server: str
) -> None:
    new = New(request.getfixturevalue(f"{server}_server"))
    site = make_site(moving(new, old))
    site.start()
    content = encoded(picture(640, 480), "PNG")
    name = old.bring(content)
    answer = site.get(thumb(name))
    assert (answer.status, answer.picture().size) == (200, (150, 112))
    assert answer["last-modified"] == "Wed, 16 Jul 2008 12:34:56 GMT"
    found = new.arrived(name)
    assert found["Bytes"] == content
    assert found["ContentType"] == "image/png"
    assert {key.lower(): value for key, value in found["Metadata"].items()} == {"time": str(CTIME), "width": "640", "height": "480"}
    if server == "moto":  # which asks nobody for a signature
        assert new.readers(name) == set()
    else:
        status, body = new.asked_without_a_signature(name)
        assert 400 <= status < 404
        assert content not in body
    assert old.has(name, content)
    owed(site, 0)


@pytest.mark.feature(47)
def test_what_is_in_s3_by_then_is_served_without_couchdb_with_the_same_bytes_and_validators(
    make_site: MakeSite, site: Site, new: New, old: Old
) -> None:
    name = old.bring(jpeg(seed=2))
    first = site.get(thumb(name))
    new.arrived(name)
    site.close()
    old.database.delete(old.database[name])
    other = make_site(
        {"stores": {"archive": {"kind": "s3", **new.server.settings(prefix=new.prefix)}}, "namespaces": {"huimages": {"store": "archive"}}}
    )
    other.start()
    assert other.get(thumb(name)).comparable() == first.comparable()


@pytest.mark.feature(48)
@pytest.mark.parametrize("status", [403, 503])
def test_H_B11_a_refused_upload_fails_nobody_and_is_done_when_s3_takes_it(
    make_site: MakeSite, new: New, old: Old, s3: FaultyS3, status: int
) -> None:
    site = make_site(moving(new, old, s3.url))
    site.start()
    s3.answer(status, "PUT ")
    content = jpeg(seed=3)
    name = old.bring(content)
    assert site.get(thumb(name)).status == 200
    wait_until(lambda: s3.counted("PUT", name), 30, "an upload")
    owed(site, 1)
    assert site.get(thumb(name, "75x75!")).status == 200
    assert new.object(name) is None
    s3.heal()
    wait_until(lambda: come_due(site) or new.object(name), 30, "another attempt")
    assert new.arrived(name)["Bytes"] == content
    owed(site, 0)


@pytest.mark.feature(49)
@pytest.mark.parametrize("fields", [{}, {"filename": "new.jpeg", "length": 10, "content_type": "image/jpeg"}], ids=["bare", "new"])
def test_H_B10_a_document_without_an_attachment_is_404(site: Site, old: Old, fields: dict[str, Any]) -> None:
    name = id_of(str(fields).encode())
    old.database[name] = {**TIMES, **fields}
    for path in (thumb(name), f"/o/{name}.jpeg"):
        answer = site.get(path)
        assert (answer.status, answer["cache-control"]) == (404, "max-age=10")
    assert site.get(thumb(id_of(b"never heard of"))).status == 404
    assert "Traceback" not in site.log.read_text()


@pytest.mark.feature(153)
def test_with_an_empty_root_and_the_buckets_name_everything_is_served_again(make_site: MakeSite, site: Site, new: New, old: Old) -> None:
    names = [old.bring(jpeg(seed=seed)) for seed in range(10, 13)] + [site.put(jpeg(seed=13)).name]
    before = [site.get(thumb(name)) for name in names]
    for name in names:
        new.arrived(name)
    site.close()
    again = make_site(moving(new, old))
    again.start()
    assert [again.get(thumb(name)).comparable() for name in names] == [answer.comparable() for answer in before]
    assert not (again.root / "debts.sqlite").exists()  # all of it came from the bucket


# outages


@pytest.mark.feature(50)
def test_H_B11_couchdb_down_is_not_noticed_by_what_s3_has_and_no_absence(make_site: MakeSite, new: New, old: Old, couch: FaultyS3) -> None:
    site = make_site(moving(new, old, couch_url=couch.url))
    site.start()
    names = [site.put(jpeg(seed=seed)).name for seed in (20, 21)]
    couch.hang()
    unknown = site.get(thumb(id_of(b"unknown")))
    assert (unknown.status, unknown["cache-control"]) == (503, "no-store")
    couch.forget()
    unknown = site.get(thumb(id_of(b"unknown too")))
    assert (unknown.status, unknown["cache-control"]) == (503, "no-store")
    assert couch.seen == []  # nobody waits for it again
    assert site.get(thumb(names[0])).status == 200
    couch.answer(500)
    assert site.get(thumb(names[1])).status == 200
    assert couch.seen == []


@pytest.mark.feature(46)
def test_H_B11_s3_down_is_bypassed_to_couchdb(make_site: MakeSite, new: New, old: Old) -> None:
    with FaultyS3(new.server.endpoint_url) as between:
        site = make_site(moving(new, old, between.url))
        site.start()
    # now nobody listens there
    content = jpeg(seed=30)
    name = old.bring(content)
    assert site.get(thumb(name)).status == 200
    assert site.get(thumb(name, "75x75!")).status == 200
    nowhere = site.get(thumb(id_of(b"nowhere")))
    assert (nowhere.status, nowhere["cache-control"]) == (503, "no-store")


@pytest.mark.feature(46)
def test_H_B11_s3_that_hangs_is_waited_for_once_and_then_bypassed(make_site: MakeSite, new: New, old: Old, s3: FaultyS3) -> None:
    site = make_site(moving(new, old, s3.url))
    site.start()
    first, second = (old.bring(jpeg(seed=seed)) for seed in (31, 32))
    s3.hang()
    assert site.get(thumb(first)).status == 200
    assert s3.counted("GET", first) == 1
    assert site.get(thumb(second)).status == 200
    assert s3.counted("GET", second) == 0
    assert site.get(thumb(id_of(b"nowhere"))).status == 503
    s3.heal()
    for name in (first, second):
        wait_until(lambda name=name: come_due(site) or new.object(name), 30, "an upload")


# other bytes than the ID says


@pytest.mark.feature(46)
def test_H_B12_other_bytes_than_the_id_says_are_502_fetched_once_and_never_moved(
    make_site: MakeSite, new: New, old: Old, couch: FaultyS3
) -> None:
    site = make_site(moving(new, old, couch_url=couch.url, originals="as-is"))
    site.start()
    name = old.bring(jpeg(seed=40), id_of(b"something else"))
    for path in (thumb(name), thumb(name, "75x75!"), f"/o/{name}.jpeg", f"/i/huimages/{name}/original.jpg"):
        answer = site.get(path)
        assert (answer.status, answer["cache-control"]) == (502, "no-store"), path
        assert int(answer["retry-after"]) > 30
    assert couch.counted("GET", f"{name}/test.jpeg") == 1
    assert site.log.read_text().count("quarantined until") == 1
    assert site.load()["owed"] == 0
    listed = onmiss(site.root, "quarantine", "list", "--config", str(site.file)).stdout
    assert listed.startswith(f"huimages/{name}\tmismatch\t1 tries\t")
    assert "the hash in their name" in listed
    assert not old.database[name].get("deleted")
    cleared = onmiss(site.root, "quarantine", "clear", f"huimages/{name}", "--config", str(site.file))
    assert cleared.stdout == "1 records cleared\n"
    assert site.get(thumb(name)).status == 502
    assert couch.counted("GET", f"{name}/test.jpeg") == 2
    assert new.object(name) is None


def test_the_right_bytes_that_are_imported_end_a_mismatch_at_once(site: Site, old: Old, new: New) -> None:
    content = jpeg(seed=41)
    name = old.bring(b"GIF89a of something else", id_of(content))
    assert site.get(thumb(name)).status == 502
    path = site.root / "right.jpeg"
    path.write_bytes(content)
    imported = onmiss(site.root, "import", "--config", str(site.file), str(path))
    assert imported.stdout.startswith(name), imported.stderr
    assert site.get(thumb(name)).status == 200
    assert list(site.wiring.quarantine) == []


def test_ids_that_were_no_hashes_are_served_and_moved_where_that_is_accepted(make_site: MakeSite, old: Old, new: New) -> None:
    site = make_site(moving(new, old, accept_mismatch=True))
    site.start()
    content = jpeg(seed=42)
    name = old.bring(content, "A" * 32 + "01")
    assert site.get(thumb(name)).status == 200
    assert new.arrived(name)["Bytes"] == content
    site.wiring.originals.discard_copy(site.config.namespaces_built()["huimages"].ref(name))
    assert site.get(thumb(name, "75x75!")).status == 200


# what was deleted


@pytest.fixture
def shim(old: Old) -> Iterator[CouchShim]:
    """pouchdb-server calls what was deleted missing; CouchDB does not."""
    with couch_shim(old.url) as between:
        yield between


@pytest.mark.parametrize("how", ["deleted", "marked"])
def test_H_B12_what_was_deleted_in_couchdb_is_410_in_every_size(make_site: MakeSite, new: New, old: Old, shim: CouchShim, how: str) -> None:
    tree = moving(new, old, couch_url=shim.url)
    tree["stores"]["couch"] |= {"user": shim.user, "password": shim.password}
    site = make_site(tree)
    site.start()
    content = jpeg(seed=50)
    name, kept = old.bring(content, **({"deleted": True} if how == "marked" else {})), old.bring(jpeg(seed=52))
    if how == "deleted":
        old.database.delete(old.database[name])
    assert site.get(thumb(kept)).status == 200
    for path in (thumb(name), thumb(name, "75x75!"), f"/o/{name}.jpeg"):
        answer = site.get(path)
        assert (answer.status, answer["cache-control"]) == (410, "max-age=10")
    new.arrived(kept)
    assert new.object(name) is None
    owed(site, 0)


def test_what_was_deleted_here_never_returns_from_couchdb(make_site: MakeSite, new: New, old: Old, s3: FaultyS3) -> None:
    """Before it was moved, with what is owed still owed."""
    site = make_site(moving(new, old, s3.url))
    site.start()
    s3.answer(503, "PUT ")
    content = jpeg(seed=51)
    name = old.bring(content)
    assert site.get(thumb(name)).status == 200
    owed(site, 1)
    deleted = onmiss(site.root, "delete", "--config", str(site.file), name)
    assert deleted.returncode == 0, deleted.stderr
    s3.heal()
    wait_until(lambda: come_due(site) or site.load()["owed"] == 0, 30, "an end of the debt")
    for _ in range(2):
        assert [site.get(thumb(name, size)).status for size in ("150x150", "75x75!", "o")] == [410] * 3
        assert new.object(name) is None
        site.stop_renderer()
        site.start_renderer()
    assert old.has(name, content)  # which is why


# the process


def test_an_upload_that_hangs_delays_no_stop_and_is_done_after_the_next_start(
    make_site: MakeSite, new: New, old: Old, s3: FaultyS3
) -> None:
    tree = moving(new, old, s3.url)
    tree["stores"]["archive"]["read_seconds"] = 60
    site = make_site(tree)
    site.start()
    s3.hang("PUT ")
    name = old.bring(jpeg(seed=60))
    assert site.get(thumb(name)).status == 200
    wait_until(lambda: s3.counted("PUT", name), 30, "an upload")
    assert site.stop_renderer(seconds=15) == 0
    assert "Traceback" not in site.log.read_text()
    s3.heal()
    site.start_renderer()
    owed(site, 1)
    come_due(site, taken=True)
    new.arrived(name)


def test_while_requests_are_drained_nothing_more_is_put_into_stores(make_site: MakeSite, new: New, old: Old, couch: FaultyS3) -> None:
    tree = moving(new, old, couch_url=couch.url)
    tree["stores"]["couch"]["timeout_seconds"] = 60
    site = make_site(tree)
    site.start()
    name = old.bring(jpeg(seed=62))
    couch.hang(name)
    with ThreadPoolExecutor(2) as clients:
        asked = clients.submit(site.get, thumb(name))
        wait_until(lambda: site.load()["requests"]["waiting"] == 1, what="a request in flight")
        stopped = clients.submit(site.stop_renderer)
        wait_until(lambda: "nothing more is put into stores" in site.log.read_text(), what="the end of settling")
        assert not asked.done()
        couch.heal()
        assert asked.result(30).status == 200
        assert stopped.result(30) == 0
    site.start_renderer()
    assert new.arrived(name)


def test_where_nothing_is_moved_nothing_is_owed(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    assert site.get(thumb(site.put(jpeg()).name)).status == 200
    assert site.load()["owed"] == 0
    assert not (site.root / "debts.sqlite").exists()


@pytest.mark.feature(46)
def test_a_sideways_photo_from_couchdb_is_in_s3_with_upright_sides(site: Site, old: Old, new: New) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    name = old.bring(jpeg(640, 480, seed=61, exif=exif))
    assert site.get(thumb(name)).picture().size == (112, 150)
    metadata = {key.lower(): value for key, value in new.arrived(name)["Metadata"].items()}
    assert (metadata["width"], metadata["height"]) == ("480", "640")
