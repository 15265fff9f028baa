"""What is purged or deleted is gone: from every generation, whatever is being made meanwhile, and whenever it is killed half-way."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest

from renderer.cache import Cache
from renderer.catalog import Entry, Note
from renderer.catalog.memory import MemoryCatalog
from renderer.deletions import Deletions
from renderer.errors import Busy, Gone, NotFound, StoreUnavailable
from renderer.formats import JPEG
from renderer.ingest import Ingest
from renderer.limits import Limits
from renderer.originals import Home, Originals
from renderer.picture.jobs import Header, Job
from renderer.removal import Receipt, Removal
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.service import Bounds
from renderer.stores import Facts
from tests.test_service import CONTENTS, OTHER, REF, SPACE, House, show
from tests.waiting import wait_until

SOAK = bool(os.environ.get("ONMISS_SOAK"))
RENDERS = 1000 if SOAK else 200
Wrap = Callable[[Any], Any]  # puts something in front of a part
PATHS = Namespace("fitter", NAMINGS["path"])
PARTED = Namespace("p", NAMINGS["md5"])


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, bounds=Bounds(2 * RENDERS, 2 * RENDERS, 30))


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog("catalog")


@pytest.fixture
def removal(house: House, catalog: MemoryCatalog) -> Removal:
    return Removal(house.originals, catalog, house.cache, house.quarantine, wait_seconds=10)


def known(catalog: MemoryCatalog, ref: Ref = REF) -> None:
    catalog.change(ref, lambda _: Entry(titles=("Käse",)))
    catalog.note(ref, "md", lambda _: Note(("wurst",), favorite=True, rating=5))


def files_of(house: House, ref: Ref = REF) -> list[Path]:
    return sorted(path for path in house.cache.served.rglob("*") if path.is_file() and ref.name in path.parts)


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def publish(cache: Cache, ref: Ref, name: str = "fit-1x1_q75.jpg", content: bytes = b"picture") -> Path:
    path = cache.files / ref.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_purge_drops_renditions_and_aliases_and_nothing_else(house: House, removal: Removal) -> None:
    for side in (1, 2):
        house.service.produce(show(side))
    kept = house.service.produce(show(ref=OTHER)).path
    assert removal.purge(REF) == Receipt(REF, 2, 2 * len("fit-1x1_q75"))
    assert (files_of(house), kept.exists()) == ([], True)
    assert not list((house.cache.root / "trash").iterdir())
    assert removal.purge(REF) == Receipt(REF, 0, 0)
    assert house.service.produce(show(1)).path.exists()


def test_a_purge_leaves_no_empty_directories_behind(house: House, removal: Removal) -> None:
    """Or a walk through a namespace of a million names that was purged would be as long as before."""
    older, deep, beside = Cache(house.cache.root, "0-vips"), PATHS.ref("wall/north/lion.png"), PATHS.ref("wall/bird.png")
    for ref in (REF, OTHER, deep, beside):
        publish(house.cache, ref)
        publish(older, ref)
    for ref in (REF, deep):
        removal.purge(ref)
    folders = {path.relative_to(house.cache.files).as_posix() for path in house.cache.files.rglob("*") if path.is_dir()}
    kept = {str(path) for ref in (OTHER, beside) for path in (ref.directory, *ref.directory.parents)} - {"."}
    assert folders == kept
    assert {path.relative_to(older.files).as_posix() for path in older.files.rglob("*") if path.is_dir()} == kept


def test_a_purge_drops_those_of_other_generations_too(house: House, removal: Removal) -> None:
    older = Cache(house.cache.root, "0-vips")
    publish(older, REF, content=b"older")
    (house.cache.served / "stray").write_text("no generation")
    house.service.produce(show(1))
    assert removal.measure(REF) == removal.purge(REF) == Receipt(REF, 2, len("older") + len("fit-1x1_q75"))
    assert files_of(house) == []


def test_a_receipt_is_never_printed_for_what_could_not_be_removed(
    house: House, removal: Removal, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.service.produce(show(1))

    def refuse(path: object, **_: object) -> None:
        raise PermissionError(1, "not permitted", str(path))

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(PermissionError):
        removal.purge(REF)
    assert files_of(house) == []  # not served all the same


def test_H_B25_a_deletion_leaves_nothing_of_an_original(
    house: House, removal: Removal, catalog: MemoryCatalog, tmp_path: Path
) -> None:
    house.service.produce(show(1))
    house.quarantine.strike(REF, "too long", "fit-9x9_q75")
    known(catalog)
    known(catalog, OTHER)
    receipt = Receipt(REF, 1, len("fit-1x1_q75"), original=True, entry=True)
    assert removal.measure(REF, with_original=True) == removal.delete(REF) == receipt
    assert (files_of(house), files_below(tmp_path / "copies"), list(house.quarantine)) == ([], [], [])
    assert (catalog.get(REF), catalog.notes(REF), dict(catalog.tags(SPACE))) == (None, {}, {"wurst": 1})  # that of the other
    with pytest.raises(Gone):
        house.service.produce(show(1))
    assert removal.measure(REF, with_original=True) == removal.delete(REF) == Receipt(REF, 0, 0)
    with pytest.raises(Gone):
        removal.check_deleted(REF)
    assert house.service.produce(show(ref=OTHER)).path.exists()


def test_what_never_was_leaves_no_record_when_it_is_deleted(house: House, removal: Removal, catalog: MemoryCatalog, tmp_path: Path) -> None:
    absent = SPACE.ref("A" * 32 + "01")
    catalog.note(absent, "md", lambda _: Note(("wurst",)))
    house.quarantine.strike(absent, "too long")
    assert removal.delete(absent) == Receipt(absent, 0, 0)
    removal.check_deleted(absent)
    assert (catalog.notes(absent), list(house.quarantine), files_below(tmp_path / "deletions")) == ({}, [], [])
    with pytest.raises(NotFound) as caught:
        house.service.produce(show(ref=absent))
    assert type(caught.value) is NotFound


@pytest.mark.parametrize("left", ["renditions", "copy", "entry", "original"])
def test_whatever_is_left_of_it_is_deleted_and_it_is_gone(
    house: House, removal: Removal, catalog: MemoryCatalog, tmp_path: Path, left: str
) -> None:
    if left != "original":
        house.store.delete(REF.name)
    if left == "renditions":
        publish(house.cache, REF)
    elif left == "copy":
        copy = tmp_path / "copies/huimages" / REF.sharded
        copy.parent.mkdir(parents=True)
        copy.write_bytes(CONTENTS[REF])
    elif left == "entry":
        known(catalog)
    receipt = removal.delete(REF)
    assert (bool(receipt.files), receipt.entry, receipt.original) == (left == "renditions", left == "entry", left == "original")
    assert (files_of(house), files_below(tmp_path / "copies"), catalog.get(REF)) == ([], [], None)
    with pytest.raises(Gone):
        house.service.produce(show())


def test_without_a_catalog_all_the_rest_is_deleted(house: House) -> None:
    removal = Removal(house.originals, None, house.cache, house.quarantine)
    house.service.produce(show(1))
    assert removal.measure(REF, with_original=True) == removal.delete(REF) == Receipt(REF, 1, len("fit-1x1_q75"), original=True)
    assert removal.delete(REF) == Receipt(REF, 0, 0)
    with pytest.raises(Gone):
        house.service.produce(show(1))


def test_a_catalog_that_is_down_keeps_nothing_public_and_a_repeat_does_the_rest(
    house: House, removal: Removal, catalog: MemoryCatalog, tmp_path: Path
) -> None:
    house.service.produce(show(1))
    known(catalog)

    def down(ref: Ref) -> Any:
        raise StoreUnavailable("catalog", "no route")

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(catalog, "get", down)
        broken.setattr(catalog, "delete", down)
        with pytest.raises(StoreUnavailable):
            removal.delete(REF)
    assert (files_of(house), files_below(tmp_path / "copies"), house.store.facts(REF.name)) == ([], [], None)
    with pytest.raises(Gone):
        house.service.produce(show(1))
    assert removal.delete(REF) == Receipt(REF, 0, 0, entry=True)
    assert (catalog.get(REF), catalog.notes(REF)) == (None, {})


def test_what_was_deleted_and_is_put_again_is_found_at_once(house: House, removal: Removal, tmp_path: Path) -> None:
    removal.delete(REF)
    with pytest.raises(Gone):
        house.service.produce(show())
    house.originals.put(REF, tmp_path / REF.name, Facts(len(CONTENTS[REF]), 1))
    assert house.service.produce(show()).path.exists()


def test_a_store_that_is_down_does_not_keep_a_picture_public(house: House, removal: Removal, tmp_path: Path) -> None:
    house.service.produce(show(1))

    def down(key: str) -> bool:
        raise StoreUnavailable("far", "no route")

    real, house.store.delete = house.store.delete, down  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreUnavailable):
        removal.delete(REF)
    assert (files_of(house), files_below(tmp_path / "copies")) == ([], [])
    with pytest.raises(Gone):  # though the store, when it is back, still has it: until it is deleted there too, or put again
        house.service.produce(show(1))
    house.store.delete = real  # type: ignore[method-assign]
    assert removal.delete(REF).original


class Mortal:
    """Passes calls on until `lives` are used up, and dies at the next: before it, or right after it."""

    def __init__(self, real: Any, lives: list[int], after: bool) -> None:
        self._real, self._lives, self._after = real, lives, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)

        def call(*values: Any, **named: Any) -> Any:
            self._lives[0] -= 1
            if self._lives[0] < 0 and not self._after:
                raise KeyboardInterrupt
            found = real(*values, **named)
            if self._lives[0] < 0:
                raise KeyboardInterrupt
            return found

        return call if callable(real) else real


class Scene:
    """A house with an original of which there is everything that there can be; `wrap` may put something in front of each part."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root, self.house, self.catalog = root, House(root), MemoryCatalog("catalog")
        self.house.service.produce(show(1))
        self.house.quarantine.strike(REF, "too long", "fit-9x9_q75")
        known(self.catalog)

    def delete(self, wrap: Wrap = lambda part: part) -> Receipt:
        homes = {"huimages": Home(SPACE, wrap(self.house.store))}
        originals = Originals(homes, self.root / "copies", Limits(), wrap(Deletions(self.root / "deletions")))
        return Removal(originals, wrap(self.catalog), wrap(self.house.cache), wrap(self.house.quarantine)).delete(REF)

    def shown(self) -> str:
        try:
            return self.house.service.produce(show(1)).path.name
        except NotFound as error:
            return type(error).__name__

    def state(self) -> dict[str, object]:
        records = [json.loads(path.read_bytes()) for path in files_below(self.root / "deletions")]
        return {
            "files": files_of(self.house),
            "copies": files_below(self.root / "copies"),
            "quarantine": list(self.house.quarantine),
            "store": self.house.store.facts(REF.name),
            "entry": self.catalog.get(REF),
            "notes": self.catalog.notes(REF),
            "deletions": [record | {"time": 0} for record in records],
        }


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_deletion_that_was_killed_anywhere_is_repaired_by_a_repeat(tmp_path: Path, after: bool) -> None:
    undisturbed = Scene(tmp_path / "undisturbed")
    undisturbed.delete()
    wanted = undisturbed.state()
    assert wanted["deletions"] == [{"ref": str(REF), "time": 0, "for_good": False, "unfinished": False}]
    died = 0
    for lives in itertools.count():
        scene, left = Scene(tmp_path / str(lives)), [lives]
        with contextlib.suppress(KeyboardInterrupt):
            scene.delete(lambda part, left=left: Mortal(part, left, after))
        if left[0] >= 0:
            break
        died += 1
        if not files_of(scene.house) and scene.state()["deletions"]:
            assert scene.shown() == "Gone", lives  # what is no longer public stays so, finished or not
        scene.delete()
        assert scene.state() == wanted, lives
        assert scene.shown() == "Gone"
    assert died == 11  # steps


