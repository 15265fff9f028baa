"""The admin host: health that never hangs, profiles that are not there unless asked for, and a page with gaps rather than none."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import Gone, StoreUnavailable
from renderer.messages import Reply
from renderer.metrics import FAMILIES
from renderer.stores import Facts
from renderer.stores.file import FileStore
from renderer.stores.memory import MemoryStore
from renderer.web.admin import Admin
from renderer.web.app import Application
from renderer.web.health import PATIENCE_SECONDS, Check, Health, of_disk, of_pool, of_store
from renderer.web.life import Life
from renderer.web.profiling import Profiling
from renderer.web.readings import NGINX_SECONDS, Limits, Places, Readings, _asked, remembered
from tests.servers import unused_port
from tests.waiting import wait_until


def ask(application: Application, path: str, method: str = "GET", query: str = "") -> Reply:
    """What a WSGI server would be told."""
    told: list[Any] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    body = b"".join(application(environ, lambda status, headers: told.extend((status, headers))))
    return Reply(int(told[0][:3]), tuple(told[1]), body)


def message(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["message"]


def admin(*checks: Check, life: Life | None = None, profiling: Profiling | None = None) -> Admin:
    return Admin(lambda: {"version": "1"}, list, Health(checks, (life or Life()).is_draining), profiling)


@pytest.fixture
def profiling() -> Iterator[Profiling]:
    yield Profiling()
    tracemalloc.stop()


# health


@pytest.mark.feature(131)
def test_who_is_well_says_so_on_all_three() -> None:
    host = admin(of_store(MemoryStore("disk")), of_pool(lambda: True))
    for path in ("/status_check", "/probe/ready", "/probe/live"):
        for method in ("GET", "HEAD"):
            reply = ask(host, path, method)
            assert message(reply) == (200, "OK")
            assert ("Cache-Control", "no-store") in reply.headers
    assert ask(host, "/probe/ready").body == b'{"message":"OK"}\n'
    assert ask(host, "/probe/ready", "POST").status == 405
    assert ask(host, "/probe/").status == 404


@pytest.mark.feature(131)
def test_who_drains_is_alive_and_takes_nothing_new() -> None:
    life = Life()
    life.drain()
    host = admin(of_pool(lambda: True), life=life)
    assert message(ask(host, "/status_check")) == (501, "Shutting down")
    assert message(ask(host, "/probe/ready")) == (501, "Shutting down")
    assert message(ask(host, "/probe/live")) == (200, "OK")


def test_what_is_the_matter_is_said_to_the_operator_only(tmp_path: Path) -> None:
    checks = [of_store(FileStore("disk", tmp_path / "unmounted")), of_pool(lambda: False), of_disk(tmp_path / "nowhere")]
    status, said = message(Health(checks, Life().is_draining).reply("/probe/ready"))
    assert status == 503
    assert said == "; ".join((
        "store disk: StoreUnavailable", "no render process can be had",
        "the disk under the cache cannot be written: No such file or directory",
    ))  # fmt: skip
    assert str(tmp_path) not in said
    assert message(Health(checks, Life().is_draining, is_discreet=True).reply("/status_check")) == (503, "Not ready")


def test_a_store_that_hangs_makes_no_probe_hang() -> None:
    going_on, looks = threading.Event(), []

    def look() -> str:
        looks.append(1)
        going_on.wait(30)
        return ""

    hanging = Check("store far", look)
    host = Health([hanging, of_pool(lambda: True)], Life().is_draining)
    began = time.monotonic()
    answers = [message(host.reply("/probe/ready")) for _ in range(3)]
    assert time.monotonic() - began < 2 * PATIENCE_SECONDS  # patience is for the look, not for each who asks
    assert answers[0] == (503, "store far has not answered for 1 s")
    assert hanging.is_well() is False
    assert len(looks) == 1
    going_on.set()
    wait_until(hanging.is_well, 5, "the store to answer")
    assert message(host.reply("/probe/ready")) == (200, "OK")


class Flaky(MemoryStore):
    """Fails at first; then it says that what is looked for was deleted, which is an answer."""

    def __init__(self) -> None:
        super().__init__("disk")
        self.looks = 0

    def facts(self, key: str) -> Facts | None:
        self.looks += 1
        raise StoreUnavailable("disk", "connection to 10.0.0.1 refused") if self.looks == 1 else Gone(key)


def test_what_was_found_is_fresh_for_a_while() -> None:
    store = Flaky()
    check = of_store(store)
    host = Health([check], Life().is_draining)
    assert check.is_well() is None
    assert [message(host.reply("/status_check")) for _ in range(3)] == [(503, "store disk: StoreUnavailable")] * 3
    assert store.looks == 1
    store = Flaky()
    host = Health([of_store(store, fresh_seconds=-1)], Life().is_draining)
    assert [message(host.reply("/status_check"))[0] for _ in range(3)] == [503, 200, 200]
    assert store.looks == 3


def test_the_disk_is_left_as_it_was(tmp_path: Path) -> None:
    check = of_disk(tmp_path)
    check.begin()
    assert check.trouble() == ""
    assert list(tmp_path.iterdir()) == []


# profiles


@pytest.mark.feature(135)
def test_profiles_are_there_only_when_they_were_asked_for(profiling: Profiling) -> None:
    paths = ("/debug/", "/debug/heap", "/debug/pprof/heap")
    assert [ask(admin(), path).status for path in (*paths, "/debug/profile")] == [404] * 4
    host = admin(profiling=profiling)
    index, heap, same = (ask(host, path) for path in paths)
    assert b"py-spy record --pid" in index.body
    kept = [bytearray(1 << 20) for _ in range(8)]
    largest = ask(host, "/debug/heap").body.decode().splitlines()[1]
    assert "test_admin.py" in largest
    assert re.match(r" *8,38\d,\d{3} bytes", largest)
    assert (heap.status, same.status, len(kept)) == (200, 200, 8)
    assert ask(host, "/debug/other").status == 404


@pytest.mark.feature(135)
def test_one_profile_at_a_time_and_not_for_ever(profiling: Profiling) -> None:
    host, replies = admin(profiling=profiling), []
    for query in ("seconds=0", "seconds=61", "seconds=x"):
        assert ask(host, "/debug/profile", query=query).status == 400
    stay = threading.Event()
    busy = threading.Thread(target=stay.wait, args=(30,), name="a;busy one")
    sampling = threading.Thread(target=lambda: replies.append(ask(host, "/debug/profile", query="seconds=1")))
    busy.start()
    sampling.start()
    wait_until(profiling._sampling.locked, 5, "the first one to sample")
    assert ask(host, "/debug/profile", query="seconds=1").status == 503
    sampling.join(20)
    stay.set()
    busy.join(20)
    lines = replies[0].body.decode().splitlines()
    assert all(re.fullmatch(r"[^;]+(;[\w.<>]+:\d+)+ \d+", line) for line in lines)
    assert [line for line in lines if line.startswith("a busy one;threading._bootstrap:") and ";threading.wait:" in line]


# what is read when somebody asks


def readings(root: Path, load: Callable[[], dict[str, Any]], stores: dict[str, Check] | None = None) -> dict[tuple[str, ...], float]:
    places = Places(root, root / "prune", f"127.0.0.1:{unused_port()}")
    read = Readings(load, lambda: 3, Limits(176, 64, None), places, stores or {})
    return {(reading.name, *reading.labels): reading.value for reading in read()}


def loaded() -> dict[str, Any]:
    return {"requests": {"waiting": 2}, "render_processes": {"render": (1, 2)}, "quarantined": 4, "owed": None}


def test_what_is_not_there_is_absent_and_takes_nothing_with_it(tmp_path: Path) -> None:
    def broken() -> dict[str, Any]:
        raise OSError("no such thing")

    found = readings(tmp_path, broken)
    assert ("onmiss_disk_free_bytes",) in found
    assert [key for key in found if key[0].startswith(("onmiss_nginx", "onmiss_pruner", "onmiss_cache", "onmiss_waiting"))] == []
    found = readings(tmp_path, loaded)
    assert (found["onmiss_waiting_requests",], found["onmiss_render_processes",], found["onmiss_quarantined",]) == (2, 2, 4)
    assert ("onmiss_owed_originals",) not in found
    assert {key[0] for key in found} <= FAMILIES.keys()


def test_a_damaged_note_of_the_pruner_is_none(tmp_path: Path) -> None:
    (tmp_path / "prune").mkdir()
    for text in ("", "[]", '{"totals": 7}', "{"):
        (tmp_path / "prune/state").write_text(text)
        (tmp_path / "prune/answered").write_text(text)
        assert ("onmiss_render_queue_length",) in readings(tmp_path, loaded)


def test_a_store_is_up_or_down_once_it_was_looked_at(tmp_path: Path) -> None:
    stores = {"near": of_store(MemoryStore("near")), "lost": of_store(FileStore("lost", tmp_path / "unmounted"))}
    readings(tmp_path, loaded, stores)
    assert [check.trouble() for check in stores.values()] == ["", "store lost: StoreUnavailable"]
    found = readings(tmp_path, loaded, stores)
    assert (found["onmiss_store_up", "near"], found["onmiss_store_up", "lost"]) == (1, 0)


def test_an_nginx_that_drips_is_not_waited_for() -> None:
    """Each byte comes in time, and the last one never."""
    given_up = threading.Event()

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(50):
                if select.select([connection], [], [], NGINX_SECONDS / 5)[0]:  # it has nothing more to say than that it goes
                    given_up.set()
                    break
                connection.sendall(b"A")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip)
        dripping.start()
        assert _asked(f"127.0.0.1:{listening.getsockname()[1]}") == ""
        dripping.join(20)
    assert given_up.is_set()


def test_what_is_counted_file_by_file_is_counted_seldom() -> None:
    asked: list[int] = []

    def count() -> int:
        asked.append(1)
        return len(asked)

    often, seldom = remembered(count, -1.0), remembered(count)
    assert [often(), often(), seldom(), seldom()] == [1, 2, 3, 3]
