"""What is configured about taking in over HTTP: namespaces made on first use, tokens of one, stores of renditions, fetching, statsd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer import namespaces
from renderer.config import Config
from renderer.errors import ConfigError, NotAllowed
from renderer.namespaces import Namespaces, served

ROOT = Path("/srv/onmiss")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("new_namespaces: {allowed: true, store: dsk}", "new_namespaces.store: expected the name of a store", id="a store"),
        pytest.param("new_namespaces: {naming: sha1}", "new_namespaces.naming: expected 'md5', got 'sha1'", id="a naming"),
        pytest.param(
            "{namespaces: {a: {naming: path}}, new_namespaces: {allowed: true}}",
            "new_namespaces: expected a place of its own, but a", id="a place",
        ),
        pytest.param(
            "namespaces: {p: {renditions: dsk}}", "namespaces.p.renditions: expected the name of a store, got 'dsk' (did", id="renditions",
        ),
        pytest.param("namespaces: {p: {renditions: disk}}", "expected an s3 store, got 'disk', a file", id="renditions in a directory"),
        pytest.param("namespaces: {p: {tokens: [short]}}", "namespaces.p.tokens.0: expected at least 16 characters", id="a short token"),
        pytest.param(
            "new_namespaces: {allowed: true, tokens: [short]}", "new_namespaces.tokens.0: expected at least 16", id="of those made",
        ),
        pytest.param("namespaces: {p: {tokens: [' blank at the start']}}", "expected ASCII without blanks at its ends", id="a blank"),
        pytest.param(
            "namespaces: {p: {naming: md5, outputs: [x20.bmp]}}", "namespaces.p.outputs.0: 404 image not available", id="an output",
        ),
        pytest.param("namespaces: {p: {outputs: [x20.jpg]}}", "expected outputs for the naming md5 only", id="outputs of others"),
        pytest.param("namespaces: {p: {extensions: [tif]}}", "namespaces.p.extensions.0: expected 'jpg'", id="an extension"),
        pytest.param("namespaces: {p: {negotiate: [jpeg]}}", "namespaces.p.negotiate.0: expected 'webp' or 'avif'", id="a format"),
        pytest.param("namespaces: {purge: {}}", "namespaces.purge: expected a name that no URL begins with", id="a reserved name"),
        pytest.param("fetch: {private_networks: [10.0.0.1/8]}", "expected a network like 10.0.0.0/8", id="host bits"),
        pytest.param("fetch: {hosts: ['https://a.net']}", "expected a host name like img.example.net", id="a URL for a host"),
        pytest.param("statsd: {port: 0}", "statsd.port: expected at least 1", id="a port"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_cure(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.of(yaml.safe_load(text), ROOT)
    assert said in str(caught.value)


def test_hashes_of_two_kinds_may_lie_in_one_store() -> None:
    """A quick start has two namespaces and one directory."""
    config = Config.of({"namespaces": {"huimages": {}, "p": {"naming": "md5"}}, "new_namespaces": {"allowed": True}}, ROOT)
    assert {config.settings_of(name).store for name in ("huimages", "p", "made")} == {"disk"}


def test_tokens_are_for_all_or_for_one_and_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    tree: dict[str, Any] = {
        "hosts": {"service": {"tokens": ["for all, and long enough"]}},
        "namespaces": {"p": {"naming": "md5", "tokens": ["for p, and long enough"]}, "q": {"naming": "md5"}},
        "new_namespaces": {"allowed": True, "tokens": ["for those that are made"]},
    }
    config = Config.of(tree, ROOT)
    assert config.tokens() == (b"for all, and long enough",)
    assert [config.tokens_of(name) for name in ("p", "q", "made")] == [(b"for p, and long enough",), (), (b"for those that are made",)]
    assert "long enough" not in repr(config)


def test_a_namespace_is_made_on_first_use_where_that_is_allowed(tmp_path: Path) -> None:
    spaces = Config.of({"namespaces": {"p": {"naming": "md5"}}}, tmp_path).namespaces_built()
    assert "brand-new" not in spaces
    made_like = {"allowed": True, "originals": "as-is"}
    open_to_all = Config.of({"namespaces": {"p": {"naming": "md5"}}, "new_namespaces": made_like}, tmp_path)
    spaces = open_to_all.namespaces_built()
    assert (spaces["brand-new"].name, spaces["brand-new"].originals, spaces["p"].originals) == ("brand-new", "as-is", "scrubbed")
    for name in ("purge", "i", "o", "huimages", "thumb", "metrics", "Upper", "", "a/b", "..", "x" * 65, "a\n", "_done", "_error"):
        assert name not in spaces, name
    assert list(spaces) == ["p"]
    for name in ("zebra", "brand-new", "p"):
        spaces.note_use(name)
    assert list(spaces) == ["p", "brand-new", "zebra"]
    assert list(open_to_all.namespaces_built()) == ["p", "brand-new", "zebra"]
    assert open_to_all.settings_of("zebra").originals == "as-is"
    assert sorted(path.name for path in (tmp_path / "namespaces").iterdir()) == ["brand-new", "zebra"]


def test_there_are_only_so_many_and_those_that_were_made_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "MOST_MADE", 2)
    spaces = Config.of({"namespaces": {"p": {"naming": "md5"}}, "new_namespaces": {"allowed": True}}, tmp_path).namespaces_built()
    for name in ("first", "second"):
        spaces.expect_room(name)
        spaces.note_use(name)
    with pytest.raises(NotAllowed):
        spaces.expect_room("third")
    for name in ("first", "p"):
        spaces.expect_room(name)


def test_nginx_has_one_pattern_for_all_that_may_be_made() -> None:
    tree = {"namespaces": {"p": {"naming": "md5"}, "q": {}}, "new_namespaces": {"allowed": True, "prefix": "n"}}
    spaces = Config.of(tree, ROOT).namespaces_built()
    assert [space.folder for space in served(spaces)] == ["p", "q", "$space"]
    assert served({"p": spaces["p"]}) == (spaces["p"],)
    assert isinstance(spaces, Namespaces)
