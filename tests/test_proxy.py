"""The proxy that all of these stand on: which requests a fault hits, what a hook may do, and that nothing of it is left behind."""

from __future__ import annotations

import http.client
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from couchdb import client

from tests.couch import couch_server
from tests.faults import always, asks, either, hang, lose, nth, sometimes, status
from tests.proxy import Proxy
from tests.servers import unused_port
from tests.waiting import wait_until

__all__ = ["couch_server"]


@pytest.fixture
def proxy(couch_server: str) -> Iterator[Proxy]:
    before = set(threading.enumerate())
    with Proxy(couch_server) as proxy:
        yield proxy
    assert set(threading.enumerate()) <= before


@pytest.fixture
def database(couch_server: str) -> client.Database:
    """With a document, behind the proxy's back."""
    database = client.Server(couch_server).create(f"proxy-{uuid.uuid4().hex}")
    database["doc"] = {}
    return database


def _ask(proxy: Proxy, path: str, method: str = "GET") -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)) as connection:
        connection.request(method, path)
        with closing(connection.getresponse()) as response:
            response.read()
            return response.status


def test_faults_hit_the_requests_that_are_meant(proxy: Proxy, database: client.Database) -> None:
    place = f"/{database.name}/doc"
    proxy.fault = either(nth(2, status(503), only=asks("GET", "/doc")), sometimes(0.3, 7, status(500), only=asks("HEAD")))
    assert [_ask(proxy, path) for path in (place, f"/{database.name}", place, place)] == [200, 200, 503, 200]
    codes = [_ask(proxy, place, "HEAD") for _ in range(20)]
    proxy.fault = sometimes(0.3, 7, status(500))
    assert codes == [_ask(proxy, place, "HEAD") for _ in range(20)]
    assert 0 < codes.count(500) < 20


def test_one_that_hangs_goes_on_when_it_is_released(proxy: Proxy) -> None:
    fault = hang()
    proxy.fault = always(fault)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(_ask, proxy, "/")
        wait_until(lambda: fault.held == 1)
        assert proxy.answered == []
        fault.release()
        assert waiting.result() == 200


def test_an_answer_that_is_lost_was_meant(proxy: Proxy, database: client.Database) -> None:
    proxy.fault = always(lose())
    with pytest.raises(http.client.RemoteDisconnected):
        _ask(proxy, f"/{database.name}/doc?rev={database['doc'].rev}", "DELETE")
    assert "doc" not in database


def test_what_goes_wrong_in_a_hook_is_told(couch_server: str) -> None:
    proxy = Proxy(couch_server)
    proxy.before = lambda _: 1 // 0
    with pytest.raises(ExceptionGroup, match="errors of its own"), proxy, pytest.raises(http.client.RemoteDisconnected):
        _ask(proxy, "/")


def test_a_hook_restarts_it_in_the_middle_of_a_request(proxy: Proxy) -> None:
    back = threading.Event()

    def restart(_: object) -> None:
        proxy.before = None
        proxy.stop()
        proxy.start()
        back.set()

    proxy.before = restart
    with pytest.raises(http.client.RemoteDisconnected):
        _ask(proxy, "/")
    assert back.wait(10)
    proxy.stop()  # all of its threads have ended
    assert proxy.answered == []
    proxy.start()
    assert _ask(proxy, "/") == 200


def test_a_server_that_is_not_there_is_a_bad_gateway() -> None:
    with Proxy(f"http://127.0.0.1:{unused_port()}") as proxy:
        assert _ask(proxy, "/") == 502
