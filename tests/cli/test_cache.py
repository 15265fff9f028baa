"""`onmiss cache stats`, as a process: a table for people, JSON for programs, and what it says of a real nginx's log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import TOP, Site, jpeg, running
from tests.pruning.logs import line

TREE = {"namespaces": {"huimages": {}, "scenes": {"naming": "path", "prefix": "f/"}}}
ENVIRON = {**os.environ, "PYTHONPATH": str(TOP)}


def stats(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renderer", "cache", "--config", str(site.file), "--root", str(site.root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=ENVIRON, cwd=site.root)


def content(site: Site, *words: str) -> Any:
    done = stats(site, "stats", "--json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Nothing runs; a rendition with an alias in one namespace, one in the other."""
    site = Site(tmp_path / "site", TREE)
    for namespace, name in (("huimages", "fit-300x_q75.jpg"), ("scenes", "fit-10x.png")):
        ref = site.put(jpeg(64, 48), namespace, "lamp.jpg" if namespace == "scenes" else "")
        path = site.wiring.cache.files / ref.directory / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a picture")
        os.link(path, path.with_name("~x.jpeg"))
    return site


def log_of(site: Site) -> Path:
    path = Path(site.config.nginx.logs) / "access.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_without_a_log_the_table_says_so_and_tells_the_rest(site: Site) -> None:
    done = stats(site, "stats")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [" ".join(row.split()) for row in done.stdout.splitlines()]
    assert f"generation {site.config.generation()} files MB on disk aliases visited" in rows
    assert "all 2 0.0 2 0.0 %" in rows
    assert {"namespace scenes 1 0.0 1 0.0 %", "format png 1 0.0 1 0.0 %", "recipe fit-300x_q75.jpg 1 0.0"} <= set(rows)
    assert rows[-1] == f"no access log of ours at {log_of(site)}: no hit ratio, no prediction, no regret"
    assert content(site)["log"] is None


def test_json_tells_bytes_and_one_namespace_alone(site: Site) -> None:
    assert content(site)["census"]["all"] == {"files": 2, "bytes": 8192, "aliases": 2, "visited": 0}
    found = content(site, "--namespace", "scenes")
    assert (found["census"]["all"]["files"], list(found["census"]["namespaces"])) == (1, ["scenes"])
    assert found["disk"]["free_bytes"] > 0


def test_looking_changes_nothing(site: Site) -> None:
    log_of(site).write_bytes(line())
    (site.wiring.cache.root / "tmp/1.1-left").touch()

    def everything() -> list[tuple[str, int, int, int]]:
        found = ((str(path), path.stat()) for path in sorted(site.wiring.cache.root.rglob("*")))
        return [(name, status.st_atime_ns * path_is_file(name), status.st_mtime_ns, status.st_ctime_ns) for name, status in found]

    before = everything()
    assert stats(site, "stats").returncode == 0
    assert everything() == before


def path_is_file(name: str) -> bool:
    """A directory's access time is written by whoever lists it."""
    return Path(name).is_file()


def test_days_of_the_log_can_be_left_out(site: Site) -> None:
    log_of(site).write_bytes(line(site.wiring.cache.files / "a/b/c.jpg"))  # of a day that is long past, or to come
    assert content(site)["log"]["ratio"]["requests"] == 1
    os.utime(log_of(site), (1, 1))
    assert content(site, "--log-days", "7")["log"] is None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["stats", "--namespace", "nope"], "expected one of huimages, scenes for a namespace, got 'nope'"),
        (["stats", "--unused-days", "nan"], "expected a number of days, got 'nan'"),
        (["stats", "--top", "0"], "expected a number from 1 to 1000, got '0'"),
        (["scrub"], "invalid choice: 'scrub'"),
        ([], "the following arguments are required"),
    ],
)
def test_what_cannot_be_is_said(site: Site, words: list[str], complaint: str) -> None:
    done = stats(site, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


def test_a_cache_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = stats(Site(tmp_path / "site"), "stats")
    assert done.returncode == 1
    assert done.stderr == f"onmiss: No such file or directory: {tmp_path}/site/cache\n"


def test_what_nginx_has_answered_is_told(tmp_path: Path) -> None:
    with running(tmp_path / "site", TREE) as site:
        ref, other = site.put(jpeg()), site.put(jpeg(), "scenes", 'hall/Käse "1".jpg')
        for _ in range(5):
            site.get(f"/150x150/{ref.name}.jpeg")
            site.get("/i/scenes/hall/K%C3%A4se%20%221%22.jpg/fit-100x_q75.webp", "GET")
        site.get("/150x150/nobody.jpeg")
        site.stop_nginx()  # which writes the rest of its log
        found = content(site)
        log = found["log"]
        assert (log["lines"], log["passed_over"], log["ratio"]["requests"], log["ratio"]["hits"]) == (11, 0, 10, 8)
        assert log["ratio"]["by_requests"] == log["ratio"]["by_bytes"] == 0.8
        assert [each["factor"] for each in log["predicted"]] == [0.5, 0.75, 1, 1.25, 1.5, 2]
        # the log's misses and hits are of two files, whatever they were asked by
        assert log["predicted"][2]["ratio"] == 0.8
        assert found["census"]["recipes"][0]["name"].startswith("fit-1")
        assert {ref.namespace.name, other.namespace.name} == set(found["census"]["namespaces"])
        assert "hits: 80.0 % of 10 requests, 80.0 % of" in stats(site, "stats").stdout
