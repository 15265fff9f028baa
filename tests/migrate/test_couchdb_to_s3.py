"""`onmiss migrate couchdb-to-s3` as a process: killed, interrupted, several at once, while servers restart and people upload."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from renderer.cli import main
from renderer.migrating import COPIED, MISMATCH, THERE
from tests.couch import couch_server
from tests.e2e.site import TOP
from tests.faults import asks, drop, either, sometimes, truncate
from tests.migrating.conftest import exact_house, house, houses
from tests.migrating.house import OldHouse, key_of, photo
from tests.s3_faults import internal_error
from tests.servers import stop
from tests.waiting import wait_until

__all__ = ["couch_server", "exact_house", "house", "houses"]

SOAKS = bool(os.environ.get("ONMISS_SOAK"))
KILLS = 20 if SOAKS else 4
DOCUMENTS = 400 if SOAKS else 80


def puts(house: OldHouse) -> Counter[str]:
    """How many uploads of each original the server took."""
    return Counter({key.removeprefix(f"{house.prefix}/"): count for key, count in house.s3.stored().items()})


def test_killed_at_any_point_it_goes_on_and_nothing_is_missing_and_nothing_is_put_twice(exact_house: OldHouse) -> None:
    house = exact_house
    keys, draws, kills = house.fill(DOCUMENTS), random.Random(7), 0
    odd = house.save(key_of(b"other"), ("a.jpg", photo(10_000), "image/jpeg"))
    step = DOCUMENTS // KILLS
    for kill in range(KILLS):
        process = house.begun("--run", "--jobs", "4", "--quiet")
        enough = kill * step + draws.randrange(step)
        wait_until(lambda enough=enough, process=process: len(puts(house)) >= enough or process.poll() is not None, 60, "some uploads")
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills >= KILLS - 1  # a run may have been quicker than we looked
    assert house.begun("--run", "--jobs", "4", "--quiet").wait(120) == 1  # for the odd one
    assert house.stored() == {key_of(photo(number)): photo(number) for number in range(DOCUMENTS)}
    states = house.states()
    assert states.pop(odd) == MISMATCH
    assert states.keys() == set(keys)
    assert set(states.values()) <= {COPIED, THERE}  # what was put and not noted before a kill is found
    counts = puts(house)
    assert counts.keys() == set(keys)
    # an upload that arrived when its sender was killed is found, and not sent again
    assert set(counts.values()) == {1}
    assert house.run("--verify") == 1
    assert f"{DOCUMENTS} of {DOCUMENTS + 1} identical" in next((house.root / "migration").glob("*.txt")).read_text()
    assert list((house.root / "cache/tmp").iterdir()) == []


def test_H_B11_couchdb_restarts_in_the_middle_and_the_run_waits_for_it(house: OldHouse) -> None:
    keys = house.fill(60)
    process = house.begun("--run", "--jobs", "4")
    try:
        wait_until(lambda: len(puts(house)) >= 5 or process.poll() is not None, 30, "some uploads")
        house.couch.stop()
        refused = len(puts(house))
        house.couch.start()
        assert process.wait(90) == 0, house.said()
    finally:
        stop(process)
    assert refused < 60
    assert house.stored().keys() == set(keys)


def test_several_share_the_work_and_no_attachment_is_fetched_twice(house: OldHouse) -> None:
    keys = house.fill(60)
    runs = [house.begun("--run", "--jobs", "2", "--shard", f"{number}/3", "--quiet") for number in (1, 2, 3)]
    try:
        assert [run.wait(90) for run in runs] == [0, 0, 0], house.said()
    finally:
        for run in runs:
            stop(run)
    assert house.stored() == {key_of(photo(number)): photo(number) for number in range(60)}
    assert [house.fetched(key) for key in keys] == [1] * 60
    assert [house.run("--verify", "--shard", f"{number}/3") for number in (1, 2, 3)] == [0, 0, 0]


def test_who_follows_copies_what_people_upload_until_interrupted(house: OldHouse) -> None:
    keys = house.fill(3)
    process = house.begun("--run", "--follow")
    try:
        wait_until(lambda: len(house.stored()) == 3, 30, "the first three")
        late = house.save(key_of(photo(50)), ("late.jpg", photo(50), "image/jpeg"))
        wait_until(lambda: late in house.stored(), 30, "the late one")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130, house.said()
    finally:
        stop(process)
    assert house.stored().keys() == {*keys, late}
    assert house.couch.counted("GET", "feed=longpoll")


def test_ctrl_c_finishes_what_is_in_work_and_says_how_to_go_on(house: OldHouse) -> None:
    house.fill(80)
    process = house.begun("--run", "--jobs", "2")
    try:
        wait_until(lambda: len(puts(house)) >= 3, 30, "some uploads")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130, house.said()
    finally:
        stop(process)
    assert "finishing what is in work" in house.said()
    assert "the same command again goes on" in house.said()
    done = len(house.stored())
    assert done < 80
    assert len([state for state in house.states().values() if state == COPIED]) == done
    assert house.run("--run") == 0
    assert len(house.stored()) == 80


def test_only_what_changed_since_a_sequence_is_looked_at(house: OldHouse) -> None:
    house.fill(5)
    before = house.database.info()["update_seq"]
    late = house.save(key_of(photo(50)), ("late.jpg", photo(50), "image/jpeg"))
    opaque = house.couch.sequences.spell(before)
    assert house.run("--run", "--since", opaque) == 0
    assert house.stored().keys() == {late}


def test_a_limit_is_kept_and_the_next_run_goes_on_behind_it(house: OldHouse) -> None:
    keys = house.fill(9)
    assert house.run("--run", "--limit", "4") == 0
    assert house.stored().keys() == set(keys[:4])
    assert house.run("--run", "--limit", "4") == 0
    assert house.stored().keys() == set(keys[:8])
    assert house.run("--run") == 0
    assert house.stored().keys() == set(keys)
    assert house.fetched() == 9


def test_a_finished_journal_costs_no_list_and_no_question_about_any_document(house: OldHouse) -> None:
    house.fill(20)
    assert house.run("--run") == 0
    house.couch.seen.clear()
    house.s3.arrived.clear()
    assert house.run("--run") == 0
    assert house.s3.arrived == []
    assert not house.couch.counted("GET", "_all_docs")
    assert house.couch.counted("GET", "_changes") == 1


def test_both_sides_fail_now_and_then_for_a_whole_run(house: OldHouse) -> None:
    house.fill(60)
    house.s3.fault = sometimes(0.1, 1, internal_error())
    house.couch.fault = either(
        sometimes(0.05, 2, drop(), only=asks("GET")), sometimes(0.1, 3, truncate(500), only=asks("GET", "test.jpeg"))
    )
    process = house.begun("--run", "--jobs", "4", "--quiet")
    try:
        assert process.wait(120) == 0, house.said()
    finally:
        stop(process)
    house.s3.fault = house.couch.fault = None
    assert house.stored() == {key_of(photo(number)): photo(number) for number in range(60)}
    assert house.run("--verify", "--deep") == 0


def test_the_script_of_a_checkout_does_the_same(house: OldHouse, tmp_path: Path) -> None:
    [key] = house.fill(1)
    script = [sys.executable, str(TOP / "migrate/couchdb_to_s3.py"), *house.words("--run")[2:]]
    subprocess.run(script, check=True, cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL)
    assert house.stored().keys() == {key}


@pytest.mark.parametrize("words", [("--help",), ("couchdb-to-s3", "--help")], ids=["command", "way"])
def test_the_help_shows_the_four_ways(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["migrate", *words])
    said = capsys.readouterr().out
    assert all(option in said for option in ("--plan", "--run", "--verify", "--remove-attachments"))
