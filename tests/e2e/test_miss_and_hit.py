"""The main job: a miss becomes a file, and nginx serves it ever after, with the renderer stopped."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import MakeSite, s3
from tests.e2e.site import OWN_TIME, Site, jpeg, running

SIZE = "150x150"


@pytest.fixture(params=["file", "moto", "rclone"], scope="module")
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """A started site with one original, on each kind of store; and the original's ID."""
    tree = None
    if request.param != "file":
        tree = s3(request.getfixturevalue(f"{request.param}_server"), prefix=f"{uuid.uuid4().hex}/")
    with running(tmp_path_factory.mktemp("site"), tree) as site:
        yield site, site.put(jpeg(640, 480)).name


URLS = {
    "huimages": (f"/{SIZE}/ID.jpeg", [f"/{SIZE}/ID/any-name.jpeg", f"/{SIZE}/ID/K%C3%A4se%20%FF.jpeg", f"/{SIZE}/ID.jpg", f"/{SIZE}/ID"]),
    "huimages-crop": ("/75x75!/ID/title.jpeg", ["/75x75%21/ID.jpeg", "/75x75!/ID/other-title"]),
    "huimages-webp": (f"/{SIZE}/ID/title.webp", [f"/{SIZE}/ID.webp", f"/{SIZE}/ID.jpeg/x.webp"]),
    "huimages-name": ("/square/ID.jpeg", ["/square/ID/title.jpg"]),
    "native": ("/i/huimages/ID/fill-60x40_q75.jpg", []),
    "native-default-quality": ("/i/huimages/ID/rotate-90_fit-100x.jpg", []),
    "native-png": ("/i/huimages/ID/crop-10-20-300x200_flip-h.png", []),
}


@pytest.mark.feature(1)
@pytest.mark.feature(2)
@pytest.mark.feature(3)
@pytest.mark.feature(4)
@pytest.mark.feature(15)
@pytest.mark.feature(37)
@pytest.mark.feature(38)
@pytest.mark.parametrize("dialect", list(URLS))
def test_after_one_miss_nginx_answers_alone(filled: tuple[Site, str], dialect: str) -> None:
    site, name = filled
    first, others = URLS[dialect]
    path = first.replace("ID", name)
    if site.renderer is None:
        site.start_renderer()
    miss = site.get(path)
    assert (miss.status, miss["x-onmiss"]) == (200, "miss"), miss.body
    assert miss.picture().format == {"webp": "WEBP", "png": "PNG"}.get(path.rpartition(".")[2], "JPEG")
    site.stop_renderer()
    for spelling in [path, *(other.replace("ID", name) for other in others)]:
        hit = site.get(spelling)
        assert hit.status == 200, spelling
        assert hit.comparable() == miss.comparable()
        assert not hit["x-onmiss"]
        head = site.get(spelling, "HEAD")
        assert (head.status, head["content-length"], head.body) == (200, str(len(miss.body)), b"")
        part = site.get(spelling, headers={"Range": "bytes=2-9"})
        assert (part.status, part.body) == (206, miss.body[2:10])
        assert site.get(spelling, headers={"If-None-Match": miss["etag"]}).status == 304
        assert site.get(spelling, headers={"If-Modified-Since": miss["last-modified"]}).status == 304


