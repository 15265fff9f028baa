"""Store and local copy seen as one."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from renderer.debts import Debts
from renderer.deletions import Deletions
from renderer.errors import Busy, Gone, NotFound, StoreGarbled, StoreUnavailable, TooManyBytes
from renderer.legacy import Legacy
from renderer.limits import Limits
from renderer.originals import Home, Originals
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.stores import Facts
from renderer.stores.file import FileStore
from renderer.stores.memory import MemoryStore

HASHED = Namespace("huimages", NAMINGS["sha1"])
PARTED = Namespace("p", NAMINGS["md5"])
PATHS = Namespace("fitter", NAMINGS["path"])
CONTENT = b"hello world"
REF = HASHED.ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01")
OWN_TIME = 1_234_567_890


class CountingStore(MemoryStore):
    """A memory store that counts how often it was asked for bytes, and that may be down, or say that it was deleted there."""

    gets, is_down, had_it = 0, False, False

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        self.gets += 1
        if self.is_down:
            raise StoreUnavailable(self.name, "no route")
        if self.had_it:
            raise Gone(key)
        return super().get(key, target, max_bytes)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(name="far")


def looked_for(originals: Originals, ref: Ref = REF) -> object:
    """Its bytes, or the error that one gets."""
    try:
        with originals.local(ref) as local:
            return local.path.read_bytes()
    except (NotFound, StoreUnavailable) as error:
        return type(error)


def delete(originals: Originals, ref: Ref = REF) -> bool:
    """Every step of a deletion that is about the original."""
    originals.begin_deletion(ref)
    found = originals.delete(ref)
    originals.finish_deletion(ref)
    return found


@pytest.fixture
def originals(store: CountingStore, tmp_path: Path) -> Originals:
    homes = {space.name: Home(space, store, prefix) for space, prefix in ((HASHED, ""), (PARTED, ""), (PATHS, "f/"))}
    return Originals(homes, tmp_path / "copies", Limits(max_original_bytes=1000), Deletions(tmp_path / "deletions"))


@pytest.fixture
def picture(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "picture"
    path.write_bytes(CONTENT)
    yield path
    assert path.read_bytes() == CONTENT


FACTS = Facts(len(CONTENT), OWN_TIME, "image/jpeg", 4, 3)


def test_what_came_from_afar_is_kept_and_fetched_once(originals: Originals, store: CountingStore, picture: Path) -> None:
    originals.put(REF, picture, FACTS)
    for _ in range(3):
        with originals.local(REF) as local:
            assert local.path.read_bytes() == CONTENT
            assert local.time == OWN_TIME
    assert store.gets == 1


def test_names_whose_bytes_may_change_are_fetched_anew(originals: Originals, store: CountingStore, picture: Path) -> None:
    ref = PATHS.ref("wallpaper/lion.png")
    originals.put(ref, picture, FACTS)
    for _ in range(2):
        with originals.local(ref) as local:
            path = local.path
            assert path.read_bytes() == CONTENT
        assert not path.exists()
    assert store.gets == 2


def test_who_puts_waits_only_so_long_for_another_who_hangs(originals: Originals, tmp_path: Path, picture: Path) -> None:
    deletions = Deletions(tmp_path / "deletions")
    other = Originals(originals.homes, tmp_path / "copies", Limits(), deletions, wait_seconds=0.05)
    with originals.alone(REF):
        with originals.alone(REF):
            pass
        with ThreadPoolExecutor(1) as thread, pytest.raises(Busy):
            thread.submit(other.put, REF, picture, FACTS).result(10)
        other.put(PATHS.ref("lion.png"), picture, FACTS)
    assert other.put(REF, picture, FACTS)


def test_a_store_on_this_disk_is_its_own_local_copy(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "disk").mkdir()
    store = FileStore(name="disk", root=tmp_path / "disk")
    originals = Originals({"huimages": Home(HASHED, store)}, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions"))
    originals.put(REF, picture, FACTS)
    with originals.local(REF) as local:
        assert local.path.is_relative_to(tmp_path / "disk")
        assert local.time == OWN_TIME
    assert not (tmp_path / "copies").exists()


def test_an_original_on_this_disk_that_is_too_large_is_refused(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "disk").mkdir()
    store = FileStore(name="disk", root=tmp_path / "disk")
    originals = Originals({"huimages": Home(HASHED, store)}, tmp_path / "copies", Limits(max_original_bytes=3), Deletions(tmp_path / "d"))
    originals.put(REF, picture, FACTS)
    with pytest.raises(TooManyBytes), originals.local(REF):
        pass


@pytest.mark.feature(21)
def test_R22_asking_again_and_again_for_what_is_absent_costs_the_store_nothing(originals: Originals, store: CountingStore) -> None:
    for _ in range(5):
        with pytest.raises(NotFound), originals.local(REF):
            pass
    assert store.gets == 1


def test_what_is_put_is_found_at_once_though_it_was_absent(originals: Originals, picture: Path) -> None:
    with pytest.raises(NotFound), originals.local(REF):
        pass
    originals.put(REF, picture, FACTS)
    with originals.local(REF) as local:
        assert local.path.read_bytes() == CONTENT


def test_bytes_that_do_not_have_the_hash_in_their_name_are_not_kept(originals: Originals, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"something else")
    originals.put(REF, wrong, FACTS)
    with pytest.raises(StoreGarbled, match="hash"), originals.local(REF):
        pass
    assert not [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]


def test_R12_bytes_beyond_the_limit_are_refused_and_nothing_is_left(originals: Originals, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * 1001)
    ref = HASHED.ref(HASHED.naming.name_of(hashlib.sha1(b"x" * 1001).digest()))
    originals.put(ref, large, Facts(1001, OWN_TIME))
    with pytest.raises(TooManyBytes), originals.local(ref):
        pass
    assert not [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("space", "name", "key"),
    [
        (HASHED, "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01", "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01"),
        (PARTED, "6e0072682e66287b662827da75b244a3", "p/6e0/072/682/e66287b662827da75b244a3/original"),
        (PATHS, "wallpaper/lion.png", "f/wallpaper/lion.png"),
    ],
    ids=["sha1", "md5", "path"],
)
def test_keys_are_what_the_old_systems_had(originals: Originals, space: Namespace, name: str, key: str) -> None:
    home = originals.homes[space.name]
    assert home.key(name) == key
    assert home.name(key) == name


def test_a_store_that_spreads_gets_shards(tmp_path: Path) -> None:
    home = Home(HASHED, FileStore(name="disk", root=tmp_path))
    key = home.key(REF.name)
    assert key == f"FK/X/{REF.name}"
    assert home.name(key) == REF.name


def test_names_lists_what_is_ours_and_passes_over_the_rest(originals: Originals, store: CountingStore, picture: Path) -> None:
    originals.put(REF, picture, FACTS)
    originals.put(PATHS.ref("wallpaper/lion.png"), picture, FACTS)
    for stranger in ("README", f"elsewhere/{REF.name}"):
        store.put(stranger, picture, FACTS)
    assert [ref.name for ref in originals.names(HASHED)] == [REF.name]
    assert [ref.name for ref in originals.names(PATHS)] == ["wallpaper/lion.png"]


@pytest.mark.parametrize("ref", [REF, PATHS.ref("wall/lion.png")], ids=["hash-named", "path-named"])
def test_what_was_deleted_is_gone_and_costs_the_store_one_question(
    originals: Originals, store: CountingStore, picture: Path, ref: Ref
) -> None:
    originals.put(ref, picture, FACTS)
    assert delete(originals, ref)
    assert [looked_for(originals, ref) for _ in range(3)] == [Gone, Gone, Gone]
    assert store.gets == 1
    assert originals.put(ref, picture, FACTS)
    assert looked_for(originals, ref) == CONTENT


def test_what_was_deleted_on_this_disk_is_gone_too(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "disk").mkdir()
    store = FileStore(name="disk", root=tmp_path / "disk")
    originals = Originals({"huimages": Home(HASHED, store)}, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions"))
    assert looked_for(originals) is NotFound
    originals.put(REF, picture, FACTS)
    delete(originals)
    assert looked_for(originals) is Gone
    originals.put(REF, picture, FACTS)
    assert looked_for(originals) == CONTENT


def test_gone_ends_with_its_time_and_then_it_is_not_found(store: CountingStore, tmp_path: Path, picture: Path) -> None:
    seconds = [1_700_000_000.0]
    deletions = Deletions(tmp_path / "deletions", seconds=100, now=lambda: seconds[0])
    originals = Originals({"huimages": Home(HASHED, store)}, tmp_path / "copies", Limits(), deletions)
    originals.put(REF, picture, FACTS)
    delete(originals)
    assert looked_for(originals) is Gone
    seconds[0] += 100
    assert looked_for(originals) is NotFound


def test_what_another_process_puts_again_is_found_at_once(
    originals: Originals, store: CountingStore, tmp_path: Path, picture: Path
) -> None:
    other = Originals(originals.homes, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions"))
    originals.put(REF, picture, FACTS)
    delete(other)
    assert looked_for(originals) is Gone  # and remembered
    other.put(REF, picture, FACTS)
    assert looked_for(originals) == CONTENT


def test_what_was_absent_a_moment_ago_and_was_put_and_deleted_by_another_is_gone(
    originals: Originals, tmp_path: Path, picture: Path
) -> None:
    assert looked_for(originals) is NotFound  # and remembered
    other = Originals(originals.homes, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions"))
    other.put(REF, picture, FACTS)
    delete(other)
    assert looked_for(originals) is Gone


def test_a_deletion_that_was_only_begun_hides_the_original_and_its_copy_until_it_is_put_again(originals: Originals, picture: Path) -> None:
    originals.put(REF, picture, FACTS)
    assert looked_for(originals) == CONTENT
    originals.begin_deletion(REF)
    assert looked_for(originals) is Gone
    assert originals.put(REF, picture, FACTS, only_new=True) is False  # it was there all the time
    assert looked_for(originals) == CONTENT


def test_a_name_that_is_taken_is_not_put_and_stays_deleted_when_it_was(originals: Originals, picture: Path) -> None:
    ref = PATHS.ref("wall/lion.png")
    originals.put(ref, picture, FACTS)
    originals.begin_deletion(ref)
    assert originals.put(ref, picture, FACTS, only_new=True) is False
    assert looked_for(originals, ref) is Gone
    originals.put(ref, picture, FACTS)
    assert looked_for(originals, ref) == CONTENT


def test_what_another_machine_put_again_is_found_though_it_was_deleted_here(
    originals: Originals, store: CountingStore, tmp_path: Path, picture: Path
) -> None:
    originals.put(REF, picture, FACTS)
    delete(originals)
    elsewhere = Originals(originals.homes, tmp_path / "copies of another", Limits(), Deletions(tmp_path / "deletions of another"))
    elsewhere.put(REF, picture, FACTS)
    assert looked_for(originals) == CONTENT


def test_where_legacy_sources_may_have_it_a_deletion_is_for_good(store: CountingStore, tmp_path: Path, picture: Path) -> None:
    seconds = [1_700_000_000.0]
    deletions = Deletions(tmp_path / "deletions", seconds=100, now=lambda: seconds[0])
    old = MemoryStore(name="old")
    originals = Originals({"huimages": Home(HASHED, store, legacy=(old,))}, tmp_path / "copies", Limits(), deletions)
    assert originals.may_have(REF)  # who knows what they have
    delete(originals)
    seconds[0] += 1_000_000
    assert looked_for(originals) is Gone


def test_what_was_not_put_for_lack_of_a_store_stays_deleted(originals: Originals, store: CountingStore, picture: Path) -> None:
    originals.put(REF, picture, FACTS)
    delete(originals)

    def down(*_: object) -> bool:
        raise StoreUnavailable("far", "no route")

    real, store.put = store.put, down  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreUnavailable):
        originals.put(REF, picture, FACTS)
    assert looked_for(originals) is Gone
    store.put = real  # type: ignore[method-assign]
    originals.put(REF, picture, FACTS)
    assert looked_for(originals) == CONTENT


def test_whether_there_may_be_something_is_denied_only_when_it_is_certain(
    originals: Originals, store: CountingStore, picture: Path
) -> None:
    assert not originals.may_have(REF)
    originals.put(REF, picture, FACTS)
    assert originals.may_have(REF)
    looked_for(originals)
    store.delete(REF.name)
    assert originals.may_have(REF)  # a local copy
    originals.begin_deletion(REF)
    originals.delete(REF)
    assert originals.may_have(REF)  # an unfinished deletion
    originals.finish_deletion(REF)
    assert not originals.may_have(REF)

    def down(key: str) -> None:
        raise StoreUnavailable("far", "no route")

    store.facts = down  # type: ignore[method-assign]
    assert originals.may_have(REF)


@pytest.mark.parametrize("first", ["put", "delete"])
def test_of_a_deletion_and_an_import_at_once_the_later_one_wins_and_the_record_agrees(
    originals: Originals, store: CountingStore, picture: Path, first: str
) -> None:
    """The one begins when the store has done the other's bidding, and the other has yet to note it."""
    originals.put(REF, picture, FACTS)
    real, other = getattr(store, first), (lambda: delete(originals)) if first == "put" else (lambda: originals.put(REF, picture, FACTS))
    with ThreadPoolExecutor(1) as pool:

        def interrupted(*values: Any) -> Any:
            setattr(store, first, real)
            answer = real(*values)
            wait([pool.submit(other)], 0.3)  # it waits for us; if it did not, this is ample
            return answer

        setattr(store, first, interrupted)
        originals.put(REF, picture, FACTS) if first == "put" else delete(originals)
    assert bool(store.facts(REF.name)) == (first == "delete")
    assert looked_for(originals) == (CONTENT if first == "delete" else Gone)


