"""Misses are limited, hits never; a herd waits in nginx and holds no thread."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.nginx.answering import Params
from tests.nginx.asking import ask, begun, read_answer
from tests.nginx.making import PICTURE, Making
from tests.nginx.standing import Standing, settled, standing
from tests.waiting import wait_until

ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"
URL = f"/75x75!/{ID}/title.jpeg"
DIRECTORY = f"huimages/VG/M/{ID}"


def in_work(site: Standing) -> int:
    """Requests that nginx is about to answer, this one included."""
    status = ask(site.port + 2, "/nginx_status").body.decode()
    return int(status.partition("Writing: ")[2].split()[0])


def misses(site: Standing, count: int) -> list[int]:
    return [site.ask(f"/{side}x75/{ID}.jpeg").status for side in range(1, count + 1)]


def test_misses_above_the_rate_are_told_to_come_again(tmp_path: Path) -> None:
    with standing(settled(tmp_path, miss_rate=1, miss_burst=2)) as site:
        assert misses(site, 5) == [503, 503, 503, 429, 429]
        refused = site.ask(f"/foo/{ID}.jpeg")  # what only looks like a picture is a miss too
        assert (refused.status, refused["retry-after"], refused["cache-control"]) == (429, "1", "no-store")
        assert (refused["content-type"], refused["x-content-type-options"]) == ("text/plain; charset=utf-8", "nosniff")
        assert site.ask(URL + "?x").status == 429


def test_hits_are_never_limited(tmp_path: Path) -> None:
    with standing(settled(tmp_path, miss_rate=1, miss_burst=0, miss_connections=1)) as site:
        site.plant(f"{DIRECTORY}/~75x75!.jpeg", PICTURE)
        assert [site.ask(URL).status for _ in range(20)] == [200] * 20


def test_off_is_a_value(tmp_path: Path) -> None:
    with standing(settled(tmp_path, miss_rate="off", herd_rate="off", miss_connections="off")) as site:
        assert misses(site, 30) == [503] * 30


def test_simultaneous_misses_of_one_address_are_bounded(tmp_path: Path) -> None:
    release = threading.Event()

    def slowly(params: Params) -> str:
        release.wait(10)
        return "Status: 415 so\r\n\r\n"

    with standing(settled(tmp_path, miss_connections=1), slowly) as site, ThreadPoolExecutor() as pool:
        assert site.renderer is not None
        first = pool.submit(site.ask, URL)
        asked = site.renderer.asked
        wait_until(lambda: asked)
        second = site.ask(f"/10x10/{ID}.jpeg")
        release.set()
        assert (second.status, second["retry-after"]) == (429, "1")
        assert first.result().status == 415


def test_a_herd_is_answered_and_the_renderer_asked_by_few(tmp_path: Path) -> None:
    making, sent = Making(links=True), threading.Event()

    def after_all_have_come(params: Params) -> str:
        sent.wait(10)
        return making(params)

    with standing(settled(tmp_path, herd_rate=20), after_all_have_come) as site, contextlib.ExitStack() as stack:
        making.standing = site
        herd = [stack.enter_context(begun(site.port, URL)) for _ in range(30)]
        wait_until(lambda: in_work(site) > len(herd), what="nginx to have them all")
        sent.set()
        answers = [read_answer(connection) for connection in herd]
        assert site.renderer is not None
        assert {answer.status for answer in answers} == {200}
        assert {answer.body for answer in answers} == {PICTURE}
        assert len(site.renderer.asked) < 15  # the first one, and whoever nginx let through before the file was there


def test_misses_of_different_files_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with standing(settled(tmp_path, herd_rate=1)) as site, ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda side: site.ask(f"/{side}x9/{ID}.jpeg").status, range(1, 11)))
    assert answers == [503] * 10