CONDITIONS = {
    "plain": {},
    "range": {"Range": "bytes=0-99"},
    "suffix": {"Range": "bytes=-50"},
    "bad-range": {"Range": "bytes=999999-"},
    "two-ranges": {"Range": "bytes=0-1,5-9"},
    "not-modified-since": {"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"},
    "modified-since": {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
    "none-match": {"If-None-Match": '"0-0"'},
    "any-match": {"If-None-Match": "*"},
    "match-fails": {"If-Match": '"0-0"'},
    "gzip": {"Accept-Encoding": "gzip, br"},
    "accept": {"Accept": "image/avif,image/webp,*/*"},
    "origin": {"Origin": "https://shop.example"},
}


@pytest.mark.feature(36)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("condition", list(CONDITIONS))
def test_a_miss_has_the_same_headers_as_a_hit(shared: Site, condition: str, method: str) -> None:
    name = shared.put(jpeg(64, 48, seed=hash((condition, method)) & 0xFFFF)).name
    for path in (f"/{SIZE}/{name}.jpeg", f"/i/huimages/{name}/fit-40x40_q70.jpg", f"/o/{name}/x.png"):
        miss = shared.get(path, method, CONDITIONS[condition])
        hit = shared.get(path, method, CONDITIONS[condition])
        assert not hit["x-onmiss"]
        assert miss.comparable() == hit.comparable()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.mark.feature(36)
def test_a_picture_carries_what_caches_and_pages_need(shared: Site) -> None:
    name = shared.put(jpeg(seed=2)).name
    for mark in ("miss", ""):
        answer = shared.get(f"/{SIZE}/{name}.jpeg")
        assert answer["x-onmiss"] == mark
        assert answer["cache-control"] == "public, max-age=31536000, immutable"
        assert answer["content-type"] == "image/jpeg"
        assert answer["last-modified"] == "Sun, 13 Mar 2011 07:06:40 GMT"
        assert answer["etag"] == f'"{OWN_TIME:x}-{len(answer.body):x}"'
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["access-control-allow-origin"] == answer["timing-allow-origin"] == "*"
        assert answer["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.feature(40)
def test_R20_cookies_hosts_and_forwarded_headers_change_nothing(shared: Site) -> None:
    name = shared.put(jpeg(seed=3)).name
    plain = shared.get(f"/{SIZE}/{name}.jpeg")
    strange = {
        "Cookie": "session=1; _hda=1,x", "Authorization": "Bearer x", "Host": "evil.example", "X-Forwarded-Host": "evil.example",
        "X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/o/x", "X-Rewrite-URL": "/o/x", "Onmiss-Host": "admin", "Proxy": "http://x/",
    }  # fmt: skip
    other = shared.put(jpeg(seed=4)).name
    for header, value in strange.items():
        hit = shared.get(f"/{SIZE}/{name}.jpeg", headers={header: value})
        assert hit.comparable() == plain.comparable(), header
        miss = shared.get(f"/{SIZE}/{other}.jpeg", headers={header: value})
        assert miss.comparable() == shared.get(f"/{SIZE}/{other}.jpeg").comparable(), header
        assert not miss["set-cookie"]
        shared.wiring.cache.forget(shared.config.namespaces_built()["huimages"].ref(other))


@pytest.mark.feature(153)
def test_an_empty_cache_is_filled_again_with_the_same_bytes_and_validators(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    name = site.put(jpeg(seed=5)).name
    first = site.get(f"/{SIZE}/{name}.jpeg")
    site.close()
    for path in site.wiring.cache.files.rglob("*.jp*g"):
        path.unlink()
    site.start()
    again = site.get(f"/{SIZE}/{name}.jpeg")
    assert again["x-onmiss"] == "miss"
    assert again.comparable() == first.comparable()


def test_an_evicted_file_is_made_again_not_404(make_site: MakeSite) -> None:
    site = make_site({"nginx": {"open_file_cache": "off"}})  # else nginx serves from its descriptor for some seconds more
    site.start()
    name = site.put(jpeg(seed=6)).name
    path = f"/{SIZE}/{name}.jpeg"
    first = site.get(path)
    for _ in range(3):
        for found in site.cached():
            (site.wiring.cache.files / found).unlink()
        again = site.get(path)
        assert again["x-onmiss"] == "miss"
        assert again.comparable() == first.comparable()


@pytest.mark.feature(5)
@pytest.mark.feature(6)
@pytest.mark.feature(7)
@pytest.mark.feature(8)
@pytest.mark.feature(9)
@pytest.mark.feature(10)
@pytest.mark.feature(11)
@pytest.mark.feature(12)
@pytest.mark.feature(13)
@pytest.mark.feature(14)
@pytest.mark.parametrize(
    ("original", "size", "expected"),
    [
        ((640, 480), "150x150", (150, 112)),
        ((480, 640), "150x150", (112, 150)),
        ((1000, 1000), "320x240", (240, 240)),
        ((100, 75), "1024x768", (100, 75)),
        ((800, 600), "477x800", (477, 357)),
        ((5000, 1), "150x150", (150, 1)),
        ((640, 480), "75x75!", (75, 75)),
        ((3000, 2000), "150x150!", (150, 150)),
        ((50, 50), "75x75!", (75, 75)),
        ((1000, 60), "75x75!", (75, 75)),
    ],
    ids=lambda value: value if isinstance(value, str) else "x".join(map(str, value)),
)
def test_sizes_over_http_are_exact(shared: Site, original: tuple[int, int], size: str, expected: tuple[int, int]) -> None:
    name = shared.put(jpeg(*original, seed=7)).name
    answer = shared.get(f"/{size}/{name}/x.jpeg")
    assert answer.picture().size == expected


@pytest.mark.feature(32)
def test_a_sideways_phone_photo_stands_upright(shared: Site) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    name = shared.put(jpeg(640, 480, seed=8, exif=exif)).name
    assert shared.get(f"/150x150/{name}.jpeg").picture().size == (112, 150)


def test_originals_in_a_path_namespace_are_not_immutable(make_site: MakeSite) -> None:
    site = make_site({"namespaces": {"huimages": {}, "fitter": {"naming": "path", "prefix": "f/"}}})
    site.start()
    site.put(jpeg(seed=9), "fitter", "wallpaper/my bird ä.jpg")
    path = "/i/fitter/wallpaper/my%20bird%20%C3%A4.jpg/fit-100x_q75.jpg"
    miss, hit = site.get(path), site.get(path)
    assert (miss.status, miss["x-onmiss"], hit["x-onmiss"]) == (200, "miss", "")
    assert miss.comparable() == hit.comparable()
    assert hit["cache-control"] == "public, max-age=60, stale-while-revalidate=600"
    assert site.cached() == ["fitter/wallpaper/my bird ä.jpg/~/fit-100x_q75.jpg"]
