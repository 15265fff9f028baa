"""nginx's access log: each line once, whatever rotation does between two readings; and what is no line of ours is passed over."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.pruning import log_lines
from renderer.pruning.access_log import History, Replay, Told
from renderer.pruning.log_files import MOST_FILES
from renderer.pruning.log_lines import MOST_LINE_BYTES, Logged, parse
from renderer.web import nginx
from tests.pruning.logs import TIME, Log, line

# lines


def test_a_line_is_a_value() -> None:
    assert parse(line("/c/files/1-pillow/a.jpg", status=206, method="GET", uri="/x", length=7, is_miss=True)) == Logged(
        TIME, 206, "GET", b"/x", 7, "/c/files/1-pillow/a.jpg", True
    )


def test_the_fields_are_those_that_nginx_is_told_to_write() -> None:
    assert log_lines.FIELDS == nginx.LOG_FIELDS


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), st.binary(max_size=40))
def test_what_nginx_escapes_is_undone(filename: str, uri: bytes) -> None:
    parsed = parse(line(filename, uri=uri.decode("utf-8", "surrogateescape")))
    assert parsed is not None
    assert (parsed.filename, parsed.uri) == (filename, uri)


def test_a_title_in_another_encoding_hides_no_visit() -> None:
    parsed = parse(line("/c/files/a.jpg", uri="/150x150/ID/K\udce4se.jpeg"))
    assert parsed is not None
    assert (parsed.uri, parsed.is_visit) == (b"/150x150/ID/K\xe4se.jpeg", True)


@pytest.mark.parametrize(
    ("status", "method", "is_miss", "is_visit"),
    [
        (200, "GET", False, True), (200, "HEAD", False, True), (206, "GET", False, True), (304, "GET", False, True),
        (200, "GET", True, False), (404, "GET", False, False), (200, "POST", False, False), (204, "OPTIONS", False, False),
        (416, "GET", False, False), (301, "GET", False, False),
    ],
)  # fmt: skip
def test_a_visit_is_a_picture_that_was_there(status: int, method: str, is_miss: bool, is_visit: bool) -> None:
    parsed = parse(line(status=status, method=method, is_miss=is_miss))
    assert parsed is not None
    assert parsed.is_visit == is_visit


OTHERS = {
    "combined": b'127.0.0.1 - - [27/Nov/2026:18:56:35 +0000] "GET /a HTTP/1.1" 200 2075 "-" "curl/8"\n',
    "empty": b"\n",
    "a field too few": line().rpartition(b"\t")[0] + b"\n",
    "a field too many": line().replace(b"\n", b"\tx\n"),
    "no time": line().replace(b"1795800000.000", b"yesterday"),
    "not a number": line().replace(b"1795800000.000", b"nan"),
    "no status": line().replace(b"\t200\t", b"\t2e2\t"),
    "digits of another script": line().replace(b"\t200\t", "\t٢٠٠\t".encode()),
    "NULs": b"\0" * 50 + line(),
    "a NUL in the URL": line().replace(b"\t/a\t", b"\t/\0\t"),
    "a NUL in the name": line().replace(b"a.jpg", rb"a\x00.jpg"),
    "no UTF-8": line().replace(b"a.jpg", b"\xff.jpg"),
    "no UTF-8, escaped": line().replace(b"a.jpg", rb"\xC3.jpg"),
    "a carriage return": line().replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_line_of_ours_is_passed_over(other: bytes, tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(2)
    log.append(other)
    log.write(2)
    assert replayed(log) == ([0, 1, 2, 3], Told(lines=5, passed_over=1))


@given(st.binary(max_size=200))
def test_no_bytes_raise(junk: bytes) -> None:
    assert parse(junk + b"\n") is None or junk.count(b"\t") == 9


@pytest.mark.parametrize("length", [MOST_LINE_BYTES - 1, MOST_LINE_BYTES, MOST_LINE_BYTES + 1, 3 * MOST_LINE_BYTES, 40_000_000])
def test_an_enormous_line_costs_no_memory_and_hides_no_other(tmp_path: Path, length: int) -> None:
    log = Log(tmp_path)
    log.write()
    with log.path.open("ab") as file:
        for at in range(0, length, 1 << 20):
            file.write(b"x" * min(length - at, 1 << 20))
    log.append(b"\n")
    log.write()
    tracemalloc.start()
    try:
        assert replayed(log) == ([0, 1], Told(lines=3, passed_over=1))
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    log.write()
    assert replayed(log) == ([2], Told(lines=1))


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    log, peaks = Log(tmp_path), []
    for lines in (2_000, 30_000):
        log.write(lines)
        reading = Replay(log.path, tmp_path / f"state{lines}")
        tracemalloc.start()
        assert sum(1 for _ in reading) == log.written
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000


# going on


def replayed(log: Log) -> tuple[list[int], Told]:
    """The numbers of the lines of one more replay."""
    reading = Replay(log.path, log.path.with_name("state.json"))
    return [int(logged.uri) for logged in reading], reading.told


def seen(log: Log) -> list[int]:
    numbers, told = replayed(log)
    assert told == Told(lines=len(numbers))
    return numbers


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Ten lines that were read already."""
    log = Log(tmp_path / "logs")
    log.write(10)
    assert seen(log) == list(range(10))
    return log


