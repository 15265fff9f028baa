"""What image-server did wrong, G-B1 to G-B21 of the specification, each from the outside: nginx, renderer, a real S3 and a real web site.

The S3 stands behind a proxy that counts and misbehaves, and has objects of before: whoever wrote them is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from renderer.config import Config
from renderer.errors import ConfigError
from renderer.pruning.recency import manners
from renderer.wiring import Wiring
from tests.counting import read, value
from tests.e2e.conftest import MakeSite
from tests.e2e.site import Answer, Site, encoded, jpeg, picture, running
from tests.e2e.test_imageserver import AUTHORIZED, ENVIRON, MOST_BYTES, directory, post, told
from tests.e2e.test_up import onmiss
from tests.faults import Asked, always, asks, truncate
from tests.nginx.asking import Answered, ask, send, spelled
from tests.picture.profiles import ADOBE_RGB, inks_profile, matrix_profile
from tests.s3_faults import S3Faults, s3_faults
from tests.servers import BUCKET, run_rclone
from tests.waiting import wait_until

OLD = jpeg(800, 600, seed=901)  # image-server took it in, and made more of it than a listing shows at once
LESSER_OLD = jpeg(80, 60, seed=902)  # of this one less
MANY = 1005
BASE = "images"  # its remote_base_path


@dataclass
class Pages:
    """A web site. `content`: path to bytes, or to a place to go instead; `short`: paths whose bodies end too early; below /slow nothing
    ever comes.
    """

    content: dict[str, bytes | str] = field(default_factory=dict)
    short: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    leaving: threading.Event = field(default_factory=threading.Event)
    url: str = ""


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages.asked.append(self.path)
            if self.path.startswith("/slow"):
                pages.leaving.wait(30)
            found = pages.content.get(self.path)
            self.send_response(404 if found is None else 302 if isinstance(found, str) else 200)
            body = found if isinstance(found, bytes) else b""
            if isinstance(found, str):
                self.send_header("Location", found)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asks goes away when it is too much
                self.wfile.write(body[: len(body) // 2] if self.path in pages.short else body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    return Handler


@contextmanager
def serving_pages() -> Iterator[Pages]:
    pages = Pages()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pages))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    pages.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield pages
    finally:
        pages.leaving.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def web() -> Iterator[Pages]:
    with serving_pages() as pages:
        yield pages


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Faults]:
    """As image-server left it: one original with more than a thousand renditions, and another with neighbours whose names begin alike."""
    root = tmp_path_factory.mktemp("rclone")
    bucket, many, few = root / "served" / BUCKET, directory(OLD), directory(LESSER_OLD)
    objects = {f"{BASE}{many}/w{number + 1}-q1.jpg": b"of another program" for number in range(MANY)}
    objects |= {f"{BASE}{few}/w20.jpg": b"likewise", f"{BASE}{few}0/original": LESSER_OLD, f"{BASE}-2{few}/original": LESSER_OLD}
    for name, content in (objects | {f"{BASE}{many}/original": OLD, f"{BASE}{few}/original": LESSER_OLD}).items():
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
        (bucket / name).write_bytes(content)
    with _rclone(root) as proxy:
        yield proxy


@contextmanager
def _rclone(root: Path) -> Iterator[S3Faults]:
    (root / "served" / BUCKET).rename(root / "laid")  # the server makes the directory itself, and must not have looked into it
    with run_rclone(root) as server:
        for folder in (root / "laid").iterdir():
            folder.rename(root / "served" / BUCKET / folder.name)
        with s3_faults(server) as proxy:
            yield proxy


@pytest.fixture(scope="module")
def statsd() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(10)
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, s3: S3Faults, statsd: socket.socket) -> Iterator[Site]:
    """p is in S3, with its renditions; q and r are on this disk and nowhere else. Each test has pictures of its own."""
    tree = {
        "stores": {"disk": {"kind": "file"}, "far": {"kind": "s3", **s3.server.settings(prefix=f"{BASE}/")}},
        "namespaces": {
            "p": {"naming": "md5", "store": "far", "renditions": "far", "originals": "as-is", "local_copy": "4KB"},
            "q": {"naming": "md5", "originals": "as-is"},
            "r": {"naming": "md5", "quota": "12KiB"},
        },
        "limits": {"max_original_bytes": MOST_BYTES, "max_side_out": 1000},
        "fetch": {"private_networks": ["127.0.0.1/32"], "seconds": 1},
        "statsd": {"enabled": True, "port": statsd.getsockname()[1]},
    }
    with running(tmp_path_factory.mktemp("site"), tree, ENVIRON) as site:
        yield site


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def metrics(site: Site) -> dict[str, Any]:
    return read(ask(site.admin_port, "/metrics").body.decode())


def taken(site: Site, content: bytes, space: str = "p", outputs: str = "") -> str:
    """The URL of its directory."""
    answered = post(site, f"/{space}" + (f"?outputs={outputs}" if outputs else ""), content)
    assert answered.status == 200, answered.body
    return directory(content, space)


def encoded_of(site: Site, place: str) -> int:
    """How many renditions of one original were made at misses."""
    name = place.rpartition("/")[2]
    return sum(name in line and "encode=" in line for line in site.misses())


def expected_empty(site: Site) -> None:
    """Nothing is left of what failed."""
    wait_until(lambda: site.left_over() == [], 10, "an empty tmp")


def test_GB1_the_pruner_never_takes_an_original_that_has_no_other_home(site: Site, s3: S3Faults) -> None:
    here, far = taken(site, jpeg(400, 300, seed=1), "q"), taken(site, jpeg(400, 300, seed=2, quality=95), "p")
    [original] = (site.root / "originals").rglob(f"{here.rpartition('/')[2]}/original")
    os.utime(original, (0, 0))
    assert {site.get(f"{place}/w100.jpg").status for place in (here, far)} == {200}
    s3.server.client().delete_object(Bucket=BUCKET, Key=f"{BASE}{far}/original")
    for _ in range(3):
        site.wiring.pruner_within({"max_bytes": 1, "min_age": 0, "max_age": 0.001}).run()
    assert [path for path in site.cached() if "w100" in path] == []
    assert [site.get(f"{place}/w90.jpg").picture().size for place in (here, far)] == [(90, 68)] * 2


def test_GB2_the_pruner_survives_an_absent_directory_and_keeps_what_is_used(site: Site, make_site: MakeSite) -> None:
    bare = make_site()
    for absent in (bare.wiring.cache.files, bare.wiring.copies, bare.wiring.cache.root):
        shutil.rmtree(absent, ignore_errors=True)
        assert Wiring(bare.config).pruner_within({"max_bytes": 1}).run().scanned == 0
    if not manners(site.root).sees_visits:
        pytest.skip("expected a file system that keeps access times as relatime does")
    place = taken(site, jpeg(seed=91), "r")
    names = [f"w{side}.jpg" for side in (40, 50, 60, 70)]
    assert {site.get(f"{place}/{name}").status for name in names} == {200}
    files = {name: next(site.wiring.cache.files.rglob(f"r/**/~={name}")) for name in names}
    for file in files.values():  # all of them are from long ago, as image-server took it, and were not read lately
        os.utime(file, ns=(0, file.stat().st_mtime_ns))
    wait_until(lambda: site.get(f"{place}/w40.jpg").status == 200 and _is_visited(files["w40.jpg"]), 10, "a reading that shows")
    wait_until(lambda: site.wiring.pruner_within({"min_age": 0}).run() and sum(file.exists() for file in files.values()) < 3, 10, "room")
    assert files["w40.jpg"].exists()


def _is_visited(file: Path) -> bool:
    status = file.stat()
    return status.st_atime_ns > status.st_ctime_ns


@pytest.mark.feature(113, 114)
def test_GB3_a_source_may_lead_to_nobodys_network_and_is_bounded_in_size_and_time(site: Site, web: Pages) -> None:
    port = web.url.rpartition(":")[2]
    web.content |= {"/in.jpg": jpeg(seed=3), "/large.jpg": bytes(MOST_BYTES + 1), "/loop": "/loop"}
    web.content |= {"/hop": f"http://127.0.0.2:{port}/in.jpg", "/meta": "http://169.254.169.254/latest/", "/file": "file:///etc/passwd"}
    before, asked = site.cached(), len(web.asked)
    refused = [f"http://127.0.0.2:{port}/in.jpg", f"http://[::1]:{port}/in.jpg", f"http://2130706434:{port}/in.jpg"]
    refused += [f"http://0x7f.2:{port}/in.jpg", "http://169.254.169.254/", "http://10.0.0.1/", "file:///etc/passwd", "gopher://a/b"]
    for source in refused:
        assert post(site, f"/p?source={source}").status == 403, source
    assert len(web.asked) == asked
    for path, status in {"/hop": 403, "/meta": 403, "/file": 403, "/loop": 502, "/large.jpg": 413, "/slow": 504}.items():
        answered = post(site, f"/p?source={web.url}{path}")
        assert (answered.status, list(told(answered))) == (status, ["error"]), path
    assert site.cached() == before
    expected_empty(site)


def test_GB4_urls_that_differ_in_case_or_scheme_are_two_and_nothing_of_them_is_remembered(site: Site, web: Pages) -> None:
    upper, lower = jpeg(30, 20, seed=4), jpeg(20, 30, seed=5)
    web.content |= {"/Photo.JPG": upper, "/photo.jpg": lower}
    hashes = [told(post(site, f"/p?source={web.url}/{name}"))["hash"] for name in ("Photo.JPG", "photo.jpg")]
    assert hashes == [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in (upper, lower)]
    web.content["/photo.jpg"] = upper
    assert told(post(site, f"/p?source={web.url}/photo.jpg"))["hash"] == hashes[0]
    assert post(site, f"/p?source={web.url.replace('http:', 'https:')}/photo.jpg").status == 502  # nobody speaks TLS there


@pytest.mark.feature(123, 129)
def test_GB5_a_name_that_nobody_stored_renders_nothing_and_no_odd_coder_is_reached(site: Site, s3: S3Faults) -> None:
    place = taken(site, jpeg(seed=6))
    known = site.get(f"{place}/info.json").body
    wait_until(lambda: s3.puts(f"{BASE}{place}/info.json") == 1, 10, "what is known, in the store")
    before, encodes = site.cached(), encoded_of(site, place)
    for name in ("random.jpg", "x200.json", "x200.html", "x200.mvg", "x200.pdf", "x200.svg", "x200.JPG", "info.JSON", "x200", "jpg"):
        assert site.get(f"{place}/{name}").status == 404, name
        assert post(site, f"{place}/process?outputs={name}").status == 404, name
    for name in ("text:x200.jpg", "%7Cid.jpg", "x200.jpg%00.png", "..%2Foriginal", "x99999999.jpg", "x-200.jpg", "x200-q.jpg"):
        assert site.get(f"{place}/{name}").status in (400, 404, 422), name
    assert (site.cached(), encoded_of(site, place)) == (before, encodes)
    assert site.get(f"{place}/info.json").body == known
    assert {seen.key.rpartition("/")[2] for seen in s3.seen if seen.method == "PUT" and place in seen.key} == {"original", "info.json"}


@pytest.mark.feature(127, 170)
def test_GB6_nobody_replaces_an_original_and_strangers_write_nothing(site: Site) -> None:
    content = jpeg(seed=7)
    place = taken(site, content)
    for name in ("original", "info.json", "w200.jpg", "full_size.png"):
        assert post(site, f"{place}/{name}", b"evil").status == 403
    for path in ("/p", f"{place}/note.txt", f"{place}/process?outputs=w20.jpg", "/p/batch?outputs=w20.jpg"):
        assert post(site, path, b"evil", {}).status == 401
    assert (site.get(f"{place}/original").body, json.loads(site.get(f"{place}/info.json").body)["width"]) == (content, 640)


@pytest.mark.feature(114)
def test_GB7_no_body_is_longer_than_the_limit(site: Site) -> None:
    place, before = taken(site, jpeg(seed=8)), site.cached()
    for path in ("/p", "/q", f"{place}/note.txt"):
        assert post(site, path, bytes(MOST_BYTES + 1)).status == 413
    announced = spelled("/p", "POST", AUTHORIZED | {"Content-Length": str(10**12)})
    assert send(site.service_port, announced, "POST").status == 413
    assert site.cached() == before
    expected_empty(site)


def test_GB8_what_ends_too_early_is_refused_and_no_reader_sees_a_part(site: Site, s3: S3Faults, web: Pages) -> None:
    content = jpeg(1600, 1200, seed=9, quality=95)
    web.content["/short.jpg"] = content
    web.short.add("/short.jpg")
    assert post(site, f"/p?source={web.url}/short.jpg").status == 502
    assert post(site, "/p?outputs=w20.jpg", content[: len(content) // 2]).status == 415
    with socket.create_connection(("127.0.0.1", site.service_port), timeout=20) as connection:
        connection.sendall(spelled("/p", "POST", AUTHORIZED | {"Content-Length": str(len(content))}) + content[:5000])
    assert site.get(f"{directory(content)}/w100.jpg").status == 404
    other = jpeg(1600, 1200, seed=92, quality=95)  # that nobody was told is not there
    far = directory(other)
    s3.server.client().put_object(Bucket=BUCKET, Key=f"{BASE}{far}/original", Body=other)
    s3.fault = always(truncate(9000), asks("GET", "/original"))
    try:
        assert {site.get(f"{far}/w{side}.jpg").status for side in (300, 301)} <= {502, 503}
    finally:
        s3.fault = None
    wait_until(lambda: site.get(f"{far}/w300.jpg").status == 200, 30, "the store's answer")
    answers = at_once(16, lambda _: site.get(f"{far}/1000x900.png"))
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert answers[0].picture().size == (1000, 900)
    expected_empty(site)


def test_GB9_everybody_gets_an_answer_also_where_it_is_a_failure(site: Site, s3: S3Faults) -> None:
    broken = jpeg(640, 480, seed=10)[:3000]
    place = directory(broken)
    s3.server.client().put_object(Bucket=BUCKET, Key=f"{BASE}{place}/original", Body=broken)
    noops = "image_server_processing_version_noop_total"
    before = value(metrics(site), noops, namespace="p", format="webp")
    for _ in range(2):
        assert {site.get(f"{place}/x{side}.webp").status for side in (20, 30)} == {415}
        assert {answer.status for answer in at_once(24, lambda _: site.get(f"{place}/x40.webp"))} == {415}
    assert {answer.status for answer in at_once(24, lambda _: site.get(f"{directory(b'nothing')}/x40.webp"))} == {404}
    assert value(metrics(site), noops, namespace="p", format="webp") == before
    good = taken(site, jpeg(640, 480, seed=11))
    answers = at_once(24, lambda number: site.get(f"{good}/x{50 + number % 2}.webp"))
    assert [answer.status for answer in answers] == [200] * 24
    assert len({answer.body for answer in answers}) == 2
    assert encoded_of(site, good) == 2
    assert site.load()["requests"]["waiting"] == 0


def test_GB10_requests_right_at_the_start_are_answered(site: Site) -> None:
    content, statuses, stopping = jpeg(seed=12), [], threading.Event()

    def knock() -> None:
        while not stopping.is_set():
            statuses.append(post(site, "/p?outputs=w20.jpg", content).status)

    site.stop_renderer()
    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        site.start_renderer()
        wait_until(lambda: statuses.count(200) > 2 or set(statuses) - {200, 503}, 20, "somebody who opens")
    finally:
        stopping.set()
        knocking.join()
    assert set(statuses) <= {200, 503}
    assert statuses == sorted(statuses, reverse=True)  # once it answers, it answers
    assert site.get(f"{directory(content)}/w20.jpg").picture().size == (20, 15)


def test_GB11_each_failure_has_a_status_of_its_own(site: Site, s3: S3Faults) -> None:
    place = taken(site, jpeg(seed=13))
    reads = {"x0.jpg": 400, "x20-q101.jpg": 400, "w5000.jpg": 422, "never.txt": 404, "x20.bmp": 404}
    assert {name: site.get(f"{place}/{name}").status for name in reads} == reads
    writes: dict[tuple[str, bytes], int] = {
        ("/p", b""): 400, ("/p", b"no picture"): 415, ("/p?outputs=w5000.jpg", jpeg()): 422, ("/p?what=1", jpeg()): 400,
        ("/unknown", jpeg()): 404, ("/p?source=http://10.0.0.1/", b""): 403, (f"{directory(b'never')}/process?outputs=x20.jpg", b""): 404,
    }  # fmt: skip
    for (path, body), status in writes.items():
        answered = post(site, path, body)
        assert (answered.status, list(told(answered))) == (status, ["error"]), path
        assert answered["cache-control"] in ("no-store", "max-age=10"), path
    other = jpeg(seed=14)
    s3.server.client().put_object(Bucket=BUCKET, Key=f"{BASE}{directory(other)}/original", Body=other)
    s3.stop()
    try:
        down: list[Answer | Answered] = [post(site, "/p", jpeg(seed=15)), site.get(f"{directory(other)}/w30.jpg")]
    finally:
        s3.start()
    assert [(answer.status, answer["cache-control"], answer["retry-after"] != "") for answer in down] == [(503, "no-store", True)] * 2
    wait_until(lambda: site.get(f"{directory(other)}/w30.jpg").status == 200, 30, "the store's answer")


@pytest.mark.feature(115, 125, 126)
def test_GB12_what_was_made_is_uploaded_once(site: Site, s3: S3Faults) -> None:
    content = jpeg(640, 480, seed=16)
    for _ in range(2):
        place = taken(site, content, outputs="x300.jpg,w200.webp")
    assert post(site, f"{place}/process?outputs=x300.jpg,w200.webp").status == 200
    for name in ("x300.jpg", "w200.webp", "info.json", "original", "w50.jpg"):
        assert site.get(f"{place}/{name}").status == 200
    wait_until(lambda: s3.puts(f"{BASE}{place}/w50.jpg") == 1, 10, "an upload after the answer")
    stored = {key.rpartition("/")[2]: count for key, count in s3.stored().items() if place in key}
    assert stored == dict.fromkeys(("original", "info.json", "x300.jpg", "w200.webp", "w50.jpg"), 1)


def test_GB13_no_object_gets_an_access_rule(site: Site, s3: S3Faults) -> None:
    heard: list[tuple[str, bool]] = []

    def hear(asked: Asked) -> None:
        rules = [name for name in asked.headers if name.lower() == "x-amz-acl" or name.lower().startswith("x-amz-grant")]
        heard.append((asked.method, bool(rules) or "acl" in asked.query))

    s3.before = hear
    try:
        place = taken(site, jpeg(seed=17), outputs="w20.jpg")
        assert post(site, f"{place}/note.txt", b"text").status == 200
    finally:
        s3.before = None
    assert [method for method, _ in heard].count("PUT") == 4
    assert not any(is_ruled for _, is_ruled in heard)


def test_GB14_an_empty_body_leaves_nothing(site: Site, s3: S3Faults) -> None:
    before, puts = site.cached(), s3.stored()
    assert [post(site, path, b"").status for path in ("/p", "/q", "/p?outputs=w20.jpg", "/p?source=")] == [400] * 4
    empty = directory(b"")
    assert site.get(f"{empty}/original").status == 404
    assert (site.cached(), s3.stored()) == (before, puts)
    assert not list((site.root / "originals").rglob(f"{empty.rpartition('/')[2]}*"))
    expected_empty(site)


def test_GB15_orientation_colours_and_movement_survive(site: Site) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = taken(site, jpeg(400, 200, seed=18, exif=exif.tobytes()))
    assert site.get(f"{turned}/w100.jpg").picture().size == (100, 200)
    assert json.loads(site.get(f"{turned}/info.json").body)["height"] == 400
    plain, vivid = Image.new("RGB", (64, 64), (200, 60, 60)), matrix_profile(ADOBE_RGB, gamma=2.2)
    shown = site.get(f"{taken(site, encoded(plain, 'PNG', icc_profile=vivid))}/x64.png").picture().convert("RGB").getpixel((9, 9))
    assert isinstance(shown, tuple)
    assert shown[0] > 225  # what Adobe RGB calls 200 is a stronger red
    press = inks_profile((128, 128 + 60, 128 + 30))
    inks = encoded(Image.new("CMYK", (64, 64), (255, 0, 0, 0)), "JPEG", icc_profile=press)
    printed = site.get(f"{taken(site, inks)}/x64.jpg").picture()
    assert (printed.mode, printed.format) == ("RGB", "JPEG")
    frames = [picture(64, 48, seed) for seed in (1, 2, 3)]
    moving = taken(site, encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0))
    shown_frames = [getattr(site.get(f"{moving}/w32.{form}").picture(), "n_frames", 1) for form in ("gif", "webp", "jpg")]
    assert shown_frames == [3, 3, 1]


def test_GB16_svg_is_refused_and_never_scaled_without_end(site: Site, web: Pages) -> None:
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'
    web.content["/a.svg"] = svg
    for kind in ({}, {"Content-Type": "image/svg+xml"}):
        assert post(site, "/q?outputs=x300.jpg", svg, AUTHORIZED | kind).status == 415
    assert post(site, f"/q?source={web.url}/a.svg").status == 415
    place = taken(site, jpeg(seed=19), "q")
    assert post(site, f"{place}/a.svg", svg).status == 200  # a file beside it, for who wants one: text, and harmless
    answer = site.get(f"{place}/a.svg")
    assert (answer["content-type"], answer["content-security-policy"]) == ("text/plain; charset=utf-8", "sandbox; default-src 'none'")


def test_GB17_no_host_serves_the_working_directory_nor_downloads(site: Site, web: Pages) -> None:
    web.content["/secret.jpg"] = jpeg(seed=20)
    assert post(site, f"/q?source={web.url}/secret.jpg").status == 200
    name = hashlib.md5(f"{web.url.removeprefix('http://')}/secret.jpg".encode(), usedforsecurity=False).hexdigest()
    files = [path.relative_to(site.root).as_posix() for path in site.root.rglob("*") if path.is_file()]
    chosen = {Path(path).name: path for path in files if "originals/" in path or "/" not in path or "files/" in path}
    assert {"onmiss.yaml", "renderer.log", "nginx.conf"} <= set(chosen)
    paths = [f"/{path}" for path in chosen.values()] + [f"/tmp/{name}", "/tmp/", "/public/", "/originals/", "/cache/", "/etc/passwd"]
    paths += ["/p/", "/q", directory(OLD) + "/", "/public" + directory(OLD) + "/original", "//onmiss.yaml", "/./onmiss.yaml"]
    for path in paths:
        answers = [ask(port, path) for port in (site.port, site.service_port, site.admin_port)]
        assert [answer.status for answer in answers if answer.status not in (400, 404, 405)] == [], path
        assert not any(b"onmiss.sock" in answer.body or b"tokens" in answer.body for answer in answers), path


def test_GB18_what_may_be_kept_is_said(site: Site) -> None:
    place = taken(site, jpeg(seed=21))
    post(site, f"{place}/note.txt", b"text")
    names = ("w20.jpg", "original", "info.json", "note.txt", "x0.jpg", "w21.bmp")
    said = [site.get(f"{place}/{name}")["cache-control"] for name in names]
    ever, short = "public, max-age=31536000, immutable", "public, max-age=60, stale-while-revalidate=600"
    assert said == [ever, ever, short, short, "no-store", "max-age=10"]


@pytest.mark.feature(134)
def test_GB19_statsd_has_the_promised_names_and_true_milliseconds(site: Site, statsd: socket.socket) -> None:
    total = "image_server_request_latency_seconds_sum"
    _heard_until(statsd, site, "image_server.new_image.request_count:1|c", jpeg(seed=22))
    before = value(metrics(site), total, handler="new_image")
    lines = _heard_until(statsd, site, "image_server.new_image.request_latency:", jpeg(seed=23))
    seconds = value(metrics(site), total, handler="new_image") - before
    versions = ("processing.version.ok_count", "processing.version.ok.jpg_count", "image_request", "image_request.jpg")
    for name in ("new_image.request_count", *versions):
        assert f"image_server.{name}:1|c" in lines, name
    [timed] = [line for line in lines if ".new_image.request_latency:" in line]
    found = re.fullmatch(r"image_server\.new_image\.request_latency:([0-9.]+)\|ms", timed)
    assert found
    assert float(found[1]) == pytest.approx(seconds * 1000, rel=0.01)
    noops = "image_server_processing_versions_noop_total"
    before = value(metrics(site), noops, namespace="p")
    assert post(site, f"{directory(jpeg(seed=23))}/process?outputs=w20.jpg").status == 200
    assert value(metrics(site), noops, namespace="p") == before + 1


def _heard_until(statsd: socket.socket, site: Site, start: str, content: bytes) -> list[str]:
    """What is said of one picture that is taken in; before it, nothing is waiting to be heard."""
    statsd.setblocking(False)
    while True:
        try:
            statsd.recv(4000)
        except BlockingIOError:
            break
    statsd.settimeout(10)
    taken(site, content, outputs="w20.jpg")
    lines: list[str] = []
    while not any(line.startswith(start) for line in lines):
        lines += statsd.recv(4000).decode().split("\n")
    return lines


@pytest.mark.feature(79)
def test_GB20_the_command_line_works(site: Site) -> None:
    content = jpeg(800, 600, seed=24)
    place = taken(site, content)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    words = ("process", "--config", str(site.file), "--outputs", "x300.webp,w200.jpg", place)
    done = onmiss(site.root, *words, environ=dict(site.environ))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{digest}\thttp://127.0.0.1:{site.port}{place}/original\t800\t600\n"
    assert site.get(f"{place}/w200.jpg").picture().size == (200, 150)
    with pytest.raises(ConfigError, match="second"):  # what has no effect is no setting
        Config.load(site.file, site.root, {**site.environ, "ONMISS_FETCH__SECOND": "1"})


def test_GB21_more_than_a_thousand_neighbours_and_names_that_begin_alike(site: Site, s3: S3Faults) -> None:
    place = directory(OLD)
    store = site.wiring.stores["far"]
    assert sum(1 for _ in store.names(f"{place[1:]}/")) == MANY + 1
    assert site.get(f"{place}/x300-q5.jpg").picture().size == (300, 300)
    wait_until(lambda: s3.puts(f"{BASE}{place}/x300-q5.jpg") == 1, 10, "an upload after the answer")
    assert post(site, f"{place}/process?outputs=x300-q5.jpg,w999-q1.jpg").status == 200
    assert (s3.puts(f"{BASE}{place}/x300-q5.jpg"), s3.puts(f"{BASE}{place}/w999-q1.jpg")) == (1, 1)  # the second was another's
    gone = directory(LESSER_OLD)
    assert ask(site.service_port, f"/originals/p/{gone.removeprefix('/p/').replace('/', '')}", "DELETE", AUTHORIZED).status == 200
    assert list(store.names(f"{gone[1:]}/")) == []
    for key in (f"{BASE}{gone}0/original", f"{BASE}-2{gone}/original", f"{BASE}{place}/original"):
        assert s3.server.client().head_object(Bucket=BUCKET, Key=key)["ContentLength"] > 0
    assert site.get(f"{gone}/x300-q5.jpg").status == 410
