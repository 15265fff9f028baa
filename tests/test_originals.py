"""Store and local copy seen as one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.deletions import Deletions
from renderer.errors import NotFound, StoreGarbled, TooManyBytes
from renderer.limits import Limits
from renderer.originals import Home, Originals
from renderer.rendition import NAMINGS, Namespace
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
    """A memory store that counts how often it was asked for bytes."""

    gets = 0

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        self.gets += 1
        return super().get(key, target, max_bytes)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(name="far")


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
