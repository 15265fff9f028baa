"""Threads for what waits: as many as needed, none idle in vain, nothing dropped."""

from __future__ import annotations

import threading

import pytest

from renderer.threads import Threads
from tests.waiting import wait_until


def seen_by(threads: Threads, tasks: int) -> set[int]:
    """Which threads ran `tasks` tasks that were given one after the other."""
    seen: list[int] = []
    for number in range(1, tasks + 1):
        assert threads.add(lambda: seen.append(threading.get_ident()))
        wait_until(lambda n=number: len(seen) == n and len(threads._idle) == len(threads._threads), what="the task")
    return set(seen)


def test_one_after_the_other_is_one_thread() -> None:
    threads = Threads("t", 50, 50)
    assert len(seen_by(threads, 20)) == 1
    threads.finish()


def test_the_thread_that_was_idle_last_is_used_first() -> None:
    threads, go, begun = Threads("t", 3, 0), threading.Event(), threading.Barrier(4)
    for _ in range(3):
        threads.add(lambda: (begun.wait(5), go.wait(5)))
    begun.wait(5)
    go.set()
    wait_until(lambda: len(threads._idle) == 3, what="three idle threads")
    assert len(seen_by(threads, 10)) == 1
    threads.finish()


def test_beyond_the_threads_tasks_wait_and_beyond_the_queue_they_are_refused() -> None:
    threads, go, done = Threads("t", 1, 1), threading.Event(), []
    assert threads.add(lambda: go.wait(5))
    assert threads.add(lambda: done.append("queued"))
    assert not threads.add(lambda: done.append("refused"))
    go.set()
    threads.finish()
    assert done == ["queued"]


def test_at_the_end_nothing_is_dropped_that_was_taken() -> None:
    threads, done = Threads("t", 2, 100), []
    for number in range(50):
        assert threads.add(lambda n=number: done.append(n))
    threads.finish()
    assert sorted(done) == list(range(50))


@pytest.mark.parametrize("error", [ValueError, ConnectionResetError], ids=lambda error: error.__name__)
def test_a_thread_survives_what_its_task_raises(error: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise error("on purpose")

    threads, done = Threads("t", 1, 10), []
    with caplog.at_level("INFO"):
        threads.add(fail)
        threads.add(lambda: done.append(1))
        threads.finish()
    assert done == [1]
    assert "on purpose" in caplog.text


def test_a_system_without_another_thread_makes_tasks_wait_for_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, go, done = Threads("t", 5, 5), threading.Event(), []
    assert threads.add(lambda: go.wait(5))

    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert threads.add(lambda: done.append(1))
    go.set()
    threads.finish()
    assert done == [1]
    assert not Threads("t", 5, 5).add(lambda: done.append(2))


def test_who_waits_for_the_end_may_stop_waiting_and_ask_again() -> None:
    threads, go = Threads("t", 2, 0), threading.Event()
    threads.add(lambda: go.wait(5))
    assert not threads.finish(0)
    assert not threads.finish(0.01)
    go.set()
    assert threads.finish(5)
