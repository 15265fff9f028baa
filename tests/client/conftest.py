"""Libraries with originals and documents somewhere real, and the environment of nobody."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from renderer import client
from renderer.client import Library
from renderer.client.settings import ALT_ADDITION, BUCKETS, CATALOGS, IMAGES_HOST
from renderer.config import Config
from tests.couch import couch_server
from tests.servers import S3Server

__all__ = ["couch_server"]

BASE = "http://i.hdimg.net/"
MakeLibrary = Callable[..., Library]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    for name in (*BUCKETS, *CATALOGS, IMAGES_HOST, ALT_ADDITION):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeLibrary]:
    """`make(tree)`: a library with that configuration below a root of its own, closed afterwards."""
    made: list[Library] = []

    def library(tree: Mapping[str, Any] | None = None, base_url: str = BASE) -> Library:
        made.append(Library(Config.of(tree or {}, tmp_path / "root"), base_url))
        return made[-1]

    yield library
    for one in made:
        one.close()


def couch(url: str) -> dict[str, Any]:
    """A catalog in databases of its own."""
    return {"kind": "couchdb", "url": url, "database": f"client-{uuid.uuid4().hex}"}


@pytest.fixture(params=["sqlite", "couchdb"])
def catalog(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The configuration of each kind that outlives a process."""
    return couch(request.getfixturevalue("couch_server")) if request.param == "couchdb" else {"kind": "sqlite"}


@pytest.fixture
def library(make: MakeLibrary, catalog: Mapping[str, Any]) -> Library:
    """Originals in a directory, documents in each kind of catalog in turn."""
    return make({"catalog": catalog})


@pytest.fixture
def plain(make: MakeLibrary) -> Library:
    """Originals in a directory, documents in SQLite."""
    return make()


def s3(server: S3Server) -> dict[str, Any]:
    """Originals in `server`, below a prefix of their own."""
    store = {"kind": "s3", **server.settings(prefix=f"{uuid.uuid4().hex}/")}
    return {"stores": {"archive": store}, "namespaces": {"huimages": {"store": "archive"}}}


@pytest.fixture
def in_s3(make: MakeLibrary, moto_server: S3Server) -> Library:
    return make(s3(moto_server))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The module's own library finds its configuration by the environment; the root."""
    monkeypatch.setenv("ONMISS_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv(IMAGES_HOST, BASE)
    client.library.close()
    yield tmp_path / "root"
    client.library.close()