@pytest.mark.parametrize(
    ("step", "then"),
    [("get", "deleted"), ("place", "deleted"), ("get", "deleted-and-put-again"), ("get", "put-again-after-an-old-deletion")],
    ids=lambda text: text,
)
def test_who_fetches_without_a_claim_keeps_no_copy_of_what_is_deleted_meanwhile(
    originals: Originals, store: CountingStore, picture: Path, monkeypatch: pytest.MonkeyPatch, step: str, then: str
) -> None:
    """An application that opens an image is no maker, for whom a deletion waits."""
    if then == "put-again-after-an-old-deletion":
        delete(originals)
    store.put(REF.name, picture, FACTS)  # by another machine
    part: Any = store if step == "get" else sys.modules[Originals.__module__]
    real = getattr(part, step)

    def interrupted(*values: Any) -> Any:
        answer = real(*values)
        if then.startswith("deleted"):
            delete(originals)
        if then != "deleted":
            originals.put(REF, picture, FACTS)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(part, step, interrupted)
        first = looked_for(originals)
    if then == "deleted":
        assert (first, looked_for(originals)) == (Gone, Gone)
        assert not [path for path in picture.parent.joinpath("copies").rglob("*") if path.is_file()]
    else:
        assert looked_for(originals) == CONTENT


