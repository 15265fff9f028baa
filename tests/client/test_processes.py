"""The library in other people's processes: scripts without a guard, threads, forks; nothing of ours stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.site import jpeg
from tests.waiting import wait_until

TOP = Path(__file__).resolve().parents[2]
SECRET = "sesame-in-the-environment"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script in a process of its own, with x.jpg beside it."""
    (tmp_path / "x.jpg").write_bytes(jpeg(64, 48))

    def running(text: str, *options: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "application.py"
        script.write_text(textwrap.dedent(text), encoding="utf-8")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("ONMISS_")}
        environ |= {"PYTHONPATH": str(TOP), "ONMISS_ROOT": str(tmp_path / "root"), "APPLICATION_SECRET": SECRET}
        command = [sys.executable, "-W", "error", *options, str(script)]
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done

    return running


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


SAVE = """
    import pathlib
    import huimages
    print("the application", flush=True)
    print(huimages.save_image(pathlib.Path("x.jpg").read_bytes()), flush=True)
"""
PIDS = """

    from renderer import client
    pids = client.library._open().wiring.workers.pids()
    print(pids.forkserver, *pids.render, flush=True)
"""


def test_a_script_without_a_guard_runs_once(run: Run) -> None:
    lines = run(SAVE).stdout.splitlines()
    assert lines[0] == "the application"
    assert len(lines) == 2
    assert len(lines[1]) == 34


def test_its_processes_end_with_it(run: Run) -> None:
    pids = list(map(int, run(SAVE + PIDS).stdout.splitlines()[-1].split()))
    assert len(pids) == 2
    assert wait_until(lambda: all(map(gone, pids)), 5, "all its processes to be gone")


def test_R26_its_processes_do_not_know_its_secrets(run: Run) -> None:
    look = """
        for pid in (pids.forkserver, *pids.render):
            print("sesame" in pathlib.Path(f"/proc/{pid}/environ").read_text())
    """
    assert run(SAVE + PIDS + textwrap.indent(textwrap.dedent(look), "    ")).stdout.splitlines()[-2:] == ["False", "False"]


def test_its_own_children_are_as_ever(run: Run) -> None:
    """By multiprocessing, which we use too: with the main module, the environment and the start method that it wants."""
    text = """
        import multiprocessing, os, pathlib, sys
        import huimages

        def told(queue):
            queue.put((__name__, os.environ["APPLICATION_SECRET"]))

        if __name__ == "__main__":
            huimages.save_image(pathlib.Path("x.jpg").read_bytes())
            for method in ("spawn", "forkserver", "fork"):
                context = multiprocessing.get_context(method)
                queue = context.SimpleQueue()
                child = context.Process(target=told, args=(queue,))
                child.start()
                print(method, *queue.get())
                child.join()
                queue.close()
    """
    assert run(text, "-W", "ignore::DeprecationWarning").stdout.splitlines() == [
        f"spawn __mp_main__ {SECRET}", f"forkserver __mp_main__ {SECRET}", f"fork __main__ {SECRET}",
    ]  # fmt: skip


def test_an_application_stays_open_to_its_debugger(run: Run) -> None:
    look = """
        import ctypes
        print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
    """
    assert run(SAVE + textwrap.indent(textwrap.dedent(look), "    ")).stdout.splitlines()[-1] == "1"


def test_threads_save_and_show_at_once(run: Run) -> None:
    text = """
        import io, pathlib, threading
        import huimages
        content = pathlib.Path("x.jpg").read_bytes()
        found = []

        def work():
            imageid = huimages.save_image(content)
            huimages.set_title(imageid, threading.current_thread().name)
            found.append(huimages.scaled_dimensions(imageid, "o"))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(set(found), len(found), len(huimages.get_imagedoc(huimages.get_random_imageid())["title"]))
    """
    assert run(text).stdout == "{(64, 48)} 8 8\n"


