"""Stops and reloads under load: what is in flight ends well, what is new is answered, and the process number stays."""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer.cli.serve import options
from renderer.config import Config
from renderer.web import door
from tests.e2e.conftest import MakeSite, s3
from tests.e2e.faulty import FaultyS3
from tests.e2e.site import TOP, Site, jpeg
from tests.nginx.asking import ask
from tests.servers import S3Server, stop
from tests.waiting import wait_until

SOAK = bool(os.environ.get("ONMISS_SOAK"))
RELOADS = 20 if SOAK else 2
HEALTH = ("/status_check", "/probe/ready", "/probe/live")


def change(file: Path, section: str, /, **values: Any) -> None:
    """Other values in one section of the configuration."""
    tree = yaml.safe_load(file.read_text())
    tree[section] = {**tree.get(section, {}), **values}
    file.write_text(yaml.safe_dump(tree))


def serving(site: Site) -> int | None:
    return door.listener(Path(site.config.serve.socket))


def reload(site: Site) -> int:
    """SIGHUP, and wait until another process has taken over; its number."""
    before = serving(site)
    assert site.renderer is not None
    site.renderer.send_signal(signal.SIGHUP)
    return wait_until(lambda: (now := serving(site)) != before and now, 60, "a successor") or 0


def children(pid: int) -> set[int]:
    """Those of `pid` and theirs."""
    found: set[int] = set()
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if int((each / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found |= {int(each.name)} | children(int(each.name))
        except OSError:
            continue  # gone meanwhile
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Load:
    """Clients that ask for hits and misses of the original `name` all the time. `statuses`: what they got."""

    def __init__(self, status: Callable[[str], int], name: str) -> None:
        self.statuses: Counter[int] = Counter()
        self._status, self._name, self._ending = status, name, threading.Event()
        self._numbers = itertools.count(1)

    def _ask(self) -> None:
        while not self._ending.is_set():
            number = next(self._numbers)
            for path in (f"/150x150/{self._name}.jpeg", f"/{30 + number % 600}x{30 + number // 600}/{self._name}.jpeg"):
                self.statuses[self._status(path)] += 1

    @contextmanager
    def __call__(self, clients: int = 4) -> Iterator[None]:
        with ThreadPoolExecutor(clients) as pool:
            asking = [pool.submit(self._ask) for _ in range(clients)]
            try:
                yield
            finally:
                self._ending.set()
            for each in asking:
                each.result(60)


@pytest.mark.feature(132)
def test_a_reload_under_load_fails_no_request_and_the_new_configuration_is_in_force(make_site: MakeSite, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        site = make_site(s3(moto_server, endpoint_url=between.url, prefix="reload/", read_seconds=30))
        site.start()
        name, *slow = (site.put(jpeg(seed=seed)).name for seed in range(RELOADS + 1))
        assert site.get(f"/150x150/{name}.jpeg").status == 200
        assert site.renderer is not None
        first, load = site.renderer.pid, Load(lambda path: site.get(path).status, name)
        served = [serving(site)]
        with ThreadPoolExecutor(1) as client, load():
            for turn in range(RELOADS):
                between.hang(slow[turn])
                asked = client.submit(site.get, f"/100x100/{slow[turn]}.jpeg")
                wait_until(lambda t=turn: between.counted("GET", slow[t]), what="a request in flight")
                change(site.file, "quality", jpeg=40 + turn)
                served.append(reload(site))
                wait_until(lambda quality=40 + turn: any(f"_q{quality}." in path for path in site.cached()), 10, "the new quality")
                assert not asked.done()
                between.heal()
                assert asked.result(30).status == 200
        assert set(load.statuses) == {200}, load.statuses
        assert load.statuses[200] > 20 * RELOADS
        assert len(set(served)) == RELOADS + 1
        assert (served[0], site.renderer.pid) == (first, first)
        wait_until(lambda: not any(is_alive(pid) for pid in served[1:-1] if pid), 10, "the former ones to go")
        assert site.stop_renderer() == 0
        assert not is_alive(served[-1] or 0)
        assert not Path(site.config.serve.socket).exists()
        log = site.log.read_text()
        assert ("Traceback" in log, "leaked" in log) == (False, False)


def test_a_broken_configuration_changes_nothing_and_its_cure_is_logged(site: Site) -> None:
    name, before = site.put(jpeg()).name, site.file.read_text()
    assert site.renderer is not None
    change(site.file, "limits", max_side_outt=100)
    site.renderer.send_signal(signal.SIGHUP)
    wait_until(lambda: "going on as before" in site.log.read_text(), 30, "a refusal")
    assert "max_side_outt" in site.log.read_text()
    assert (serving(site), site.get(f"/150x150/{name}.jpeg").status) == (site.renderer.pid, 200)
    site.file.write_text(before)
    change(site.file, "serve", socket="elsewhere")
    assert reload(site) != site.renderer.pid
    wait_until(lambda: Path(f"/proc/{site.renderer.pid if site.renderer else 0}/cmdline").read_bytes().count(b"web.parent"), 10, "a parent")
    assert "restart to move it" in site.log.read_text()
    # and the same of a renderer that was succeeded already
    change(site.file, "limits", max_side_outt=100)
    site.renderer.send_signal(signal.SIGHUP)
    wait_until(lambda: site.log.read_text().count("going on as before") == 2, 30, "a refusal")
    assert site.get(f"/151x151/{name}.jpeg").status == 200


def test_a_successor_is_told_what_was_said_on_the_command_line() -> None:
    said = argparse.Namespace(config="x.yaml", root=None, port=8080, profile=True, succeed=None)
    assert options(said) == ["--config", "x.yaml", "--port", "8080", "--profile"]
    assert options(said, prune=True) == ["--config", "x.yaml"]


def test_nothing_outlives_the_process_that_the_operator_knows(site: Site) -> None:
    assert site.renderer is not None
    first = site.renderer.pid
    successor = reload(site)
    wait_until(lambda: b"renderer.hiding\0renderer.web.parent" in Path(f"/proc/{first}/cmdline").read_bytes(), 10, "a parent")
    wait_until(lambda: len(children(successor)) >= 3, 10, "its render processes")
    family = children(site.renderer.pid)
    assert successor in family
    site.stop_renderer(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, family)), 10, "the end of all of them")


def test_a_successor_that_dies_takes_its_parent_along(site: Site) -> None:
    os.kill(reload(site), signal.SIGKILL)
    assert site.renderer is not None
    assert site.renderer.wait(10) == 128 + signal.SIGKILL
    assert not Path(site.config.serve.socket).exists()


def health(site: Site) -> list[int]:
    """Its three statuses, as the admin host has them."""
    found = []
    for path in HEALTH:
        with closing(http.client.HTTPConnection("127.0.0.1", site.admin_port, timeout=10)) as connection:
            connection.request("GET", path)
            found.append(connection.getresponse().status)
    return found


@pytest.mark.feature(131, 132)
@pytest.mark.parametrize("reloaded", [pytest.param(False, id="as started"), pytest.param(True, id="after a reload")])
def test_while_it_drains_health_is_told_and_nothing_else_begun(make_site: MakeSite, moto_server: S3Server, reloaded: bool) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        site = make_site(s3(moto_server, endpoint_url=between.url, prefix="health/", read_seconds=30))
        site.start()
        name = site.put(jpeg()).name
        if reloaded:
            reload(site)
        assert health(site) == [200, 200, 200]
        for second in (False, True):
            between.hang(name)
            with ThreadPoolExecutor(1) as client:
                asked = client.submit(site.get, f"/15{second:d}x150/{name}.jpeg")
                wait_until(lambda: site.load()["requests"]["waiting"] == 1, what="a request in flight")
                assert site.renderer is not None
                site.renderer.send_signal(signal.SIGTERM)
                wait_until(lambda: health(site) == [501, 501, 200], 5, "a drain")
                refused = site.get(f"/160x160/{name}.jpeg")
                assert (refused.status, refused["retry-after"]) == (503, "5")
                assert not asked.done()
                if not second:
                    between.heal()
                assert (site.stop_renderer(seconds=10) if second else site.renderer.wait(10)) == (1 if second else 0)
                assert asked.result(10).status == (503 if second else 200)
                between.heal()
            site.wiring.originals.discard_copy(next(iter(site.wiring.originals.names(site.config.namespaces_built()["huimages"]))))
            if not second:
                site.start_renderer()
                if reloaded:
                    reload(site)


@pytest.mark.feature(132)
def test_signals_in_the_middle_of_a_reload_are_heard(make_site: MakeSite, moto_server: S3Server) -> None:
    """One that takes over while the former renderer still answers, and all of them are told to stop."""
    with FaultyS3(moto_server.endpoint_url) as between:
        site = make_site(s3(moto_server, endpoint_url=between.url, prefix="middle/", read_seconds=30))
        site.start()
        names = [site.put(jpeg(seed=seed)).name for seed in (1, 2)]
        for side, kinds, code in ((151, "TERM", 0), (152, "HUP TERM", 0), (153, "TERM TERM", 1)):
            between.forget()
            between.hang()
            with ThreadPoolExecutor(2) as clients:
                asked = [clients.submit(site.get, f"/{side}x150/{names[0]}.jpeg")]
                wait_until(lambda: between.counted("GET", names[0]), what="a request in flight")
                family = {reload(site)}
                asked.append(clients.submit(site.get, f"/{side}x150/{names[1]}.jpeg"))
                wait_until(lambda: between.counted("GET", names[1]), what="one at the successor")
                assert site.renderer is not None
                family |= children(site.renderer.pid)
                for kind in kinds.split():
                    site.renderer.send_signal(signal.Signals[f"SIG{kind}"])
                    wait_until(lambda k=kind: k == "HUP" or health(site)[0] != 200, 5, "a drain")
                if not code:
                    between.heal()
                assert site.renderer.wait(10) == code
                assert {each.result(10).status for each in asked} == {503 if code else 200}
                between.heal()
            wait_until(lambda pids=family: not any(map(is_alive, pids)), 5, "the end of all of them")
            for ref in list(site.wiring.originals.names(site.config.namespaces_built()["huimages"])):
                site.wiring.originals.discard_copy(ref)
            site.start_renderer()


@pytest.mark.feature(128, 132)
def test_a_batch_goes_on_in_the_next_renderer_and_holds_no_stop_up(make_site: MakeSite, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as between:
        tree = s3(moto_server, endpoint_url=between.url, prefix="batch/", read_seconds=30)
        token = "a token of sixteen letters or more"
        site = make_site(tree | {"namespaces": {"p": {"naming": "md5", "store": "archive", "tokens": [token]}}})
        site.start()
        names = [site.put(jpeg(seed=seed), "p").name for seed in range(20)]
        between.hang(first := names[0][9:])  # as S3 knows it
        headers = {"Authorization": f"Bearer {token}", "Content-Length": str(len(asked := "\n".join(names).encode()))}
        begun = ask(site.service_port, "/p/batch?outputs=w20.jpg", "POST", headers, asked)
        job = json.loads(begun.body)["job_id"]
        wait_until(lambda: between.counted("GET", first), what="an original in work")
        reload(site)
        assert site.renderer is not None
        pid = site.renderer.pid
        wait_until(lambda: b"web.parent" in Path(f"/proc/{pid}/cmdline").read_bytes(), 10, "the end of the former one")
        wait_until(lambda: between.counted("GET", first) == 2, 20, "the same original in work at the next")
        assert site.stop_renderer(seconds=10) == 0
        between.heal()
        site.start_renderer()
        done = wait_until(lambda: (told := ask(site.service_port, f"/p/batch/{job}", "GET", {})).status == 200 and told, 30, "a batch")
        assert [line.split("\t")[0] for line in done.body.decode().splitlines()] == names
        assert b"error" not in done.body


def waits_for_SIGHUP(pid: int) -> bool:
    """Whether it would not die of one, and cannot hear it yet."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("SigBlk:")[2].split()[0], 16) & 1 == 1


def test_a_reload_that_is_asked_for_while_it_starts_comes_when_it_can(site: Site) -> None:
    site.stop_renderer()
    command = [sys.executable, "-m", "renderer", "serve", "--config", str(site.file), "--root", str(site.root)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(TOP)})
    try:
        wait_until(lambda: waits_for_SIGHUP(process.pid), 10, "its beginning")
        assert not serving(site)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: serving(site) not in (None, process.pid), 30, "a successor")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        stop(process)


ADOPT = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == "nohup" else signal.SIG_DFL)
os.open(sys.argv[2], os.O_RDWR)
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


@contextmanager
def in_a_terminal(site: Site, way: str) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], None]]]:
    """A renderer that serves, and what closes its terminal."""
    master, slave = os.openpty()
    command = ["-m", "renderer", "serve", "--config", str(site.file), "--root", str(site.root)]
    line = [sys.executable, "-c", ADOPT, way, os.ttyname(slave), *command]
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "PYTHONPATH": str(TOP)})
    try:
        wait_until(lambda: serving(site) == process.pid, 30, "a renderer")
        yield process, lambda: [os.close(number) for number in (slave, master)] and None
    finally:
        stop(process)


def test_a_terminal_that_is_closed_stops_what_ran_in_it(site: Site) -> None:
    site.stop_renderer()
    with in_a_terminal(site, "") as (process, close):
        close()
        assert process.wait(10) == 0


def test_after_a_reload_nohup_still_holds_and_the_log_is_where_and_what_it_was(site: Site) -> None:
    site.stop_renderer()
    change(site.file, "log", file="a/onmiss.log", format="json")
    log = Path(Config.load(site.file, site.root, {}).log.file or "")
    with in_a_terminal(site, "nohup") as (process, close):
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: waits_for_SIGHUP(process.pid), 30, "a parent")
        wait_until(lambda: b"web.parent" in Path(f"/proc/{process.pid}/cmdline").read_bytes(), 10, "a parent")
        second = serving(site)
        log.rename(log.with_suffix(".1"))
        close()
        wait_until(lambda: serving(site) not in (second, None), 30, "another successor")
        assert process.poll() is None
        for said in ("starting a successor", "has taken over"):
            wait_until(lambda words=said: any(words in json.loads(line)["message"] for line in log.read_text().splitlines()), 10, said)