def test_a_replay_goes_on_where_the_last_one_stopped(log: Log) -> None:
    assert seen(log) == []
    new = log.write(3)
    assert seen(log) == new
    assert seen(log) == []


def test_no_log_at_all_is_an_empty_one(tmp_path: Path) -> None:
    log = Log(tmp_path)
    assert seen(log) == []
    log.path.touch()
    assert seen(log) == []
    assert seen(log) == []
    assert log.write(2) == seen(log)


def test_a_directory_that_is_not_there_has_no_log(tmp_path: Path) -> None:
    reading = Replay(tmp_path / "none" / "access.log", tmp_path / "state")
    assert (list(reading), reading.told) == ([], Told())


def test_a_line_that_is_being_written_is_left_for_the_next_time(log: Log) -> None:
    log.append(line(uri="10")[:40])
    assert seen(log) == []
    log.append(line(uri="10")[40:])
    assert seen(log) == [10]


def test_what_was_rotated_before_the_first_replay_is_not_read(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(3):
        log.write(5)
        log.rename(is_packed=True)
    new = log.write(2)
    assert seen(log) == new
    assert seen(log) == []
    log.rename(is_packed=True)
    assert seen(log) == []


def test_a_rotated_log_is_read_to_its_end_and_then_the_new_one(log: Log) -> None:
    new = log.write(3)
    log.rename()
    new += log.write(4)
    assert seen(log) == new
    assert seen(log) == []


def test_a_worker_that_writes_to_the_rotated_log_still_is_heard(log: Log) -> None:
    log.rename()
    new = log.write(1)
    assert seen(log) == new
    log.append(line(uri="77"), "access.log.1")
    assert seen(log) == [77]


@pytest.mark.parametrize("rotations", [1, 2, 5])
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "packed"])
def test_several_rotations_between_two_replays_lose_nothing(log: Log, rotations: int, is_packed: bool) -> None:
    new = log.write(1)
    for _ in range(rotations):
        log.rename(is_packed=is_packed)
        new += log.write(3)
    assert seen(log) == new
    for _ in range(rotations):
        log.rename(is_packed=is_packed)
        assert seen(log) == []


def test_a_log_that_is_packed_in_the_middle_of_being_read_goes_on_there(log: Log) -> None:
    new = log.write(5)
    log.rename()
    log.pack(1)
    new += log.write(2)
    assert seen(log) == new
    assert seen(log) == []


@pytest.mark.parametrize("size", [0, 5, 200, 3000])
def test_a_log_that_is_being_packed_is_read_once(log: Log, size: int) -> None:
    new = log.write(500)
    log.rename()
    plain = log.path.with_name("access.log.1")
    packed = gzip.compress(plain.read_bytes())
    plain.with_name("access.log.1.gz").write_bytes(packed[:size])
    assert seen(log) == new
    plain.with_name("access.log.1.gz").write_bytes(packed)
    plain.unlink()
    assert seen(log) == []


def test_copy_and_truncate_loses_nothing(log: Log) -> None:
    new = log.write(5)
    log.copy_and_truncate()
    assert seen(log) == new
    new = log.write(3)
    assert seen(log) == new


@pytest.mark.parametrize("more", [1, 30], ids=["shorter", "longer than what was read"])
def test_a_log_that_grew_again_after_it_was_truncated_is_known_as_new(log: Log, more: int) -> None:
    new = log.write(5)
    log.copy_and_truncate()
    new += log.write(more)
    assert seen(log) == new
    assert seen(log) == []


def test_a_copy_that_is_not_yet_truncated_is_read_once(log: Log) -> None:
    new = log.write(5)
    shutil.copyfile(log.path, log.path.with_name("access.log.1"))
    assert seen(log) == new
    os.truncate(log.path, 0)
    new = log.write(1)
    assert seen(log) == new