@pytest.fixture
def old() -> CountingStore:
    return CountingStore(name="old")


@pytest.fixture
def debts(tmp_path: Path) -> Debts:
    return Debts(tmp_path / "debts.sqlite", {space.name: space for space in (HASHED, PATHS)})


@pytest.fixture
def moving(store: CountingStore, old: CountingStore, debts: Debts, tmp_path: Path) -> Originals:
    """Originals whose legacy source is still being emptied into their store."""
    homes = {space.name: Home(space, store, prefix, legacy=(old,)) for space, prefix in ((HASHED, ""), (PATHS, "f/"))}
    return Originals(homes, tmp_path / "copies", Limits(max_original_bytes=1000), Deletions(tmp_path / "deletions"), Legacy(debts))


def copies(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]


@pytest.mark.feature(46)
def test_what_only_a_legacy_source_has_is_served_and_kept_and_owed_to_the_store(
    moving: Originals, store: CountingStore, old: CountingStore, debts: Debts, picture: Path
) -> None:
    old.put(REF.name, picture, FACTS)
    for _ in range(2):
        with moving.local(REF) as local:
            assert (local.path.read_bytes(), local.time) == (CONTENT, OWN_TIME)
    assert (store.gets, old.gets) == (1, 1)
    assert debts.due() == [REF]
    assert moving.facts(REF) is None  # it is not the request that moves it