class Headers:
    """A render process as far as an import needs one."""

    def header(self, path: Path) -> Header:
        return Header(JPEG, 4, 3, 1, has_gps=False)


class Interrupted:
    """Passes calls on, and before one of them calls `other`."""

    def __init__(self, real: Any, countdown: list[int], other: Callable[[], object]) -> None:
        self._real, self._countdown, self._other = real, countdown, other

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)

        def call(*values: Any, **named: Any) -> Any:
            self._countdown[0] -= 1
            if self._countdown[0] == -1:
                self._other()
            return real(*values, **named)

        return call if callable(real) else real


def take(scene: Scene, wrap: Wrap = lambda part: part) -> None:
    house = scene.house
    parts = (wrap(part) for part in (house.originals, scene.catalog, Headers(), house.cache, house.quarantine))
    Ingest(*parts, Limits(), scene.root / "scratch").take(SPACE, io.BytesIO(CONTENTS[REF]), 1_000_000_000)


def remove(scene: Scene, wrap: Wrap = lambda part: part) -> None:
    house = scene.house
    Removal(*(wrap(part) for part in (house.originals, scene.catalog, house.cache, house.quarantine))).delete(REF)


@pytest.mark.parametrize("repeated", [take, remove], ids=["import-again", "delete-again"])
@pytest.mark.parametrize(("one", "other"), [(take, remove), (remove, take)], ids=["delete-during-import", "import-during-delete"])
def test_a_deletion_and_an_import_of_one_original_at_once_leave_what_a_repeat_of_either_makes_whole(
    tmp_path: Path, one: Callable[..., None], other: Callable[..., None], repeated: Callable[..., None]
) -> None:
    reference = Scene(tmp_path / "reference")
    remove(reference)
    for steps in itertools.count():
        scene, countdown = Scene(tmp_path / str(steps)), [steps]
        one(scene, lambda part, scene=scene, left=countdown: Interrupted(part, left, lambda: other(scene)))
        if countdown[0] >= 0:
            break
        assert scene.shown() == ("fit-1x1_q75.jpg" if scene.house.store.facts(REF.name) else "Gone"), steps
        repeated(scene)
        if repeated is remove:
            assert scene.state() == reference.state(), steps
        else:
            assert scene.catalog.get(REF), steps
            assert (scene.shown(), scene.state()["deletions"]) == ("fit-1x1_q75.jpg", []), steps
    assert steps >= 4


