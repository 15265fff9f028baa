"""What is owed gets into the store, as what it is and byte for byte; a store that is down only delays it; what was deleted stays away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.debts import FIRST_BACKOFF, Debts
from renderer.deletions import Deletions
from renderer.errors import RendererError, StoreGarbled, StoreUnavailable
from renderer.legacy import Legacy
from renderer.limits import Limits
from renderer.originals import Home, Originals
from renderer.picture.engine import Engine
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.settling import Settling
from renderer.stores import Facts
from renderer.stores.memory import MemoryStore
from renderer.workers import Workers
from tests.e2e.site import OWN_TIME, jpeg
from tests.waiting import wait_until

HASHED, PATHS = Namespace("huimages", NAMINGS["sha1"]), Namespace("scenes", NAMINGS["path"])


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    workers = Workers(Engine(limits=Limits(max_pixels_in=1_000_000)), processes=1)
    workers.start()
    yield workers
    workers.stop(2)


class Faulty(MemoryStore):
    """Raises `trouble` instead of an answer; counts what it was asked."""

    trouble: RendererError | None = None
    asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.trouble:
            raise self.trouble

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        self._ask()
        return super().get(key, target, max_bytes)

    def facts(self, key: str) -> Facts | None:
        self._ask()
        return super().facts(key)

    def put(self, key: str, source: Path, facts: Facts, only_new: bool = False) -> bool:
        self._ask()
        return super().put(key, source, facts, only_new)


class Site:
    """A store, a legacy source that is being emptied into it, and what settles the debts."""

    def __init__(self, root: Path, workers: Workers) -> None:
        self.root, self.store, self.old, self.seconds = root, Faulty("far"), Faulty("old"), 1_700_000_000.0
        homes = {space.name: Home(space, self.store, f"{space.name}/", legacy=(self.old,)) for space in (HASHED, PATHS)}
        self.debts = Debts(root / "debts.sqlite", {space.name: space for space in (HASHED, PATHS)}, lambda: self.seconds)
        self.originals = Originals(homes, root / "copies", Limits(), Deletions(root / "deletions"), Legacy(self.debts))
        self.settling = Settling(self.originals, self.debts, workers, round_seconds=0.02)

    def bring(self, content: bytes, name: str = "") -> Ref:
        """Into the legacy source."""
        ref = PATHS.ref(name) if name else HASHED.ref(HASHED.naming.name_of(hashlib.sha1(content).digest()))
        path = self.root / "brought"
        path.write_bytes(content)
        self.old.put(ref.name, path, Facts(len(content), OWN_TIME))
        return ref

    def look(self, ref: Ref) -> bytes:
        with self.originals.local(ref) as local:
            return local.path.read_bytes()

    def stored(self, ref: Ref) -> tuple[bytes, Facts] | None:
        return self.store._held.get(f"{ref.namespace.name}/{ref.name}")


@pytest.fixture
def site(tmp_path: Path, workers: Workers) -> Site:
    return Site(tmp_path, workers)


@pytest.mark.feature(47)
@pytest.mark.parametrize("name", ["", "wall/lion.jpg"], ids=["hash-named", "path-named"])
def test_what_a_legacy_source_had_gets_into_the_store_as_what_it_is_and_stays_where_it_was(site: Site, name: str) -> None:
    content = jpeg(64, 48)
    ref = site.bring(content, name)
    assert site.look(ref) == content
    assert site.settling.pay() == 1
    assert site.stored(ref) == (content, Facts(len(content), OWN_TIME, "image/jpeg", 64, 48))
    assert site.old.facts(ref.name) is not None
    assert site.debts.count() == 0


def test_a_copy_that_is_gone_by_then_is_fetched_again(site: Site) -> None:
    ref = site.bring(jpeg(64, 48))
    site.look(ref)
    site.originals.discard_copy(ref)
    assert site.settling.pay() == 1
    assert site.stored(ref)
    assert site.debts.count() == 0


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(b"%PDF-1.4 no picture", "application/octet-stream"), (jpeg(2000, 1000), "image/jpeg")],
    ids=["no picture", "more pixels than we read"],
)
def test_what_cannot_be_rendered_is_moved_all_the_same(site: Site, content: bytes, content_type: str) -> None:
    ref = site.bring(content)
    site.look(ref)
    assert site.settling.pay() == 1
    assert site.stored(ref) == (content, Facts(len(content), OWN_TIME, content_type))


@pytest.mark.feature(48)
def test_H_B11_a_store_that_does_not_answer_is_asked_once_a_round_and_paid_when_it_is_back(site: Site) -> None:
    refs = [site.bring(jpeg(64, 48, seed)) for seed in range(3)]
    contents = [site.look(ref) for ref in refs]
    site.store.trouble, site.store.asked = StoreUnavailable("far", "no route"), 0
    assert site.settling.pay() == 0
    assert (site.store.asked, site.debts.count()) == (1, 3)
    site.store.trouble = None
    assert site.settling.pay() == 0  # not yet
    site.seconds += 2 * FIRST_BACKOFF
    assert site.settling.pay() == 3
    assert [found and found[0] for found in map(site.stored, refs)] == contents
    assert site.debts.count() == 0


def test_what_is_garbled_holds_up_nothing_else(site: Site) -> None:
    refs = [site.bring(jpeg(64, 48, seed)) for seed in range(2)]
    for ref in refs:
        site.look(ref)
    site.store.trouble, site.store.asked = StoreGarbled("far", "a wrong checksum"), 0
    assert site.settling.pay() == 0
    assert site.store.asked == 2


def test_a_legacy_source_that_is_down_delays_only_what_has_no_copy(site: Site) -> None:
    first, second = (site.bring(jpeg(64, 48, seed)) for seed in range(2))
    for ref in (first, second):
        site.look(ref)
        site.seconds += 1
    site.originals.discard_copy(first)
    site.old.trouble = StoreUnavailable("old", "no route")
    assert site.settling.pay() == 1
    assert (site.stored(first), site.debts.count()) == (None, 1)
    assert site.stored(second)


def test_what_was_deleted_meanwhile_is_not_owed_any_more_and_never_returns(site: Site) -> None:
    ref = site.bring(jpeg(64, 48))
    site.look(ref)
    site.originals.delete(ref)
    site.originals.finish_deletion(ref)
    assert site.settling.pay() == 1
    assert (site.stored(ref), site.debts.count()) == (None, 0)


def test_what_nobody_has_any_more_is_not_owed(site: Site) -> None:
    ref = site.bring(jpeg(64, 48))
    site.look(ref)
    site.originals.discard_copy(ref)
    site.old.delete(ref.name)
    assert site.settling.pay() == 1
    assert site.debts.count() == 0


def test_what_is_in_the_store_by_then_is_left_as_it_is_and_not_fetched(site: Site) -> None:
    ref = site.bring(jpeg(64, 48), "wall/lion.jpg")
    site.look(ref)
    newer = site.root / "newer"
    newer.write_bytes(b"newer")
    site.originals.put(ref, newer, Facts(5, OWN_TIME))
    site.old.asked = site.store.asked = 0
    assert site.settling.pay() == 1
    found = site.stored(ref)
    assert (found and found[0], site.old.asked, site.store.asked, site.debts.count()) == (b"newer", 0, 1, 0)


def test_a_thread_pays_until_it_is_stopped_and_survives_a_journal_that_is_of_no_use(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    (site.root / "debts.sqlite").mkdir()
    site.settling.start()
    try:
        wait_until(lambda: "not paid now" in caplog.text, what="a round that failed")
        ref = site.bring(jpeg(64, 48))
        assert site.look(ref)
        (site.root / "debts.sqlite").rmdir()
        site.debts.owe(ref)
        wait_until(lambda: site.stored(ref) and not site.debts.count(), what="the original in the store")
    finally:
        site.settling.stop()
