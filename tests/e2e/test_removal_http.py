"""Deleting and purging over HTTP, through real nginx: tokens, bodies, names as they are sent, and what is left of a picture."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from couchdb import Server

from renderer.catalog import Entry, Note
from renderer.rendition import Ref
from tests.couch import couch_server
from tests.e2e.conftest import MakeSite, s3
from tests.e2e.site import Site, jpeg, running
from tests.nginx.asking import Answered, ask
from tests.servers import BUCKET, S3Server
from tests.waiting import wait_until

__all__ = ["couch_server"]

TOKEN, OTHER = "a token of sixteen letters or more", "another token of the same length!!"
TREE = {"namespaces": {"huimages": {}, "scenes": {"naming": "path", "prefix": "s/"}}}
ENVIRON = {"ONMISS_HOSTS__SERVICE__TOKENS": json.dumps([TOKEN, {"env": "SITE_TOKEN"}]), "SITE_TOKEN": OTHER}
PATIENCE = 20  # seconds: open_file_cache_valid is 5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests here. Each renders a picture of its own (nginx keeps files open), and leaves none."""
    with running(tmp_path_factory.mktemp("site"), TREE, ENVIRON) as site:
        yield site


def call(
    site: Site, method: str, path: str, body: bytes = b"", token: str = TOKEN, headers: Mapping[str, str] | None = None
) -> Answered:  # fmt: skip
    """From the service host; `path` goes over the wire as it is."""
    sent = {"Content-Length": str(len(body))} if body else {}
    return ask(site.service_port, path, method, sent | ({"Authorization": f"Bearer {token}"} if token else {}) | dict(headers or {}), body)


def told(answer: Answered) -> dict[str, Any]:
    assert (answer["content-type"], answer["x-content-type-options"]) == ("application/json", "nosniff")
    assert answer["cache-control"] == "no-store"
    content: dict[str, Any] = json.loads(answer.body)
    return content


@pytest.mark.feature(57, 170)
def test_a_deletion_over_http_leaves_nothing_and_the_picture_is_410(site: Site) -> None:
    ref = site.put(jpeg())
    path = f"/150x150/{ref.name}/title.jpeg"
    length = len(site.get(path).body)
    for token in ("", "wrong", TOKEN[:-1]):
        refused = call(site, "DELETE", f"/originals/{ref}", token=token)
        assert (refused.status, refused["www-authenticate"], list(told(refused))) == (401, "Bearer", ["error"])
    assert site.get(path).status == 200
    done = call(site, "DELETE", f"/originals/{ref}", token=OTHER)
    assert (done.status, told(done)) == (200, {"ref": str(ref), "files": 1, "bytes": length, "original": True, "entry": False})
    assert (site.cached(), site.wiring.originals.facts(ref)) == ([], None)
    assert site.get(f"/80x80/{ref.name}.jpeg").status == 410
    wait_until(lambda: site.get(path).status == 410, PATIENCE, "410 for what was a hit")
    assert call(site, "DELETE", f"/originals/{ref}").status == 410
    assert call(site, "DELETE", f"/originals/huimages/{'A' * 32}01").status == 404
    log = site.log.read_text()
    assert f"deleted by token 2 at 127.0.0.1: ref={ref} files=1" in log
    assert not [token for token in (TOKEN, OTHER) if token in log]


@pytest.mark.feature(57)
def test_a_deletion_takes_the_object_the_document_and_the_copy_too(
    make_site: MakeSite, moto_server: S3Server, couch_server: str
) -> None:
    prefix, database = f"{uuid.uuid4().hex}/", f"removal-{uuid.uuid4().hex}"
    catalog = {"kind": "couchdb", "url": couch_server, "database": database}
    site = make_site({**s3(moto_server, prefix=prefix), "catalog": catalog}, ENVIRON)
    site.start()
    ref = site.put(jpeg())
    documents = site.wiring.catalog
    assert documents is not None
    documents.change(ref, lambda _: Entry(titles=("Käse",)))
    documents.note(ref, "md", lambda _: Note(("wurst",), favorite=True))
    path = f"/150x150/{ref.name}.jpeg"
    assert site.get(path).status == 200
    assert told(call(site, "DELETE", f"/originals/{ref}")).items() >= {"files": 1, "original": True, "entry": True}.items()
    assert not moto_server.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents")
    assert [row.id for row in Server(couch_server)[database].view("_all_docs") if not row.id.startswith("_design/")] == []
    assert (documents.get(ref), documents.notes(ref)) == (None, {})
    assert not [file for file in (site.wiring.cache.root / "originals").rglob("*") if file.is_file()]
    assert site.get(f"/80x80/{ref.name}.jpeg").status == 410
    wait_until(lambda: site.get(path).status == 410, PATIENCE, "410 for what was a hit")
    site.put(jpeg())
    assert site.get(f"/80x80/{ref.name}.jpeg").status == 200


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("hall/lamp.jpg", "hall/lamp.jpg"),
        ("hall/lamp.jpg", "hall%2Flamp.jpg"),
        ("Käse & Würste/100% +1?.jpg", "K%C3%A4se%20&%20W%C3%BCrste/100%25%20+1%3F.jpg"),
        ("a%2Fb.jpg", "a%252Fb.jpg"),
    ],
    ids=["folder", "slash-as-code", "everything", "decoded-once"],
)
def test_a_name_is_decoded_once(site: Site, name: str, sent: str) -> None:
    ref = site.put(jpeg(), "scenes", name)
    assert told(call(site, "DELETE", f"/originals/scenes/{sent}"))["ref"] == str(ref)
    assert site.wiring.originals.facts(ref) is None


