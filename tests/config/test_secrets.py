"""Secrets: a text, a variable or a file; read once, shown never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from renderer.config import Config
from renderer.config.spelling import spell
from renderer.errors import ConfigError

KEY = "0123456789abcdef-secret"


def with_key(key: Any, root: Path = Path("/srv/onmiss"), **environ: str) -> Config:
    return Config.of({"signing": {"keys": [key]}}, root, environ)


def test_a_secret_comes_from_a_text_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    assert with_key(KEY).signing_keys() == (KEY.encode(),)
    assert with_key({"env": "THE_KEY"}, THE_KEY=KEY).signing_keys() == (KEY.encode(),)
    assert with_key({"file": "key"}, tmp_path).signing_keys() == (KEY.encode(),)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        pytest.param({"env": "NOBODY"}, "expected a secret in the environment variable NOBODY, found none", id="no variable"),
        pytest.param({"file": "absent"}, "absent, got FileNotFoundError", id="no file"),
        pytest.param({"vault": "x"}, "expected a text, {env: NAME} or {file: PATH} for a secret", id="an unknown source"),
        pytest.param("********", "got the mask that `onmiss config` prints", id="the mask"),
    ],
)
def test_a_secret_that_cannot_be_had_is_an_error(tmp_path: Path, key: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_key(key, tmp_path)
    assert said in str(caught.value)
    assert caught.value.key == "signing.keys.0"


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ConfigError, match="got an empty one"):
        with_key({"file": "key"}, tmp_path)


def test_a_secret_is_in_no_representation() -> None:
    store = {"kind": "s3", "bucket": "abc", "access_key_id": KEY, "secret_access_key": KEY}
    config = Config.of({"signing": {"keys": [KEY]}, "stores": {"disk": store}})
    assert KEY not in repr(config) + str(config) + spell(config)
    assert config.stores["disk"].settings()["secret_access_key"] == KEY


@pytest.mark.feature(156)
def test_credentials_of_a_store_may_be_left_to_boto3() -> None:
    config = Config.of({"stores": {"disk": {"kind": "s3", "bucket": "abc"}}})
    assert config.stores["disk"].settings()["access_key_id"] == ""
