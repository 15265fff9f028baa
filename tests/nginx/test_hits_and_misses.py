"""A miss is answered like a hit, byte for byte, and neither depends on anything but the path."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tests.nginx.asking import Answered
from tests.nginx.making import PICTURE, Making
from tests.nginx.standing import Standing, settled, standing

ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"
DIRECTORY = PurePosixPath(f"huimages/VG/M/{ID}")
URL = f"/75x75!/{ID}/title.jpeg"
PATH_URL = "/i/fitter/my%20bird%20%C3%A4/fit-10x10.png"
ETAG = '"59682f00-800"'  # hexadecimal: seconds of the planted file's time, its length
DATE = "Fri, 14 Jul 2017 02:40:00 GMT"

REQUESTS = {
    "GET": ("GET", {}),
    "HEAD": ("HEAD", {}),
    "a range": ("GET", {"Range": "bytes=10-19"}),
    "a suffix range": ("GET", {"Range": "bytes=-5"}),
    "a range beyond the end": ("GET", {"Range": "bytes=99999-"}),
    "two ranges": ("GET", {"Range": "bytes=0-1,5-6"}),
    "HEAD with a range": ("HEAD", {"Range": "bytes=10-19"}),
    "If-None-Match": ("GET", {"If-None-Match": ETAG}),
    "If-None-Match of another": ("GET", {"If-None-Match": '"59682f00-801"'}),
    "If-Modified-Since": ("GET", {"If-Modified-Since": DATE}),
    "If-Range": ("GET", {"Range": "bytes=0-3", "If-Range": ETAG}),
    "If-Range of another": ("GET", {"Range": "bytes=0-3", "If-Range": '"x"'}),
    "If-Match of another": ("GET", {"If-Match": '"x"'}),
    "If-Unmodified-Since before": ("GET", {"If-Unmodified-Since": "Fri, 14 Jul 2000 02:40:00 GMT"}),
    "a cookie and gzip": ("GET", {"Cookie": "a=b", "Accept-Encoding": "gzip", "Authorization": "Bearer x"}),
}
EXPECTED = {"a range": 206, "a suffix range": 206, "HEAD with a range": 206, "a range beyond the end": 416, "If-None-Match": 304,
            "If-Modified-Since": 304, "If-Range": 206, "If-Match of another": 412, "If-Unmodified-Since before": 412}  # fmt: skip

STRANGE = {
    "Host": "evil.example",
    "Cookie": "a=b",
    "Authorization": "Basic eDp5",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-For": "1.2.3.4",
    "X-Original-URL": "/o",
    "Proxy": "http://evil.example",
    "Accept": "image/webp",
    "User-Agent": "x",
}


def but_date(answered: Answered) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answered.headers if name not in ("date", "x-onmiss")]


@pytest.mark.feature(36, 37, 38)
@pytest.mark.parametrize("url", [URL, PATH_URL, f"/o/{ID}/title.jpeg"], ids=["a hash", "a path", "an original"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_miss_is_like_a_hit(site: Standing, name: str, url: str) -> None:
    method, headers = REQUESTS[name]
    miss = site.ask(url, method, headers)
    directory = DIRECTORY if ID in url else PurePosixPath("fitter/my bird ä/~")
    file = {URL: "~75x75!.jpeg", PATH_URL: "fit-10x10.png"}.get(url, "original-scrubbed.png")
    site.plant(directory / file, PICTURE)
    hit = site.ask(url, method, headers)
    for planted in (site.files / directory).iterdir():
        planted.unlink()
    assert (miss.status, but_date(miss), miss.body) == (hit.status, but_date(hit), hit.body)
    assert hit.status == EXPECTED.get(name, 200)
    assert not hit["x-onmiss"]
    assert miss["x-onmiss"] == ("miss" if miss.status != 412 else "")  # add_header without `always`, which nginx settles before a 416


@pytest.mark.feature(36)
@pytest.mark.parametrize(
    ("url", "file", "caching"),
    [
        pytest.param(URL, DIRECTORY / "~75x75!.jpeg", "public, max-age=31536000, immutable", id="a hash"),
        pytest.param(PATH_URL, "fitter/my bird ä/~/fit-10x10.png", "public, max-age=60, stale-while-revalidate=600", id="a path"),
    ],
)
def test_the_headers_of_a_picture(site: Standing, url: str, file: PurePosixPath | str, caching: str) -> None:
    planted = site.plant(file, PICTURE)
    answered = site.ask(url)
    planted.unlink()
    found = {name: value for name, value in answered.headers if name not in ("date", "server", "connection")}
    assert found == {
        "content-type": "image/png" if url == PATH_URL else "image/jpeg",
        "content-length": "2048",
        "last-modified": DATE,
        "etag": ETAG,
        "cache-control": caching,
        "x-content-type-options": "nosniff",
        "access-control-allow-origin": "*",
        "timing-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
        "accept-ranges": "bytes",
    }
    assert answered["server"] == "nginx"


@pytest.mark.feature(40)
def test_R20_answers_depend_on_the_path_alone(site: Standing) -> None:
    assert site.renderer is not None
    site.renderer.asked.clear()
    plain, odd = site.ask(URL), site.ask(URL, headers=STRANGE)
    assert (plain.status, but_date(plain), plain.body) == (odd.status, but_date(odd), odd.body)
    asked = site.renderer.asked
    assert asked[0] == asked[1]
    assert not [name for name, value in asked[1].items() if name.startswith("HTTP_") and value]


def test_the_renderer_is_told_the_path_as_it_was_asked(site: Standing) -> None:
    assert site.renderer is not None
    site.renderer.asked.clear()
    site.ask(f"/75x75%21/{ID}/K%C3%A4se%20%FF.jpeg", "HEAD")
    (asked,) = site.renderer.asked
    assert asked["PATH_INFO"] == f"/75x75!/{ID}/Käse \udcff.jpeg"
    assert asked["REQUEST_URI"] == f"/75x75%21/{ID}/K%C3%A4se%20%FF.jpeg"
    assert (asked["REQUEST_METHOD"], asked["QUERY_STRING"], asked["SCRIPT_NAME"]) == ("HEAD", "", "")
    assert (asked["ONMISS_HOST"], asked.get("HTTP_COOKIE"), asked["CONTENT_LENGTH"]) == ("images", None, "")


def test_R21_a_query_is_a_permanent_redirect_to_the_one_url(site: Standing) -> None:
    site.plant(DIRECTORY / "~75x75!.jpeg", PICTURE)
    answered = site.ask(URL + "?utm_source=x")
    assert (answered.status, answered["location"]) == (301, URL)
    (site.files / DIRECTORY / "~75x75!.jpeg").unlink()


def test_the_renderers_refusals_pass_unchanged(site: Standing) -> None:
    answered = site.ask("/foo/abc.jpeg")
    assert (answered.status, answered["cache-control"], answered["x-content-type-options"]) == (400, "no-store", "nosniff")
    assert answered.body.startswith(b"expected ")


@pytest.mark.feature(40)
def test_no_answer_sets_a_cookie(site: Standing) -> None:
    assert site.renderer is not None
    before, site.renderer.answer = site.renderer.answer, lambda _: "Status: 415 so\r\nSet-Cookie: a=b\r\nContent-Length: 1\r\n\r\nx"
    answered = site.ask(URL)
    site.renderer.answer = before
    assert (answered.status, answered["set-cookie"]) == (415, "")


def test_what_the_renderer_made_and_lost_is_busy_and_never_absent(site: Standing) -> None:
    assert site.renderer is not None
    before, site.renderer.answer = site.renderer.answer, lambda _: f"X-Accel-Redirect: /_done/1-pillow/{DIRECTORY}/gone.jpg\r\n\r\n"
    answered = site.ask(URL)
    site.renderer.answer = before
    assert (answered.status, answered["retry-after"], answered["cache-control"]) == (503, "1", "no-store")


def test_a_file_that_was_purged_is_rendered_again_and_a_made_one_found_at_once(tmp_path: Path) -> None:
    """With the cache of open files, whose entries outlive the file for some seconds."""
    making = Making(links=True)
    with standing(settled(tmp_path, open_file_cache=100), making) as site:
        making.standing = site
        assert site.ask(URL)["x-onmiss"] == "miss"
        hits = [site.ask(URL) for _ in range(3)]
        assert [(hit.status, hit["x-onmiss"]) for hit in hits] == [(200, "")] * 3
        for planted in (site.files / DIRECTORY).iterdir():
            planted.unlink()
        assert site.ask(URL).status == 200


def test_an_empty_title_does_not_make_nginx_look_for_a_directory(site: Standing) -> None:
    site.plant(DIRECTORY / "~75x75!.jpeg", PICTURE)
    assert site.ask(f"/75x75!/{ID}/").status == 400


def test_a_long_title_is_fine(site: Standing) -> None:
    site.plant(DIRECTORY / "~75x75!.jpeg", PICTURE)
    assert site.ask(f"/75x75!/{ID}/{'t' * 4000}.jpeg").status == 200