@pytest.mark.parametrize(
    "sent",
    [
        "x/../hall/lamp.jpg", "./hall/lamp.jpg", "hall/lamp.jpg?v=2", "hall/lamp.jpg?", "hall//lamp.jpg", "hall/lamp.jpg/", "%00",
        "hall/lamp.jpg#x",
    ],
)  # fmt: skip
def test_a_name_that_nginx_would_put_in_order_deletes_nothing(site: Site, sent: str) -> None:
    ref = site.put(jpeg(), "scenes", "hall/lamp.jpg")
    assert call(site, "DELETE", f"/originals/scenes/{sent}").status == 400
    assert site.wiring.originals.facts(ref)
    assert call(site, "DELETE", "/originals/scenes/hall/lamp.jpg").status == 200


def rendered(site: Site, ref: Ref) -> str:
    path = f"/i/{ref}/fit-100x_q75.jpg"
    assert site.get(path).status == 200
    return path


def test_a_purge_over_http_drops_renditions_only(site: Site) -> None:
    refs = [site.put(jpeg(seed=2)), site.put(jpeg(), "scenes", "hall/Käse.jpg"), site.put(jpeg(), "scenes", "lamp.jpg")]
    paths = [rendered(site, ref) for ref in (refs[0], refs[2])]
    wish = json.dumps({"id": [refs[0].name, str(refs[1])]}, ensure_ascii=False).encode()
    assert call(site, "POST", "/purge", wish, token="").status == 401
    assert len(site.cached()) == 2
    done = told(call(site, "POST", "/purge", wish))
    assert [(each["ref"], each["files"]) for each in done["receipts"]] == [(str(refs[0]), 1), (str(refs[1]), 0)]
    assert len(site.cached()) == 1
    everything = told(call(site, "POST", "/purge", b'{"namespace": "scenes", "all": true}'))
    assert (everything["originals"], everything["complete"], site.cached()) == (1, True, [])
    for path, ref in zip(paths, (refs[0], refs[2]), strict=True):
        assert site.get(path).status == 200  # from nginx's open file, or made again
        site.wiring.removal.delete(ref)
    site.wiring.removal.delete(refs[1])


@pytest.mark.parametrize("size", [900_000, 1_000_001, 5_000_000])
@pytest.mark.parametrize("token", [TOKEN, "wrong"], ids=["known", "unknown"])
def test_a_large_body_is_answered_whether_or_not_it_is_read(site: Site, size: int, token: str) -> None:
    answer = call(site, "POST", "/purge", b'"' + b"x" * (size - 2) + b'"', token)
    assert answer.status == (401 if token == "wrong" else 400 if size < 1_000_000 else 413)
    assert list(told(answer)) == ["error"]


def test_a_body_in_chunks_is_read(site: Site) -> None:
    ref = site.put(jpeg(seed=3))
    rendered(site, ref)
    wish = json.dumps({"id": [ref.name]}).encode()
    chunks = f"{len(wish):x}\r\n".encode() + wish + b"\r\n0\r\n\r\n"
    headers = {"Transfer-Encoding": "chunked", "Authorization": f"Bearer {TOKEN}"}
    answer = ask(site.service_port, "/purge", "POST", headers, chunks)
    assert told(answer)["receipts"][0]["files"] == 1
    site.wiring.removal.delete(ref)


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT", "POST"])
def test_another_method_is_told_which_one_it_is(site: Site, method: str) -> None:
    answer = call(site, method, "/originals/scenes/lamp.jpg", headers={"Origin": "https://elsewhere.example"})
    assert (answer.status, answer["allow"], answer["access-control-allow-origin"]) == (405, "DELETE", "")


@pytest.mark.feature(170)
def test_reading_needs_no_token_and_the_images_host_deletes_nothing(site: Site) -> None:
    ref = site.put(jpeg(seed=4))
    assert site.get(f"/80x80/{ref.name}.jpeg").status == 200
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert site.get(f"/originals/{ref}", "DELETE", headers).status == 405
    assert site.get("/purge", "POST", headers).status == 405
    assert ask(site.service_port, "/").status == 200
    assert site.wiring.originals.facts(ref)
    site.wiring.removal.delete(ref)


@pytest.mark.feature(170)
def test_a_site_without_tokens_refuses_every_write(make_site: MakeSite) -> None:
    site = make_site(TREE)
    site.start()
    ref = site.put(jpeg())
    for method, path in (("DELETE", f"/originals/{ref}"), ("POST", "/purge")):
        answer = call(site, method, path, b'{"id": []}' if method == "POST" else b"", TOKEN)
        assert (answer.status, "hosts.service.tokens" in told(answer)["error"]) == (403, True)
    assert site.wiring.originals.facts(ref)
