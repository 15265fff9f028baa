"""What a site says of itself: counts, health and nginx's figures, with everything real."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from renderer.metrics import FAMILIES, STAGES
from renderer.web import door
from tests.counting import Page, read, value
from tests.e2e.conftest import MakeSite
from tests.e2e.site import Answer, Site, jpeg, running
from tests.servers import find_program
from tests.waiting import wait_until

ABSENT = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA01"


class Watched(NamedTuple):
    """A site on which a little has happened; its page of metrics then, as text, and what statsd heard."""

    site: Site
    text: str
    heard: list[str]


def ask(port: int, path: str, method: str = "GET") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return Answer(response.status, tuple((name.lower(), text) for name, text in response.getheaders()), response.read())
    finally:
        connection.close()


def page(site: Site) -> Page:
    answer = ask(site.admin_port, "/metrics")
    assert answer.status == 200
    return read(answer.body.decode())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(10)
        tree = {"cache": {"max_bytes": "1GB"}, "statsd": {"enabled": True, "port": statsd.getsockname()[1]}}
        with running(tmp_path_factory.mktemp("site"), tree) as site:
            use(site)
            heard: list[str] = []
            while "image_server.original_unavailable:1|c" not in heard:
                heard += statsd.recv(2000).decode().split("\n")
            wait_until(lambda: len(logged(site)) == 5, 10, "nginx to write its log")
            site.wiring.pruner.run()
            ask(site.admin_port, "/probe/ready")
            yield Watched(site, ask(site.admin_port, "/metrics").body.decode(), heard)


def use(site: Site) -> None:
    """Two misses, a hit, an original that is not there, and a wish that cannot be; and a page of the service host."""
    ref = site.put(jpeg())
    small, other = f"/i/huimages/{ref.name}/fit-100x100_q60.jpg", f"/150x150/{ref.name}/title.webp"
    absent, refused = f"/i/huimages/{ABSENT}/fit-100x100_q75.jpg", f"/i/huimages/{ref.name}/fit-0x0_q75.jpg"
    assert [site.get(path).status for path in (small, other, small, absent, refused)] == [200, 200, 200, 404, 400]
    assert ask(site.service_port, "/nothing-of-ours").status == 404


def logged(site: Site) -> list[str]:
    return (Path(site.config.nginx.logs) / "access.log").read_text().splitlines()


@pytest.mark.feature(133)
def test_the_page_has_every_metric_and_what_happened(watched: Watched) -> None:
    found = read(watched.text)
    assert FAMILIES.keys() - found.keys() == {"onmiss_pruner_evicted_total"}  # nothing was
    assert found.keys() <= FAMILIES.keys()
    requests = {" ".join(sample.labels[name] for name in FAMILIES["onmiss_requests_total"].labels): sample.value
                for sample in found["onmiss_requests_total"]}  # fmt: skip
    assert requests == dict.fromkeys((
        "images native huimages 200", "images huimages huimages 200", "images native huimages 404", "images native none 400",
        "service none none 404",
    ), 1)  # fmt: skip
    assert value(found, "onmiss_miss_seconds_count") == 2
    for stage in STAGES:
        assert value(found, "onmiss_stage_seconds_count", stage=stage) == 2
    assert value(found, "image_server_processing_version_ok_total", namespace="huimages", format="jpg", quality="60") == 1
    assert value(found, "image_server_processing_version_ok_total", format="webp", quality="75") == 1
    assert value(found, "image_server_processing_version_failed_total", format="jpg") == 1
    assert value(found, "image_server_request_latency_seconds_count", handler="resize_image") == 3
    assert value(found, "image_server_fetch_original_download_skipped_total") == 2  # the store is a directory


def test_states_are_those_of_now(watched: Watched) -> None:
    found = read(watched.text)
    assert value(found, "onmiss_render_processes") == 2
    assert value(found, "onmiss_store_up", store="disk") == 1
    assert value(found, "onmiss_store_calls_total", store="disk", outcome="absent") >= 1
    assert (value(found, "onmiss_cache_files"), value(found, "onmiss_cache_limit_bytes")) == (2, 1e9)
    assert value(found, "onmiss_cache_bytes", namespace="huimages") > 0
    assert value(found, "onmiss_pruner_passes_total") == 1
    assert value(found, "onmiss_disk_size_bytes") > value(found, "onmiss_disk_free_bytes") > 0


def test_hits_and_misses_are_counted_from_nginxs_log(watched: Watched) -> None:
    found = read(watched.text)
    names = ("answer", "namespace", "status")
    answers = {tuple(sample.labels[name] for name in names): sample.value for sample in found["onmiss_nginx_requests_total"]}
    assert answers["hit", "huimages", "2xx"] == 1
    assert answers["miss", "huimages", "2xx"] == 2
    assert sum(count for (answer, *_), count in answers.items() if answer == "other") == 2
    assert value(found, "onmiss_nginx_connections", state="active") >= 1
    assert value(found, "onmiss_nginx_http_requests_total") >= 6


def test_prometheus_own_judge_has_nothing_to_say(watched: Watched) -> None:
    promtool = find_program("promtool", "scripts/bootstrap test")
    done = subprocess.run([promtool, "check", "metrics"], input=watched.text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.feature(134)
def test_a_miss_sends_to_statsd_what_image_server_would(watched: Watched) -> None:
    sources, readmes = ("processing.version.ok_count", "processing.version.ok.jpg_count"), ("image_request", "image_request.jpg")
    for name in (*sources, *readmes, "image_request_fail"):
        assert f"image_server.{name}:1|c" in watched.heard
    timed = "image_server.resize_image.request_latency:"
    latencies = [float(line.removeprefix(timed).removesuffix("|ms")) for line in watched.heard if line.startswith(timed)]
    assert len(latencies) in (2, 3)  # that of the absent one comes after the last that we waited for
    assert all(1 < milliseconds < 30_000 for milliseconds in latencies[:2])  # no seconds in disguise


@pytest.mark.feature(131)
def test_health_is_told_on_every_host_and_nothing_else_of_the_operators(watched: Watched) -> None:
    site = watched.site
    for port in (site.port, site.service_port, site.admin_port):
        for method in ("GET", "HEAD"):
            answer = ask(port, "/status_check?a=b", method)
            assert (answer.status, answer["content-type"], answer["cache-control"]) == (200, "application/json", "no-store")
            assert answer.body == (b'{"message":"OK"}\n' if method == "GET" else b"")
    for path in ("/probe/ready", "/probe/live"):
        assert json.loads(ask(site.admin_port, path).body) == {"message": "OK"}
    for path in ("/metrics", "/probe/ready", "/debug/heap", "/debug/pprof/heap"):
        assert {ask(port, path).status for port in (site.port, site.service_port)} <= {400, 404}  # some have a dialect's shape
    assert ask(site.admin_port, "/debug/heap").status == 404
    assert ask(site.port, "/status_check", "POST").status == 405


@pytest.mark.feature(135)
def test_with_profile_the_admin_host_and_no_other_shows_where_memory_goes(make_site: MakeSite) -> None:
    site = make_site()
    site.start_renderer("--profile")
    site.start_nginx()
    assert site.get(f"/150x150/{site.put(jpeg()).name}.jpeg").status == 200
    for path in ("/debug/heap", "/debug/pprof/heap"):
        answer = ask(site.admin_port, path)
        assert (answer.status, answer["content-type"]) == (200, "text/plain; charset=utf-8")
        assert b"bytes held" in answer.body
        assert {ask(port, path).status for port in (site.port, site.service_port)} <= {400, 404}
    sampled = ask(site.admin_port, "/debug/profile?seconds=1").body.decode()
    assert re.search(r"^maker;threading\._bootstrap:\d+;", sampled, re.MULTILINE)


def test_who_lost_its_store_says_so_and_goes_on_serving(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    ref = site.put(jpeg())
    path = f"/150x150/{ref.name}.jpeg"
    assert site.get(path).status == 200
    originals = site.wiring.stores["disk"].root  # type: ignore[attr-defined]  # a file store
    originals.rename(originals.with_name("elsewhere"))
    wait_until(lambda: ask(site.admin_port, "/probe/ready").status == 503, 10, "a probe that sees it")
    assert json.loads(ask(site.admin_port, "/probe/ready").body) == {"message": "store disk: StoreUnavailable"}
    assert json.loads(ask(site.port, "/status_check").body) == {"message": "Not ready"}
    assert ask(site.admin_port, "/probe/live").status == 200
    assert value(page(site), "onmiss_store_up", store="disk") == 0
    assert site.get(path).status == 200


def test_counts_outlive_a_reload_and_states_do_not_double(site: Site) -> None:
    ref, socket_path = site.put(jpeg()), Path(site.config.serve.socket)
    for number in (1, 2):
        before = door.listener(socket_path)
        assert site.get(f"/{number}00x100/{ref.name}.jpeg").status == 200
        assert site.renderer is not None
        site.renderer.send_signal(signal.SIGHUP)
        wait_until(lambda before=before: door.listener(socket_path) not in (before, None), 60, "a successor")  # type: ignore[misc]
        found = page(site)
        assert value(found, "onmiss_requests_total", status="200") == number
        assert value(found, "onmiss_miss_seconds_count") == number
        assert value(found, "onmiss_render_processes") == 2
        assert value(found, "onmiss_waiting_requests_limit") == 176
    assert site.get(f"/300x100/{ref.name}.jpeg").status == 200
    assert value(page(site), "onmiss_requests_total", status="200") == 3


def test_a_renderer_that_was_killed_is_forgotten_by_the_next(site: Site) -> None:
    ref = site.put(jpeg())
    assert site.get(f"/150x150/{ref.name}.jpeg").status == 200
    site.stop_renderer(signal.SIGKILL)
    files = site.root / "run/metrics"
    before = set(files.glob("*.db"))
    site.start_renderer()
    found = page(site)
    assert value(found, "onmiss_requests_total") == 0
    assert value(found, "onmiss_render_processes") == 2
    assert len(before) == len(set(files.glob("*.db"))) == 2
