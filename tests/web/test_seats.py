"""Seats for writes: how many there are, and who gets one."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from renderer.config import Config
from renderer.errors import Busy
from renderer.web.seats import Seats, seats_for_writes


def test_misses_keep_their_threads_whatever_writes() -> None:
    serve = Config.of({}).serve
    assert seats_for_writes(serve.threads, serve.waiting) == 108
    for threads, waiting in ((4, 2), (4, 3), (192, 176), (900, 176)):
        assert 1 <= seats_for_writes(threads, waiting) <= threads - waiting


def test_who_finds_no_seat_is_told_at_once_and_one_namespace_never_has_all() -> None:
    seats = Seats(3)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(seats.seat("p"))
        with pytest.raises(Busy) as caught, seats.seat("p"):
            pass
        assert caught.value.retry_after
        stack.enter_context(seats.seat("q"))
        with pytest.raises(Busy), seats.seat("r"):
            pass
    for _ in range(2):  # all are free again, though some left by an error
        with pytest.raises(ValueError, match="of ours"), seats.seat("p"), seats.seat("p"), seats.seat():
            raise ValueError("of ours")
