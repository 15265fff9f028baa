"""One URL in three buckets, by real nginx: who gets which, what every answer says of it, and what of the header goes further."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from renderer.config import Config
from renderer.formats import AVIF, WEBP, Format
from renderer.web.nginx import configuration
from renderer.web.nginx_accept import pattern
from tests.backtracking import steps
from tests.nginx.answering import Params
from tests.nginx.asking import Answered
from tests.nginx.standing import Standing, settled, standing
from tests.running import Nginx

pytestmark = pytest.mark.feature(171)

ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"
HASH, PARTS = "900150983cd24fb0d6963f7d28e17f72", "900/150/983/cd24fb0d6963f7d28e17f72"
OURS, SERVERS = PurePosixPath(f"huimages/VG/M/{ID}"), PurePosixPath(f"p/90/01/{HASH}")
NAMESPACES = {
    "huimages": {"negotiate": ["avif", "webp"]},
    "p": {"naming": "md5", "prefix": "p", "negotiate": ["webp", "avif"]},
    "plain": {"naming": "path", "prefix": "f"},
}
URL, NATIVE, SERVER = f"/75x75!/{ID}/title.jpeg", f"/i/huimages/{ID}/fit-10x10_q75.jpg", f"/p/{PARTS}/x200.jpg"
# URL: what nginx looks for in each bucket
BUCKETS = {
    URL: {"": OURS / "~75x75!.jpeg", "webp": OURS / "~75x75!.jpeg.webp", "avif": OURS / "~75x75!.jpeg.avif"},
    NATIVE: {
        "": OURS / "fit-10x10_q75.jpg",
        "webp": OURS / "~n.fit-10x10_q75.jpg.webp",
        "avif": OURS / "~n.fit-10x10_q75.jpg.avif",
    },
    SERVER: {"": SERVERS / "~=x200.jpg", "webp": SERVERS / "~=x200.jpg.webp", "avif": SERVERS / "~=x200.jpg.avif"},
}
TYPES = {"": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
REFUSED_URL = f"/75x75!/{ID}/%0a.jpeg"  # matches the location, and is refused there


def refusing(params: Params) -> str:
    """A renderer that says what it was told, as an error of its own."""
    return f"Status: 415 so\r\nVary: Accept\r\nContent-Length: 5\r\n\r\n{params['ONMISS_ACCEPT'] or 'none':5}"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    off = dict.fromkeys(("miss_rate", "herd_rate", "miss_connections"), "off")
    with standing(settled(tmp_path_factory.mktemp("site"), {"namespaces": NAMESPACES}, **off), refusing) as found:
        for buckets in BUCKETS.values():
            for bucket, file in buckets.items():
                found.plant(file, f"a {bucket or 'jpeg'} picture".encode())
        yield found


def accepting(bucket: str) -> dict[str, str]:
    return {"Accept": f"text/html,image/{bucket},*/*;q=0.8"} if bucket else {"Accept": "image/*,*/*;q=0.8"}


ACCEPTED = {
    "nothing said": ("", ""),
    "everything": ("*/*", ""),
    "any picture": ("image/*", ""),
    "a browser of old": ("image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", ""),
    "WebP": ("image/webp,image/apng,image/*,*/*;q=0.8", "webp"),
    "both": ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "avif"),
    "both, the other way round": ("image/webp,image/avif", "avif"),
    "last": ("*/*, image/webp", "webp"),
    "a weight": ("image/webp;q=0.8", "webp"),
    "a small weight": ("image/webp;q=0.001", "webp"),
    "a weight with blanks": ("image/webp ; q = 0.1", "webp"),
    "capitals": ("IMAGE/WebP;Q=1", "webp"),
    "tabs": ("text/html,\timage/webp\t", "webp"),
    "a parameter": ("image/webp;level=0;q=1", "webp"),
    "not at all": ("image/webp;q=0", ""),
    "not at all, longer": ("image/webp;q=0.000", ""),
    "not at all, with blanks": ("*/*, image/webp ; q = 0. , image/png", ""),
    "not at all, in capitals": ("image/webp;Q=0", ""),
    "not at all, after a parameter": ("image/webp;level=1;q=0.0", ""),
    "one not at all": ("image/avif;q=0,image/webp", "webp"),
    "one not at all, the other not either": ("image/avif;q=0.0, image/webp;q=0", ""),
    "another's weight": ("image/webp,text/html;q=0", "webp"),
    "a longer name": ("image/webpx,ximage/avif,image/avif-sequence", ""),
    "part of a name": ("application/image/webp", ""),
    "a name in a parameter": ("text/html;x=image/webp", ""),
    "nonsense": (";;q=0,,,;image/webp", ""),
    "bytes": ("\x80\xffimage/webp", ""),
}


@pytest.mark.parametrize(("header", "bucket"), ACCEPTED.values(), ids=ACCEPTED)
def test_who_accepts_a_format_gets_it(nginx: Standing, header: str, bucket: str) -> None:
    answered = nginx.ask(URL, headers={"Accept": header} if header else None)
    assert (answered.status, answered.body) == (200, f"a {bucket or 'jpeg'} picture".encode())
    assert (answered["content-type"], answered["vary"]) == (TYPES[bucket], "Accept")


def test_the_order_of_the_namespace_decides(nginx: Standing) -> None:
    both = {"Accept": "image/avif,image/webp"}
    assert [nginx.ask(url, headers=both)["content-type"] for url in (URL, NATIVE, SERVER)] == ["image/avif", "image/avif", "image/webp"]


@pytest.mark.parametrize("form", [WEBP, AVIF], ids=lambda form: form.name)
def test_R10_a_long_header_costs_its_length(form: Format) -> None:
    regex, name = re.compile(pattern(form)), form.mime
    zeros, blanks = "0" * 700, " " * 700
    long = [f"{name};q=0.{zeros}1", f"{name}{blanks}x", f"{name}{';q=' * 250}", f"{name};" * 90, f"{name},;q=" * 60, "," * 800, ", " * 400]
    for text in long:
        assert steps(regex, text, searched=True) < 60 * len(text)


@pytest.mark.parametrize("bucket", TYPES)
@pytest.mark.parametrize("url", BUCKETS, ids=("huimages", "native", "imageserver"))
def test_every_answer_by_nginx_varies(nginx: Standing, url: str, bucket: str) -> None:
    accept = accepting(bucket)
    full = nginx.ask(url, headers=accept)
    assert (full.status, full.body, full["content-type"]) == (200, f"a {bucket or 'jpeg'} picture".encode(), TYPES[bucket])
    answers: dict[int, Answered] = {
        200: nginx.ask(url, "HEAD", accept),
        206: nginx.ask(url, headers=accept | {"Range": "bytes=2-5"}),
        304: nginx.ask(url, headers=accept | {"If-None-Match": full["etag"]}),
        412: nginx.ask(url, headers=accept | {"If-Match": '"x"'}),
        416: nginx.ask(url, headers=accept | {"Range": "bytes=99-"}),
        405: nginx.ask(url, "DELETE", accept),
        204: nginx.ask(url + "?", "OPTIONS", accept),
    }
    for status, answered in (200, full), *answers.items():
        assert (answered.status, answered["vary"]) == (status, "Accept"), status
    assert answers[206].body == full.body[2:6]


@pytest.mark.parametrize("bucket", TYPES)
def test_what_the_renderer_answers_passes_and_all_it_is_told_is_the_bucket(nginx: Standing, bucket: str) -> None:
    for url in (f"/76x75!/{ID}/title.jpeg", f"/i/huimages/{ID}/fit-11x10_q75.jpg", f"/p/{PARTS}/x201.jpg", URL + "?a=1"):
        answered = nginx.ask(url, headers=accepting(bucket))
        told = f".{bucket}" if bucket else "none"
        assert (answered.status, answered["vary"], answered.body) == (415, "Accept", f"{told:5}".encode()), url


def test_R20_nothing_but_the_bucket_reaches_the_renderer(nginx: Standing) -> None:
    assert nginx.renderer is not None
    nginx.renderer.asked.clear()
    strange = {"Cookie": "a=b", "Authorization": "x", "Host": "evil.example", "X-Forwarded-Host": "evil.example", "Onmiss-Accept": "avif",
               "ONMISS_ACCEPT": ".avif"}  # fmt: skip
    for header in ("image/webp", "image/webp;q=0.2,text/html;secret=1", "image/avif;q=0,image/webp"):
        nginx.ask(f"/77x75!/{ID}.jpeg", headers=strange | {"Accept": header})
    first, *others = nginx.renderer.asked
    assert others == [first, first]
    assert first["ONMISS_ACCEPT"] == ".webp"


def test_without_a_renderer_and_for_bad_requests_the_errors_vary_too(tmp_path: Path) -> None:
    with standing(settled(tmp_path, {"namespaces": NAMESPACES}, miss_rate="off", herd_rate="off")) as nginx:
        for url, status in ((URL, 503), (NATIVE, 503), (SERVER, 503), (URL + "?a", 503), (REFUSED_URL, 400)):
            answered = nginx.ask(url, headers={"Accept": "image/webp"})
            assert (answered.status, answered["vary"]) == (status, "Accept"), url
        assert nginx.ask("/i/plain/a/fit-1x1.jpg", headers={"Accept": "image/webp"})["vary"] == ""
        assert "uninitialized" not in (nginx.config.nginx.logs / "error.log").read_text()


def test_a_jpeg_in_place_of_what_was_refused_is_called_one(nginx: Standing) -> None:
    refused = OURS / "~99x75!.jpeg.avif.jpg"
    nginx.plant(refused, b"a jpeg")
    answered = nginx.ask(f"/99x75!/{ID}.jpeg", headers=accepting("avif"))
    assert (answered.status, answered.body, answered["content-type"], answered["vary"]) == (200, b"a jpeg", "image/jpeg", "Accept")
    assert nginx.ask(f"/99x75!/{ID}.jpeg", headers=accepting("webp")).status == 415


@pytest.mark.parametrize(
    "url",
    [f"/75x75!/{ID}/title.webp", f"/i/huimages/{ID}/fit-10x10_q75.webp", "/i/plain/a/fit-10x10.jpg", f"/p/{PARTS}/info.json"],
    ids=["huimages", "native", "another namespace", "imageserver"],
)
def test_what_is_no_jpeg_or_nobody_negotiates_does_not_vary(nginx: Standing, url: str) -> None:
    for file in (OURS / "~75x75!.webp", OURS / "fit-10x10_q75.webp", "plain/a/~/fit-10x10.jpg", SERVERS / "+info.json.json"):
        nginx.plant(file, b"plain")
    answers = [nginx.ask(url, headers=accepting(bucket)) for bucket in TYPES]
    assert {(answered.status, answered.body, answered["vary"]) for answered in answers} == {(200, b"plain", "")}


def test_off_by_default_there_is_no_trace_of_it(tmp_path: Path) -> None:
    spaces = {name: {key: value for key, value in space.items() if key != "negotiate"} for name, space in NAMESPACES.items()}
    off, on = (configuration(Config.of({"namespaces": chosen}, tmp_path)) for chosen in (spaces, NAMESPACES))
    traces = ("http_accept", "vary", "onmiss_accept", "$accepted", "$marked", "uninitialized")
    assert [trace for trace in traces if trace in off.lower()] == []
    assert [trace for trace in traces if trace not in on.lower()] == []


def test_who_does_not_negotiate_pays_nothing_for_who_does(tmp_path: Path) -> None:
    """The locations of the other namespace's hits are the same to the letter."""
    alone = configuration(Config.of({"namespaces": {"plain": NAMESPACES["plain"]}}, tmp_path))
    among = configuration(Config.of({"namespaces": NAMESPACES}, tmp_path))
    first = alone[alone.index("# native plain\n") : alone.index("# native plain originals")]
    assert re.sub("@render_[0-9]+", "", first) in re.sub("@render_[0-9]+", "", among)


def test_R25_nginx_accepts_it_and_no_map_captures(tmp_path: Path) -> None:
    text = configuration(settled(tmp_path, {"namespaces": NAMESPACES}))
    assert Nginx(text, tmp_path).check() == ""
    maps = [line for block in re.findall(r"map [^{]*\{([^}]*)\}", text) for line in block.splitlines() if '"~*' in line]
    assert len(maps) == 4  # two sets of two
    assert not [line for line in maps if re.search(r"\((?!\?[:!])", line)]
    assert not re.search(r"\$[0-9]|^\s*rewrite\b", text, re.MULTILINE)
