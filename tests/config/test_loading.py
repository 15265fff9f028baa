"""From a file, a root and an environment to a Config: what wins, where relative paths begin, what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from renderer.config import Config
from renderer.errors import ConfigError
from renderer.wiring import Wiring


def load(text: str, tmp_path: Path, root: Path | None = None, **environ: str) -> Config:
    file = tmp_path / "onmiss.yaml"
    file.write_text(text, encoding="utf-8")
    return Config.load(file, root, environ)


@pytest.mark.feature(153)
def test_with_a_root_and_no_file_everything_lives_below_the_root(tmp_path: Path) -> None:
    config = Config.load(None, tmp_path, {})
    places = [config.cache.root, config.stores["disk"].settings()["root"], config.serve.socket, config.nginx.run, config.nginx.logs]
    assert all(tmp_path in place.parents for place in places)


def test_no_file_and_no_root_is_the_working_directorys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Config.load(None, None, {}).cache.root == tmp_path / "onmiss-data/cache"


def test_the_root_of_the_command_line_comes_before_the_environment_and_the_file(tmp_path: Path) -> None:
    text = "root: from-file"
    assert load(text, tmp_path).root == tmp_path / "from-file"
    assert load(text, tmp_path, ONMISS_ROOT="/from/environment").root == Path("/from/environment")
    assert load(text, tmp_path, root=Path("/from/option"), ONMISS_ROOT="/from/environment").root == Path("/from/option")


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("serve: {threads: 77, waiting: 60, waiting_per_original: 20}")
    assert Config.load(None, None, {"ONMISS_CONFIG": str(file)}).serve.threads == 77


def test_relative_paths_are_below_the_root_and_absolute_ones_stay(tmp_path: Path) -> None:
    config = load("cache: {root: ../elsewhere}\nnginx: {logs: /var/log/onmiss}", tmp_path, root=tmp_path / "root")
    assert config.cache.root == tmp_path / "elsewhere"
    assert config.nginx.logs == Path("/var/log/onmiss")


@pytest.mark.parametrize("text", ["", "# nothing", "cache:", "cache: {}\nserve:"], ids=["empty", "a comment", "an empty section", "two"])
def test_what_is_left_out_has_its_default(tmp_path: Path, text: str) -> None:
    assert load(text, tmp_path, root=tmp_path) == Config.load(None, tmp_path, {})


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    text = "serve: {threads: 50, waiting: 40, waiting_per_original: 30}"
    config = load(text, tmp_path, ONMISS_SERVE__THREADS="60", ONMISS_QUALITY__PROGRESSIVE="yes", ONMISS_NGINX__MISS_RATE="off")
    assert (config.serve.threads, config.serve.waiting, config.quality.progressive, config.nginx.miss_rate) == (60, 40, True, None)


def test_variables_can_describe_a_new_store_and_change_the_default_one(tmp_path: Path) -> None:
    environ = {
        "ONMISS_STORES__ARCHIVE__KIND": "s3",
        "ONMISS_STORES__ARCHIVE__BUCKET": "2024",
        "ONMISS_STORES__ARCHIVE__SECRET_ACCESS_KEY": "0123",
        "ONMISS_STORES__DISK__ROOT": "pictures",
        "ONMISS_NAMESPACES__HUIMAGES__STORE": "archive",
    }
    config = Config.load(None, tmp_path, environ)
    archive = config.stores["archive"].settings()
    assert (archive["bucket"], archive["secret_access_key"]) == ("2024", "0123"), "texts stay what they are"
    assert config.stores["disk"].settings() == {"root": tmp_path / "pictures"}
    assert Config.load(None, tmp_path, {}).stores["disk"].settings() == {"root": tmp_path / "originals"}, "the defaults are untouched"


def test_a_variable_may_be_a_list(tmp_path: Path) -> None:
    config = Config.load(None, tmp_path, {"ONMISS_HOSTS__IMAGES__NAMES": "[a.example.net, b.example.net]"})
    assert config.hosts.images.names == ["a.example.net", "b.example.net"]


@pytest.mark.parametrize("name", ["CONFIG", "ROOT", "CORPUS"])
def test_some_variables_are_for_others(tmp_path: Path, name: str) -> None:
    assert Config.load(None, tmp_path, {f"ONMISS_{name}": ""}) == Config.load(None, tmp_path, {})


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        pytest.param("a: b: c", "onmiss.yaml, line 1", "expected YAML", id="no yaml"),
        pytest.param("cache:\n\troot: x", "onmiss.yaml, line 2", "expected YAML", id="a tab"),
        pytest.param("cache: {\n generation: 2026-02-30}", "onmiss.yaml, line 2", "what looks like a time and is none", id="no day"),
        pytest.param("cache: {generation: 2026-11-27 25:00:00}", "line 1", "what looks like a time and is none", id="no hour"),
        pytest.param("cache: {generation: !!timestamp x}", "line 1", "what looks like a time and is none", id="no time at all"),
        pytest.param("cache: {generation: 0x_}", "line 1", "what looks like a number and is none", id="no number"),
        pytest.param(f"cache: {{generation: {'9' * 5000}}}", "line 1", "what looks like a number and is none", id="too many digits"),
        pytest.param(f"cache: {{generation: 0x{'f' * 5000}}}", "line 1", "what looks like a number and is none", id="digits when printed"),
        pytest.param('cache: {root: "a\\0b"}', "line 1", "what looks like a text and is none", id="a zero byte"),
        pytest.param('cache: {root: "\\ud800"}', "line 1", "what looks like a text and is none", id="half a character"),
        pytest.param("cache: !!map x", "line 1", "what looks like something and is none", id="no mapping"),
        pytest.param("cache: &a {root: *a}", "line 1", "expected YAML", id="what contains itself"),
        pytest.param("[" * 3000, "onmiss.yaml", "more brackets or levels", id="too deep"),
        pytest.param("cache: {}\nserve: {}\ncache: {}", "onmiss.yaml, line 3", "the key cache stands here twice", id="a key twice"),
        pytest.param("- cache", "onmiss.yaml", "expected sections with keys, got a list", id="a list"),
        pytest.param("a: !!python/object/apply:os.getcwd []", "onmiss.yaml, line 1", "could not determine a constructor", id="an object"),
    ],
)
def test_what_is_no_yaml_is_reported_with_its_line(tmp_path: Path, text: str, key: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    assert caught.value.key.endswith(key)
    assert sentence in caught.value.problem


@pytest.mark.parametrize("text", ["[2026-02-30]", "[0x_]", "[" * 3000, "[&a [*a]]"], ids=["no day", "no number", "too deep", "itself"])
def test_what_is_no_yaml_in_a_variable_is_reported_with_its_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="ONMISS_HOSTS__IMAGES__NAMES: expected YAML"):
        Config.load(None, tmp_path, {"ONMISS_HOSTS__IMAGES__NAMES": text})


def test_a_file_that_is_missing_is_reported_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: expected a configuration file, found none"):
        Config.load(tmp_path / "absent.yaml", None, {})


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    config = Config.load(None, tmp_path, {})
    with pytest.raises(ValidationError, match="frozen"):
        config.serve.threads = 1


def test_a_socket_below_a_long_root_moves_where_a_socket_can_be(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    first, again = Config.load(None, deep, {}).serve.socket, Config.load(None, deep, {}).serve.socket
    other = Config.load(None, tmp_path / ("e" * 100), {}).serve.socket
    assert len(os.fsencode(first)) <= 100
    assert first == again
    assert first != other
    assert first.parent.name.startswith("onmiss-")


def test_a_port_moves_all_three_hosts(tmp_path: Path) -> None:
    hosts = Config.load(None, tmp_path, {"ONMISS_HOSTS__IMAGES__LISTEN": "0.0.0.0:80"}).with_ports(9000).hosts
    assert (hosts.images.listen, hosts.service.listen, hosts.admin.listen) == ("0.0.0.0:9000", "127.0.0.1:9001", "127.0.0.1:9002")


def test_who_moves_the_images_host_alone_moves_the_others_with_it(tmp_path: Path) -> None:
    hosts = Config.load(None, tmp_path, {"ONMISS_HOSTS__IMAGES__LISTEN": "127.0.0.1:8081"}).hosts
    assert (hosts.service.listen, hosts.admin.listen) == ("127.0.0.1:8082", "127.0.0.1:8083")


def test_a_port_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a port from 1 to 65533, got 65534"):
        Config.load(None, tmp_path, {}).with_ports(65534)


def test_the_address_in_links_is_the_given_one_or_the_one_that_is_listened_on(tmp_path: Path) -> None:
    config = load("hosts: {images: {url: 'https://i.example.net/'}}", tmp_path)
    assert config.hosts.images.base_url() == "https://i.example.net"
    assert config.hosts.service.base_url() == "http://127.0.0.1:8081"


def test_where_no_namespace_has_legacy_sources_nothing_is_wired_for_them(tmp_path: Path) -> None:
    stores = {"disk": {"kind": "file"}, "old": {"kind": "couchdb"}, "older": {"kind": "file", "root": "older"}}
    idle = Wiring(Config.of({"stores": stores}, tmp_path))
    assert (idle.settling, idle.homes["huimages"].legacy) == (None, ())
    spaces = {"huimages": {"legacy": ["older", "old"], "accept_mismatch": True}, "p": {"naming": "md5", "prefix": "p"}}
    moving = Wiring(Config.of({"stores": stores, "namespaces": spaces}, tmp_path))
    assert moving.settling is not None
    home, other = moving.homes["huimages"], moving.homes["p"]
    assert ([source.name for source in home.legacy], home.accepts_mismatch) == (["older", "old"], True)
    assert (other.legacy, other.accepts_mismatch) == ((), False)


def test_a_list_of_legacy_sources_may_come_from_the_environment(tmp_path: Path) -> None:
    environ = {"ONMISS_STORES__OLD__KIND": "couchdb", "ONMISS_NAMESPACES__HUIMAGES__LEGACY": "[old]"}
    assert Config.load(None, tmp_path, environ).namespaces["huimages"].legacy == ["old"]