def at_once(part: Any, name: str, other: Callable[[], object], after: bool = False) -> None:
    """At the next call of a method another thread does `other` first; where that waits for the caller, the caller goes on."""
    real = getattr(part, name)

    def interrupted(*values: Any) -> Any:
        setattr(part, name, real)
        answer = real(*values) if after else None
        thread = threading.Thread(target=other)
        threads.append(thread)
        thread.start()
        thread.join(0.3)
        return answer if after else real(*values)

    setattr(part, name, interrupted)


threads: list[threading.Thread] = []


@pytest.fixture
def ended() -> Iterator[Callable[[], None]]:
    """All threads of `at_once`."""

    def end() -> None:
        while threads:
            threads.pop().join(10)

    yield end
    end()


@pytest.mark.parametrize("step", ["original", "entry"])
def test_an_import_during_a_deletion_keeps_its_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: Callable[[], None], step: str
) -> None:
    scene = Scene(tmp_path / "scene")
    if step == "entry":
        at_once(scene.catalog, "delete", lambda: take(scene))
    else:
        real = scene.house.cache.claim
        at_once(scene.house.store, "delete", lambda: take(scene), after=True)
        monkeypatch.setattr(scene.house.cache, "claim", lambda *values: ended() or real(*values))  # which the import waits for
    remove(scene)
    ended()
    assert (scene.house.store.facts(REF.name) is not None, scene.catalog.get(REF) is not None) == (True, True)