def test_names_whose_bytes_may_change_come_from_legacy_sources_without_the_prefix_of_their_store(
    moving: Originals, old: CountingStore, debts: Debts, picture: Path, tmp_path: Path
) -> None:
    ref = PATHS.ref("wall/lion.png")
    old.put("wall/lion.png", picture, FACTS)
    assert [looked_for(moving, ref) for _ in range(2)] == [CONTENT, CONTENT]
    assert old.gets == 2
    assert not copies(tmp_path)
    assert debts.due() == [ref]


def test_H_B11_a_store_that_is_down_is_bypassed_to_a_legacy_source(
    moving: Originals, store: CountingStore, old: CountingStore, debts: Debts, picture: Path
) -> None:
    old.put(REF.name, picture, FACTS)
    store.is_down = True
    assert looked_for(moving) == CONTENT
    assert debts.due() == [REF]


@pytest.mark.feature(50)
def test_H_B11_a_legacy_source_that_is_down_is_not_noticed_while_the_store_has_it(
    moving: Originals, store: CountingStore, old: CountingStore, debts: Debts, picture: Path
) -> None:
    store.put(REF.name, picture, FACTS)
    old.is_down = True
    assert looked_for(moving) == CONTENT
    assert (old.gets, debts.count()) == (0, 0)


