"""Stores of every kind, empty, and originals to put into them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from renderer.stores import Facts, Store
from renderer.stores.file import FileStore
from renderer.stores.memory import MemoryStore
from renderer.stores.s3 import S3Store

Putter = Callable[..., Facts]


@pytest.fixture(autouse=True)
def _nobodys_amazon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the developer's credentials, nor a machine's role, nor a proxy."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _s3(request: pytest.FixtureRequest, kind: str) -> Store:
    # a prefix of its own for each test: buckets are shared; pages of two keys: a listing of three has two pages
    return S3Store(kind, prefix=f"test-{uuid.uuid4().hex}", page_keys=2, **request.getfixturevalue(f"{kind}_server").settings())


@pytest.fixture(params=["file", "memory", "moto", "rclone"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind in turn. A new one passes this suite before it gets a test of its own."""
    if request.param == "memory":
        return MemoryStore("memory")
    if request.param == "file":
        root = tmp_path / "originals"
        root.mkdir()
        return FileStore("file", root)
    return _s3(request, request.param)


@pytest.fixture
def put(store: Store, tmp_path: Path) -> Putter:
    """`put(key, content, …facts)`: what was put."""

    def putting(key: str, content: bytes = b"picture", time: int = 1_200_000_000, **facts: object) -> Facts:
        source = tmp_path / f"source-{uuid.uuid4().hex}"
        source.write_bytes(content)
        wanted = Facts(len(content), time, **facts)  # type: ignore[arg-type]
        store.put(key, source, wanted)
        source.unlink()
        return wanted

    return putting
