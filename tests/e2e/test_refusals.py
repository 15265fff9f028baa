"""What is refused, how it is said, and that it leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image

from tests.e2e.conftest import MakeSite
from tests.e2e.site import Answer, Site, encoded, jpeg, picture, running

KNOWN = jpeg(64, 48, seed=1)
UNKNOWN = "A" * 32 + "01"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    tree = {"namespaces": {"huimages": {}, "fitter": {"naming": "path", "prefix": "f/"}}}
    with running(tmp_path_factory.mktemp("site"), tree) as site:
        site.put(KNOWN)
        yield site


@pytest.fixture(scope="module")
def name(site: Site) -> str:
    return site.put(KNOWN).name


def is_honest(answer: Answer) -> bool:
    """Short text, not sniffed, not cached for long."""
    return (
        answer["content-type"].startswith("text/plain")
        and answer["x-content-type-options"] == "nosniff"
        and answer["cache-control"] == ("max-age=10" if answer.status == 404 else "no-store")
        and 0 < len(answer.body) < 300
        and b"Traceback" not in answer.body
    )


REFUSED = {
    "bad-size": ("/foo/ID.jpeg", 400),
    "bad-id": ("/o/abc.jpeg", 400),
    "bad-id-sized": ("/150x150/abc.jpeg", 400),
    "lower-case-id": ("/150x150/idid.jpeg", 400),
    "leading-zeros": ("/0150x0150/ID.jpeg", 400),
    "zero": ("/0x0/ID.jpeg", 400),
    "foreign-digits": ("/%D9%A1x%D9%A1/ID.jpeg", 400),
    "extension": ("/150x150/ID.exe", 400),
    "too-short": ("/o", 404),
    "root": ("/", 404),
    "too-long": ("/150x150/ID/a/b.jpeg", 404),
    "unknown": (f"/150x150/{UNKNOWN}.jpeg", 404),
    "unknown-native": (f"/i/huimages/{UNKNOWN}/whole.png", 404),
    "unknown-namespace": ("/i/nope/ID/whole.png", 404),
    "unknown-path": ("/i/fitter/no/such.png/whole.png", 404),
    "too-wide": ("/9000x10/ID.jpeg", 422),
    "too-many-pixels": ("/8000x8000!/ID.jpeg", 422),
    "bad-recipe": ("/i/huimages/ID/spin-3_q75.jpg", 400),
    "wrong-order": ("/i/huimages/ID/fit-10x10_rotate-90_q75.jpg", 400),
    "crop-outside": ("/i/huimages/ID/crop-900-900-10x10_q75.jpg", 422),
    "signature-of-wrong-length": ("/150x150~abc/ID.jpeg", 400),
    "as-is-where-scrubbed": ("/i/huimages/ID/original.jpg", 403),
}


@pytest.mark.feature(18)
@pytest.mark.feature(19)
@pytest.mark.feature(20)
@pytest.mark.feature(21)
@pytest.mark.feature(23)
@pytest.mark.feature(24)
@pytest.mark.parametrize("case", list(REFUSED))
def test_refusals_are_honest_and_leave_nothing(site: Site, name: str, case: str) -> None:
    path, status = REFUSED[case]
    before = site.cached()
    answer = site.get(path.replace("ID", name))
    assert answer.status == status, answer.body
    assert is_honest(answer), answer
    assert site.cached() == before
    assert site.left_over() == []


def test_an_error_says_what_was_expected(site: Site, name: str) -> None:
    assert site.get(f"/foo/{name}.jpeg").body == b"expected o, WIDTHxHEIGHT, WIDTHxHEIGHT! or a size name for a size, got 'foo'\n"
    assert site.get("/o").body == b"File not found\n"


# Asked for a picture that is there already: nginx itself must refuse, though a file stands behind every one.
HOSTILE = [
    "/150x150/../150x150/ID.jpeg", "//150x150/ID.jpeg", "/150x150//ID.jpeg", "/./150x150/ID.jpeg", "/150x150/ID/../ID.jpeg",
    "/%2e%2e%2f150x150/ID.jpeg", "/%2e/150x150/ID.jpeg", "/150x150/ID/%2e%2e/x.jpeg", "/150x150/%2e%2e/150x150/ID.jpeg",
    "/150x150/ID/a%5cb.jpeg", "/150x150/ID/a\\b.jpeg", "/150x150%0A/ID.jpeg", "/150x150/ID%0A.jpeg", "/150x150/ID.jpeg%0A",
    "/150x150/ID/t.jpeg%0a", "/150x150/ID/%00.jpeg", "/150x150/ID%00.jpeg", "/150x150/ID/%1f.jpeg", "/150x150/ID/%7f.jpeg",
    "/150x150/ID/a%2fb.jpeg", "/150x150/ID/%zz.jpeg", "/150x150/ID/" + "x" * 9000 + ".jpeg", "/../../etc/passwd",
    "/i/huimages/ID/..%2f..%2fwhole.png", "/i/fitter/../../../etc/passwd/whole.png", "/i/fitter/%2e%2e/%2e%2e/etc/passwd/whole.png",
    "/_done/1-pillow/huimages/x", "/_error", "/files/1-pillow/huimages", "/tmp/x", "/150x150/..;/ID.jpeg",
]  # fmt: skip


@pytest.mark.feature(22)
@pytest.mark.parametrize("path", HOSTILE, ids=[path[:40] for path in HOSTILE])
def test_R14_hostile_paths_are_4xx_even_when_the_file_is_there(site: Site, name: str, path: str) -> None:
    assert site.get(f"/150x150/{name}.jpeg").status == 200
    before = site.cached()
    answer = site.get(path.replace("ID", name).replace(" ", "%20"))
    assert 400 <= answer.status < 500, answer
    assert answer["content-type"].startswith("text/plain"), answer
    assert answer["x-content-type-options"] == "nosniff"
    assert "immutable" not in answer["cache-control"]
    assert site.cached() == before


@pytest.mark.feature(39)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_only_get_and_head_are_taken_on_the_image_host(site: Site, name: str, method: str) -> None:
    answer = site.get(f"/150x150/{name}.jpeg", method, body=b"x" if method in ("POST", "PUT", "PATCH") else None)
    assert answer.status in (405, 413), answer
    assert is_honest(answer), answer


def test_R21_a_query_is_redirected_to_the_one_url(site: Site, name: str) -> None:
    title = f"/150x150/{name}/K%C3%A4se%20x.jpeg"
    for _ in range(2):  # a miss, then where the file is there
        answer = site.get(title + "?v=1&x=%0d%0aSet-Cookie:a")
        assert answer.status in (301, 400)
        answer = site.get(title + "?v=1")
        assert (answer.status, answer["location"]) == (301, title)
        site.get(title)


BROKEN = {
    "text": b"this is no picture, whatever its name says\n" * 20,
    "empty": b"",
    "truncated": jpeg(640, 480, seed=2)[:3000],
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
}


@pytest.mark.feature(27)
@pytest.mark.feature(28)
@pytest.mark.parametrize("kind", list(BROKEN))
def test_an_original_that_is_no_picture_is_415_and_quarantined(site: Site, kind: str) -> None:
    name = site.put(BROKEN[kind]).name
    before = site.cached()
    for _ in range(2):
        answer = site.get(f"/150x150/{name}.jpeg")
        assert answer.status == 415, answer
        assert is_honest(answer)
    assert [record.tries for record in site.wiring.quarantine if record.name == name] == [1]
    assert site.cached() == before
    assert site.left_over() == []


@pytest.mark.feature(35)
def test_a_decompression_bomb_is_refused_by_its_header(site: Site) -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    answer = site.get(f"/150x150/{site.put(bomb).name}.jpeg")
    assert answer.status == 422, answer
    assert is_honest(answer)


@pytest.mark.feature(41)
def test_a_bug_is_a_500_without_a_traceback(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    name = site.put(KNOWN).name
    claims = site.wiring.cache.root / "claims"
    claims.unlink()
    claims.mkdir()  # nobody handles that
    answer = site.get(f"/150x150/{name}.jpeg")
    assert (answer.status, answer.body) == (500, b"internal error\n")
    assert is_honest(answer)
    assert "Traceback" in site.log.read_text()
    claims.rmdir()
    assert site.get(f"/150x150/{name}.jpeg").status == 200


# policies


def with_gps(form: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 1.0, 2.0), 3: "E", 4: (7.0, 3.0, 4.0)})
    return encoded(picture(64, 48, seed=3), form, exif=exif.tobytes())


PNG = encoded(picture(40, 30), "PNG")


@pytest.mark.feature(16)
@pytest.mark.feature(17)
def test_originals_as_is_are_the_stored_bytes_with_their_true_type(make_site: MakeSite) -> None:
    site = make_site({"namespaces": {"huimages": {"originals": "as-is"}}})
    site.start()
    for content, mime in ((PNG, "image/png"), (with_gps(), "image/jpeg")):
        name = site.put(content).name
        for mark in ("miss", ""):
            answer = site.get(f"/o/{name}/decoration.webp")
            assert (answer.status, answer["content-type"], answer["x-onmiss"]) == (200, mime, mark)
            assert answer.body == content


@pytest.mark.feature(17)
def test_R17_the_type_comes_from_the_bytes_that_were_made_and_nobody_sniffs(site: Site) -> None:
    """Whatever the URL's decoration claims, and whatever the original was called."""
    name = site.put(PNG).name
    types = {
        f"/o/{name}/picture.jpeg": "image/png",
        f"/150x150/{name}/picture.html": "image/jpeg",
        f"/150x150/{name}/script.js": "image/jpeg",
        f"/150x150/{name}": "image/jpeg",
        f"/150x150/{name}/a.webp": "image/webp",
        f"/i/huimages/{name}/fit-20x20.avif": "image/avif",
    }
    for path, mime in types.items():
        for answer in (site.get(path), site.get(path)):
            assert (answer.status, answer["content-type"], answer["x-content-type-options"]) == (200, mime, "nosniff"), path
            assert answer.picture().get_format_mimetype() == mime, path


