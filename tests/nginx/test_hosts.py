"""The service and the admin host: everything is the renderer's, and who may ask is nginx's."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.config import Config
from renderer.web.nginx import configuration
from tests.nginx.answering import Params
from tests.nginx.asking import Answered, ask, send, spelled
from tests.nginx.standing import Standing, settled, standing
from tests.waiting import wait_until

BEARER = {"Authorization": "Bearer x"}


def echo(params: Params) -> str:
    return "Content-Type: application/json\r\nCache-Control: private\r\nX-Content-Type-Options: nosniff\r\n\r\n" + json.dumps(params)


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing(settled(tmp_path_factory.mktemp("hosts"), {"limits": {"max_original_bytes": 1000}}), echo) as site:
        yield site


def test_the_service_host_passes_everything_to_the_renderer(echoing: Standing) -> None:
    answered = ask(
        echoing.port + 1,
        "/image/x%20y/?a=b",
        "POST",
        BEARER | {"Cookie": "_hda=1", "Content-Type": "text/x", "Proxy": "x", "Content-Length": "3"},
        b"abc",
    )
    asked = json.loads(answered.body)
    assert (asked["ONMISS_HOST"], asked["REQUEST_METHOD"], asked["PATH_INFO"], asked["QUERY_STRING"]) == (
        "service",
        "POST",
        "/image/x y/",
        "a=b",
    )
    assert (asked["CONTENT_TYPE"], asked["CONTENT_LENGTH"], asked["HTTP_COOKIE"]) == ("text/x", "3", "_hda=1")
    assert "HTTP_PROXY" not in asked
    assert [value for name, value in answered.headers if name == "cache-control"] == ["private"]
    assert [value for name, value in answered.headers if name == "x-content-type-options"] == ["nosniff"]


def test_the_service_host_takes_an_original_and_a_form_but_no_more(echoing: Standing) -> None:
    fits, large = 1_001_000, 1_001_001
    assert ask(echoing.port + 1, "/", "POST", BEARER | {"Content-Length": str(fits)}, bytes(fits)).status == 200
    answered = ask(echoing.port + 1, "/", "POST", BEARER | {"Content-Length": str(large)})
    assert (answered.status, answered["content-type"], answered["cache-control"]) == (413, "application/json", "no-store")
    assert json.loads(answered.body) == {"error": "request too large"}
    long = ask(echoing.port + 1, "/" + "x" * 9000)
    assert (long.status, json.loads(long.body)) == (414, {"error": "URI too long"})


STRANGERS: list[tuple[str, dict[str, str]]] = [
    ("POST", {"Content-Length": "1000"}),
    ("PUT", {"Transfer-Encoding": "chunked"}),
    ("POST", {"Content-Length": "1000", "Authorization": ""}),
    ("DELETE", {}),
    ("GET", {"Content-Length": "1000"}),
    ("HEAD", {"Transfer-Encoding": "chunked"}),
]


@pytest.mark.feature(170)
@pytest.mark.parametrize(("method", "headers"), STRANGERS, ids=lambda part: part if isinstance(part, str) else None)
def test_who_brings_no_token_brings_no_body(echoing: Standing, method: str, headers: dict[str, str]) -> None:
    """The answer comes while the body is still to come: nobody waited for it."""
    answered = ask(echoing.port + 1, "/p", method, headers)
    assert (answered.status, answered["www-authenticate"], answered["cache-control"]) == (401, "Bearer", "no-store")
    assert (answered["content-type"], answered["x-content-type-options"]) == ("application/json", "nosniff")
    if method != "HEAD":
        assert list(json.loads(answered.body)) == ["error"]


def test_pages_need_no_token(echoing: Standing) -> None:
    for headers in ({}, {"Content-Length": "0"}):
        asked = json.loads(ask(echoing.port + 1, "/?namespace=p", "GET", headers).body)
        assert (asked["REQUEST_METHOD"], asked["QUERY_STRING"]) == ("GET", "namespace=p")


def test_one_address_brings_only_so_many_bodies_at_once(tmp_path: Path) -> None:
    with standing(settled(tmp_path, miss_connections=1), echo) as site, socket.create_connection(("127.0.0.1", site.port + 1)) as slow:
        slow.sendall(spelled("/p", "POST", BEARER | {"Content-Length": "3"}) + b"x")
        refused = wait_until(lambda: _if_refused(site), what="a refusal")
        assert (refused["retry-after"], json.loads(refused.body)) == ("1", {"error": "too many requests, try again"})
        assert ask(site.port + 1, "/").status == 200


def _if_refused(site: Standing) -> Answered | None:
    answered = ask(site.port + 1, "/p", "POST", BEARER | {"Content-Length": "1"}, b"x")
    return answered if answered.status == 429 else None


def test_the_admin_host_has_nginxs_figures_and_the_renderers(echoing: Standing) -> None:
    figures = ask(echoing.port + 2, "/nginx_status")
    assert (figures.status, figures["cache-control"], figures["x-content-type-options"]) == (200, "no-store", "nosniff")
    assert figures.body.startswith(b"Active connections:")
    assert json.loads(ask(echoing.port + 2, "/").body)["ONMISS_HOST"] == "admin"


NAMES = ("localhost", "127.0.0.1", "[::1]", "LOCALHOST:8082")


def test_the_admin_host_answers_to_the_names_of_loopback_only(echoing: Standing) -> None:
    """A page in a browser may ask by its own name, which its owner has made mean 127.0.0.1."""
    port = echoing.port + 2
    for host in (*NAMES, f"127.0.0.1:{port}", f"localhost:{port}"):
        for path in ("/metrics", "/nginx_status"):
            assert ask(port, path, headers={"Host": host}).status == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1", "_"):
        for path in ("/metrics", "/", "/nginx_status"):
            answered = ask(port, path, headers={"Host": host})
            assert (answered.status, answered["content-type"]) == (421, "text/plain; charset=utf-8")
            assert answered.body == b"misdirected request\n"
    assert send(port, b"GET /metrics HTTP/1.0\r\n\r\n").status == 200  # no browser's


def test_an_admin_host_elsewhere_answers_to_its_own_name(tmp_path: Path) -> None:
    config = settled(tmp_path)
    port = int(config.hosts.admin.listen.rpartition(":")[2])
    moved = Config.of({"hosts": {"images": {"listen": config.hosts.images.listen}, "admin": {"listen": f"127.0.0.5:{port}"}}}, tmp_path)
    text = configuration(moved)
    assert f"listen 127.0.0.5:{port} default_server;" in text
    assert 'server_name "" localhost 127.0.0.1 [::1] 127.0.0.5;' in text


@pytest.mark.parametrize("offset", [0, 1], ids=["images", "service"])
def test_health_is_asked_with_nothing_of_the_client(echoing: Standing, offset: int) -> None:
    given = {"Cookie": "_hda=1", "Authorization": "Bearer x", "Proxy": "x", "X-Forwarded-For": "x"}
    answered = ask(echoing.port + offset, "/%73tatus_check?a=b", "GET", given)
    asked = json.loads(answered.body)
    assert (asked["ONMISS_HOST"], asked["PATH_INFO"], asked["REQUEST_URI"], asked.get("QUERY_STRING", "")) == (
        "health",
        "/status_check",
        "/status_check",
        "",
    )
    assert [name for name in asked if name.startswith("HTTP_")] == []
    assert [value for name, value in answered.headers if name == "x-content-type-options"] == ["nosniff"]
    assert ask(echoing.port + offset, "/status_check", "POST").status == 405


@pytest.mark.parametrize(
    ("offset", "kind"), [(1, "application/json"), (2, "text/plain; charset=utf-8")], ids=["service", "admin"]
)
def test_without_a_renderer_they_are_busy_each_in_its_way(tmp_path: Path, offset: int, kind: str) -> None:
    with standing(settled(tmp_path)) as site:
        answered = ask(site.port + offset, "/")
    assert (answered.status, answered["retry-after"], answered["cache-control"]) == (503, "1", "no-store")
    assert (answered["content-type"], answered["x-content-type-options"]) == (kind, "nosniff")