def test_a_deletion_during_an_import_leaves_no_entry_without_an_original(tmp_path: Path, ended: Callable[[], None]) -> None:
    scene = Scene(tmp_path / "scene")
    at_once(scene.catalog, "change", lambda: remove(scene))
    take(scene)
    ended()
    assert (scene.house.store.facts(REF.name), scene.catalog.get(REF), scene.shown()) == (None, None, "Gone")


def test_an_import_that_comes_while_it_is_found_that_there_is_nothing_is_not_hurt(tmp_path: Path, ended: Callable[[], None]) -> None:
    scene = Scene(tmp_path / "scene")
    remove(scene)
    at_once(scene.house.quarantine, "clear", lambda: take(scene))
    remove(scene)
    ended()
    assert (scene.shown(), scene.catalog.get(REF) is not None) == ("fit-1x1_q75.jpg", True)


@pytest.mark.parametrize("catalog_is_down", [False, True], ids=["", "and-the-catalog-is-down"])
def test_a_fetch_in_flight_does_not_bring_back_what_was_deleted(
    house: House, removal: Removal, catalog: MemoryCatalog, tmp_path: Path, catalog_is_down: bool
) -> None:
    go, real = threading.Event(), house.store.get

    def slow(key: str, target: Path, max_bytes: int) -> Facts | None:
        facts = real(key, target, max_bytes)  # the bytes are here, and not yet kept
        go.wait(10)
        return facts

    def down(ref: Ref) -> bool:
        raise StoreUnavailable("catalog", "no route")

    house.store.get = slow  # type: ignore[method-assign]
    if catalog_is_down:
        catalog.delete = down  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(house.service.produce, show(1))
        wait_until(lambda: files_below(tmp_path / "copies"), what="a fetch")
        deleted = pool.submit(removal.delete, REF)
        wait_until(lambda: house.store.facts(REF.name) is None, what="a deletion that waits for the maker")
        go.set()
        assert isinstance(deleted.exception(10), StoreUnavailable) if catalog_is_down else deleted.result(10).original
        assert isinstance(asked.exception(10), Busy | NotFound) or not asked.result().path.exists()
    assert (files_of(house), files_below(tmp_path / "copies")) == ([], [])
    with pytest.raises(Gone):
        house.service.produce(show(2))