@pytest.mark.feature(16)
def test_scrubbed_originals_do_not_tell_where_they_were_taken(site: Site) -> None:
    assert site.get(f"/o/{site.put(PNG).name}.jpeg").body == PNG
    located = with_gps()
    path = f"/o/{site.put(located).name}.jpeg"
    for answer in (site.get(path), site.get(path)):
        assert (answer.status, answer["content-type"]) == (200, "image/jpeg")
        assert dict(answer.picture().getexif()) == {0x0112: 6}
        assert answer.body[answer.body.index(b"\xff\xdb") :] == located[located.index(b"\xff\xdb") :]  # tables and pixels as they were


@pytest.mark.feature(16)
def test_an_original_that_cannot_be_scrubbed_is_not_shown_when_it_tells_a_place(site: Site) -> None:
    answer = site.get(f"/o/{site.put(with_gps('TIFF')).name}.jpeg")
    assert answer.status == 403
    assert is_honest(answer)
    assert site.get(f"/o/{site.put(encoded(picture(64, 48, seed=3), 'TIFF')).name}.jpeg").status == 200


@pytest.mark.feature(16)
def test_forbidden_originals_stay_forbidden_though_a_file_is_there(make_site: MakeSite) -> None:
    site = make_site({"namespaces": {"huimages": {"originals": "forbidden"}}})
    name = site.put(PNG).name
    directory = site.wiring.cache.files / site.config.namespaces_built()["huimages"].ref(name).directory
    directory.mkdir(parents=True)
    for left_from_before in ("original.png", "original-scrubbed.png"):
        (directory / left_from_before).write_bytes(PNG)
    site.start()
    for path in (f"/o/{name}.jpeg", f"/i/huimages/{name}/original.png", f"/i/huimages/{name}/original-scrubbed.png"):
        assert site.get(path).status == 403, path
    assert site.get(f"/30x30/{name}.jpeg").status == 200


