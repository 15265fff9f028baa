"""What the catalog says before a rendition is made, what it learns after, and how little its troubles cost."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from renderer.catalog import Catalog, Entry
from renderer.catalog.couchdb import CouchCatalog
from renderer.catalog.memory import MemoryCatalog
from renderer.catalog.sqlite import SqliteCatalog
from renderer.describing import FAILED_SECONDS, MOST_LEARNING, SLOW_SECONDS, Describing
from renderer.errors import BrokenOriginal, Busy, Gone, StoreSlow, StoreUnavailable
from renderer.formats import JPEG
from renderer.picture.engine import Engine
from renderer.picture.jobs import Described, Header
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.workers import Workers
from tests.picture.pictures import quarters, saved
from tests.servers import unused_port
from tests.waiting import wait_until

SPACE = Namespace("huimages", NAMINGS["sha1"])
REF = SPACE.ref("VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501")
OTHER = SPACE.ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01")


class Clock:
    """Time that passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Moody(MemoryCatalog):
    """Does before each answer what its mood is; `asked` counts."""

    def __init__(self) -> None:
        super().__init__("moody")
        self.asked, self.mood = 0, lambda: None

    def get(self, ref: Ref) -> Entry | None:
        self.asked += 1
        self.mood()
        return super().get(ref)


class Describers:
    """Describe every original alike, in this process; `before` is called first."""

    def __init__(self) -> None:
        self.calls, self.before = 0, lambda original: None

    def describe(self, original: Path, idle_within: float | None = None) -> Described:
        self.calls += 1
        self.before(original)
        return Described(Header(JPEG, 48, 64, 1, False), "shadow")


def down() -> None:
    raise StoreUnavailable("moody", "no route")


@pytest.fixture
def catalog() -> Moody:
    return Moody()


@pytest.fixture
def workers() -> Describers:
    return Describers()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def describing(catalog: Moody, workers: Describers, clock: Clock) -> Describing:
    return Describing(catalog, workers, rest_seconds=30, now=clock)  # type: ignore[arg-type]


