"""image-server's URLs through real nginx: posting, what is made of it, who answers, and what is refused."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from renderer.namespaces import MOST_MADE
from tests.e2e.site import Answer, Site, encoded, jpeg, picture, running
from tests.faults import always, asks, hang
from tests.nginx.asking import Answered, ask
from tests.s3_faults import s3_faults
from tests.servers import S3Server
from tests.waiting import wait_until

TOKEN, OF_Q = "a token of sixteen letters or more", "the token of namespace q"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
ENVIRON = {"ONMISS_HOSTS__SERVICE__TOKENS": json.dumps([TOKEN])}
JSON = "application/json; charset=UTF-8"
MOST_BYTES = 2_000_000


def tree(server: S3Server) -> dict[str, Any]:
    """p keeps its renditions in S3, q nowhere but here."""
    return {
        "stores": {"disk": {"kind": "file"}, "far": {"kind": "s3", **server.settings()}},
        "namespaces": {
            "p": {"naming": "md5", "store": "far", "renditions": "far", "originals": "as-is"},
            "q": {"naming": "md5", "tokens": [OF_Q], "extensions": ["jpg", "gif", "webp"]},
        },
        "new_namespaces": {"allowed": True},
        "nginx": {"miss_rate": "off", "miss_connections": "off", "open_file_cache": "off"},
        "limits": {"max_original_bytes": MOST_BYTES, "max_side_out": 1000},
        "fetch": {"private_networks": ["127.0.0.0/8"], "seconds": 0.5},
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, rclone_server: S3Server) -> Iterator[Site]:
    """One for all tests here; each has pictures of its own."""
    with running(tmp_path_factory.mktemp("site"), tree(rclone_server), ENVIRON) as site:
        yield site


class Handler(BaseHTTPRequestHandler):
    """A web site with pictures to fetch. `pages`: path to bytes; below /slow nothing ever comes."""

    pages: ClassVar[dict[str, bytes]] = {}
    leaving: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        if self.path.startswith("/slow"):
            self.leaving.wait(30)
        page = self.pages.get(self.path)
        self.send_response(200 if page is not None else 404)
        self.send_header("Content-Length", str(len(page or b"")))
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Handler.leaving.set()
    server.shutdown()
    thread.join()
    server.server_close()


def post(site: Site, path: str, body: bytes = b"", headers: Mapping[str, str] = AUTHORIZED) -> Answered:
    return ask(site.service_port, path, "POST", {"Content-Length": str(len(body)), **headers}, body)


def directory(content: bytes, space: str = "p") -> str:
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return f"/{space}/{digest[:3]}/{digest[3:6]}/{digest[6:9]}/{digest[9:]}"


def size(answer: Answer) -> tuple[int, int]:
    return answer.picture().size


def told(answer: Answered) -> dict[str, Any]:
    assert (answer["content-type"], answer["x-content-type-options"]) == (JSON, "nosniff")
    content: dict[str, Any] = json.loads(answer.body)
    return content


@pytest.mark.feature(111, 116, 117, 118, 119, 120, 121, 122)
def test_what_is_posted_is_there_in_every_size(site: Site) -> None:
    content = jpeg(800, 600, seed=11)
    answered = post(site, "/p", content)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    expected = f'{{\n  "hash": "{digest}",\n  "height": 600,\n  "width": 800,\n  "content_type": "image/jpeg"\n}}\n'
    assert (answered.status, answered.body.decode(), answered["content-type"]) == (200, expected, JSON)
    place = directory(content)
    sizes = {
        "w200.jpg": (200, 150), "x200.jpg": (200, 200), "300x200.jpg": (300, 200), "x200-q30.jpg": (200, 200), "full_size.png": (800, 600),
        "1000x1000.webp": (1000, 1000), "w1000.gif": (1000, 750), "x200-q0.jpeg": (200, 200), "w100.avif": (100, 75),
    }  # fmt: skip
    for name, wanted in sizes.items():
        answer = site.get(f"{place}/{name}")
        mime = "image/" + name.rpartition(".")[2].replace("jpg", "jpeg")
        assert (answer.status, size(answer), answer["content-type"]) == (200, wanted, mime), name
        assert answer["cache-control"] == "public, max-age=31536000, immutable"
    assert len(site.get(f"{place}/x200-q30.jpg").body) < len(site.get(f"{place}/x200.jpg").body)
    assert site.get(f"{place}/x200-q0.jpeg").body == site.get(f"{place}/x200.jpg").body
    assert site.get(f"{place}/original").body == content
    known = site.get(f"{place}/info.json")
    assert json.loads(known.body) == told(answered)
    assert (known["content-type"], known["content-security-policy"]) == ("application/json", "sandbox; default-src 'none'")


@pytest.mark.feature(116)
def test_hits_are_nginx_s_alone_information_included(site: Site) -> None:
    content = jpeg(640, 480, seed=12)
    assert post(site, "/p?outputs=x300.jpg,w200.webp", content).status == 200
    before = len(site.misses())
    for name in ("x300.jpg", "w200.webp", "info.json"):
        answer = site.get(f"{directory(content)}/{name}")
        assert (answer.status, answer["x-onmiss"]) == (200, ""), name
    assert len(site.misses()) == before


@pytest.mark.feature(110, 115, 125)
def test_outputs_are_in_the_store_when_the_answer_comes_and_what_is_asked_for_soon_after(site: Site) -> None:
    content = jpeg(640, 480, seed=13)
    assert post(site, "/p?outputs=x300.jpg,x300.webp,info.json", content).status == 200
    store, place = site.wiring.stores["far"], directory(content)[1:]
    mimes = {"x300.jpg": "image/jpeg", "x300.webp": "image/webp", "info.json": "application/json", "original": "image/jpeg"}
    for name, mime in mimes.items():
        facts = store.facts(f"{place}/{name}")
        assert facts is not None, name
        assert facts.content_type == mime
    assert site.get(f"/{place}/w200.jpg").status == 200
    wait_until(lambda: store.facts(f"{place}/w200.jpg"), 10, "an upload after the answer")


@pytest.mark.feature(125)
def test_what_the_store_has_is_not_rendered_again(site: Site) -> None:
    content = jpeg(640, 480, seed=14)
    assert post(site, "/p?outputs=x300.jpg", content).status == 200
    place = directory(content)
    first = site.get(f"{place}/x300.jpg")
    for path in site.wiring.cache.files.rglob("*x300.jpg"):
        path.unlink()
    for path in site.wiring.cache.files.rglob("fill-300x300_q75.jpg"):
        path.unlink()
    again = site.get(f"{place}/x300.jpg")
    assert (again.status, again.body, again["etag"]) == (200, first.body, first["etag"])
    assert "encode=" not in site.misses()[-1]


@pytest.mark.feature(112, 113, 114)
def test_an_original_is_taken_by_its_url(site: Site, web: str) -> None:
    content = jpeg(320, 240, seed=15)
    Handler.pages |= {"/Photo.jpg": content, "/photo.jpg": jpeg(16, 16), "/large.jpg": bytes(MOST_BYTES + 1), "/page.html": b"<html>"}
    answered = post(site, f"/p?source={web}/Photo.jpg&outputs=w100.jpg")
    assert (answered.status, told(answered)["width"]) == (200, 320)
    assert size(site.get(f"{directory(content)}/w100.jpg")) == (100, 75)
    before = site.cached()
    refusals = {
        f"{web}/absent.jpg": 404, f"{web}/large.jpg": 413, f"{web}/page.html": 415, f"{web}/slow.jpg": 504,
        "http://169.254.169.254/latest": 403, "http://10.1.2.3/a.jpg": 403, "file:///etc/passwd": 403, "ftp://example.net/a.jpg": 403,
    }  # fmt: skip
    for source, status in refusals.items():
        refused = post(site, f"/p?source={source}&outputs=w100.jpg")
        assert (refused.status, list(told(refused))) == (status, ["error"]), source
    assert "10.1.2.3" not in post(site, "/p?source=http://10.1.2.3/a.jpg").body.decode()
    assert (site.cached(), site.left_over()) == (before, [])


@pytest.mark.feature(111)
def test_a_form_will_do(site: Site) -> None:
    content = jpeg(64, 48, seed=16)
    part = 'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: text/html\r\n\r\n'
    body = b"--XYZ\r\n" + part.encode() + content + b"\r\n--XYZ--\r\n"
    form = AUTHORIZED | {"Content-Type": "multipart/form-data; boundary=XYZ"}
    answered = post(site, "/p", body, form)
    assert (answered.status, told(answered)["content_type"]) == (200, "image/jpeg")
    assert site.get(f"{directory(content)}/original").body == content
    twice = b"--XYZ\r\n" + part.encode() + content + b"\r\n" + body
    for broken in (b"--XYZ--\r\n", b"nothing of a form", twice):
        assert post(site, "/p", broken, form).status == 400
    assert site.left_over() == []


@pytest.mark.feature(126)
def test_process_makes_what_is_missing(site: Site) -> None:
    content = jpeg(640, 480, seed=17)
    assert post(site, "/p?outputs=x300.jpg", content).status == 200
    place = directory(content)
    answered = post(site, f"{place}/process?outputs=x300.jpg,w200.jpg")
    assert (answered.status, answered.body) == (200, b"")
    assert site.wiring.stores["far"].facts(f"{place[1:]}/w200.jpg")
    expected = {"": 400, "?outputs=": 400, "?outputs=x300.bmp": 404, "?outputs=random.jpg": 404, "?output=x300.jpg": 400}
    for query, status in expected.items():
        assert post(site, f"{place}/process{query}").status == status, query
    absent = directory(b"nothing of the kind")
    assert post(site, f"{absent}/process?outputs=x300.jpg").status == 404


@pytest.mark.feature(127, 129)
def test_side_files_are_stored_shown_harmlessly_and_replaced(site: Site) -> None:
    content = jpeg(64, 48, seed=18)
    post(site, "/p", content)
    place = directory(content)
    assert site.get(f"{place}/test.txt").status == 404
    answered = post(site, f"{place}/test.txt", b"first")
    assert (answered.status, answered.body, answered["content-type"]) == (200, b"{}\n", JSON)
    post(site, f"{place}/page.html", b"<script>alert(1)</script>")
    post(site, f"{place}/logo.html", encoded(picture(8, 8), "PNG"))
    for name, mime in (("page.html", "text/plain; charset=utf-8"), ("logo.html", "image/png")):
        miss, hit = site.get(f"{place}/{name}"), site.get(f"{place}/{name}")
        assert (miss.status, miss["content-type"], miss["content-security-policy"]) == (200, mime, "sandbox; default-src 'none'")
        assert (miss.comparable(), hit["x-onmiss"]) == (hit.comparable(), "")
        assert "immutable" not in hit["cache-control"]
    assert (site.get(f"{place}/test.txt").body, post(site, f"{place}/test.txt", b"2nd..").status) == (b"first", 200)
    assert site.get(f"{place}/test.txt").body == b"2nd.."
    for name, status in (("original", 403), ("info.json", 403), ("x200.jpg", 403), ("x200.bmp", 403), (".hidden", 400), ("a~b", 400)):
        assert post(site, f"{place}/{name}", b"evil").status == status, name
    assert post(site, f"{place}/empty.txt", b"").status == 400
    assert post(site, f"{directory(b'nothing')}/test.txt", b"text").status == 404
    assert site.get(f"{place}/original").body == content


@pytest.mark.feature(128)
def test_a_batch_makes_renditions_of_many_in_the_background(site: Site) -> None:
    contents = [jpeg(64 + number, 48, seed=30 + number) for number in range(3)]
    for content in contents:
        assert post(site, "/p", content).status == 200
    names = [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in contents]
    asked = "\n".join([*names, "0" * 32, "no hash"]).encode()
    begun = post(site, "/p/batch?outputs=w20.jpg,x30.webp", asked)
    job = told(begun)["job_id"]
    assert (begun.status, list(told(begun))) == (200, ["job_id"])
    answers: list[Answered] = []

    def is_done() -> bool:
        answers.append(ask(site.service_port, f"/p/batch/{job}", "GET", {}))
        return answers[-1].status != 202

    wait_until(is_done, 20, "a batch")
    for answer in answers[:-1]:
        assert (told(answer)["job_id"], told(answer)["total"]) == (job, 5)
    assert (answers[-1].status, answers[-1]["content-type"]) == (200, "text/tab-separated-values; charset=UTF-8")
    lines = [line.split("\t") for line in answers[-1].body.decode().splitlines()]
    base = f"http://127.0.0.1:{site.port}"
    for number, (name, content) in enumerate(zip(names, contents, strict=True)):
        assert lines[number] == [name, f"{base}{directory(content)}/original", str(64 + number), "48"]
    assert [(line[0], line[1][:7]) for line in lines[3:]] == [("0" * 32, "error: "), ("no hash", "error: ")]
    before = len(site.misses())
    assert size(site.get(f"{directory(contents[0])}/w20.jpg")) == (20, 15)
    assert len(site.misses()) == before
    assert ask(site.service_port, f"/q/batch/{job}", "GET", {}).status == 404
    refused = [("", asked, 400), ("?outputs=x30.jpg", b"", 400), ("?outputs=x30.jpg", b"nothing\n", 400), ("?outputs=x3.bmp", asked, 404)]
    for query, body, status in refused:
        assert post(site, f"/p/batch{query}", body).status == status, (query, body)


@pytest.mark.feature(123, 124, 129)
def test_what_cannot_be_asked_for_is_refused_and_nothing_is_rendered(site: Site) -> None:
    content = jpeg(640, 480, seed=19)
    post(site, "/q", content, {"Authorization": f"Bearer {OF_Q}"})
    place = directory(content, "q")
    before = site.cached()
    expected = {"x200.bmp": 404, "x200.png": 404, "random.jpg": 404, "w5000.jpg": 422, "x200-q101.jpg": 400, "x0200.jpg": 400}
    for name, status in expected.items():
        answer = site.get(f"{place}/{name}")
        assert answer.status == status, name
    assert site.get(f"{place}/x200.bmp").body == b"404 image not available. Not Found\n"
    assert json.loads(site.get(f"{place}/w5000.jpg").body)["error"].startswith("expected at most 1000 pixels a side")
    assert site.cached() == before


@pytest.mark.feature(130)
def test_namespaces_are_apart_and_made_on_first_use(site: Site) -> None:
    content = jpeg(64, 48, seed=20)
    assert post(site, "/p", content).status == 200
    for space in ("q", "brand-new", "never"):
        assert site.get(f"{directory(content, space)}/w20.jpg").status == 404
    assert post(site, "/brand-new?outputs=w20.jpg", content).status == 200
    assert size(site.get(f"{directory(content, 'brand-new')}/w20.jpg")) == (20, 15)
    assert site.get(f"/i/brand-new/{hashlib.md5(content, usedforsecurity=False).hexdigest()}/fit-10x10_q75.jpg").status == 200
    assert "brand-new" in list(site.config.namespaces_built())
    assert "never" not in list(site.config.namespaces_built())
    for space in ("purge", "batch", "huimages", "Upper", "a.b", "x" * 65):
        assert post(site, f"/{space}", content).status in (400, 404), space


def test_one_namespace_too_many_is_refused_before_anything_is_stored(site: Site) -> None:
    content, record = jpeg(64, 48, seed=31), site.root / "namespaces"
    assert post(site, "/made-before", content).status == 200
    others = [record / f"other-{number}" for number in range(MOST_MADE)]
    for path in others:
        path.touch()
    try:
        refused = post(site, "/one-too-many", content)
        assert (refused.status, list(told(refused))) == (403, ["error"])
        assert [post(site, path, content).status for path in ("/made-before", "/p")] == [200, 200]
    finally:
        for path in others:
            path.unlink()
    assert site.get(f"{directory(content, 'one-too-many')}/w20.jpg").status == 404


@pytest.mark.feature(170)
def test_every_write_needs_a_token_and_reads_need_none(site: Site) -> None:
    content = jpeg(64, 48, seed=21)
    place = directory(content)
    writes = ["/p", "/p?source=http://127.0.0.1/", "/q", "/new-one", f"{place}/process?outputs=x20.jpg", f"{place}/a.txt"]
    for path in (*writes, "/p/batch?outputs=x20.jpg"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            answered = post(site, path, content, headers)
            assert (answered.status, answered["www-authenticate"]) == (401, "Bearer"), path
    mine = {"Authorization": f"Bearer {OF_Q}"}
    assert [post(site, path, content, mine).status for path in ("/p", "/new-one", "/q")] == [403, 403, 200]
    assert site.get(f"{directory(content, 'q')}/x20.jpg").status == 200
    assert site.get(f"{place}/x20.jpg").status == 404


def test_bad_bodies_have_honest_statuses_and_leave_nothing(site: Site) -> None:
    before = site.cached()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    short = jpeg(640, 480, seed=24)[:-4000]
    bodies = {b"": 400, b"GIF89a": 415, b"no picture at all": 415, svg: 415, short: 415, bytes(MOST_BYTES + 1): 413}
    for body, status in bodies.items():
        answered = post(site, "/p?outputs=x20.jpg", body, AUTHORIZED | {"Content-Type": "image/svg+xml"})
        assert (answered.status, list(told(answered))) == (status, ["error"]), body[:20]
    assert (post(site, "/p", short).status, site.get(f"{directory(short)}/original").status) == (415, 404)
    assert post(site, "/p?outputs=x20.bmp", jpeg(seed=22)).status == 404
    assert post(site, "/p?outputs=w5000.jpg", jpeg(seed=22)).status == 422
    assert post(site, "/p?putouts=x20.jpg", jpeg(seed=22)).status == 400
    assert site.left_over() == []
    assert [path for path in site.cached() if path not in before and "+info" not in path] == []


def test_methods_and_names_that_are_none_are_told_so_in_json(site: Site) -> None:
    place = directory(jpeg(64, 48, seed=25))
    for path in ("/p", "/p/batch", f"{place}/notes.txt"):
        for method in ("PUT", "DELETE", "PATCH"):
            answered = ask(site.service_port, path, method, AUTHORIZED)
            assert (answered.status, answered["allow"], list(told(answered))) == (405, "POST", ["error"]), (method, path)
    unknown = [ask(site.service_port, path, "GET") for path in ("/p/batch/none", "/nowhere-yet/batch/none")]
    assert [(answered.status, list(told(answered))) for answered in unknown] == [(404, ["error"])] * 2
    job = ask(site.service_port, "/p/batch/00000000-0000-0000-0000-000000000000", "DELETE", AUTHORIZED)
    assert (job.status, job["allow"], list(told(job))) == (405, "GET, HEAD", ["error"])
    many = post(site, "/p?" + "&".join(f"a{number}=1" for number in range(11)))
    assert (many.status, list(told(many))) == (400, ["error"])


def test_what_fails_by_a_fault_of_ours_is_json_too_and_tells_nothing(site: Site) -> None:
    scratch = Path(site.config.cache.root) / "tmp"
    away = scratch.rename(scratch.with_name("tmp away"))
    try:
        scratch.touch()
        answered = post(site, "/p", jpeg(64, 48, seed=26))
    finally:
        scratch.unlink()
        away.rename(scratch)
    assert (answered.status, told(answered), answered["cache-control"]) == (500, {"error": "internal error"}, "no-store")
    assert "Traceback" in site.log.read_text()
    assert post(site, "/p", jpeg(64, 48, seed=26)).status == 200


def test_a_store_that_hangs_has_neither_all_threads_nor_whoever_waits_for_it(tmp_path: Path, rclone_server: S3Server) -> None:
    slow = {"serve": {"threads": 8, "waiting": 4, "waiting_per_original": 2, "wait_seconds": 1, "socket": "s"}}  # so three may write
    stuck, another, fine = (jpeg(64, 48, seed=seed) for seed in (27, 28, 29))
    with s3_faults(rclone_server) as s3, running(tmp_path, tree(s3.server) | slow, ENVIRON) as site, ThreadPoolExecutor(2) as clients:
        hanging = hang()
        s3.fault = always(hanging, asks("PUT"))
        first = clients.submit(post, site, "/p", stuck)
        wait_until(lambda: hanging.held == 1)
        assert post(site, "/p", stuck).status == 503  # it waited for the first, but not for ever
        second = clients.submit(post, site, "/p", another)
        wait_until(lambda: hanging.held == 2)
        refused = post(site, "/p", jpeg(64, 48, seed=30))
        assert (refused.status, refused["retry-after"], list(told(refused))) == (503, "5", ["error"])
        assert post(site, "/q?outputs=w20.jpg", fine).status == 200
        assert site.get(f"{directory(fine, 'q')}/w30.jpg").status == 200
        assert hanging.held == 2
        hanging.release()
        assert [client.result(10).status for client in (first, second)] == [200, 200]


def test_who_asks_the_service_host_for_a_picture_is_sent_to_the_images_host(site: Site) -> None:
    content = jpeg(64, 48, seed=23)
    post(site, "/p", content)
    answered = ask(site.service_port, f"{directory(content)}/w20.jpg", "GET", {}, b"")
    assert (answered.status, answered["location"]) == (307, f"http://127.0.0.1:{site.port}{directory(content)}/w20.jpg")