@pytest.mark.parametrize("down", ["store", "old"])
def test_H_B11_an_outage_is_never_taken_for_absence_nor_remembered_as_one(
    moving: Originals, store: CountingStore, old: CountingStore, picture: Path, down: str
) -> None:
    part = {"store": store, "old": old}[down]
    part.is_down = True
    assert looked_for(moving) is StoreUnavailable
    part.is_down = False
    part.put(REF.name, picture, FACTS)
    assert looked_for(moving) == CONTENT


def test_H_B10_what_no_source_has_is_not_found_and_asking_again_costs_them_nothing(
    moving: Originals, store: CountingStore, old: CountingStore, debts: Debts
) -> None:
    assert [looked_for(moving) for _ in range(3)] == [NotFound] * 3
    assert (store.gets, old.gets, debts.count()) == (1, 1, 0)


@pytest.mark.parametrize("ref", [REF, PATHS.ref("wall/lion.png")], ids=["hash-named", "path-named"])
def test_what_was_deleted_never_comes_back_from_a_legacy_source(
    moving: Originals, store: CountingStore, old: CountingStore, debts: Debts, picture: Path, ref: Ref
) -> None:
    old.put(ref.name, picture, FACTS)
    delete(moving, ref)
    store.is_down = True
    assert looked_for(moving, ref) is StoreUnavailable  # another machine may have put it again: nobody knows
    store.is_down = False
    assert looked_for(moving, ref) is Gone
    assert (old.gets, debts.count()) == (0, 0)


def test_what_was_deleted_in_a_legacy_source_is_gone_and_no_older_source_brings_it_back(
    store: CountingStore, old: CountingStore, picture: Path, tmp_path: Path
) -> None:
    older = CountingStore(name="older")
    older.put(REF.name, picture, FACTS)
    old.had_it = True
    originals = Originals(
        {"huimages": Home(HASHED, store, legacy=(old, older))}, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions")
    )
    store.is_down = True
    assert looked_for(originals) is StoreUnavailable  # which may have it again
    store.is_down = False
    with pytest.raises(Gone, match=str(REF)), originals.local(REF):
        pass
    assert [looked_for(originals) for _ in range(2)] == [Gone, Gone]
    assert (store.gets, old.gets, older.gets) == (2, 2, 0)
    originals.put(REF, picture, FACTS)
    assert looked_for(originals) == CONTENT


