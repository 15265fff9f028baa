"""What the images host refuses by itself, and how: short, text/plain, nosniff, never cached for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nginx.asking import Answered, send
from tests.nginx.making import PICTURE
from tests.nginx.standing import Standing, settled, standing

ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"
URL = f"/75x75!/{ID}/title.jpeg"
FILE = f"huimages/VG/M/{ID}/~75x75!.jpeg"


def is_honest(answered: Answered) -> bool:
    """What every error has."""
    caching = "max-age=10" if answered.status == 404 else "no-store"
    headers = answered["content-type"], answered["x-content-type-options"], answered["cache-control"]
    return headers == ("text/plain; charset=utf-8", "nosniff", caching) and b"<" not in answered.body and len(answered.body) < 200


@pytest.mark.feature(39)
@pytest.mark.parametrize("body", [b"", b"abc"], ids=["no body", "a body"])
@pytest.mark.parametrize("there", [True, False], ids=["a hit", "a miss"])
@pytest.mark.parametrize("url", [URL, f"/i/huimages/{ID}/fit-1x1.jpg", f"/o/{ID}.jpeg", "/foo/bar", "/i/x", "/", "/robots.txt"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods_than_get_and_head_are_refused(site: Standing, method: str, url: str, there: bool, body: bytes) -> None:
    files = [site.plant(Path(FILE).with_name(name)) for name in ("~75x75!.jpeg", "fit-1x1.jpg", "original-scrubbed.jpg")] if there else []
    answered = site.ask(url, method, {"Content-Length": str(len(body))} if body else {}, body)
    for file in files:
        file.unlink()
    assert answered.status == 405
    assert answered["allow"] == "GET, HEAD, OPTIONS"
    assert is_honest(answered)


def test_options_says_what_other_pages_may_do(site: Standing) -> None:
    answered = site.ask(URL, "OPTIONS", {"Origin": "https://example.org", "Access-Control-Request-Method": "GET"})
    assert (answered.status, answered.body) == (204, b"")
    assert (answered["access-control-allow-origin"], answered["access-control-allow-methods"]) == ("*", "GET, HEAD")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"Content-Length": "5"}, b"12345", id="five bytes"),
        pytest.param({"Content-Length": "1"}, b"", id="one byte that never comes"),
        pytest.param({"Transfer-Encoding": "chunked"}, b"", id="chunks that never come"),
    ],
)
@pytest.mark.parametrize("url", [URL, f"/o/{ID}.jpeg", "/foo/bar", "/i/huimages/x/y"])
def test_a_body_is_refused_without_waiting_for_it(site: Standing, url: str, headers: dict[str, str], body: bytes) -> None:
    answered = site.ask(url, "GET", headers, body)
    assert answered.status == 413
    assert is_honest(answered)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="a broken escape"),
        pytest.param(b"GET /../.. HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="above the root"),
        pytest.param(b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="a space"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two hosts"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, id="a length that is none"),
        pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, id="a long path"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 400, id="a long header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: strange\r\n\r\n", 501, id="a strange encoding"),
        pytest.param(b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, id="a version that is none"),
    ],
)
def test_R17_nginxs_own_errors_are_plain_text(site: Standing, raw: bytes, status: int) -> None:
    answered = send(site.port, raw)
    assert answered.status == status
    assert is_honest(answered)


@pytest.mark.parametrize(
    "url", ["/_done/1-pillow/huimages/x", "/_done/x", "/_done/", "/_error", "/_options", "/_range", "/favicon.ico", "/nginx_status"]
)
def test_what_is_nginxs_own_business_is_not_found_from_outside(site: Standing, url: str) -> None:
    answered = site.ask(url)
    assert (answered.status, answered.body) == (404, b"File not found\n")
    assert is_honest(answered)


def test_a_rendition_is_not_reached_by_its_place_in_the_cache(site: Standing) -> None:
    planted = site.plant(FILE, PICTURE)
    for url in (f"/{FILE}", f"/files/1-pillow/{FILE}", f"/_done/1-pillow/{FILE}", f"/1-pillow/{FILE}"):
        assert site.ask(url).status == 404
    planted.unlink()


def test_robots_are_told_that_pictures_are_for_everybody(site: Standing) -> None:
    answered = site.ask("/robots.txt")
    assert (answered.status, answered["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answered.body == b"User-agent: *\nDisallow:\n"


def test_a_range_beyond_the_end_is_plain_text_and_has_one_lifetime(site: Standing) -> None:
    """nginx's range filter has settled the headers by then; its `immutable` cannot be taken back."""
    planted = site.plant(FILE, PICTURE)
    answered = site.ask(URL, headers={"Range": "bytes=99999-"})
    planted.unlink()
    assert (answered.status, answered["content-type"], answered["content-range"]) == (416, "text/plain; charset=utf-8", "bytes */2048")
    assert [name for name, _ in answered.headers].count("cache-control") == 1
    assert [name for name, _ in answered.headers].count("x-content-type-options") == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param("", 503, id="says nothing"),
        pytest.param("nonsense", 503, id="talks nonsense"),
        pytest.param("X-Accel-Redirect: /_done/1-pillow/nobody/x.jpg\r\n\r\n", 404, id="shows what nobody serves"),
    ],
)
def test_a_renderer_that_fails_is_a_503_and_never_a_502(tmp_path: Path, answer: str, status: int) -> None:
    with standing(settled(tmp_path), lambda _: answer) as site:
        answered = site.ask(URL)
    assert answered.status == status
    assert is_honest(answered)


def test_without_a_renderer_a_miss_is_busy_and_a_hit_a_hit(tmp_path: Path) -> None:
    with standing(settled(tmp_path)) as site:
        miss = site.ask(URL)
        site.plant(FILE, PICTURE)
        hit = site.ask(URL)
    assert (miss.status, miss["retry-after"]) == (503, "1")
    assert is_honest(miss)
    assert (hit.status, hit.body) == (200, PICTURE)


def test_R14_no_path_leads_out_of_the_cache(site: Standing) -> None:
    secret = site.files.parent.parent / "secret.jpeg"
    secret.write_bytes(b"secret")
    before = sorted(site.config.root.rglob("*"))
    ups = ["../" * depth + "secret.jpeg" for depth in range(1, 8)]
    spellings = [
        up.replace("/", slash).replace(".", dot) for up in ups for slash in ("/", "%2f", "%2F", "\\", "%5c") for dot in (".", "%2e", "%2E")
    ]
    heads = ("/", f"/75x75!/{ID}/", f"/i/huimages/{ID}/", "/i/fitter/", "/_done/1-pillow/huimages/")
    for url in (head + spelling for head in heads for spelling in spellings):
        answered = site.ask(url)
        assert 400 <= answered.status < 500, url
        assert b"secret" not in answered.body
    assert sorted(site.config.root.rglob("*")) == before
