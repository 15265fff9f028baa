"""Which catalog is meant, what its constructor is given, and what is said of mistakes."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from renderer.catalog import KINDS
from renderer.config import Config
from renderer.config.catalogs import BY_KIND
from renderer.config.spelling import spell
from renderer.errors import ConfigError
from renderer.wiring import Wiring


def test_without_a_word_it_is_one_file_below_the_root(tmp_path: Path) -> None:
    catalog = Config.of({}, tmp_path).catalog
    assert (catalog.kind, catalog.settings()) == ("sqlite", {"path": tmp_path / "catalog.sqlite", "busy_seconds": 10.0})


@pytest.mark.parametrize("kind", KINDS)
def test_a_catalogs_settings_are_arguments_of_its_constructor(kind: str, tmp_path: Path) -> None:
    module, _, attribute = KINDS[kind].partition(":")
    arguments = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters
    given = Config.of({"catalog": {"kind": kind}}, tmp_path).catalog.settings()
    assert set(given) <= set(arguments)
    assert {name for name, argument in arguments.items() if argument.default is inspect.Parameter.empty} <= {"name", *given}
    defaults = {name: argument.default for name, argument in arguments.items() if argument.default is not inspect.Parameter.empty}
    assert {name: value for name, value in given.items() if name in defaults and name != "url"}.items() <= defaults.items()


def test_every_kind_of_catalog_has_settings_and_none_is_one_more() -> None:
    assert set(BY_KIND) == {*KINDS, "none"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_wiring_opens_what_is_configured(kind: str, tmp_path: Path) -> None:
    catalog = Wiring(Config.of({"catalog": {"kind": kind}}, tmp_path)).catalog
    assert catalog is not None
    assert f"{type(catalog).__module__}:{type(catalog).__name__}".startswith(KINDS[kind].partition(":")[0])


def test_no_catalog_is_a_choice(tmp_path: Path) -> None:
    assert Wiring(Config.of({"catalog": {"kind": "none"}}, tmp_path)).catalog is None


def test_user_and_password_go_into_couchdbs_address_and_nowhere_else(tmp_path: Path) -> None:
    tree = {"catalog": {"kind": "couchdb", "url": "https://couch.example.net", "user": "me@home", "password": {"env": "PASSWORD"}}}
    config = Config.of(tree, tmp_path, {"PASSWORD": "a/b:c"})
    assert config.catalog.settings()["url"] == "https://me%40home:a%2Fb%3Ac@couch.example.net"
    assert "a/b:c" not in spell(config) + repr(config)
    assert "a%2Fb" not in spell(config) + repr(config)


def test_a_password_in_couchdbs_address_becomes_a_secret(tmp_path: Path) -> None:
    url = "http://me%40home:a%2Fb%3Ac@couch.example.net:5984"
    tree = {"catalog": {"kind": "couchdb", "url": url}, "stores": {"disk": {"kind": "file"}, "couch": {"kind": "couchdb", "url": url}}}
    config = Config.of(tree, tmp_path)
    assert config.catalog.settings()["url"] == config.stores["couch"].settings()["url"] == url
    for said in (spell(config), repr(config)):
        assert "a/b:c" not in said
        assert "a%2Fb" not in said


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"kind": "mysql"}, "catalog.kind: expected sqlite or couchdb or memory or none, got 'mysql'"),
        ({"path": "x"}, "catalog.kind: expected sqlite or couchdb or memory or none, got none"),
        ({"kind": "sqlite", "pth": "x"}, "catalog.pth: expected a known key (did you mean path?)"),
        ({"kind": "sqlite", "path": 7}, "catalog.path: expected a path, got '7'"),
        ({"kind": "couchdb", "url": "ftp://x"}, "catalog.url: expected http://HOST or https://HOST, got 'ftp://x'"),
        (
            {"kind": "couchdb", "url": "http://me:secret@host", "user": "you"},
            "catalog.url: expected an address without user and password, got one with @",
        ),
        ({"kind": "couchdb", "database": "UPPER"}, "catalog.database: expected a text like"),
    ],
    ids=["kind", "no-kind", "key", "path", "scheme", "credentials", "database"],
)
def test_a_mistake_is_named_with_its_key(tree: dict[str, object], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.of({"catalog": tree}, tmp_path)
    assert str(caught.value).startswith(sentence)
    assert "secret" not in str(caught.value)


def test_a_token_that_is_guessed_in_no_time_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.of({"hosts": {"service": {"tokens": ["hunter2"]}}}, tmp_path)
    assert str(caught.value).startswith("hosts.service.tokens.0: expected at least 16 characters, got fewer")
    assert "hunter2" not in str(caught.value)


def test_tokens_come_from_the_environment_and_are_not_shown(tmp_path: Path) -> None:
    config = Config.of({"hosts": {"service": {"tokens": [{"env": "TOKEN"}]}}}, tmp_path, {"TOKEN": "0123456789abcdef"})
    assert config.tokens() == (b"0123456789abcdef",)
    assert "0123456789abcdef" not in spell(config) + repr(config)


@pytest.mark.parametrize("token", ["0123456789abcdef ", " 0123456789abcdef", "0123456789abcdé0"], ids=["behind", "before", "no-ascii"])
def test_a_token_that_no_header_can_carry_is_refused(token: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.of({"hosts": {"service": {"tokens": [token]}}}, tmp_path)
    assert str(caught.value) == "hosts.service.tokens.0: expected ASCII without blanks at its ends, got something else"