def test_what_was_deleted_in_one_legacy_source_may_be_in_another_that_is_down(
    store: CountingStore, old: CountingStore, tmp_path: Path
) -> None:
    older = CountingStore(name="older")
    older.had_it, old.is_down = True, True
    homes = {"huimages": Home(HASHED, store, legacy=(old, older))}
    assert looked_for(Originals(homes, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions"))) is StoreUnavailable


def test_what_is_deleted_while_it_is_fetched_from_a_legacy_source_leaves_no_copy(
    moving: Originals, old: CountingStore, picture: Path, tmp_path: Path
) -> None:
    old.put(REF.name, picture, FACTS)
    real = old.get

    def interrupted(*values: Any) -> Any:
        answer = real(*values)
        delete(moving)
        return answer

    old.get = interrupted  # type: ignore[method-assign]
    assert [looked_for(moving) for _ in range(2)] == [Gone, Gone]
    assert not copies(tmp_path)


def test_legacy_bytes_without_the_hash_in_their_name_are_neither_kept_nor_owed(
    moving: Originals, old: CountingStore, debts: Debts, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_bytes(b"something else")
    old.put(REF.name, tmp_path / "wrong", FACTS)
    with pytest.raises(StoreGarbled, match=r"old: .* hash"), moving.local(REF):
        pass
    assert not copies(tmp_path)
    assert debts.count() == 0


def test_where_names_are_no_hashes_a_mismatch_is_served_and_kept(
    store: CountingStore, old: CountingStore, debts: Debts, tmp_path: Path
) -> None:
    (tmp_path / "other").write_bytes(b"something else")
    old.put(REF.name, tmp_path / "other", FACTS)
    homes = {"huimages": Home(HASHED, store, legacy=(old,), accepts_mismatch=True)}
    originals = Originals(homes, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions"), Legacy(debts))
    assert looked_for(originals) == b"something else"
    assert [path.name for path in copies(tmp_path)] == [REF.name]
    assert debts.due() == [REF]


@pytest.mark.parametrize("trouble", ["absent", "down", "garbled"])
def test_legacy_sources_are_asked_in_order_until_one_has_it_whole(
    store: CountingStore, old: CountingStore, debts: Debts, picture: Path, tmp_path: Path, trouble: str
) -> None:
    older = FileStore(name="older", root=tmp_path / "older")
    older.root.mkdir()
    older.put(f"FK/X/{REF.name}", picture, FACTS)
    old.is_down = trouble == "down"
    if trouble == "garbled":
        (tmp_path / "wrong").write_bytes(b"something else")
        old.put(REF.name, tmp_path / "wrong", FACTS)
    homes = {"huimages": Home(HASHED, store, legacy=(old, older))}
    originals = Originals(homes, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions"), Legacy(debts))
    assert looked_for(originals) == CONTENT
    assert old.gets == 1


def test_what_the_store_has_garbled_comes_from_a_legacy_source_that_has_it_whole(
    moving: Originals, store: CountingStore, old: CountingStore, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_bytes(b"something else")
    store.put(REF.name, tmp_path / "wrong", FACTS)
    old.put(REF.name, picture, FACTS)
    assert looked_for(moving) == CONTENT


@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "not mounted"])
def test_a_store_on_this_disk_has_local_copies_of_what_legacy_sources_had(
    old: CountingStore, debts: Debts, picture: Path, tmp_path: Path, mounted: bool
) -> None:
    disk = FileStore(name="disk", root=tmp_path / "disk")
    if mounted:
        disk.root.mkdir()
    homes = {"huimages": Home(HASHED, disk, legacy=(old,))}
    originals = Originals(homes, tmp_path / "copies", Limits(), Deletions(tmp_path / "d"), Legacy(debts))
    assert looked_for(originals) is (NotFound if mounted else StoreUnavailable)
    old.put(REF.name, picture, FACTS)
    originals = Originals(originals.homes, tmp_path / "copies", Limits(), Deletions(tmp_path / "d"), Legacy(debts))
    assert [looked_for(originals) for _ in range(2)] == [CONTENT, CONTENT]
    assert old.gets == 2
    assert debts.due() == [REF]
    disk.root.mkdir(exist_ok=True)
    assert originals.settle(REF, picture, FACTS)
    with originals.local(REF) as local:
        assert local.path.is_relative_to(disk.root)


def test_a_debt_that_cannot_be_noted_does_not_keep_the_original_from_being_served(
    store: CountingStore, old: CountingStore, picture: Path, tmp_path: Path
) -> None:
    old.put(REF.name, picture, FACTS)
    debts = Debts(picture / "debts.sqlite", {"huimages": HASHED})  # below a file
    homes = {"huimages": Home(HASHED, store, legacy=(old,))}
    originals = Originals(homes, tmp_path / "copies", Limits(), Deletions(tmp_path / "deletions"), Legacy(debts))
    assert looked_for(originals) == CONTENT


def test_settling_replaces_nothing_and_brings_back_nothing_that_was_deleted(
    moving: Originals, store: CountingStore, picture: Path
) -> None:
    assert moving.settle(REF, picture, FACTS)
    assert not moving.settle(REF, picture, FACTS)
    delete(moving)
    with pytest.raises(Gone):
        moving.settle(REF, picture, FACTS)
    assert store.facts(REF.name) is None
