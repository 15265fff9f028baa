"""What legacy sources have under a name whose hash it is not, and sources and stores that hang."""

from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from renderer.debts import Debts
from renderer.deletions import Deletions
from renderer.errors import Gone, NotFound, RendererError, StoreGarbled, StoreMismatch, StoreSlow, StoreUnavailable
from renderer.legacy import PATIENCE, Legacy
from renderer.limits import Limits
from renderer.originals import Home, Originals
from renderer.quarantine import FIRST_BACKOFF, Quarantine
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.stores import Facts
from renderer.stores.memory import MemoryStore

HASHED = Namespace("huimages", NAMINGS["sha1"])
CONTENT, WRONG = b"hello world", b"something else"
SLOW = StoreSlow("far", "no answer")


class Moody(MemoryStore):
    """Raises its mood instead of an answer; counts what it was asked for."""

    gets, mood = 0, None

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        self.gets += 1
        if self.mood:
            raise self.mood
        return super().get(key, target, max_bytes)


class House:
    """A store and two legacy sources, asked in this order, and clocks that a test moves."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, 1_700_000_000.0
        self.store, self.old, self.older = Moody("far"), Moody("old"), Moody("older")
        self.home = Home(HASHED, self.store, legacy=(self.old, self.older))
        self.debts = Debts(root / "debts.sqlite", {"huimages": HASHED})
        self.quarantine = Quarantine(root / "quarantine", {"pillow": "13.0"}, self.clock)
        self.originals = self.again()

    def clock(self) -> float:
        return self.now

    def again(self, **changes: object) -> Originals:
        """As after a restart, with another configuration perhaps."""
        self.home = replace(self.home, **changes)  # type: ignore[arg-type]
        legacy = Legacy(self.debts, self.quarantine, self.clock)
        self.originals = Originals({"huimages": self.home}, self.root / "copies", Limits(), Deletions(self.root / "d"), legacy)
        return self.originals

    def look(self, ref: Ref) -> object:
        """Its bytes, or the error that one gets."""
        try:
            with self.originals.local(ref) as local:
                return local.path.read_bytes()
        except RendererError as error:
            return type(error)

    def bring(self, store: MemoryStore, content: bytes, ref: Ref | None = None) -> Ref:
        ref = ref or HASHED.ref(HASHED.naming.name_of(hashlib.sha1(content).digest()))
        path = self.root / "brought"
        path.write_bytes(content)
        store.put(ref.name, path, Facts(len(content), 1_234_567_890))
        return ref

    def asked(self) -> tuple[int, int, int]:
        return self.store.gets, self.old.gets, self.older.gets

    def copies(self) -> list[Path]:
        return [path for path in (self.root / "copies").rglob("*") if path.is_file()]


REF = HASHED.ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01")  # of CONTENT
OTHERS = [HASHED.ref(f"{letter * 32}01") for letter in "ABC"]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


# other bytes


def test_H_B12_other_bytes_than_the_name_says_are_an_error_once_and_not_fetched_again_until_it_is_time(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.bring(house.old, WRONG, REF)
    assert [house.look(REF) for _ in range(3)] == [StoreMismatch] * 3
    assert house.asked() == (3, 1, 1)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "store old: the bytes of huimages/FKXG" in caplog.text
    house.now += 1.3 * FIRST_BACKOFF
    assert house.look(REF) is StoreMismatch
    assert house.asked() == (4, 2, 2)
    assert (house.debts.count(), house.copies()) == (0, [])


def test_the_record_says_which_source_and_when_to_try_again_and_survives_a_restart(house: House) -> None:
    house.bring(house.old, WRONG, REF)
    house.look(REF)
    (record,) = house.quarantine
    assert (record.name, record.source, record.concerned, record.tries) == (REF.name, "old", "mismatch", 1)
    house.again()
    with pytest.raises(StoreMismatch) as raised, house.originals.local(REF):
        pass
    assert raised.value.store == "old"
    assert raised.value.retry_after == round(record.retry_at - house.now)
    assert house.old.gets == 1


def test_other_codecs_do_not_change_bytes(house: House) -> None:
    house.bring(house.old, WRONG, REF)
    house.look(REF)
    house.quarantine = Quarantine(house.root / "quarantine", {"pillow": "14.0"}, house.clock)
    house.again()
    assert house.look(REF) is StoreMismatch
    assert house.old.gets == 1


@pytest.mark.parametrize("how", ["put into the store", "mended in the source", "in another source"])
def test_the_right_bytes_are_served_and_the_record_is_gone(house: House, how: str) -> None:
    house.bring(house.old, WRONG, REF)
    house.look(REF)
    house.bring({"put into the store": house.store, "mended in the source": house.old}.get(how, house.older), CONTENT)
    if how != "put into the store":
        assert house.look(REF) is StoreMismatch  # nobody asks yet
        house.now += 1.3 * FIRST_BACKOFF
    assert house.look(REF) == CONTENT
    assert list(house.quarantine) == []


def test_clearing_the_quarantine_has_the_sources_asked_again(house: House) -> None:
    house.bring(house.old, WRONG, REF)
    house.look(REF)
    house.bring(house.old, CONTENT)
    assert house.quarantine.clear(REF) == 1
    assert house.look(REF) == CONTENT


def test_a_failed_decode_and_its_clearing_leave_a_mismatch_alone(house: House) -> None:
    house.quarantine.strike_source(REF, "old", "other bytes")
    house.quarantine.strike(REF, "no picture")
    house.quarantine.check(OTHERS[0], "whole_q75")
    assert house.quarantine.clear(REF, "whole_q75") == 1
    with pytest.raises(StoreMismatch):
        house.quarantine.check_mismatch(REF)
    house.quarantine.check(REF, "whole_q75")


def test_accepting_mismatches_serves_what_was_quarantined_and_owes_it(house: House) -> None:
    house.bring(house.old, WRONG, REF)
    assert house.look(REF) is StoreMismatch
    house.again(accepts_mismatch=True)
    assert house.look(REF) == WRONG
    assert house.debts.due() == [REF]
    assert list(house.quarantine) == []


def test_without_legacy_sources_a_record_of_old_says_nothing(house: House) -> None:
    house.bring(house.old, WRONG, REF)
    house.look(REF)
    house.again(legacy=())
    assert house.look(REF) is NotFound


@pytest.mark.parametrize("trouble", [StoreUnavailable("older", "no route"), StoreGarbled("older", "cut short")], ids=["down", "garbled"])
def test_while_another_source_may_have_it_a_mismatch_is_not_the_last_word(house: House, trouble: StoreUnavailable) -> None:
    house.bring(house.old, WRONG, REF)
    house.older.mood = trouble
    assert house.look(REF) is type(trouble)
    assert list(house.quarantine) == []


def test_while_the_store_does_not_say_whether_it_has_it_the_answer_is_that_and_the_source_is_asked_once(house: House) -> None:
    house.bring(house.old, WRONG, REF)
    house.store.mood = StoreUnavailable("far", "no route")
    assert [house.look(REF) for _ in range(3)] == [StoreUnavailable] * 3
    assert house.old.gets == 1


def test_a_garbled_object_in_the_store_is_an_error_as_ever_and_no_record(house: House) -> None:
    house.bring(house.store, WRONG, REF)
    assert house.look(REF) is StoreMismatch
    assert list(house.quarantine) == []
    house.bring(house.old, CONTENT)
    assert house.look(REF) == CONTENT


def test_what_was_cut_short_on_the_way_is_no_mismatch(house: House) -> None:
    house.old.mood = StoreGarbled("old", "3 of 11 bytes")
    assert [house.look(REF) for _ in range(2)] == [StoreGarbled] * 2
    assert house.old.gets == 2
    assert list(house.quarantine) == []


def test_a_record_that_cannot_be_written_changes_no_answer(house: House) -> None:
    (house.root / "quarantine").write_text("a file where a directory should be")
    house.bring(house.old, WRONG, REF)
    assert house.look(REF) is StoreMismatch
    house.bring(house.older, CONTENT)
    assert house.look(REF) == CONTENT


# what hangs


@pytest.mark.feature(46)
def test_H_B11_a_store_that_hangs_is_asked_by_one_and_the_others_are_served_from_legacy_sources_at_once(house: House) -> None:
    house.store.mood = SLOW
    ref = house.bring(house.old, CONTENT)
    assert house.look(ref) == CONTENT
    other = house.bring(house.old, b"another")
    assert house.look(other) == b"another"
    assert house.store.gets == 1
    house.now += PATIENCE.rest_seconds
    house.store.mood = None
    only_there = house.bring(house.store, b"only in the store")
    assert house.look(only_there) == b"only in the store"
    assert house.look(OTHERS[0]) is NotFound


def test_while_a_store_is_left_alone_what_only_it_has_is_an_outage_and_no_absence(house: House) -> None:
    house.bring(house.store, CONTENT)
    house.store.mood = SLOW
    assert [house.look(REF) for _ in range(2)] == [StoreSlow, StoreUnavailable]
    assert house.store.gets == 1
    house.store.mood, house.now = None, house.now + PATIENCE.rest_seconds
    assert house.look(REF) == CONTENT


def test_while_a_store_is_left_alone_nobody_knows_whether_what_was_deleted_was_put_again(house: House) -> None:
    house.bring(house.old, CONTENT)
    house.originals.begin_deletion(REF)
    house.originals.finish_deletion(REF)
    house.store.mood = SLOW
    assert [house.look(REF) for _ in range(2)] == [StoreSlow, StoreUnavailable]
    house.store.mood, house.now = None, house.now + PATIENCE.rest_seconds
    assert house.look(REF) is Gone
    assert house.old.gets == 0


@pytest.mark.feature(50)
def test_H_B11_a_legacy_source_that_hangs_delays_one_404_and_makes_the_others_outages(house: House) -> None:
    house.old.mood = SLOW
    assert [house.look(ref) for ref in OTHERS] == [StoreSlow, StoreUnavailable, StoreUnavailable]
    assert house.old.gets == 1
    assert house.older.gets == 3  # each is left alone by itself
    house.old.mood = None
    house.now += PATIENCE.rest_seconds
    assert [house.look(ref) for ref in OTHERS] == [NotFound] * 3


@pytest.mark.feature(50)
def test_H_B11_what_the_store_has_never_waits_for_a_legacy_source_that_hangs(house: House) -> None:
    house.old.mood = SLOW
    house.look(OTHERS[0])
    house.bring(house.store, CONTENT)
    assert house.look(REF) == CONTENT
    assert house.old.gets == 1


def test_a_store_without_legacy_sources_is_asked_each_time(house: House) -> None:
    house.again(legacy=())
    house.store.mood = SLOW
    assert [house.look(ref) for ref in OTHERS] == [StoreSlow] * 3
    assert house.store.gets == 3


def test_with_nobody_to_note_it_what_legacy_sources_have_is_served_all_the_same(house: House) -> None:
    house.bring(house.old, CONTENT)
    bare = Originals({"huimages": house.home}, house.root / "copies", Limits(), Deletions(house.root / "d"))
    with bare.local(REF) as local:
        assert local.path.read_bytes() == CONTENT
    shutil.rmtree(house.root / "copies")
    house.bring(house.old, WRONG, REF)
    with pytest.raises(StoreMismatch), bare.local(REF):
        pass