def test_a_deletion_tells_when_a_maker_does_not_leave_and_a_repeat_ends_it(house: House, tmp_path: Path) -> None:
    impatient = Removal(house.originals, None, house.cache, house.quarantine, wait_seconds=0)
    house.service.produce(show(1))
    with house.cache.claim(REF, 1), pytest.raises(Busy, match="repeat"):
        impatient.delete(REF)
    publish(house.cache, REF)
    assert impatient.delete(REF).files == 1
    assert files_of(house) == []


class Press:
    """Says in each rendition which edition it was made of, and calls `halfway` when so many were begun."""

    def __init__(self, house: House, halfway: Callable[[], None]) -> None:
        self.edition, self.begun, self._halfway = "old", 0, halfway
        house.workers.before = self._count
        self._real, house.workers.render = house.workers.render, self._render  # type: ignore[method-assign]

    def _count(self, original: Path, jobs: Sequence[Job]) -> None:
        self.begun += len(jobs)
        if self.begun > RENDERS // 2:
            self._halfway()

    def _render(self, original: Path, jobs: Sequence[Job]) -> Any:
        edition, outcomes = self.edition, self._real(original, jobs)
        for job in jobs:
            job.target.write_text(edition)
        return outcomes


def editions(house: House) -> Iterator[str]:
    for path in files_of(house):
        try:
            yield path.read_text()
        except FileNotFoundError:  # an alias that was being replaced
            continue


def test_a_purge_amid_a_crowd_of_renders_leaves_nothing_of_the_old(house: House, removal: Removal) -> None:
    halfway = threading.Event()

    def hold() -> None:  # so that there is a render that began before the purge and ends after it
        halfway.set()
        wait_until(lambda: house.cache.mark(REF), what="a purge")

    press = Press(house, hold)

    def ask(number: int) -> bool:
        try:
            return house.service.produce(show(number + 1)).path.exists()
        except Busy:  # purged meanwhile: the client asks again
            return False

    with ThreadPoolExecutor(RENDERS) as clients:
        asked = [clients.submit(ask, number) for number in range(RENDERS)]
        assert halfway.wait(60)
        press.edition = "new"
        receipt = removal.purge(REF)
        survivors = [edition for edition in editions(house) if edition == "old"]
        for each in as_completed(asked, 60):
            each.result()
    assert receipt.files > 0
    assert (survivors, [edition for edition in editions(house) if edition == "old"]) == ([], [])
    assert press.begun == RENDERS
    assert "new" in set(editions(house))
    assert not list((house.cache.root / "trash").iterdir())


def test_what_is_cached_of_a_namespace_is_found_by_its_directories(house: House, removal: Removal) -> None:
    hashed = [REF, OTHER]
    parted = [PARTED.ref(32 * "a"), PARTED.ref("b" + 31 * "a")]
    paths = [PATHS.ref(name) for name in ("lion.png", "lion.png/mane.png", "wallpaper/lion.png")]
    older = Cache(house.cache.root, "0-vips")
    for cache in (house.cache, older):
        for ref in (*hashed, *parted, *paths):
            publish(cache, ref)
    only_old = PATHS.ref("elder/Käse.png")
    publish(older, only_old)
    for strange in ("huimages/FK/X/nothing of ours", "fitter/.hidden/~", "fitter/~"):
        (house.cache.files / strange).mkdir(parents=True)
    for space, refs in ((SPACE, hashed), (PARTED, parted), (PATHS, [*paths, only_old])):
        assert sorted(removal.cached(space), key=str) == sorted(refs, key=str), space.name
        assert {removal.purge(ref).files for ref in removal.cached(space)} == {1, 2} - ({1} if space is not PATHS else set())
    assert files_below(house.cache.served) == []
    assert list(removal.cached(Namespace("unheard-of", NAMINGS["sha1"]))) == []
