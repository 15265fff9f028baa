"""The text of the configuration: nginx accepts it, whatever ours says, and what it must not have is not in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from renderer.config import Config
from renderer.errors import ConfigError
from renderer.web.nginx import LOG_FIELDS, configuration
from tests.nginx.making import PICTURE
from tests.nginx.standing import settled, standing
from tests.running import Nginx
from tests.waiting import wait_until

TOP = Path(__file__).resolve().parent.parent.parent

EVERYTHING = {
    "namespaces": {
        "huimages": {"originals": "as-is"},
        "p": {"naming": "md5", "prefix": "p", "originals": "forbidden"},
        "fitter": {"naming": "path", "prefix": "fitter"},
        "with-dash": {"naming": "path", "prefix": "dash", "originals": "as-is"},
    }
}
OFF = dict.fromkeys(("miss_rate", "miss_connections", "herd_rate", "open_file_cache", "access_log"), "off")


@pytest.mark.feature(94)
@pytest.mark.parametrize(
    ("tree", "nginx"),
    [
        pytest.param({}, {"open_file_cache": 20000, "worker_processes": "auto"}, id="the default"),
        pytest.param(EVERYTHING, {}, id="all namings"),
        pytest.param({"namespaces": {"p": {"naming": "md5"}}}, {}, id="no huImages"),
        pytest.param({}, OFF, id="off"),
        pytest.param({}, {"miss_burst": 0}, id="no burst"),
        pytest.param({"hosts": {"images": {"names": ["i.example.net", "*.example.org"]}}}, {}, id="names"),
        pytest.param({"stores": {"disk": {"kind": "s3", "bucket": "abc"}}}, {"user": "root"}, id="a slow store"),
    ],
)
def test_nginx_accepts_it(tmp_path: Path, tree: dict[str, Any], nginx: dict[str, Any]) -> None:
    assert Nginx(configuration(settled(tmp_path, tree, **nginx)), tmp_path).check() == ""


def test_R25_it_has_no_rewrite_and_no_captures_in_maps() -> None:
    text = configuration(Config.of(EVERYTHING))
    assert not re.search(r"^\s*rewrite\b", text, re.MULTILINE)
    assert not [line for block in re.findall(r"map [^{]*\{([^}]*)\}", text) for line in block.splitlines() if re.match(r"\s*\"?~", line)]
    assert not re.search(r"\$[0-9]", text)
    assert re.search(r"^\s*max_ranges 1;", text, re.MULTILINE)


DIRECTIVES = (
    "absolute_redirect off",
    "fastcgi_ignore_client_abort on",
    "fastcgi_keep_conn off",
    "fastcgi_next_upstream off",
    r"fastcgi_param PATH_INFO \$asked",  # $uri is another after a lookup that found a file which was gone a moment later
    "merge_slashes off",
    "open_file_cache_errors off",
    "open_file_cache_valid 5s",
    "server_tokens off",
)


@pytest.mark.parametrize("directive", DIRECTIVES)
def test_it_says(directive: str) -> None:
    assert re.search(rf"^\s*{directive};", configuration(Config.of({})), re.MULTILINE)


@pytest.mark.parametrize(
    ("wait", "render", "store", "seconds"),
    [
        pytest.param(30, 15, {"kind": "file"}, 70, id="the default"),
        pytest.param(
            5, 60, {"kind": "s3", "bucket": "abc", "attempts": 2, "connect_seconds": 1, "read_seconds": 9}, 155, id="a slow store"
        ),
    ],
)
def test_nginx_waits_longer_than_the_renderer_can_take(wait: int, render: int, store: dict[str, Any], seconds: int) -> None:
    config = Config.of({"serve": {"wait_seconds": wait}, "render": {"seconds": render}, "stores": {"disk": store}})
    assert f"fastcgi_read_timeout {seconds}s;" in configuration(config)


@pytest.mark.parametrize(("render", "seconds"), [(5, 70), (60, 135)])
def test_nginx_waits_for_the_longest_profile(render: int, seconds: int) -> None:
    config = Config.of({"serve": {"wait_seconds": 5}, "render": {"seconds": render}})
    admin = configuration(config).partition("fastcgi_param ONMISS_HOST admin;")[2]
    assert admin.split("}")[0].split(";")[0].strip() == f"fastcgi_read_timeout {seconds}s"


def test_nginx_waits_for_a_store_and_then_for_its_legacy_sources_and_for_no_others() -> None:
    sources = {f"old{seconds}": {"kind": "couchdb", "timeout_seconds": seconds} for seconds in (3, 4, 1000)}
    slow = {"kind": "s3", "bucket": "abc", "attempts": 2, "connect_seconds": 1, "read_seconds": 9}
    config = Config.of({"stores": {"disk": slow, **sources}, "namespaces": {"huimages": {"legacy": ["old3", "old4"]}}})
    assert f"fastcgi_read_timeout {70 + 20 + 2 * (3 + 4)}s;" in configuration(config)


@pytest.mark.parametrize("name", ["with space", "with 'quotes' and {braces}; #", "ünïcode ☃"], ids=ascii)
def test_a_root_may_have_a_strange_name(tmp_path: Path, name: str) -> None:
    config = settled(tmp_path / name)
    with standing(config) as site:
        assert site.ask("/75x75/VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501.jpeg").status == 503
        site.plant("huimages/VG/M/VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501/~75x75.jpeg", PICTURE)
        assert site.ask("/75x75/VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501.jpeg").status == 200


@pytest.mark.parametrize("name", ["with$dollar", 'with"quote', "with\\backslash", "with\nnewline"], ids=ascii)
def test_a_root_that_nginx_cannot_be_told_is_an_error_with_its_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"^cache\.root: expected a path that nginx can be told"):
        configuration(Config.of({}, tmp_path / name))


def test_a_socket_with_a_colon_is_an_error_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^serve\.socket: expected a path without a colon"):
        configuration(Config.of({"serve": {"socket": "a:b.sock"}}, tmp_path))


def test_a_line_of_the_log_splits_into_its_fields(tmp_path: Path) -> None:
    with standing(settled(tmp_path)) as site:
        planted = site.plant("huimages/VG/M/VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501/~75x75.jpeg", PICTURE)
        url = '/75x75/VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501/tab%09ä"x.jpeg'
        good = url.replace("%09", "")
        site.ask(good, "GET", {"Range": "bytes=0-9"})
        site.ask(url)
        log = site.config.nginx.logs / "access.log"
        lines = wait_until(lambda: log.read_text().splitlines()[1:] and log.read_text().splitlines(), what="two lines")
    fields = [dict(zip(LOG_FIELDS, line.split("\t"), strict=True)) for line in lines]
    assert fields[0]["$request_filename"] == str(planted)
    assert (fields[0]["$status"], fields[0]["$request_method"], fields[0]["$body_bytes_sent"]) == ("206", "GET", "10")
    assert fields[0]["$request_uri"] == good.replace("ä", r"\xC3\xA4").replace('"', r"\x22")
    assert (fields[0]["$upstream_response_time"], fields[0]["$upstream_http_x_onmiss"], fields[0]["$remote_addr"]) == (
        "-",
        "-",
        "127.0.0.1",
    )
    assert fields[1]["$status"] == "400"


def test_the_log_is_described_field_by_field() -> None:
    page = (TOP / "docs/nginx.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| [0-9]+ \| `(\$\w+)`", page, re.MULTILINE) == list(LOG_FIELDS)
