"""What is special about the catalog in a file: many processes, versions of its schema, and disks that are not well."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from renderer.catalog import Entry, Note
from renderer.catalog.sqlite import SqliteCatalog
from renderer.errors import StoreGarbled, StoreSlow, StoreUnavailable
from tests.catalog.conftest import IMAGES, ordered, ref

ADD = """
import sys
from renderer.catalog import Entry
from renderer.catalog.sqlite import SqliteCatalog
from tests.catalog.conftest import ref
catalog = SqliteCatalog("sqlite", sys.argv[1])
for number in range(20):
    catalog.change(ref("one"), lambda entry: (entry or Entry()).adding(title=f"{sys.argv[2]}-{number}"))
"""

FORK = """
import os, sys
from renderer.catalog import Entry
from renderer.catalog.sqlite import SqliteCatalog
from tests.catalog.conftest import ref
catalog = SqliteCatalog("sqlite", sys.argv[1])
catalog.change(ref("one"), lambda _: Entry(width=1))
child = os.fork()
if not child:
    inherited = catalog._file._idle[0]
    catalog.change(ref("two"), lambda _: Entry(width=2))
    os._exit(catalog._file._idle[0] is inherited)
assert os.waitpid(child, 0)[1] == 0
catalog.change(ref("one"), lambda _: Entry(width=3))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made/on-demand/catalog.sqlite"


@pytest.fixture
def catalog(path: Path) -> Iterator[SqliteCatalog]:
    with closing(SqliteCatalog("sqlite", path, busy_seconds=0.05)) as catalog:
        yield catalog


def test_it_is_still_there_when_opened_again(catalog: SqliteCatalog, path: Path) -> None:
    catalog.change(ref("one"), lambda _: Entry(titles=("a title",)))
    catalog.note(ref("one"), "u", lambda _: Note(("ski",), rating=3))
    catalog.close()
    assert catalog.get(ref("one")) == Entry(titles=("a title",))
    with closing(SqliteCatalog("again", path)) as again:
        assert again.notes(ref("one")) == {"u": Note(("ski",), rating=3)}


def test_nothing_is_lost_when_many_processes_make_it_and_write(path: Path) -> None:
    command = [sys.executable, "-c", ADD, str(path)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    with closing(SqliteCatalog("sqlite", path)) as catalog:
        entry = catalog.get(ref("one"))
    assert entry is not None
    assert sorted(entry.titles) == sorted(f"{process}-{number}" for process in range(4) for number in range(20))


def test_a_fork_opens_the_file_itself(catalog: SqliteCatalog, path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORK, str(path)], check=True, timeout=60)
    assert [catalog.get(ref(name)) for name in ("one", "two")] == [Entry(width=3), Entry(width=2)]


def test_readers_do_not_wait_for_a_writer(catalog: SqliteCatalog, path: Path) -> None:
    catalog.change(ref("one"), lambda _: Entry(width=1))
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")  # in any other mode it would keep readers out
        assert catalog.get(ref("one")) == Entry(width=1)
        assert list(catalog.refs(IMAGES)) == [ref("one")]
        with pytest.raises(StoreSlow):
            catalog.change(ref("one"), lambda _: Entry(width=2))
    assert catalog.change(ref("one"), lambda _: Entry(width=2)) == Entry(width=2)


def test_a_listing_that_is_left_holds_nothing_open(catalog: SqliteCatalog) -> None:
    for one in ordered(3):
        catalog.change(one, lambda _: Entry())
    listing = catalog.refs(IMAGES)
    assert next(listing) == ordered(3)[0]
    assert catalog.delete(ordered(3)[1])
    catalog.close()
    assert catalog.delete(ordered(3)[0])


def test_fields_that_are_not_ours_are_kept(catalog: SqliteCatalog, path: Path) -> None:
    catalog.change(ref("one"), lambda _: Entry(width=1))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE entries SET document = json_set(document, '$.somebody', 'else')")
    catalog.change(ref("one"), lambda _: Entry(width=2))
    with closing(sqlite3.connect(path)) as other:
        (document,) = other.execute("SELECT document FROM entries").fetchone()
    assert json.loads(document)["somebody"] == "else"


def test_a_file_of_a_later_version_is_left_alone(catalog: SqliteCatalog, path: Path) -> None:
    catalog.change(ref("one"), lambda _: Entry(width=1))
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    catalog.close()
    with pytest.raises(StoreUnavailable, match=r"at most version 1 of the schema in .*, got 99"):
        catalog.get(ref("one"))
    assert [well for _, well in catalog.check()] == [False]


def test_what_is_no_database_is_garbled_and_stays(catalog: SqliteCatalog, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"somebody's letters, " * 1000)
    with pytest.raises(StoreGarbled):
        catalog.change(ref("one"), lambda _: Entry())
    assert path.read_bytes() == b"somebody's letters, " * 1000


def test_a_place_that_cannot_be_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "catalog.sqlite"):
        catalog = SqliteCatalog("sqlite", path)
        with pytest.raises(StoreUnavailable, match="store sqlite: expected"):
            catalog.get(ref("one"))
        assert [well for _, well in catalog.check()] == [False]


def test_random_finds_who_drew_a_lot_close_behind_anothers(tmp_path: Path) -> None:
    catalog = SqliteCatalog("sqlite", tmp_path / "catalog.sqlite")
    names = ["A" * 32 + "01", "B" * 32 + "01"]
    for name in names:
        catalog.change(IMAGES.ref(name), lambda known: known or Entry())
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as database, database:
        for lot, name in enumerate(names, 7):
            database.execute("UPDATE entries SET lot = ? WHERE name = ?", (lot, name))
    assert {catalog.random(IMAGES) for _ in range(200)} == {IMAGES.ref(name) for name in names}
