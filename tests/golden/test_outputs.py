"""What is generated is what was read and committed: nginx's configuration, and the page on ours. ONMISS_GOLDEN=write writes it anew."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from renderer.config import Config
from renderer.config.describe import page
from renderer.web.nginx import configuration

TOP = Path(__file__).resolve().parent.parent.parent
ROOT = Path("/srv/onmiss")

NAMINGS = {
    "namespaces": {
        "huimages": {"originals": "as-is"},
        "p": {"naming": "md5", "prefix": "p"},
        "fitter": {"naming": "path", "prefix": "fitter", "originals": "forbidden"},
    },
    "hosts": {"images": {"listen": "*:80", "names": ["i.example.net"]}},
}
NEGOTIATING = {
    "namespaces": {"huimages": {"negotiate": ["webp"]}, "p": {"naming": "md5", "negotiate": ["avif", "webp"]}, "q": {"naming": "md5"}},
    "new_namespaces": {"allowed": True},
}
OFF = {"miss_rate": "off", "miss_connections": "off", "herd_rate": "off", "open_file_cache": "off", "access_log": False}


def nginx(tree: dict[str, Any], **section: Any) -> Callable[[], str]:
    """With an account, since the text else depends on who makes it."""
    return lambda: configuration(Config.of(tree | {"nginx": {"user": "www-data"} | section}, ROOT))


OUTPUTS = {
    "nginx/golden/default.conf": nginx({}),
    "nginx/golden/namings.conf": nginx(NAMINGS),
    "nginx/golden/unlimited.conf": nginx({}, **OFF),
    "nginx/golden/negotiating.conf": nginx(NEGOTIATING),
    "docs/configuration.md": page,
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_output_is_as_committed(name: str) -> None:
    file, text = TOP / name, OUTPUTS[name]()
    if os.environ.get("ONMISS_GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    committed = file.read_text(encoding="utf-8")
    changes = list(difflib.unified_diff(committed.splitlines(), text.splitlines(), name, "generated", lineterm=""))
    assert not changes, "`make golden` writes it anew"
    assert committed == text


def test_no_golden_configuration_is_left_over() -> None:
    assert {f"nginx/golden/{file.name}" for file in (TOP / "nginx/golden").iterdir()} == {
        name for name in OUTPUTS if name.startswith("nginx/")
    }
