"""What is owed to a store is noted once, survives, is handed to one payer at a time, and comes back ever later while it fails."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from renderer.debts import FIRST_BACKOFF, JITTER, LONGEST_BACKOFF, MOST_AT_ONCE, TURN_SECONDS, Debts
from renderer.errors import StoreUnavailable
from renderer.rendition import NAMINGS, Namespace, Ref

HASHED, PATHS = Namespace("huimages", NAMINGS["sha1"]), Namespace("scenes", NAMINGS["path"])
SPACES = {space.name: space for space in (HASHED, PATHS)}
DAY = 86_400.0


def ref(number: int) -> Ref:
    return HASHED.ref(HASHED.naming.name_of(hashlib.sha1(str(number).encode()).digest()))


class Clock:
    """Seconds since 1970, as a test wants them."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root/debts.sqlite"


@pytest.fixture
def debts(path: Path, clock: Clock) -> Debts:
    return Debts(path, SPACES, clock)


def test_a_debt_is_noted_once_and_survives_a_restart_until_it_is_paid(debts: Debts, path: Path, clock: Clock) -> None:
    other = PATHS.ref("wall/Käse & Wurst.jpg")
    for owed in (ref(1), other, ref(1)):
        debts.owe(owed)
        clock.seconds += 1
    again = Debts(path, SPACES, clock)
    assert again.count() == 2
    assert again.due() == [ref(1), other]
    again.paid(ref(1))
    again.paid(ref(1))
    assert debts.count() == 1


def test_nothing_is_owed_before_anything_was(debts: Debts, path: Path) -> None:
    assert (debts.count(), debts.due()) == (0, [])
    assert not path.exists()


def test_what_one_payer_took_on_is_not_due_to_another_until_he_must_be_dead(debts: Debts, path: Path, clock: Clock) -> None:
    debts.owe(ref(1))
    assert debts.due() == [ref(1)]
    other = Debts(path, SPACES, clock)
    assert other.due() == []
    debts.owe(ref(1))  # it was asked for again
    assert other.due() == []
    clock.seconds += TURN_SECONDS
    assert other.due() == [ref(1)]


def test_what_fails_is_due_again_ever_later_from_a_minute_to_a_day(debts: Debts, clock: Clock) -> None:
    debts.owe(ref(1))
    expected = FIRST_BACKOFF
    for _ in range(30):
        assert debts.due() == [ref(1)]
        debts.failed(ref(1))
        clock.seconds += expected * (1 - JITTER) - 1
        assert debts.due() == []
        clock.seconds += expected * 2 * JITTER + 2
        expected = min(2 * expected, LONGEST_BACKOFF)
    assert (FIRST_BACKOFF, expected) == (60, DAY)


def test_a_failure_of_what_was_paid_meanwhile_owes_nothing(debts: Debts) -> None:
    debts.owe(ref(1))
    debts.paid(ref(1))
    debts.failed(ref(1))
    assert debts.count() == 0


def test_what_is_due_comes_in_handfuls_the_longest_due_first(debts: Debts, clock: Clock) -> None:
    numbers = range(MOST_AT_ONCE + 5)
    for number in numbers:
        debts.owe(ref(number))
        clock.seconds += 1
    assert debts.due() == [ref(number) for number in numbers[:MOST_AT_ONCE]]
    assert debts.due() == [ref(number) for number in numbers[MOST_AT_ONCE:]]


def test_debts_of_a_namespace_that_is_not_configured_wait_and_hold_up_nobody(debts: Debts, path: Path, clock: Clock) -> None:
    debts.owe(ref(1))
    other = PATHS.ref("lion.png")
    debts.owe(other)
    assert Debts(path, {"scenes": PATHS}, clock).due() == [other]
    assert Debts(path, {"huimages": Namespace("huimages", NAMINGS["md5"])}, clock).due() == []  # names that are none there
    assert debts.count() == 2


def test_threads_owe_and_take_on_without_losing_or_sharing_any(path: Path, clock: Clock) -> None:
    debts = Debts(path, SPACES, clock)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(debts.owe, map(ref, [*range(20), *range(20)])))
        assert debts.count() == 20
        taken = [one for found in pool.map(lambda _: debts.due(), range(4)) for one in found]
    assert sorted(map(str, taken)) == sorted(str(ref(number)) for number in range(20))


_OWE = """
import sys
from pathlib import Path
from renderer.debts import Debts
from tests.test_debts import SPACES, ref
debts = Debts(Path(sys.argv[1]), SPACES)
for number in range(int(sys.argv[2]), 10**6):
    debts.owe(ref(number))
    print(number, flush=True)
"""


def test_processes_owe_at_once_and_one_that_is_killed_loses_nothing_that_it_noted(path: Path) -> None:
    def start(first: int) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", _OWE, str(path), str(first)], stdout=subprocess.PIPE, text=True)

    noted = set()
    children = [start(0), start(5)]
    for child in children:
        assert child.stdout is not None
        noted |= {int(child.stdout.readline()) for _ in range(12)}
        os.kill(child.pid, signal.SIGKILL)
        noted |= set(map(int, child.stdout.read().split()))
        child.stdout.close()
        child.wait(10)
    debts, due = Debts(path, SPACES), set()
    while found := debts.due():
        due |= set(found)
    assert {ref(number) for number in noted} <= due


@pytest.mark.parametrize("trouble", ["below a file", "no database"])
def test_a_file_of_no_use_is_an_error_of_the_family(tmp_path: Path, trouble: str) -> None:
    (tmp_path / "file").write_bytes(b"no database at all" * 100)
    debts = Debts(tmp_path / ("file" if trouble == "no database" else "file/debts.sqlite"), SPACES)
    with pytest.raises(StoreUnavailable, match="debts"):
        debts.owe(ref(1))