@pytest.mark.feature(25)
def test_only_listed_sizes_are_made(make_site: MakeSite) -> None:
    site = make_site({"limits": {"sizes": {"huimages": ["150x150", "75x75!"]}}})
    site.start()
    name = site.put(KNOWN).name
    allowed = (f"/150x150/{name}.jpeg", f"/75x75!/{name}.webp", f"/square/{name}.jpeg", f"/i/huimages/{name}/fill-75x75_q80.png")
    for path in allowed[:3]:
        assert site.get(path).status == 200, path
    for path in (f"/150x151/{name}.jpeg", f"/75x75/{name}.jpeg", f"/i/huimages/{name}/whole_q75.jpg"):
        answer = site.get(path)
        assert answer.status == 403, path
        assert is_honest(answer)


@pytest.mark.feature(26)
def test_R13_with_keys_only_a_miss_needs_a_signature(make_site: MakeSite) -> None:
    from renderer.cli.importing import links_of

    site = make_site({"signing": {"keys": ["a key of the operator's"]}})
    site.start()
    name = site.put(KNOWN).name
    space = site.config.namespaces_built()["huimages"]
    for size in ("150x150!", "fit-90x_q70", "o"):
        path = links_of(site.config).url(space, name, size).removeprefix(site.config.hosts.images.base_url())
        unsigned = path.replace(path[path.index("~") : path.index("~") + 23], "")
        assert site.get(unsigned).status == 403
        at = path.index("~") + 1
        forged = path[:at] + ("A" if path[at] != "A" else "B") + path[at + 1 :]
        assert site.get(forged).status == 403
        assert site.get(path)["x-onmiss"] == "miss"
        assert site.get(unsigned).status == 200  # a hit: nginx drops the signature
        assert site.get(path)["x-onmiss"] == ""
