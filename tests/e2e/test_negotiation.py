"""The same URL as JPEG, WebP or AVIF, from a whole installation: made once, told apart by caches in front, nginx's alone ever after."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from renderer.pruning.tree import renditions
from tests.e2e.site import OWN_TIME, Answer, Site, encoded, jpeg, picture, running

pytestmark = pytest.mark.feature(171)

TREE: dict[str, Any] = {
    "namespaces": {
        "huimages": {"negotiate": ["avif", "webp"]},
        "p": {"naming": "md5", "negotiate": ["webp", "avif"], "prefix": "p/"},
        "plain": {"naming": "path", "prefix": "f/"},
    },
    "limits": {"max_pixels_slow": 30_000},  # AVIF up to 173x173
    "nginx": {"open_file_cache": "off"},  # what is forgotten is a miss at once
}
ACCEPT = {"": "image/*,*/*;q=0.8", "webp": "image/webp,*/*", "avif": "image/avif,*/*;q=0.5"}
FORMATS = {"": "JPEG", "webp": "WEBP", "avif": "AVIF"}
MIMES = {"": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
LATER = {"": 0, "webp": 1, "avif": 2}
CONTENT = jpeg(640, 480)
STRANGE = {
    "Cookie": "session=1", "Authorization": "Bearer x", "Host": "evil.example", "X-Forwarded-Host": "evil.example",
    "X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/o/x", "Onmiss-Accept": "avif", "ONMISS-ACCEPT": "avif", "Proxy": "http://x/",
    "Accept-Encoding": "gzip", "User-Agent": "old",
}  # fmt: skip
ODD = {
    "": ("", "*/*", "image/webp;q=0", "image/webpp", "text/html;x=image/avif"),
    "webp": ("image/webp;q=0.1", "IMAGE/WEBP, image/avif;q=0"),
    "avif": ("image/webp,image/avif;x=1",),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site"), TREE) as site:
        yield site


@pytest.fixture(scope="module")
def urls(site: Site) -> dict[str, str]:
    """One URL a dialect, and a native one whose quality is the installation's."""
    name, md5 = site.put(CONTENT).name, site.put(CONTENT, "p").name
    parts = "/".join((md5[:3], md5[3:6], md5[6:9], md5[9:]))
    return {
        "huimages": f"/150x150/{name}/title.jpeg",
        "native": f"/i/huimages/{name}/fill-60x40_q70.jpg",
        "native, no quality": f"/i/huimages/{name}/fill-50x40.jpg",
        "imageserver": f"/p/{parts}/x100.jpg",
    }


