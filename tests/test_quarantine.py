"""Originals that failed are left alone for a while, then tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.errors import BrokenOriginal
from renderer.quarantine import FIRST_BACKOFF, JITTER, LONGEST_BACKOFF, Quarantine
from renderer.rendition import NAMINGS, Namespace

REF = Namespace("huimages", NAMINGS["sha1"]).ref("VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quarantine(tmp_path: Path, clock: Clock) -> Quarantine:
    return Quarantine(tmp_path, {"pillow": "13.0"}, clock)


def is_blocked(quarantine: Quarantine, recipe: str = "whole_q75") -> bool:
    try:
        quarantine.check(REF, recipe)
    except BrokenOriginal:
        return True
    return False


@pytest.mark.feature(27)
def test_a_record_says_reason_time_codecs_and_when_to_try_again(quarantine: Quarantine, clock: Clock) -> None:
    quarantine.strike(REF, "no picture")
    (record,) = quarantine
    assert (record.name, record.reason, record.first, record.tries) == (REF.name, "no picture", clock.now, 1)
    assert record.versions == {"pillow": "13.0"}
    assert FIRST_BACKOFF * (1 - JITTER) <= record.retry_at - clock.now <= FIRST_BACKOFF * (1 + JITTER)


def test_a_failed_original_is_left_alone_until_its_time_comes(quarantine: Quarantine, clock: Clock) -> None:
    assert not is_blocked(quarantine)
    quarantine.strike(REF, "no picture")
    assert is_blocked(quarantine)
    clock.now += FIRST_BACKOFF * (1 + JITTER) + 1
    assert not is_blocked(quarantine)


def test_each_failure_waits_longer_up_to_a_day(quarantine: Quarantine, clock: Clock) -> None:
    waits = [quarantine.strike(REF, "no picture").retry_at - clock.now for _ in range(9)]
    assert waits[1] > 2 * waits[0]
    assert LONGEST_BACKOFF * (1 - JITTER) <= waits[-1] <= LONGEST_BACKOFF * (1 + JITTER)


def test_a_record_survives_a_restart(quarantine: Quarantine, tmp_path: Path, clock: Clock) -> None:
    quarantine.strike(REF, "no picture")
    assert is_blocked(Quarantine(tmp_path, {"pillow": "13.0"}, clock))


def test_new_codecs_are_given_a_chance_at_once(quarantine: Quarantine, tmp_path: Path, clock: Clock) -> None:
    quarantine.strike(REF, "no picture")
    assert not is_blocked(Quarantine(tmp_path, {"pillow": "14.0"}, clock))


def test_one_recipe_that_was_too_much_does_not_take_the_others_away(quarantine: Quarantine) -> None:
    quarantine.strike(REF, "killed after 15 s", recipe="whole_q60")
    assert is_blocked(quarantine, "whole_q60")
    assert not is_blocked(quarantine, "fit-150x150_q75")


def test_patience_forgives_the_first_failure(quarantine: Quarantine) -> None:
    quarantine.strike(REF, "signal 9", patience=1)
    assert not is_blocked(quarantine)
    quarantine.strike(REF, "signal 9", patience=1)
    assert is_blocked(quarantine)


def test_clearing_gives_another_chance(quarantine: Quarantine) -> None:
    quarantine.strike(REF, "no picture")
    quarantine.strike(REF, "killed", recipe="whole_q60")
    assert quarantine.clear(REF) == 2
    assert not is_blocked(quarantine)
    assert list(quarantine) == []
    assert quarantine.clear(REF) == 0


def test_a_record_that_cannot_be_read_blocks_nothing(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.strike(REF, "no picture")
    next(tmp_path.rglob("*.json")).write_text("{broken")
    assert not is_blocked(quarantine)
    assert list(quarantine) == []


def test_a_full_disk_leaves_no_half_record(quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        quarantine.strike(REF, "no picture")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
