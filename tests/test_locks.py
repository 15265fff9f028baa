"""Locks on places in a file."""

from __future__ import annotations

import threading
from pathlib import Path

from renderer import locks


def test_a_place_is_held_once_even_within_one_process(tmp_path: Path) -> None:
    with locks.held(tmp_path / "l", 7, 1) as first, locks.held(tmp_path / "l", 7, 0) as second, locks.held(tmp_path / "l", 8, 0) as other:
        assert (first, second, other) == (True, False, True)


def test_a_wait_ends_when_the_holder_leaves(tmp_path: Path) -> None:
    got, holding, leave = [], threading.Event(), threading.Event()

    def hold() -> None:
        with locks.held(tmp_path / "l", 1):
            holding.set()
            leave.wait(5)

    def wait() -> None:
        with locks.held(tmp_path / "l", 1, 5) as held:
            got.append(held)

    holder, waiter = threading.Thread(target=hold), threading.Thread(target=wait)
    holder.start()
    assert holding.wait(5)
    waiter.start()
    leave.set()
    holder.join()
    waiter.join()
    assert got == [True]


def test_the_largest_place_can_be_held(tmp_path: Path) -> None:
    with locks.held(tmp_path / "l", 2**62 - 1, 0) as held:
        assert held
