"""Shards, throttle, crew and journal: each alone."""

from __future__ import annotations

import random
import sqlite3
import threading
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.crew import GARBLED_TRIES, Crew
from renderer.errors import BadRequest, Busy, Conflict, StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from renderer.migrating import COPIED, EMPTY, FAILED, Outcome
from renderer.migrating.journal import opened
from renderer.migrating.listing import pages
from renderer.migrating.shards import MOST, parse_shard
from renderer.migrating.throttle import Throttle
from renderer.rendition import NAMINGS
from renderer.stores.couchdb import CouchSource

IDENTITY = {"namespace": "n", "source": "s", "store": "t", "shard": "all"}


# shards


@given(st.integers(1, MOST), st.one_of(st.text(max_size=8), st.from_regex(r"\A[A-Z2-7]{34}\Z"), st.from_regex(r"\A[0-9a-f]{32}\Z")))
def test_every_name_is_in_exactly_one_shard(count: int, name: str) -> None:
    for kind in ("sha1", "md5"):
        shards = [parse_shard(f"{number}/{count}", NAMINGS[kind]) for number in range(1, count + 1)]
        assert sum(shard.holds(name) for shard in shards) == 1


@pytest.mark.parametrize("kind", ["sha1", "md5"])
def test_shards_are_about_alike(kind: str) -> None:
    hashes = [bytes([number % 256, number // 256]) + bytes(18 if kind == "sha1" else 14) for number in range(65_536)]
    names = [NAMINGS[kind].name_of(digest) for digest in hashes]
    counts = [sum(map(parse_shard(f"{number}/7", NAMINGS[kind]).holds, names)) for number in range(1, 8)]
    assert max(counts) < 1.05 * min(counts)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/", "a/b", "1/2000", "1/3\n", " 1/3", "-1/3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="expected I/N"):
        parse_shard(text, NAMINGS["sha1"])


def test_names_that_are_given_have_no_shards() -> None:
    with pytest.raises(BadRequest, match="names by hash"):
        parse_shard("1/2", NAMINGS["path"])


# pages


class Listed:
    """A source of so many names a page; `lost`: those that go once they were told."""

    def __init__(self, names: list[str], page_documents: int, lost: set[str]) -> None:
        self.names, self.page_documents, self.lost, self.asked = sorted(names, key=str.encode), page_documents, lost, 0

    def page(self, first: str = "") -> list[tuple[str, dict[str, str] | None]]:
        self.asked += 1
        found = [name for name in self.names if name.encode() >= first.encode()][: self.page_documents]
        self.names = [name for name in self.names if name not in found or name not in self.lost]
        return [(name, {"_id": name}) for name in found]


SETS = st.sets(st.text("ABCDEFG234", min_size=1, max_size=3), min_size=1, max_size=40)


@given(SETS, st.integers(2, 7), st.randoms(), st.sampled_from(["", "1/3", "2/3", "3/3"]))
def test_every_document_of_a_shard_is_listed_once_and_in_order(names: set[str], page: int, chance: random.Random, text: str) -> None:
    shard = parse_shard(text, NAMINGS["sha1"])
    source = Listed(list(names), page, {name for name in names if chance.random() < 0.3})
    found = [key for rows in pages(cast(CouchSource, source), Crew(1), shard) for key, _ in rows]
    assert found == sorted(filter(shard.holds, names), key=str.encode)


@given(SETS, st.integers(2, 7), st.data())
def test_a_list_goes_on_behind_its_cursor(names: set[str], page: int, data: st.DataObject) -> None:
    ordered = sorted(names, key=str.encode)
    cursor = data.draw(st.sampled_from(ordered))
    rows = pages(cast(CouchSource, Listed(ordered, page, set())), Crew(1), parse_shard("", NAMINGS["sha1"]), cursor)
    assert [key for some in rows for key, _ in some] == ordered[ordered.index(cursor) + 1 :]


# throttle


def test_a_rate_is_kept_over_any_second() -> None:
    clock = [100.0]

    def wait(seconds: float) -> None:
        clock[0] += seconds

    throttle = Throttle(1000, lambda: clock[0], wait)
    for _ in range(50):
        throttle.take(100)
    assert clock[0] == pytest.approx(105.0, abs=0.3)
    clock[0] += 60  # idleness is not saved up
    before = clock[0]
    for _ in range(20):
        throttle.take(100)
    assert clock[0] - before == pytest.approx(2.0, abs=0.3)


def test_without_a_rate_nobody_waits() -> None:
    throttle = Throttle(0, lambda: 0.0, lambda _: pytest.fail("it waited"))
    for _ in range(100):
        throttle.take(10**9)
    assert throttle


# crew


def test_results_come_in_the_order_of_the_things_and_few_are_on_their_way() -> None:
    crew, drawn, lock = Crew(4), [0], threading.Lock()

    def things() -> list[int]:
        for number in range(500):
            with lock:
                drawn[0] = number
            yield number

    seen = []
    for thing, result in crew.each(things(), lambda number: number * 2):
        assert drawn[0] - thing <= 4 * 8 + 1
        seen.append((thing, result))
    crew.dismiss()
    assert seen == [(number, number * 2) for number in range(500)]


def test_after_a_stop_nothing_new_is_begun_and_what_was_begun_is_told() -> None:
    crew, begun = Crew(2), []

    def work(number: int) -> int:
        begun.append(number)
        return number

    found = []
    for thing, _ in crew.each(range(1000), work):
        found.append(thing)
        crew.stop()
    crew.dismiss()
    assert found == sorted(begun)
    assert len(found) < 100


@pytest.mark.parametrize("error", [StoreUnavailable("s", "x"), StoreSlow("s", "x"), Busy("x")], ids=lambda error: type(error).__name__)
def test_what_is_down_is_waited_for_longer_and_longer_until_patience_ends(error: Exception) -> None:
    pauses: list[float] = []
    crew = Crew(1, 60, lambda seconds: not pauses.append(seconds))

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        crew.patiently(fail)
    assert 45 < sum(pauses) < 100
    assert pauses[0] < 0.5 < 10 < pauses[-1]


def test_bytes_that_are_never_right_are_given_up_sooner_and_a_refusal_at_once() -> None:
    pauses: list[float] = []
    crew = Crew(1, 600, lambda seconds: not pauses.append(seconds))

    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(StoreGarbled):
        crew.patiently(lambda: fail(StoreGarbled("s", "x")))
    assert len(pauses) == GARBLED_TRIES - 1
    with pytest.raises(StoreRefused):
        crew.patiently(lambda: fail(StoreRefused("s", "x")))
    assert len(pauses) == GARBLED_TRIES - 1


# journal


def outcome(key: str, state: str = COPIED) -> Outcome:
    return Outcome(key, state, "2-a", 10, "0" * 40, "1" * 32, "image/jpeg", "a b.jpg", "no reason")


def test_what_is_noted_is_there_the_next_time(tmp_path: Path) -> None:
    with opened(tmp_path / "j", IDENTITY) as journal:
        journal.note(outcome("a"), (("cursor", "a"),))
        journal.note(outcome("b", FAILED))
        assert journal.known(["a", "b", "c"]) == {"a": outcome("a"), "b": outcome("b", FAILED)}
        assert journal.fact("cursor") == "a"
    with opened(tmp_path / "j", IDENTITY) as journal:
        assert journal.known(["a", "b", "c"]) == {"a": outcome("a"), "b": outcome("b", FAILED)}
        assert list(journal.failures()) == [outcome("b", FAILED)]
        assert journal.counts() == {COPIED: (1, 10), FAILED: (1, 10)}
        assert journal.fact("cursor") == "a"


def test_only_what_was_verified_as_it_is_now_counts_as_verified(tmp_path: Path) -> None:
    with opened(tmp_path / "j", IDENTITY, lambda: 77.0) as journal:
        for key in "abc":
            journal.note(outcome(key), is_verified=True)
        journal.note(outcome("d"))
        journal.note(outcome("b"))  # was copied again
        journal.note(outcome("c", EMPTY), is_verified=True)
        journal.flush()
        assert [(each.outcome.key, each.at, each.revision) for each in journal.verified()] == [("a", 77.0, "2-a")]


def test_many_rows_are_walked_while_they_are_written(tmp_path: Path) -> None:
    with opened(tmp_path / "j", IDENTITY) as journal:
        for number in range(1700):
            journal.note(outcome(f"{number:05}", FAILED))
        journal.flush()
        seen = 0
        for failed in journal.failures():
            seen += 1
            journal.note(outcome(failed.key))
        journal.flush()
        assert seen == 1700
        assert list(journal.failures()) == []


def test_a_journal_has_one_user_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path / "j", IDENTITY), pytest.raises(Conflict), opened(tmp_path / "j", IDENTITY):
        pass


def test_a_journal_is_about_one_thing(tmp_path: Path) -> None:
    with opened(tmp_path / "j", IDENTITY):
        pass
    other = IDENTITY | {"shard": "1/2"}
    with pytest.raises(BadRequest, match=r"expected a journal of shard 1/2 in .*, got one of all"), opened(tmp_path / "j", other):
        pass


def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"holiday pictures " * 100)
    with pytest.raises(BadRequest, match="expected the journal of a migration"), opened(tmp_path / "j", IDENTITY):
        pass
    assert (tmp_path / "j").read_bytes() == b"holiday pictures " * 100


def test_a_journal_that_fails_says_which(tmp_path: Path) -> None:
    def broken() -> None:
        with opened(tmp_path / "j", IDENTITY) as journal:
            other = sqlite3.connect(tmp_path / "j")
            other.execute("DROP TABLE documents")
            other.close()
            journal.counts()

    with pytest.raises(StoreUnavailable, match=r"store journal: expected to use .*/j"):
        broken()
