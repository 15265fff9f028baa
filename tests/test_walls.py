"""How render processes are started: by a forkserver of their own, in an environment of nobody's, beside whatever else a program starts."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext

import pytest

from renderer.walls import RenderContext


def tell(connection: Connection) -> None:
    """In a child."""
    connection.send((os.getppid(), sorted(os.environ)))
    connection.close()


@pytest.fixture
def context() -> RenderContext:
    context = RenderContext()
    context.set_forkserver_preload(["renderer.walls"])
    return context


def told_by(context: BaseContext) -> tuple[int, list[str]]:
    """What a child of this context says: its parent, and the names of its variables."""
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=tell, args=(there,))  # type: ignore[attr-defined]
    child.start()
    there.close()
    with here:
        found: tuple[int, list[str]] = here.recv()
    child.join()
    return found


def test_a_child_of_ours_does_not_have_our_environment(context: RenderContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLICATION_SECRET", "sesame")
    _, names = told_by(context)
    assert "APPLICATION_SECRET" not in names
    assert "PILLOW_BLOCK_SIZE" in names


def test_the_forkserver_of_others_is_not_ours(context: RenderContext) -> None:
    mine, other = told_by(context), told_by(multiprocessing.get_context("forkserver"))
    assert mine[0] != other[0]
    assert told_by(context)[0] == mine[0]
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def test_a_forkserver_that_was_killed_is_started_again_as_neutrally(context: RenderContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLICATION_SECRET", "sesame")
    first = told_by(context)[0]
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)  # until it is dead; multiprocessing collects it
    parent, names = told_by(context)
    assert parent != first
    assert "APPLICATION_SECRET" not in names
