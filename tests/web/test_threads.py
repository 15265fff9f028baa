"""Threads for requests: as many as needed, none idle in vain, nothing dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from renderer.web.threads import Threads
from tests.waiting import wait_until


class Call:
    """A job that calls a function."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def run(self) -> None:
        self._function()


def seen_by(threads: Threads, jobs: int) -> set[int]:
    """Which threads ran `jobs` jobs that were given one after the other."""
    seen: list[int] = []
    for number in range(1, jobs + 1):
        assert threads.addJob(Call(lambda: seen.append(threading.get_ident())))
        wait_until(lambda n=number: len(seen) == n and len(threads._idle) == len(threads._workers), what="the job")
    return set(seen)


def test_one_after_the_other_is_one_thread() -> None:
    threads = Threads(50, 50)
    assert len(seen_by(threads, 20)) == 1
    threads.shutdown()


def test_the_thread_that_was_idle_last_is_used_first() -> None:
    threads, go, begun = Threads(3, 0), threading.Event(), threading.Barrier(4)
    for _ in range(3):
        threads.addJob(Call(lambda: (begun.wait(5), go.wait(5))))
    begun.wait(5)
    go.set()
    wait_until(lambda: len(threads._idle) == 3, what="three idle threads")
    assert len(seen_by(threads, 10)) == 1
    threads.shutdown()


def test_beyond_the_threads_jobs_wait_and_beyond_the_queue_they_are_refused() -> None:
    threads, go, done = Threads(1, 1), threading.Event(), []
    assert threads.addJob(Call(lambda: go.wait(5)))
    assert threads.addJob(Call(lambda: done.append("queued")), allowQueuing=False)
    assert not threads.addJob(Call(lambda: done.append("refused")))
    go.set()
    threads.shutdown()
    assert done == ["queued"]


def test_a_shutdown_drops_nothing_that_was_taken() -> None:
    threads, done = Threads(2, 100), []
    for number in range(50):
        assert threads.addJob(Call(lambda n=number: done.append(n)))
    threads.shutdown()
    assert sorted(done) == list(range(50))


@pytest.mark.parametrize("error", [ValueError, ConnectionResetError], ids=lambda error: error.__name__)
def test_a_thread_survives_what_its_job_raises(error: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise error("on purpose")

    threads, done = Threads(1, 10), []
    with caplog.at_level("INFO"):
        threads.addJob(Call(fail))
        threads.addJob(Call(lambda: done.append(1)))
        threads.shutdown()
    assert done == [1]
    assert "on purpose" in caplog.text
