"""What hangs is left alone, one finds out whether it is back, and nothing that is well is left alone for the fault of one thing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from renderer.errors import Gone, StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from renderer.rests import Patience, Rest

PATIENCE = Patience(rest_seconds=10, slow_seconds=5, forgiven_seconds=5, answers=(Gone, StoreGarbled, StoreRefused))
SLOW, DOWN = StoreSlow("far", "no answer"), StoreUnavailable("far", "refused the connection")


class Clock:
    """Time that passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rest(clock: Clock) -> Rest:
    return Rest("far", PATIENCE, clock)


def is_asked(rest: Rest, error: Exception | None = None, meanwhile: Callable[[], None] = lambda: None) -> bool:
    """Ask; `error` is what comes of it. False when it is left alone."""
    reached = False
    with suppress(StoreUnavailable, Gone), rest.asking():
        reached = True
        meanwhile()
        if error:
            raise error
    return reached


def test_what_is_well_is_asked_each_time(rest: Rest) -> None:
    assert [is_asked(rest) for _ in range(3)] == [True] * 3


def test_after_a_time_limit_nobody_asks_until_it_rested_and_then_one_finds_out(rest: Rest, clock: Clock) -> None:
    assert is_asked(rest, SLOW)
    clock.now += 9
    assert not is_asked(rest)
    clock.now += 1
    with rest.asking():
        assert not is_asked(rest)
    assert is_asked(rest)  # it answered


def test_one_that_finds_out_that_it_still_hangs_has_it_left_alone_again(rest: Rest, clock: Clock) -> None:
    is_asked(rest, SLOW)
    for _ in range(3):
        clock.now += 10
        assert is_asked(rest, SLOW)
        assert not is_asked(rest)


def test_while_one_waits_long_nobody_else_asks_but_for_one_now_and_then(rest: Rest, clock: Clock) -> None:
    with ExitStack() as waiting:
        waiting.enter_context(rest.asking())
        clock.now += 5
        assert is_asked(rest, DOWN)  # not long enough yet
        clock.now += 0.1
        assert not is_asked(rest)
        clock.now += 10
        waiting.enter_context(rest.asking())
        assert not is_asked(rest)


@pytest.mark.parametrize("content", [b"", b"the first bytes"], ids=["nothing came", "bytes come"])
def test_what_is_long_in_coming_does_not_hang(rest: Rest, clock: Clock, tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "target"
    with rest.asking(target):
        target.write_bytes(content)
        clock.now += 60
        assert is_asked(rest) == bool(content)


@pytest.mark.parametrize("ending", ["still waits", "failed"])
def test_one_object_that_hangs_says_nothing_of_others_that_were_asked_for_later_and_came(rest: Rest, clock: Clock, ending: str) -> None:
    def others_come() -> None:
        clock.now += 1
        assert is_asked(rest)
        clock.now += 30
        assert ending == "failed" or is_asked(rest)

    is_asked(rest, SLOW if ending == "failed" else None, others_come)
    assert is_asked(rest)


def test_what_answers_again_while_old_questions_still_hang_is_asked_again(rest: Rest, clock: Clock) -> None:
    with rest.asking():
        clock.now += 6
        assert not is_asked(rest)
        clock.now += 10
        assert [is_asked(rest) for _ in range(3)] == [True] * 3


AT_ONCE = [DOWN, StoreGarbled("far", "short"), StoreRefused("far", "403"), Gone("far")]


@pytest.mark.parametrize("error", AT_ONCE, ids=lambda error: type(error).__name__)
def test_what_fails_at_once_costs_nobody_much_and_is_asked_again(rest: Rest, error: Exception) -> None:
    assert [is_asked(rest, error) for _ in range(3)] == [True] * 3


def test_what_fails_without_a_time_limit_and_takes_as_long_is_left_alone_too(rest: Rest, clock: Clock) -> None:
    def wait() -> None:
        clock.now += 5

    assert is_asked(rest, DOWN, wait)
    assert not is_asked(rest)


@pytest.mark.parametrize("answer", [StoreRefused("far", "403"), Gone("x")], ids=["refusal", "gone"])
def test_an_answer_that_is_an_error_ends_a_rest(rest: Rest, clock: Clock, answer: Exception) -> None:
    is_asked(rest, SLOW)
    clock.now += 10
    assert is_asked(rest, answer)
    assert is_asked(rest)


def test_without_forgiveness_any_failure_is_enough(clock: Clock) -> None:
    rest = Rest("the catalog", Patience(rest_seconds=30, slow_seconds=1), clock)
    assert is_asked(rest, DOWN)
    assert not is_asked(rest)


def test_the_log_says_once_that_it_rests_and_once_that_it_answers(rest: Rest, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            is_asked(rest, SLOW)
            is_asked(rest)
            clock.now += 10
        is_asked(rest)
        is_asked(rest)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "far is left alone for 10 s" in caplog.text
    assert "no answer" in caplog.text