def test_names_with_dates_are_rotation_too(log: Log) -> None:
    new = log.write(5)
    log.path.rename(log.path.with_name("access.log-20261126"))
    new += log.write(2)
    middle = log.path.with_name("access.log-20261127")
    log.path.rename(middle)
    middle.with_name("access.log-20261127.gz").write_bytes(gzip.compress(middle.read_bytes()))
    middle.unlink()
    new += log.write(1)
    log.path.with_name("access.log.old").write_bytes(line(uri="99"))
    log.path.with_name("service.log.1").write_bytes(line(uri="99"))
    assert seen(log) == new


def test_both_kinds_of_names_are_put_in_order_by_their_times(log: Log) -> None:
    new = []
    for number, name in enumerate(("access.log.2", "access.log-20261126", "access.log.1")):
        new += log.write(2)
        log.path.rename(log.path.with_name(name))
        os.utime(log.path.with_name(name), (TIME, TIME + number))
    assert seen(log) == new


def test_a_log_that_went_before_it_was_read_is_said_once(log: Log) -> None:
    log.write(5)
    log.path.unlink()
    new = log.write(2)
    assert replayed(log) == (new, Told(lines=2, lost_files=1))
    assert replayed(log) == ([], Told())


def test_a_log_that_was_truncated_without_a_copy_is_said(log: Log) -> None:
    os.truncate(log.path, 0)
    assert replayed(log) == ([], Told(lost_files=1))
    new = log.write(1)
    assert seen(log) == new


def test_a_rotated_log_that_is_taken_away_after_it_was_read_is_no_loss(log: Log) -> None:
    log.rename()
    assert seen(log) == []
    log.path.with_name("access.log.1").unlink()
    assert seen(log) == []


