"""`onmiss config`: the effective configuration, with a comment for every key, reads back as itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from renderer.config import Config
from renderer.config.describe import page
from renderer.config.spelling import spell
from renderer.config.values import parse_bytes, spell_bytes

EVERYTHING = {
    "cache": {"generation": 7},
    "limits": {"max_original_bytes": "1.5GiB", "sizes": {"huimages": ["75x75!", "thumb", "rotate-90_fit-1x1"]}},
    "stores": {"disk": {"kind": "file", "root": "pictures"}, "archive": {"kind": "s3", "bucket": "2024", "connect_seconds": 0.5},
               "m": {"kind": "memory"}},
    "namespaces": {"huimages": {"store": "archive"}, "p": {"naming": "md5", "originals": "forbidden"},
                   "with-dash": {"naming": "path", "prefix": "a/b"}},
    "render": {"seconds": 1.5},
    "nginx": {"miss_rate": "off", "open_file_cache": False, "worker_processes": 3, "access_log": False},
    "hosts": {"images": {"names": ["*.example.net", "_"], "url": "https://i.example.net"}},
    "signing": {"keys": [{"env": "THE_KEY"}]},
    "log": {"file": "a: b #.log"},
}  # fmt: skip
ENVIRON = {"THE_KEY": "0123456789abcdef"}


@pytest.mark.feature(81)
@pytest.mark.parametrize("tree", [pytest.param({}, id="the default"), pytest.param(EVERYTHING, id="everything")])
def test_what_it_prints_reads_back_identically(tmp_path: Path, tree: dict[str, Any]) -> None:
    config = Config.of(tree, tmp_path / "root", ENVIRON)
    file = tmp_path / "printed.yaml"
    file.write_text(spell(config), encoding="utf-8")
    assert Config.load(file, None, ENVIRON) == config
    assert spell(Config.load(file, None, ENVIRON)) == spell(config)


def test_every_key_has_a_comment(tmp_path: Path) -> None:
    lines = spell(Config.of({"namespaces": {"huimages": {}}}, tmp_path)).splitlines()
    bare = [line for before, line in itertools.pairwise(lines) if line.strip() and "#" not in line and not before.strip().startswith("#")]
    # sections whose name says it, and keys that were explained for the host before
    assert {line.split(":")[0].strip() for line in bare} <= {"disk", "huimages", "images", "service", "admin", "url", "names"}


def test_a_masked_secret_is_announced_and_does_not_read_back() -> None:
    text = spell(Config.of({"signing": {"keys": ["0123456789abcdef"]}}))
    assert yaml.safe_load(text)["signing"]["keys"] == ["********"]
    assert "reads back as an error" in text.replace("\n# ", " ")


@given(st.integers(1, 10**18))
def test_bytes_read_back(count: int) -> None:
    assert parse_bytes(spell_bytes(count)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [("64MB", 64_000_000), ("2GiB", 2 << 30), ("20 GB", 20_000_000_000), ("1.5kB", 1500), ("7", 7), (7, 7), ("1TiB", 1 << 40), ("3b", 3)],
)
def test_sizes_are_decimal_or_binary(text: str | int, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    "key", ["nginx.miss_rate", "stores.*NAME*.endpoint_url", "namespaces.*NAME*.originals", "hosts.admin.listen", "signing.keys"]
)
def test_the_page_names_every_kind_of_key(key: str) -> None:
    assert f"| {key} |" in page()
