"""Kills, outages and full disks: nothing short is ever served, nothing is lost, and it recovers by itself."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.conftest import MakeSite, s3
from tests.e2e.faulty import FaultyS3
from tests.e2e.site import Site, encoded, jpeg
from tests.servers import S3Server
from tests.waiting import wait_until


def render_processes(site: Site) -> list[int]:
    return [int(pid) for pid in site.load()["render_processes"]["render"]]


def forkserver(site: Site) -> int:
    return int(site.load()["render_processes"]["forkserver"])


# kills


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # another of our kills may have ended it
        os.kill(pid, signal.SIGKILL)


def test_after_the_death_of_an_idle_render_process_the_next_miss_is_answered(site: Site) -> None:
    name = site.put(jpeg()).name
    assert site.get(f"/20x20/{name}.jpeg").status == 200
    kill(render_processes(site)[0])
    assert site.get(f"/30x30/{name}.jpeg").status == 200
    for pid in render_processes(site):
        kill(pid)
    assert site.get(f"/40x40/{name}.jpeg").status == 200


def test_after_the_death_of_the_forkserver_the_next_miss_is_answered(site: Site) -> None:
    name = site.put(jpeg()).name
    assert site.get(f"/20x20/{name}.jpeg").status == 200
    pids = render_processes(site)
    kill(forkserver(site))
    assert site.get(f"/30x30/{name}.jpeg").status == 200
    for pid in pids:
        kill(pid)
    assert site.get(f"/40x40/{name}.jpeg").status == 200


def busy_process(site: Site) -> int:
    """A render process that computes: one that used a tenth of a second since we began to look."""
    before = {pid: _cpu_ticks(pid) for pid in render_processes(site)}
    return wait_until(
        lambda: next((pid for pid, ticks in before.items() if _cpu_ticks(pid) > ticks + 10), 0), what="a busy render process"
    )


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


# 80 megapixels that are long in decoding and short on disk
SLOW = encoded(Image.new("RGB", (10_000, 8_000), "teal"), "PNG")


def test_the_death_of_a_busy_render_process_costs_one_request_one_5xx(site: Site) -> None:
    name, other = site.put(SLOW).name, site.put(jpeg()).name
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(site.get, f"/30x30/{name}.jpeg")
        kill(busy_process(site))
        answer = asked.result(30)
    assert answer.status == 503
    assert int(answer["retry-after"]) >= 1
    assert site.get(f"/30x30/{other}.jpeg").status == 200
    assert site.get(f"/31x31/{name}.jpeg").status == 200  # SIGKILL is forgiven once
    assert site.left_over() == []


def test_R2_R23_a_decoder_that_hangs_is_killed_costs_one_503_and_is_not_fed_again(make_site: MakeSite) -> None:
    site = make_site({"render": {"seconds": 3}})
    site.start()
    name, other = site.put(SLOW).name, site.put(jpeg()).name
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(site.get, f"/30x30/{name}.jpeg")
        os.kill(busy_process(site), signal.SIGSTOP)
        assert site.get(f"/30x30/{other}.jpeg").status == 200  # meanwhile
        assert asked.result(30).status == 503
    assert site.get(f"/31x31/{name}.jpeg").status == 415
    assert site.get(f"/31x31/{other}.jpeg").status == 200
    assert [(record.name, record.recipe) for record in site.wiring.quarantine] == [(name, "")]
    assert site.left_over() == []


def test_a_wish_that_takes_too_long_is_held_back_and_thumbnails_are_not(make_site: MakeSite) -> None:
    site = make_site({"render": {"seconds": 1}})
    site.start()
    name = site.put(encoded(Image.effect_noise((4000, 3000), 90), "JPEG")).name
    huge = f"/i/huimages/{name}/whole_q99.avif"
    assert site.get(huge).status == 503
    assert site.get(huge).status == 415
    assert site.get(f"/150x150/{name}.jpeg").status == 200
    assert site.left_over() == []


@pytest.mark.feature(53)
def test_R24_kill_9_of_the_renderer_in_the_middle_leaves_nothing_short(site: Site) -> None:
    name = site.put(jpeg(3000, 2000)).name
    whole = {side: site.get(f"/{side}x{side}/{name}.jpeg").body for side in (300, 800)}
    space = site.config.namespaces_built()["huimages"]
    for _ in range(4):
        site.wiring.cache.forget(space.ref(name))
        with ThreadPoolExecutor(2) as clients:
            asked = [clients.submit(site.get, f"/{side}x{side}/{name}.jpeg") for side in whole]
            wait_until(lambda: site.load()["requests"]["originals"] > 0 or len(site.misses()) > 2, what="a render")
            site.stop_renderer(signal.SIGKILL)
            assert {each.result(30).status for each in asked} <= {200, 503}
        for path in (path for path in site.wiring.cache.files.rglob("*.jp*g") if path.is_file()):
            assert path.read_bytes() in whole.values()
        site.start_renderer()
        for side, body in whole.items():
            answer = site.get(f"/{side}x{side}/{name}.jpeg")
            assert (answer.status, answer.body) == (200, body)
        assert site.left_over() == []


def test_kill_9_of_nginx_loses_nothing(site: Site) -> None:
    name = site.put(jpeg()).name
    body = site.get(f"/150x150/{name}.jpeg").body
    site.kill_nginx()
    site.start_nginx()
    assert site.get(f"/150x150/{name}.jpeg").body == body
    assert site.get(f"/151x151/{name}.jpeg").status == 200


def test_SIGTERM_lets_requests_in_flight_finish_and_removes_the_socket(make_site: MakeSite, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        site = make_site(s3(moto_server, endpoint_url=between.url, prefix="drain/", read_seconds=20))
        site.start()
        name = site.put(jpeg()).name
        between.hang(name)
        with ThreadPoolExecutor(2) as clients:
            asked = clients.submit(site.get, f"/150x150/{name}.jpeg")
            wait_until(lambda: site.load()["requests"]["waiting"] == 1, what="a request in flight")
            stopped = clients.submit(site.stop_renderer)
            wait_until(lambda: site.get("/30x30/" + "A" * 32 + "01.jpeg").status == 503, what="refusal of new requests")
            between.heal()
            assert asked.result(30).status == 200
            assert stopped.result(30) == 0
        assert not Path(site.config.serve.socket).exists()


def test_a_second_SIGTERM_exits_at_once_and_a_drain_has_an_end(make_site: MakeSite, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        site = make_site({**s3(moto_server, endpoint_url=between.url, prefix="second/", read_seconds=60), "serve": {"drain_seconds": 2}})
        site.start()
        name = site.put(jpeg()).name
        between.hang(name)
        for second in (True, False):
            with ThreadPoolExecutor(1) as client:
                asked = client.submit(site.get, f"/150x150/{name}.jpeg")
                wait_until(lambda: site.load()["requests"]["waiting"] == 1, what="a request in flight")
                assert site.renderer is not None
                if second:
                    site.renderer.send_signal(signal.SIGTERM)
                    wait_until(lambda: not Path(site.config.serve.socket).exists() or "draining" in site.log.read_text(), what="draining")
                assert site.stop_renderer(seconds=8) == 1
                assert asked.result(10).status == 503
            site.start_renderer()


def test_a_stale_socket_file_is_no_obstacle(site: Site) -> None:
    site.stop_renderer(signal.SIGKILL)
    assert Path(site.config.serve.socket).exists()
    assert site.get("/150x150/" + "A" * 32 + "01.jpeg").status == 503
    site.start_renderer()
    assert site.get(f"/150x150/{site.put(jpeg()).name}.jpeg").status == 200


# stores


@pytest.mark.feature(52)
@pytest.mark.parametrize("fault", ["hang", "truncate", "500", "503", "403"])
def test_a_store_in_trouble_is_5xx_without_a_trace_and_recovers_by_itself(make_site: MakeSite, moto_server: S3Server, fault: str) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        settings = {"prefix": f"trouble-{fault}/", "read_seconds": 0.3, "connect_seconds": 1, "attempts": 2}
        site = make_site(s3(moto_server, endpoint_url=between.url, **settings))
        site.start()
        name = site.put(jpeg()).name
        between.answer(int(fault)) if fault.isdigit() else getattr(between, fault)()
        answer = site.get(f"/150x150/{name}.jpeg")
        assert answer.status in (502, 503), answer
        assert answer["cache-control"] == "no-store"
        assert answer["content-type"].startswith("text/plain")
        assert site.cached() == []
        assert not [path for path in (site.wiring.cache.root / "originals").rglob("*") if path.is_file()]
        assert not list(site.wiring.quarantine)
        between.heal()
        assert site.get(f"/150x150/{name}.jpeg").status == 200


@pytest.mark.feature(51)
@pytest.mark.feature(52)
def test_with_the_store_down_what_was_fetched_once_is_still_rendered(make_site: MakeSite, moto_server: S3Server) -> None:
    between = FaultyS3(moto_server.endpoint_url)
    with between:
        site = make_site(s3(moto_server, endpoint_url=between.url, prefix="down/", connect_seconds=1, attempts=1))
        site.start()
        known, unknown = site.put(jpeg(seed=1)).name, site.put(jpeg(seed=2)).name
        assert site.get(f"/150x150/{known}.jpeg").status == 200
    # now nobody listens there
    assert site.get(f"/160x160/{known}.jpeg").status == 200
    answer = site.get(f"/160x160/{unknown}.jpeg")
    assert (answer.status, answer["cache-control"]) == (503, "no-store")


# disk


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            continue


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 1 MB; only root can make one."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("expected root, to mount a small file system")
    directory = tmp_path / "small"
    directory.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(directory)], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"expected to mount a small file system: {mounted.stderr.decode()}")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_full_disk_is_503_leaves_no_partial_file_and_originals_alone(make_site: MakeSite, small_disk: Path) -> None:
    site = make_site({"cache": {"root": str(small_disk / "cache")}})
    site.start()
    content = jpeg(1200, 800)
    name = site.put(content).name
    assert site.get(f"/150x150/{name}.jpeg").status == 200
    filler = small_disk / "filler"
    fill(filler)
    answer = site.get(f"/i/huimages/{name}/fit-900x_q95.jpg")
    assert (answer.status, answer["cache-control"]) == (503, "no-store"), answer
    assert site.left_over() == []
    assert not list(site.wiring.quarantine)
    assert site.get(f"/150x150/{name}.jpeg").status == 200
    with site.wiring.originals.local(site.config.namespaces_built()["huimages"].ref(name)) as local:
        assert local.path.read_bytes() == content
    filler.unlink()
    assert site.get(f"/i/huimages/{name}/fit-900x_q95.jpg").status == 200


def test_a_socket_directory_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    from renderer.errors import ConfigError
    from renderer.web.serve import make_socket_directory

    make_socket_directory(tmp_path / "deep/run")
    assert (tmp_path / "deep/run").stat().st_mode & 0o777 == 0o711
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ConfigError, match="only we can write"):
        make_socket_directory(tmp_path / "open")


def test_no_descriptor_for_another_connection_is_a_pause_not_the_end(site: Site) -> None:
    assert site.renderer is not None
    resource.prlimit(site.renderer.pid, resource.RLIMIT_NOFILE, (40, 4096))
    crowd = []
    for _ in range(60):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(site.config.serve.socket))
        crowd.append(connection)
    wait_until(lambda: "accept: Too many open files" in site.log.read_text(), what="a full table of descriptors")
    for connection in crowd:
        connection.close()
    name = site.put(jpeg()).name
    wait_until(lambda: site.get(f"/150x150/{name}.jpeg").status == 200, what="a picture")


def test_a_fetch_that_nobody_waits_for_any_more_does_not_delay_a_stop(make_site: MakeSite, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        site = make_site({**s3(moto_server, endpoint_url=between.url, prefix="stop/", read_seconds=60), "serve": {"wait_seconds": 1}})
        site.start()
        name = site.put(jpeg()).name
        between.hang(name)
        assert site.get(f"/150x150/{name}.jpeg").status == 503
        assert site.stop_renderer(seconds=10) == 0