def test_a_process_that_was_forked_from_one_that_used_it_opens_its_own(run: Run) -> None:
    text = """
        import os, pathlib, sys
        import huimages
        from renderer import client
        content = pathlib.Path("x.jpg").read_bytes()
        imageid = huimages.save_image(content)
        ours = client.library._open().wiring.workers.pids()
        child = os.fork()
        if child == 0:
            assert huimages.save_image(content) == imageid
            huimages.set_title(imageid, "of the child")
            theirs = client.library._open().wiring.workers.pids()
            print("child", not {ours.forkserver, *ours.render} & {theirs.forkserver, *theirs.render}, flush=True)
            sys.exit(0)  # with everything that a process does at its end
        print("ended", os.waitpid(child, 0)[1], flush=True)
        assert huimages.save_image(content, title="of the parent") == imageid
        print("parent", client.library._open().wiring.workers.pids() == ours, huimages.get_imagedoc(imageid)["title"])
    """
    assert run(text).stdout.splitlines() == ["child True", "ended 0", "parent True ['of the child', 'of the parent']"]


CHILDREN = """
    import multiprocessing, pathlib
    import huimages

    def save(title):
        return huimages.save_image(pathlib.Path("x.jpg").read_bytes(), title=title)

    if __name__ == "__main__":
        huimages.save_image(pathlib.Path("x.jpg").read_bytes())
        context = multiprocessing.get_context("METHOD")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_by_multiprocessing_saves_and_ends(run: Run, method: str) -> None:
    """It ends without atexit, and waits for its own children."""
    text = """
        child = context.Process(target=save, args=("of the child",))
        child.start()
        child.join(20)
        print(child.exitcode, huimages.get_imagedoc(huimages.get_random_imageid())["title"])
        if child.exitcode is None:
            child.kill()
    """
    lines = run(CHILDREN.replace("METHOD", method) + text, "-W", "ignore::DeprecationWarning").stdout.splitlines()
    assert lines == ["0 ['of the child']"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_multiprocessing_saves(run: Run, method: str) -> None:
    """Its processes are daemonic, and may have no children of multiprocessing's."""
    text = """
        pool = context.Pool(2)
        print(len(set(pool.map(save, "abcd"))), sorted(huimages.get_imagedoc(huimages.get_random_imageid())["title"]))
        pool.close()
        pool.join()
    """
    lines = run(CHILDREN.replace("METHOD", method) + text, "-W", "ignore::DeprecationWarning").stdout.splitlines()
    assert lines == ["1 ['a', 'b', 'c', 'd']"]


def test_a_render_process_that_was_killed_is_replaced(run: Run) -> None:
    text = """
        import os, pathlib, signal
        import huimages
        from renderer import client
        content = pathlib.Path("x.jpg").read_bytes()
        huimages.save_image(content)
        before = client.library._open().wiring.workers.pids()
        os.kill(before.forkserver, signal.SIGKILL)
        os.waitid(os.P_PID, before.forkserver, os.WEXITED | os.WNOWAIT)  # until it is dead; multiprocessing collects it
        print(len(huimages.save_image(content)))
        print(client.library._open().wiring.workers.pids().forkserver != before.forkserver)
    """
    assert run(text).stdout.splitlines() == ["34", "True"]


def test_an_application_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(jpeg(64, 48))
    text = textwrap.dedent(SAVE) + textwrap.dedent(PIDS) + "import time, signal\nsignal.pause()\n"
    environ = {**os.environ, "PYTHONPATH": str(TOP), "ONMISS_ROOT": str(tmp_path / "root")}
    with subprocess.Popen([sys.executable, "-c", text], env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGKILL)
    pids = list(map(int, lines[-1].split()))
    assert wait_until(lambda: all(map(gone, pids)), 5, "all its processes to be gone")


def test_importing_it_opens_nothing_and_loads_no_library_that_it_may_not_need(run: Run) -> None:
    text = """
        import sys, threading
        import huimages
        dear = "boto3", "couchdb", "django", "flask", "werkzeug", "jinja2", "PIL.JpegImagePlugin"
        print([name for name in dear if name in sys.modules])
        print(threading.active_count())
    """
    assert run(text).stdout.splitlines() == ["[]", "1"]