def ask(site: Site, url: str, bucket: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
    return site.get(url, method, {"Accept": ACCEPT[bucket]} | dict(headers or {}))


def test_each_bucket_is_made_once_and_nginx_answers_alone_ever_after(site: Site, urls: dict[str, str]) -> None:
    cases = list(itertools.product(urls.values(), ACCEPT))
    made = {case: ask(site, *case) for case in cases}
    site.stop_renderer()
    for (url, bucket), miss in made.items():
        assert (miss.status, miss["x-onmiss"], miss["vary"]) == (200, "miss", "Accept"), (url, bucket, miss.body)
        assert (miss["content-type"], miss.picture().format) == (MIMES[bucket], FORMATS[bucket])
        hit = ask(site, url, bucket)
        assert hit.comparable() == miss.comparable()
        assert not hit["x-onmiss"]
        etag = miss["etag"]
        assert int(etag.strip('"').partition("-")[0], 16) == OWN_TIME + LATER[bucket]  # told apart even were they equally long
        kept = ask(site, url, bucket, {"If-None-Match": etag})
        part = ask(site, url, bucket, {"Range": "bytes=2-9"})
        head = ask(site, url, bucket, method="HEAD")
        assert (kept.status, kept["etag"], kept["vary"]) == (304, etag, "Accept")
        assert (part.status, part.body, part["vary"]) == (206, miss.body[2:10], "Accept")
        assert (head.status, head["content-length"], head["vary"]) == (200, str(len(miss.body)), "Accept")
        for other in set(ACCEPT) - {bucket}:
            assert ask(site, url, bucket, {"If-None-Match": made[url, other]["etag"]}).status == 200
    site.start_renderer()
    for url in urls.values():
        assert len({made[url, bucket].picture().size for bucket in ACCEPT}) == 1


def test_the_pruner_takes_the_names_for_aliases(site: Site) -> None:
    name = site.put(jpeg(64, 48, seed=2)).name
    for url, bucket in itertools.product((f"/40x40/{name}.jpeg", f"/i/huimages/{name}/fit-30x30_q75.jpg"), ACCEPT):
        assert ask(site, url, bucket).status == 200
    directory = site.wiring.cache.files / "huimages" / name[:2] / name[2] / name
    found = renditions(str(directory))
    assert found is not None
    assert sorted(file for file, _ in found) == ["fit-30x30_q60s.avif", "fit-30x30_q75.jpg", "fit-30x30_q75s.webp",
                                                 "fit-40x40_q60s.avif", "fit-40x40_q75.jpg", "fit-40x40_q75s.webp"]  # fmt: skip


@pytest.mark.parametrize("size", ["/300x200/ID.jpeg", "/i/huimages/ID/fit-300x_q75.jpg"], ids=["by the recipe", "by the picture"])
def test_what_a_limit_refuses_in_avif_is_shown_as_jpeg_and_nginx_remembers_that(site: Site, size: str) -> None:
    name = site.put(jpeg(640, 480, seed=3)).name
    url = size.replace("ID", name)
    refused = ask(site, url, "avif")
    assert (refused.status, refused["content-type"], refused["vary"], refused["x-onmiss"]) == (200, "image/jpeg", "Accept", "miss")
    plain = ask(site, url, "")
    assert plain.comparable() == refused.comparable()
    assert (ask(site, url, "webp")["content-type"], plain.picture().format) == ("image/webp", "JPEG")
    hit = ask(site, url, "avif")
    assert hit.comparable() == plain.comparable()
    assert not hit["x-onmiss"]


def test_what_a_jpeg_may_not_be_either_stays_refused(site: Site) -> None:
    name = site.put(CONTENT).name
    for bucket in ACCEPT:
        answered = ask(site, f"/9000x10/{name}.jpeg", bucket)
        assert (answered.status, answered["vary"]) == (422, "Accept")
    answered = ask(site, f"/300x200/{name}.avif", "avif")
    assert (answered.status, answered["vary"]) == (422, "")  # nobody changes a format that is asked for


def test_a_still_stays_a_still(site: Site) -> None:
    frames = [picture(40, 30, seed) for seed in (1, 2, 3)]
    name = site.put(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)).name
    assert ask(site, f"/30x30/{name}.webp", "").picture().n_frames == 3  # type: ignore[attr-defined]
    shown = ask(site, f"/30x30/{name}.jpeg", "webp").picture()
    assert (shown.format, getattr(shown, "n_frames", 1)) == ("WEBP", 1)


def test_the_renderers_errors_and_redirects_vary_too_and_only_where_somebody_negotiates(site: Site, urls: dict[str, str]) -> None:
    unknown, nothing = "A" * 32 + "01", hashlib.md5(b"nothing").hexdigest()
    parts = "/".join((nothing[:3], nothing[3:6], nothing[6:9], nothing[9:]))
    answers = {
        f"/150x150/{unknown}.jpeg": 404, "/150x150/abc.jpeg": 400, f"/i/huimages/{unknown}/whole.jpg": 404,
        f"/i/huimages/{unknown}/spin-3.jpg": 400, f"/p/{parts}/x20.jpg": 404, f"/p/{parts}/x0.jpg": 400, urls["huimages"] + "?a=1": 301,
        urls["native"] + "?a": 301,
    }  # fmt: skip
    for (url, status), bucket in itertools.product(answers.items(), ACCEPT):
        answered = ask(site, url, bucket)
        assert (answered.status, answered["vary"]) == (status, "Accept"), url
    site.put(CONTENT, "plain", "a")
    for path in ("plain/b/whole.jpg", "plain/a/spin.jpg", "plain/a/fit-20x20.jpg", "plain/a/fit-20x20.jpg?a", "nobody/a/whole.jpg"):
        url = f"/i/{path}"
        assert {ask(site, url, bucket)["vary"] for bucket in ACCEPT} == {""}, url


def test_R20_nothing_but_the_bucket_changes_an_answer(site: Site) -> None:
    """Of misses and hits; and a cache in front that honours Vary is right: equal URLs with other bytes say so."""
    ref = site.put(jpeg(64, 48, seed=5))
    seen: dict[str, Answer] = {}
    for bucket, url in itertools.product(ACCEPT, (f"/40x40/{ref.name}.jpeg", f"/i/huimages/{ref.name}/fit-30x30_q75.jpg")):
        plain = seen[bucket + url] = ask(site, url, bucket)
        assert plain["vary"] == "Accept"
        asked = [{"Accept": ACCEPT[bucket], name: value} for name, value in STRANGE.items()] + [{"Accept": odd} for odd in ODD[bucket]]
        for headers in asked:
            assert site.get(url, headers=headers).comparable() == plain.comparable(), headers
        for headers in asked[0], asked[-1]:
            site.wiring.cache.forget(ref)
            miss = site.get(url, headers=headers)
            assert miss["x-onmiss"] == "miss"
            assert miss.comparable() == plain.comparable(), headers
    assert len({answer.body for answer in seen.values()}) == len(seen)
