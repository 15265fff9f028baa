"""Catalogs of every kind, empty, and names to put into them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from renderer.catalog import Catalog, Entry
from renderer.catalog.couchdb import CouchCatalog
from renderer.catalog.memory import MemoryCatalog
from renderer.catalog.sqlite import SqliteCatalog
from renderer.rendition import NAMINGS, Namespace, Ref
from tests.couch import couch_server

__all__ = ["couch_server"]

IMAGES = Namespace("huimages", NAMINGS["sha1"])
PATHS = Namespace("fitter", NAMINGS["path"])
PICTURES = Namespace("p", NAMINGS["md5"])

Putter = Callable[..., Entry]


def ref(text: str, namespace: Namespace = IMAGES) -> Ref:
    """The original with these bytes."""
    naming = namespace.naming
    return namespace.ref(naming.name_of(hashlib.new(naming.algorithm, text.encode()).digest()))


def ordered(count: int, namespace: Namespace = IMAGES) -> list[Ref]:
    """So many originals, in the order of a catalog."""
    return sorted((ref(str(number), namespace) for number in range(count)), key=lambda one: one.name)


@pytest.fixture(params=["memory", "sqlite", "couchdb"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    """Each kind in turn. A new one passes this suite before it gets a test of its own."""
    if request.param == "memory":
        yield MemoryCatalog("memory")
    elif request.param == "sqlite":
        with closing(SqliteCatalog("sqlite", tmp_path / "catalog.sqlite")) as catalog:
            yield catalog
    else:
        # databases of its own for each test; pages of three, so that more are asked for
        url = request.getfixturevalue("couch_server")
        yield CouchCatalog("couchdb", url, f"test-{uuid.uuid4().hex}", page_documents=3)


@pytest.fixture
def put(catalog: Catalog) -> Putter:
    """`put(ref, …fields)`: what was put."""

    def putting(one: Ref, **fields: object) -> Entry:
        return catalog.change(one, lambda _: Entry(**fields))  # type: ignore[arg-type]

    return putting
