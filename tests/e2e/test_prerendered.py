"""What was made ahead is a hit for nginx, with no renderer at all; and it is made beside one that runs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import MakeSite, s3
from tests.e2e.site import TOP, Site, jpeg
from tests.servers import S3Server


def started(site: Site, *words: str) -> subprocess.Popen[str]:
    script = [sys.executable, str(TOP / "scripts/prerender.py"), "--config", str(site.file), "--root", str(site.root), *words]
    return subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=site.root, text=True)


def prerender(site: Site, lines: list[str], *words: str) -> None:
    with started(site, "--from", "-", *words) as process:
        _, errors = process.communicate("\n".join(lines), timeout=60)
    assert process.returncode == 0, errors


# what a line asks for, and URLs that nginx answers then
LINES = {
    "ID\t150x150!": ["/150x150!/ID/title.jpeg", "/150x150!/ID.jpeg", "/150x150%21/ID/other", "/150x150!/ID"],
    "ID thumb": ["/thumb/ID.jpg", "/50x200/ID/as-the-client-library-spells-it.jpeg"],
    "ID 90x90.webp": ["/90x90/ID/title.webp", "/90x90/ID.webp"],
    "ID o": ["/o/ID/title.jpeg"],
    "ID rotate-90_fit-40x": ["/i/huimages/ID/rotate-90_fit-40x.jpg"],
    "/70x70/ID/asked-once.jpeg": ["/70x70/ID/title.jpeg"],
    "scenes/hall/Käse 1%.jpg\t60x60": ["/i/scenes/hall/K%C3%A4se%201%25.jpg/fit-60x60.jpg"],
}


@pytest.mark.parametrize("kind", ["file", "moto"])
def test_what_was_made_ahead_is_answered_by_nginx_alone_as_if_it_had_been_asked_before(
    make_site: MakeSite, request: pytest.FixtureRequest, kind: str
) -> None:
    tree = {} if kind == "file" else s3(request.getfixturevalue("moto_server"), prefix="prerendered/")
    tree["namespaces"] = {**tree.get("namespaces", {"huimages": {}}), "scenes": {"naming": "path", "prefix": "f/"}}
    if kind != "file":
        tree["namespaces"]["scenes"]["store"] = "archive"
    site = make_site(tree)
    originals = [site.put(jpeg(640, 480)), site.put(jpeg(640, 480, 2), "scenes", "hall/Käse 1%.jpg")]
    name = originals[0].name
    prerender(site, [line.replace("ID", name) for line in LINES])
    site.start_nginx()
    paths = [path.replace("ID", name) for found in LINES.values() for path in found]
    hits = {path: site.get(path) for path in paths}
    assert [path for path, hit in hits.items() if hit.status != 200 or hit["x-onmiss"]] == []
    assert hits[f"/150x150!/{name}/title.jpeg"].picture().size == (150, 150)
    assert site.get(f"/151x151/{name}.jpeg").status == 503  # there is no renderer
    for ref in originals:
        site.wiring.cache.forget(ref)
    site.stop_nginx()  # it holds files open
    site.start()
    for path, hit in hits.items():
        assert site.get(path).comparable() == hit.comparable(), path


def test_beside_a_renderer_that_makes_the_same_each_is_made_once(make_site: MakeSite) -> None:
    site = make_site()
    names = [site.put(jpeg(640, 480, seed)).name for seed in range(12)]
    site.start()
    paths = [f"/{side}x{side}/{name}.jpeg" for name in names for side in (40, 50, 60)]
    with ThreadPoolExecutor(4) as clients, started(site, *paths) as making:
        answers = list(clients.map(site.get, reversed(paths)))
        output, errors = making.communicate(timeout=60)
    assert (making.returncode, len(output.splitlines())) == (0, len(paths)), errors
    assert {answer.status for answer in answers} == {200}
    assert len(site.cached()) == 2 * len(paths)
    made = int(errors.splitlines()[-1].partition(" made")[0])
    rendered = sum(" decode=" in line for line in site.misses())
    assert made + rendered == len(paths)


def test_only_a_miss_of_what_was_not_made_ahead_asks_the_renderer(make_site: MakeSite, moto_server: S3Server) -> None:
    site = make_site(s3(moto_server, prefix="ahead/"))
    names = [site.put(jpeg(64, 48, seed)).name for seed in range(3)]
    prerender(site, names[:2], "--sizes", "40x40,thumb")
    site.start()
    marks = [site.get(f"/{size}/{name}/x.jpeg")["x-onmiss"] for name in names for size in ("40x40", "thumb")]
    assert marks == ["", "", "", "", "miss", "miss"]
