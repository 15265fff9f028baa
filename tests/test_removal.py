"""What is purged or deleted is gone: from every generation, whatever is being made meanwhile, and whenever it is killed half-way."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest

from renderer.cache import Cache
from renderer.errors import Busy, NotFound, StoreUnavailable
from renderer.picture.jobs import Job
from renderer.removal import Receipt, Removal
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.service import Bounds
from renderer.stores import Facts
from tests.test_service import CONTENTS, OTHER, REF, SPACE, House, show
from tests.waiting import wait_until

SOAK = bool(os.environ.get("ONMISS_SOAK"))
RENDERS = 1000 if SOAK else 200
PATHS = Namespace("fitter", NAMINGS["path"])
PARTED = Namespace("p", NAMINGS["md5"])


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, bounds=Bounds(2 * RENDERS, 2 * RENDERS, 30))


@pytest.fixture
def removal(house: House) -> Removal:
    return Removal(house.originals, None, house.cache, house.quarantine, wait_seconds=10)


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


def test_a_deletion_leaves_no_file_of_an_original(house: House, removal: Removal, tmp_path: Path) -> None:
    house.service.produce(show(1))
    house.quarantine.strike(REF, "too long", "fit-9x9_q75")
    assert removal.measure(REF, with_original=True) == removal.delete(REF) == Receipt(REF, 1, len("fit-1x1_q75"), original=True)
    assert (files_of(house), files_below(tmp_path / "copies"), list(house.quarantine)) == ([], [], [])
    with pytest.raises(NotFound):
        house.service.produce(show(1))
    assert removal.measure(REF, with_original=True) == removal.delete(REF) == Receipt(REF, 0, 0, original=False)
    assert house.service.produce(show(ref=OTHER)).path.exists()


def test_what_was_deleted_and_is_put_again_is_found_at_once(house: House, removal: Removal, tmp_path: Path) -> None:
    removal.delete(REF)
    with pytest.raises(NotFound):
        house.service.produce(show())
    house.originals.put(REF, tmp_path / REF.name, Facts(len(CONTENTS[REF]), 1))
    assert house.service.produce(show()).path.exists()


def test_a_store_that_is_down_does_not_keep_a_picture_public(house: House, removal: Removal, tmp_path: Path) -> None:
    house.service.produce(show(1))

    def down(key: str) -> bool:
        raise StoreUnavailable("far", "no route")

    house.store.delete = down  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        removal.delete(REF)
    assert (files_of(house), files_below(tmp_path / "copies")) == ([], [])


class Mortal:
    """Passes calls on until `lives` are used up, and dies at the next: before it, or right after it."""

    def __init__(self, real: Any, lives: list[int], after: bool) -> None:
        self._real, self._lives, self._after = real, lives, after

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            self._lives[0] -= 1
            if self._lives[0] < 0 and not self._after:
                raise KeyboardInterrupt
            found = getattr(self._real, name)(*values)
            if self._lives[0] < 0:
                raise KeyboardInterrupt
            return found

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("lives", range(6), ids=lambda lives: f"{lives}-steps")
def test_a_deletion_that_was_killed_anywhere_is_repaired_by_a_repeat(house: House, tmp_path: Path, lives: int, after: bool) -> None:
    house.service.produce(show(1))
    house.quarantine.strike(REF, "too long", "fit-9x9_q75")
    left = [lives]
    originals, cache, quarantine = (Mortal(real, left, after) for real in (house.originals, house.cache, house.quarantine))
    with pytest.raises(KeyboardInterrupt):
        Removal(originals, None, cache, quarantine).delete(REF)  # type: ignore[arg-type]
    Removal(house.originals, None, house.cache, house.quarantine).delete(REF)
    assert (files_of(house), files_below(tmp_path / "copies"), list(house.quarantine)) == ([], [], [])
    with pytest.raises(NotFound):
        house.service.produce(show(1))


def test_a_fetch_in_flight_does_not_bring_back_what_was_deleted(house: House, removal: Removal, tmp_path: Path) -> None:
    go, real = threading.Event(), house.store.get

    def slow(key: str, target: Path, max_bytes: int) -> Facts | None:
        facts = real(key, target, max_bytes)  # the bytes are here, and not yet kept
        go.wait(10)
        return facts

    house.store.get = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(house.service.produce, show(1))
        wait_until(lambda: files_below(tmp_path / "copies"), what="a fetch")
        deleted = pool.submit(removal.delete, REF)
        wait_until(lambda: house.store.facts(REF.name) is None, what="a deletion that waits for the maker")
        go.set()
        assert deleted.result(10).original
        assert isinstance(asked.exception(10), Busy | NotFound) or not asked.result().path.exists()
    assert (files_of(house), files_below(tmp_path / "copies")) == ([], [])
    with pytest.raises(NotFound):
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