@pytest.fixture
def original(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(quarters((64, 48)), tmp_path / "original.jpg", exif=exif)


def note(catalog: Catalog, ref: Ref = REF, **fields: object) -> Entry:
    return catalog.change(ref, lambda _: Entry(**fields))  # type: ignore[arg-type]


# --- what is known ----------------------------------------------------------------------------------------------------------------------


def test_an_entry_that_cannot_be_read_withholds_no_picture(
    describing: Describing, catalog: Moody, caplog: pytest.LogCaptureFixture
) -> None:
    def garbled() -> None:
        raise AttributeError("'list' object has no attribute 'get'")

    catalog.mood = garbled
    assert describing.known(REF) is None
    assert (str(REF) in caplog.text, caplog.records[0].levelno) == (True, logging.ERROR)
    catalog.mood = lambda: None
    assert describing.known(REF) is None


def test_what_the_catalog_knows_is_told_and_absence_is_none(describing: Describing, catalog: Moody) -> None:
    entry = note(catalog, titles=("a title",))
    assert (describing.known(REF), describing.known(OTHER)) == (entry, None)


def test_what_the_catalog_calls_deleted_is_gone(describing: Describing, catalog: Moody) -> None:
    note(catalog, deleted=True)
    with pytest.raises(Gone):
        describing.known(REF)


def test_without_a_catalog_nothing_is_known_and_nothing_learnt(workers: Describers, original: Path) -> None:
    describing = Describing(None, workers)  # type: ignore[arg-type]
    assert describing.known(REF) is None
    describing.learn(REF, Entry(), original)
    assert workers.calls == 0


def test_a_catalog_that_is_down_is_left_alone_for_a_while_and_complained_of_once(
    describing: Describing, catalog: Moody, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    entry, catalog.mood = note(catalog, titles=("a title",)), down
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert describing.known(REF) is None
        assert catalog.asked == 1
        clock.now += 31
        for _ in range(3):
            assert describing.known(REF) is None
        assert catalog.asked == 2
        catalog.mood = lambda: None
        clock.now += 31
        assert [describing.known(REF) for _ in range(3)] == [entry] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "no route" in caplog.text


def test_a_catalog_on_a_closed_port_is_one_that_is_down(workers: Describers) -> None:
    describing = Describing(CouchCatalog("couch", f"http://127.0.0.1:{unused_port()}"), workers)  # type: ignore[arg-type]
    assert [describing.known(REF) for _ in range(2)] == [None, None]


class Hanging:
    """A mood that hangs until it is let go, and how many hang in it."""

    def __init__(self) -> None:
        self.go, self.held, self._lock = threading.Event(), 0, threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.held += 1
        self.go.wait(10)
        raise StoreSlow("moody", "no answer")


def test_a_catalog_that_hangs_is_waited_for_by_few(describing: Describing, catalog: Moody, clock: Clock) -> None:
    catalog.mood = hanging = Hanging()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(describing.known, REF)
        wait_until(lambda: hanging.held == 1, what="a question")
        clock.now += SLOW_SECONDS + 0.1
        assert [describing.known(REF) for _ in range(5)] == [None] * 5  # at once, while the first still waits
        hanging.go.set()
        assert first.result(5) is None
        hanging.go.clear()
        clock.now += 31
        second = pool.submit(describing.known, REF)
        wait_until(lambda: hanging.held == 2, what="a second question")
        assert describing.known(REF) is None  # only one finds out whether it is back
        hanging.go.set()
        assert second.result(5) is None
    assert hanging.held == 2


# --- what is learnt ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processes() -> Iterator[Workers]:
    workers = Workers(Engine(), processes=1)
    workers.start()
    yield workers
    workers.stop(2)


def test_an_old_document_gets_upright_sides_and_a_placeholder(tmp_path: Path, processes: Workers, original: Path) -> None:
    with closing(SqliteCatalog("catalog", tmp_path / "catalog.sqlite")) as catalog:
        entry = note(catalog, width=64, height=48, ctime="20080101T000000.000000", titles=("a title",), references={"artnr": ("1",)})
        Describing(catalog, processes).learn(REF, entry, original)
        learnt = catalog.get(REF)
        assert learnt is not None
        assert len(learnt.placeholder) > 20
        read = {"width": 48, "height": 64, "length": original.stat().st_size, "content_type": "image/jpeg"}
        assert learnt == dataclasses.replace(entry, placeholder=learnt.placeholder, **read)


def test_what_is_known_of_the_bytes_stays(describing: Describing, catalog: Moody, original: Path) -> None:
    entry = note(catalog, width=1, height=1, length=7, content_type="image/pjpeg", filename="a.jpg")
    describing.learn(REF, entry, original)
    assert catalog.get(REF) == dataclasses.replace(entry, width=48, height=64, placeholder="shadow")


def test_what_has_a_placeholder_is_not_read_again(describing: Describing, catalog: Moody, workers: Describers, original: Path) -> None:
    describing.learn(REF, note(catalog, placeholder="known"), original)
    assert workers.calls == 0


def test_no_entry_is_ever_made(describing: Describing, catalog: Moody, original: Path) -> None:
    describing.learn(REF, None, original)
    entry = note(catalog)
    catalog.delete(REF)
    describing.learn(REF, entry, original)
    assert catalog.get(REF) is None


def test_what_was_changed_meanwhile_is_left_as_it_is(describing: Describing, catalog: Moody, original: Path) -> None:
    entry = note(catalog, width=1)
    replaced = note(catalog, width=2, mtime="20300101T000000.000000")  # other bytes under the same name
    describing.learn(REF, entry, original)
    assert catalog.get(REF) == replaced
    describing.learn(REF, replaced, original)
    assert catalog.get(REF) == dataclasses.replace(
        replaced, width=48, height=64, length=original.stat().st_size, content_type="image/jpeg", placeholder="shadow"
    )


def fail(error: Exception) -> Callable[[Path], None]:
    def failing(original: Path) -> None:
        raise error

    return failing


@pytest.mark.parametrize("error", [BrokenOriginal("no picture"), ZeroDivisionError()], ids=["broken", "bug"])
def test_what_cannot_be_described_is_left_alone_for_an_hour(
    describing: Describing, catalog: Moody, workers: Describers, clock: Clock, original: Path, error: Exception
) -> None:
    entry, workers.before = note(catalog), fail(error)
    for _ in range(3):
        describing.learn(REF, entry, original)
    assert workers.calls == 1
    clock.now += FAILED_SECONDS + 1
    workers.before = lambda original: None
    describing.learn(REF, entry, original)
    assert (catalog.get(REF) or Entry()).placeholder == "shadow"


@pytest.mark.parametrize("error", [Busy("every process"), FileNotFoundError("pruned"), OSError(5, "disk")], ids=["busy", "away", "disk"])
def test_what_is_no_fault_of_the_original_is_tried_again(
    describing: Describing, catalog: Moody, workers: Describers, original: Path, error: Exception
) -> None:
    entry, workers.before = note(catalog), fail(error)
    describing.learn(REF, entry, original)
    workers.before = lambda original: None
    describing.learn(REF, entry, original)
    assert (catalog.get(REF) or Entry()).placeholder == "shadow"


def test_a_catalog_that_goes_down_meanwhile_fails_nobody(describing: Describing, workers: Describers, original: Path) -> None:
    class Deaf(MemoryCatalog):
        def change(self, ref: Ref, change: Callable[[Entry | None], Entry]) -> Entry:
            raise StoreUnavailable("deaf", "no route")

    Describing(Deaf("deaf"), workers).learn(REF, Entry(), original)  # type: ignore[arg-type]
    assert workers.calls == 1


def test_few_are_described_at_a_time(describing: Describing, catalog: Moody, workers: Describers, original: Path) -> None:
    go = threading.Event()
    workers.before = lambda original: go.wait(10) and None
    refs = [SPACE.ref(f"{letter * 32}01") for letter in "ABCDEFGH"]
    entries = {ref: note(catalog, ref) for ref in refs}
    with ThreadPoolExecutor(len(refs)) as pool:
        learning = [pool.submit(describing.learn, ref, entries[ref], original) for ref in refs]
        wait_until(lambda: sum(each.done() for each in learning) == len(refs) - MOST_LEARNING, what="the others to go")
        assert workers.calls == MOST_LEARNING
        go.set()
    assert sum(bool((catalog.get(ref) or Entry()).placeholder) for ref in refs) == MOST_LEARNING