def test_a_broken_gzip_is_read_as_far_as_it_goes_and_said_once(log: Log) -> None:
    new = log.write(2000)
    log.rename()
    log.pack(1)
    packed = log.path.with_name("access.log.1.gz")
    os.truncate(packed, packed.stat().st_size // 2)
    numbers, told = replayed(log)
    assert numbers == new[: len(numbers)]
    assert (len(numbers) > 100, told.lost_files) == (True, 1)
    packed.with_name("access.log.2.gz").write_bytes(b"this is no gzip")
    assert replayed(log) == ([], Told(lost_files=1))
    assert replayed(log) == ([], Told())


def test_a_log_that_is_rotated_while_it_is_read_is_read_once(log: Log) -> None:
    new = log.write(3)
    numbers = []
    for logged in Replay(log.path, log.path.with_name("state.json")):
        numbers.append(int(logged.uri))
        if len(numbers) in (2, 5):
            new += log.write(1)
            log.rename(is_packed=True)
            new += log.write(2)
    assert sorted(numbers) == new
    assert seen(log) == []


def test_a_log_that_is_rotated_during_the_first_replay_is_read_once(tmp_path: Path) -> None:
    log, numbers = Log(tmp_path), []
    log.write(3)
    log.rename()
    new = log.write(3)
    for logged in Replay(log.path, log.path.with_name("state.json")):
        numbers.append(int(logged.uri))
        if len(numbers) == 2:
            log.rename()
            new += log.write(2)
            log.rename()
            new += log.write(2)
    assert sorted(numbers) == new
    assert seen(log) == []


def test_a_copy_that_stays_beside_the_log_loses_nothing_and_doubles_nothing(log: Log) -> None:
    new = log.write(3)
    shutil.copyfile(log.path, log.path.with_name("access.log.1"))
    for _ in range(4):
        assert seen(log) == new
        new = log.write(2)


@pytest.mark.parametrize("size", [5000, 15_000], ids=["as far as was read", "further"])
def test_a_copy_that_is_being_made_is_read_once_it_is_whole(tmp_path: Path, size: int) -> None:
    log = Log(tmp_path)
    log.write(100)
    assert len(seen(log)) == 100
    new, copy = log.write(200), log.path.with_name("access.log.1")
    copy.write_bytes(log.path.read_bytes()[:size])
    assert seen(log) == new
    new = log.write(3)
    with copy.open("ab") as file:
        file.write(log.path.read_bytes()[size:])
    os.truncate(log.path, 0)
    new += log.write(2)
    assert seen(log) == new
    assert seen(log) == []


def test_a_log_without_a_line_leaves_one_position(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(3):
        log.append(b"x")
        assert seen(log) == []
    log.path.write_bytes(b"")
    log.write(2)
    assert seen(log) == [0, 1]
    assert len(json.loads((tmp_path / "state.json").read_bytes())["positions"]) == 1


def test_an_inode_that_was_given_to_another_file_is_another_file(log: Log) -> None:
    content = b"".join(line(uri=str(number), time=TIME + 500) for number in range(50, 80))
    log.path.write_bytes(content)  # in place: as if a new file had got the old inode
    numbers, told = replayed(log)
    assert (numbers, told.lost_files) == (list(range(50, 80)), 1)


def test_a_replay_that_is_left_in_the_middle_says_nothing_and_comes_again(log: Log) -> None:
    new = log.write(5)
    for logged in Replay(log.path, log.path.with_name("state.json")):
        if int(logged.uri) == new[2]:
            break
    assert seen(log) == new


@pytest.mark.parametrize("is_rotated", [False, True], ids=["as it was", "rotated since"])
def test_a_replay_that_was_killed_goes_on_from_its_last_note(log: Log, is_rotated: bool) -> None:
    new = log.write(100)
    for logged in Replay(log.path, log.path.with_name("state.json"), saved_lines=40):
        if int(logged.uri) == new[95]:
            break
    if is_rotated:
        log.rename()
        log.pack(1)
    assert seen(log) == new[80:]


def test_a_replay_that_is_stopped_goes_on_where_it_was(log: Log) -> None:
    new = log.write(5000)
    reading = Replay(log.path, log.path.with_name("state.json"), is_stopping=lambda: True)
    first = [int(logged.uri) for logged in reading]
    assert len(first) < 2000
    log.rename()
    assert first + seen(log) == new


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 1, "positions": [{"inode": "x"}]}', b"\xff\0"])
def test_a_state_that_cannot_be_read_is_none(log: Log, garbage: bytes) -> None:
    log.path.with_name("state.json").write_bytes(garbage)
    assert seen(log) == list(range(10))
    assert seen(log) == []


def test_a_state_with_numbers_that_are_none_is_none(log: Log) -> None:
    state = log.path.with_name("state.json")
    content = json.loads(state.read_bytes())
    content["positions"][0]["offset"] = "far"
    state.write_text(json.dumps(content))
    log.write(1)
    assert seen(log) == list(range(11))


def test_an_empty_log_that_was_filled_and_packed_since_is_not_lost(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.path.touch()
    assert seen(log) == []
    new = log.write(3)
    log.rename()
    log.pack(1)
    log.path.unlink()
    assert seen(log) == new


def test_the_state_stays_small_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for number in range(MOST_FILES + 50):
        log.path.with_name(f"access.log.{number + 1}").write_bytes(line(uri=str(number), time=TIME - 1 - number))
    log.write(1)
    assert seen(log) == [0]
    state = tmp_path / "state.json"
    assert len(json.loads(state.read_bytes())["positions"]) == MOST_FILES
    assert state.stat().st_size < 100_000
    assert [path.name for path in tmp_path.iterdir() if "access" not in path.name] == ["state.json"]
    log.path.with_name(f"access.log.{MOST_FILES}").rename(log.path.with_name(f"access.log.{MOST_FILES + 60}"))
    assert seen(log) == []


@pytest.mark.parametrize("seed", range(15))
def test_whatever_happens_between_replays_each_line_comes_once(tmp_path: Path, seed: int) -> None:
    chance, log = random.Random(seed), Log(tmp_path)
    packed = chance.random() < 0.5
    happenings: list[Callable[[], object]] = [
        lambda: log.write(chance.randrange(1, 60)),
        lambda: log.write(1),
        lambda: log.rename(is_packed=packed),
        lambda: numbers.extend(seen(log)),
    ]
    log.write(1)
    numbers = seen(log)
    for _ in range(40):
        chance.choice(happenings)()
        if log.path.with_name("access.log.8").exists() or log.path.with_name("access.log.8.gz").exists():
            numbers.extend(seen(log))
    numbers.extend(seen(log))
    assert numbers == list(range(log.written))


# all of it


def test_the_history_is_all_there_is_in_order(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(4):
        log.write(5)
        log.rename(is_packed=True)
    log.write(2)
    history = History(log.path)
    assert [int(logged.uri) for logged in history] == list(range(22))
    assert history.told == Told(lines=22)


def test_the_history_begins_when_it_is_told_to(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(5)
    log.rename()
    os.utime(log.path.with_name("access.log.1"), (TIME, TIME + 5))
    log.write(5)
    assert [int(logged.uri) for logged in History(log.path, TIME + 7)] == [7, 8, 9]
    assert [int(logged.uri) for logged in History(log.path, TIME + 3)] == [3, 4, 5, 6, 7, 8, 9]


def test_a_history_that_breaks_off_is_said(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.write(2000)
    log.rename()
    log.pack(1)
    packed = log.path.with_name("access.log.1.gz")
    os.truncate(packed, packed.stat().st_size // 2)
    log.write(1)
    history = History(log.path)
    numbers = [int(logged.uri) for logged in history]
    assert (numbers[-1], history.told.lost_files) == (2000, 1)
